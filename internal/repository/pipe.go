package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// pipeWire speaks to git-upload-pack, which runs at the other end of an SSH
// connection or beside us.
type pipeWire struct {
	target
	stdin  io.WriteCloser
	stdout io.Reader
	stderr *tail
	end    func() // ends the program, after which stderr is complete
}

// advertised has nothing to send: the program lists its references when it starts.
func (w *pipeWire) advertised(context.Context) (io.Reader, error) { return w.stdout, nil }

func (w *pipeWire) ask(ctx context.Context, request []byte) (io.Reader, error) {
	_, err := w.stdin.Write(request)
	if err := errors.Join(err, w.stdin.Close()); err != nil {
		return nil, w.explain(ctx, err)
	}
	return w.stdout, nil
}

func (w *pipeWire) close() { w.end() }

// explain looks at what the program said last: servers that find no repository end it
// with a message and no answer.
func (w *pipeWire) explain(ctx context.Context, err error) error {
	if f := timeoutFailure(ctx, w.address, w.timeout, err); f != nil {
		return f
	}
	text, refused := refusal(err)
	if !refused {
		w.end()
		text = w.stderr.String()
	}
	var unexpected *packp.ErrUnexpectedData
	if text == "" && errors.As(err, &unexpected) {
		text = string(unexpected.Data)
	}
	place := w.address.host
	if w.address.scheme == schemeFile {
		place = "This server"
	}
	said := plain(text, w.secrets.values())
	lower := strings.ToLower(text)
	for _, sign := range []string{"not found", "does not appear to be a git repository", "does not exist", "no such", "could not be found", "not a git repository"} {
		if strings.Contains(lower, sign) {
			return fail(ErrMissing, err, "Check the path in the URL, and that the repository may be read from here.", "%s has no repository %s.", place, w.address.path)
		}
	}
	for _, sign := range []string{"access denied", "permission denied", "not authorized", "not allowed", "dubious ownership"} {
		if strings.Contains(lower, sign) {
			return fail(ErrAuth, err, "Give it the right to read the repository.", "%s does not let this user read %s: %s.", place, w.address.path, said)
		}
	}
	if said == "" {
		return fail(ErrProtocol, err, "Check the URL, and that git is installed there.", "The answer for %s is broken off or damaged.", w.address)
	}
	return fail(ErrProtocol, err, "Check the URL.", "%s does not answer as a git server does: %s.", place, said)
}

// newFileWire runs git's own program for a repository on this server's disk.
func newFileWire(ctx context.Context, t target) (wire, error) {
	folder := t.address.folder()
	if _, err := os.Stat(folder); err != nil {
		return nil, fail(ErrMissing, err, "Check the path in the URL, and that the server may read it.", "There is no folder %s on this server.", folder)
	}
	cmd := exec.CommandContext(ctx, "git", "upload-pack", "--", folder)
	cmd.WaitDelay = 5 * time.Second // a child of git's that hangs must not keep us
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }), "LC_ALL=C")
	stderr := &tail{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fail(ErrUnreachable, err, "Install git.", "Reading file:// needs the git program, which cannot be started on this server.")
	}
	var once sync.Once
	end := func() {
		once.Do(func() {
			// With both pipes closed git has nothing left to wait for. How it ended is told by what it wrote.
			_, _ = stdin.Close(), stdout.Close()
			_ = cmd.Wait()
		})
	}
	return &pipeWire{target: t, stdin: stdin, stdout: stdout, stderr: stderr, end: end}, nil
}

// tail keeps the end of what a program writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > tailSize {
		t.text = t.text[len(t.text)-tailSize:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
