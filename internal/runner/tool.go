package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// toolRun is one process of the tool.
type toolRun struct {
	args []string
	dir  string
	// onEvents gets batches of event lines: from the events file when the tool writes one, else from its output.
	onEvents func(lines [][]byte) error
	// fromOutput says that the events are the output (terraform); the log then gets text made of them.
	fromOutput bool
	// capture takes standard output instead of the log.
	capture *bytes.Buffer
	// tee gets a copy of what goes to the log.
	tee io.Writer
	// plain runs it outside the mount namespace, for work on the shared cache, which runs no template code.
	plain bool
	env   []string // more environment
}

// run starts the tool, sees it to its end and clears away what it left. The exit code is -1 when a signal ended it.
func (s *supervisor) run(ctx context.Context, t toolRun) (int, error) {
	if !s.stop.allowed() {
		return -1, errStopped
	}
	s.toolStarts++
	// Both ends go to the tool: when the supervisor dies, a tool that still writes must not be killed by a broken pipe
	// in the middle of creating something.
	logR, logW, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer logR.Close()
	var outR, outW *os.File
	if t.capture != nil {
		if outR, outW, err = os.Pipe(); err != nil {
			return -1, errors.Join(err, logW.Close())
		}
		defer outR.Close()
	}
	cmd := exec.Command(s.spec.Tool.Path, t.args...)
	cmd.Dir = t.dir
	cmd.Env = append(append([]string{}, s.env...), t.env...)
	cmd.Stdout, cmd.Stderr = logW, logW
	if outW != nil {
		cmd.Stdout = outW
	}
	cmd.ExtraFiles = []*os.File{s.lock, logR}
	err = s.startTool(cmd, t.plain)
	_ = logW.Close()
	if outW != nil {
		_ = outW.Close()
	}
	if err != nil {
		return -1, fail("tool_start_failed", fmt.Sprintf("cannot start %s", s.spec.Tool.Path), err)
	}
	return s.attend(ctx, cmd, t, logR, outR)
}

var errStopped = errors.New("the step was asked to end")

func (s *supervisor) startTool(cmd *exec.Cmd, plain bool) error {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	if s.cg != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(s.cg.fd.Fd())
	}
	cmd.SysProcAttr = attr
	l := s.nest
	if plain {
		l = s.outside
	}
	err := l.start(cmd)
	if err != nil && s.cg != nil && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) ||
		errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP)) {
		// The group could be made but not entered; being a subreaper is enough.
		s.cg.close()
		s.cg = nil
		attr.UseCgroupFD = false
		again := exec.Command(cmd.Path, cmd.Args[1:]...)
		again.Dir, again.Env, again.Stdout, again.Stderr = cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr
		again.ExtraFiles, again.SysProcAttr = cmd.ExtraFiles, attr
		if err = l.start(again); err == nil {
			*cmd = *again
		}
	}
	return err
}

// attend reads the tool's output and events while it runs, and stops it when told to.
func (s *supervisor) attend(ctx context.Context, cmd *exec.Cmd, t toolRun, logR, outR *os.File) (int, error) {
	pid := cmd.Process.Pid
	s.stop.attach(func(kill bool) {
		if kill {
			s.killTree(pid)
			return
		}
		_ = cmd.Process.Signal(os.Interrupt)
	})
	var wg sync.WaitGroup
	var logErr, outErr, evErr error
	wg.Go(func() {
		if t.fromOutput {
			logErr = s.readOutputEvents(logR, t.onEvents)
		} else {
			to := io.Writer(s.log)
			if t.tee != nil {
				to = io.MultiWriter(s.log, t.tee)
			}
			_, logErr = io.Copy(to, logR)
		}
		if logErr != nil {
			_, _ = io.Copy(io.Discard, logR) // a tool whose output nobody reads would stand still for ever
		}
	})
	if outR != nil {
		wg.Go(func() { _, outErr = io.Copy(t.capture, outR) })
	}
	endEvents := func() error { return nil }
	if t.onEvents != nil && !t.fromOutput {
		endEvents = s.tailEvents(ctx, t.onEvents)
	}
	state, err := cmd.Process.Wait()
	s.stop.detach()
	// Left-overs hold the pipe open, so they go before its end is waited for.
	if names := sweep(s.cg); len(names) > 0 {
		s.notice("leftover_stopped", "stopped what the tool left running: "+strings.Join(names, ", "))
	}
	wg.Wait()
	evErr = endEvents()
	if err := errors.Join(logErr, outErr, evErr); err != nil {
		return -1, fmt.Errorf("reading the tool's output: %w", err)
	}
	if err != nil {
		return -1, err
	}
	return state.ExitCode(), nil
}

// killTree kills the tool and all it started; sweep finishes the work when the tool has ended.
func (s *supervisor) killTree(pid int) {
	if s.cg != nil {
		killCgroup(s.cg.dir)
	}
	for _, p := range descendants(pid) {
		_ = unix.Kill(p, unix.SIGKILL)
	}
	_ = unix.Kill(-pid, unix.SIGKILL)
	_ = unix.Kill(pid, unix.SIGKILL)
}

// tailEvents follows the events file until the returned function is called, which reads the rest.
func (s *supervisor) tailEvents(ctx context.Context, on func([][]byte) error) (end func() error) {
	path := s.dir.path(dirWork, fileEvents)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.followEvents(ctx, path, on) }()
	return func() error {
		cancel()
		return <-done
	}
}

func (s *supervisor) followEvents(ctx context.Context, path string, on func([][]byte) error) error {
	w, done, err := watch(ctx, path)
	if err != nil {
		return err
	}
	defer done()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tail := &lineTail{f: f}
	for {
		// Read once more after the end was announced, so that nothing written before it is missed.
		over := ctx.Err() != nil
		lines, err := tail.next()
		if err == nil && len(lines) > 0 {
			err = on(lines)
		}
		if err != nil || over {
			return err
		}
		_, _ = w.wait() // an error is ctx's end, or brings the loop back here
	}
}

// readOutputEvents is for tools that print events instead of text: it makes both of them.
func (s *supervisor) readOutputEvents(r io.Reader, on func([][]byte) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			if _, werr := io.WriteString(s.log, eventText(line)); werr != nil {
				return werr
			}
			if on != nil {
				if oerr := on([][]byte{bytes.TrimRight(line, "\n")}); oerr != nil {
					return oerr
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
