package runner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/internal/tofu"
)

// supervisorName is the first argument of a process that is to be a supervisor, so that a list of processes tells what
// it is. The second is the attempt's directory, for the same reason.
const supervisorName = "berth-step-supervisor"

// order is what a supervisor reads from its standard input.
type order struct {
	Spec     Spec
	Dir      string
	LockDir  string
	CacheDir string
	Hide     []string
	Expose   []string
	Path     string
	Env      map[string]string
}

// MaybeSupervise turns the process into a supervisor, or into a confined program, when it was started as one, and then
// does not return. It must be
// the first thing main (and TestMain) does, before flags, environment or files are looked at; it costs nothing
// otherwise. More Finders are asked before the built-in ones.
func MaybeSupervise(finders ...Finder) {
	if len(os.Args) > 0 && os.Args[0] == confinedName {
		confinedMain()
	}
	if len(os.Args) == 0 || os.Args[0] != supervisorName {
		return
	}
	if err := superviseMain(context.Background(), finders); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervisor is the process that sees one attempt of one step through.
type supervisor struct {
	order
	spec    *Spec
	dir     attemptDir
	dialect tofu.Dialect
	finders []Finder

	id            identity
	rec           *recorder
	mask          *masker
	log           *lockedLog
	lock          *os.File
	cg            *cgroup
	nest          *launcher // starts tools where the data directory is hidden
	outside       *launcher
	env           []string
	containment   string
	statePassword string

	stop   *stopper
	fence  *fenceState
	states *stateServer
	ledger *ledger

	phase       phaseClock
	progress    progress
	application *application
	open        []RepairEvent
	changes     bool
	toolStarts  int
	exit        int
	orderly     bool // every tool that could change something came to its end by itself
}

func superviseMain(ctx context.Context, finders []Finder) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := os.NewFile(3, "answer")
	unix.CloseOnExec(3)
	s, err := newSupervisor(os.Stdin, finders)
	if err == nil {
		err = s.begin(ctx)
	}
	if err != nil {
		return errors.Join(err, json.NewEncoder(answer).Encode(replyFor(err)))
	}
	if err := errors.Join(json.NewEncoder(answer).Encode(reply{OK: true}), answer.Close()); err != nil {
		// Nobody listens any more. The step was asked for all the same.
		fmt.Fprintln(os.Stderr, "supervisor: answering:", err)
	}
	return s.finish(s.work(ctx))
}

func newSupervisor(in io.ReadCloser, finders []Finder) (*supervisor, error) {
	s := &supervisor{orderly: true}
	if err := json.NewDecoder(in).Decode(&s.order); err != nil {
		return nil, fmt.Errorf("reading the order: %w", err)
	}
	if err := in.Close(); err != nil {
		return nil, err
	}
	s.spec, s.dir = &s.Spec, attemptDir(s.Dir)
	s.dialect = tofu.Dialect{Terraform: s.spec.Tool.Kind == ToolTerraform, Version: s.spec.Tool.Version}
	s.finders = append(finders, awsFinder{})
	// The state's password is no secret for long, but while the step runs it opens the state.
	s.statePassword = rand.Text()
	s.mask = newMasker(append([]string{s.statePassword}, s.spec.Secrets...))
	s.fence = &fenceState{f: s.spec.Fence}
	s.stop = newStopper(s.spec.Timeouts.Grace, s.notice)
	return s, nil
}

// begin takes the lock and opens the files. Until it succeeds nothing was done and the caller may try again.
func (s *supervisor) begin(ctx context.Context) error {
	// Terminals, the server's end and broken pipes do not concern a supervisor; SIGTERM is a request to stop.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	id, err := identityOf(os.Getpid())
	if err != nil {
		return err
	}
	s.lock, err = acquire(s.LockDir, s.spec.ResourceID, Holder{StepID: s.spec.StepID, RunID: s.spec.RunID,
		EnvironmentID: s.spec.EnvironmentID, Attempt: s.spec.Attempt, PID: id.PID, Since: time.Now().UTC()}, s.spec.Timeouts.LockWait)
	if err != nil {
		return err
	}
	s.contain()
	id.Marker = attemptMarker(s.dir)
	if id.ShortTmp, err = s.dir.shortenTmp(); err != nil {
		return err
	}
	s.id = id
	if s.cg != nil {
		id.Cgroup = s.cg.dir
	}
	if err := s.dir.writeIdentity(fileSupervisor, id); err != nil {
		return err
	}
	if s.rec, err = openRecorder(s.dir.path(fileRecords)); err != nil {
		return err
	}
	if s.log, err = openLog(s.dir.path(fileLog), s.mask); err != nil {
		return err
	}
	if err := s.guard(ctx); err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		for range term {
			s.stop.stop(StatusCanceled)
		}
	}()
	_, err = s.rec.add(true, Record{Kind: KindStarted, Started: &Started{StepID: s.spec.StepID, Attempt: s.spec.Attempt,
		Action: s.spec.Action, PID: id.PID, Tool: string(s.spec.Tool.Kind) + " " + s.spec.Tool.Version,
		Containment: s.containment, Bundle: s.spec.Bundle.Digest}})
	return err
}

// contain takes what the machine gives to keep hold of everything the tool starts.
func (s *supervisor) contain() {
	// The name must be this supervisor's alone: whoever salvages kills everything in the group.
	sum := sha256.Sum256([]byte(s.Dir))
	cg, err := newCgroup(fmt.Sprintf("%s.%d-%x-%d", s.spec.StepID, s.spec.Attempt, sum[:4], os.Getpid()))
	s.containment = "cgroup"
	if err != nil {
		s.containment = "subreaper"
	}
	s.cg = cg
	s.outside, _ = newLauncher(func() error { return nil })
}

// keeps lists what a step needs to see.
func (s *supervisor) keeps() []keep {
	keeps := []keep{{s.dir.path(dirWork), true}, {filepath.Join(s.CacheDir, "init", s.warmKey()), false}, {s.spec.Tool.Path, false}}
	if s.spec.Tool.CLIConfig != "" {
		keeps = append(keeps, keep{s.spec.Tool.CLIConfig, false})
	}
	for _, p := range s.Expose {
		keeps = append(keeps, keep{p, false})
	}
	return keeps
}

func attemptMarker(d attemptDir) string { return "BERTH_ATTEMPT_DIR=" + string(d) }

// notice records something worth telling; a failure to write it shows in the next write.
func (s *supervisor) notice(code, message string) {
	_, _ = s.rec.add(false, Record{Kind: KindNotice, Notice: &Notice{Code: code, Message: s.mask.text(message)}})
}

// lockedLog is the masked log file. Parts of the supervisor write to it at the same time.
type lockedLog struct {
	mu   sync.Mutex
	f    *os.File
	w    *maskWriter
	size int64
}

func openLog(path string, m *masker) (*lockedLog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &lockedLog{f: f}
	l.w = newMaskWriter(m, countWriter{l})
	return l, nil
}

type countWriter struct{ l *lockedLog }

func (c countWriter) Write(p []byte) (int, error) {
	n, err := c.l.f.Write(p)
	c.l.size += int64(n)
	return n, err
}

// Write masks and appends.
func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// flush writes an unfinished line, when nothing more of it can come.
func (l *lockedLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Close()
}

func (l *lockedLog) offset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func (l *lockedLog) close() error {
	return errors.Join(l.flush(), l.f.Sync(), l.f.Close())
}
