package runner

import (
	"context"
	"errors"
	"io"
	"iter"
)

var errNotBuilt = errors.New("not built yet")

// New checks cfg, makes the directories and returns a Local.
func New(cfg Config) (*Local, error) { return &Local{cfg: cfg}, errNotBuilt }

// Start starts a supervisor for spec and returns once it holds the resource's lock and has written its first record.
// The step runs on when ctx ends or the process dies. When the lock is held, the error is a conflict with the code
// "resource_locked" that names the holder. Start on an attempt that exists already is a conflict ("attempt_exists"):
// adopt it.
func (l *Local) Start(ctx context.Context, spec Spec) (*Handle, error) { return nil, errNotBuilt }

// Adopt finds an attempt that an earlier process started. It is an error of kind not found ("attempt_unknown") when
// this machine has never seen it, or it was settled.
func (l *Local) Adopt(ctx context.Context, stepID string, attempt int) (*Handle, error) {
	return nil, errNotBuilt
}

// Attempt names one attempt found on disk.
type Attempt struct {
	StepID  string
	Attempt int
}

// List names every attempt that is not settled, for a caller that starts.
func (l *Local) List(ctx context.Context) ([]Attempt, error) { return nil, errNotBuilt }

// OpenLog reads the masked log of an attempt from a byte offset. With follow, reads wait for more until the step
// has ended; closing it or ending ctx ends a waiting read.
func (l *Local) OpenLog(ctx context.Context, stepID string, attempt int, offset int64, follow bool) (io.ReadCloser, error) {
	return nil, errNotBuilt
}

// ReadState returns a state version of an attempt in clear.
func (l *Local) ReadState(stepID string, attempt, version int, dataKey []byte) ([]byte, error) {
	return nil, errNotBuilt
}

// ReadSealed returns a sealed file of an attempt in clear.
func (l *Local) ReadSealed(stepID string, attempt int, name string, dataKey []byte) ([]byte, error) {
	return nil, errNotBuilt
}

// Settle wipes everything an attempt left on this machine. Call it when all records, states, sealed files and the log
// have been taken over. It refuses while the attempt runs ("attempt_running"). Settling twice is no error.
func (l *Local) Settle(ctx context.Context, stepID string, attempt int) error { return errNotBuilt }

// LockHolder tells who holds a resource's lock; ok is false when it is free.
func (l *Local) LockHolder(resourceID string) (holder Holder, ok bool, err error) {
	return Holder{}, false, errNotBuilt
}

// Holder is written into a lock file by who holds it.
type Holder struct {
	StepID        string `json:"step_id"`
	RunID         string `json:"run_id"`
	EnvironmentID string `json:"environment_id"`
	Attempt       int    `json:"attempt"`
	PID           int    `json:"pid"`
	Since         string `json:"since"`
}

// Handle is a started or adopted attempt. It keeps no connection: any number of handles of one attempt may exist.
type Handle struct{ l *Local }

// Liveness of an attempt.
type Liveness string

const (
	Running  Liveness = "running"
	Finished Liveness = "finished" // its records end with a result
	// Lost means that the supervisor died before it could write a result. Salvage makes of it what can be made.
	Lost Liveness = "lost"
)

// Liveness looks at the attempt now.
func (h *Handle) Liveness() (Liveness, error) { return Lost, errNotBuilt }

// Records yields records from an offset on and follows the file until the result, or until ctx ends. When the
// supervisor is found dead, it yields what is there and then ErrLost.
func (h *Handle) Records(ctx context.Context, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {}
}

// ErrLost ends Records of an attempt whose supervisor died without a result.
var ErrLost = errors.New("the supervisor ended without a result")

// Wait follows the records and returns the result.
func (h *Handle) Wait(ctx context.Context) (*Result, error) { return nil, errNotBuilt }

// Salvage makes a lost attempt complete: it stops what is left of its processes, waits for the resource's lock, takes
// errored.tfstate and unread events of the tool, and appends what they tell and a result, so that the attempt is
// Finished afterwards. On an attempt that is not lost it does nothing. The next attempt repairs.
func (h *Handle) Salvage(ctx context.Context, spec SalvageSpec) error { return errNotBuilt }

// SalvageSpec is what Salvage needs of the lost attempt's Spec.
type SalvageSpec struct {
	ResourceID string
	Secrets    []string
	DataKey    []byte
}

// Stop asks for an orderly end: one SIGINT to the tool, kill after the grace time. It returns at once; the
// result tells. Asking twice is the same as once.
func (h *Handle) Stop(ctx context.Context) error { return errNotBuilt }

// Kill ends the tool and all its children at once. The supervisor still writes a result.
func (h *Handle) Kill(ctx context.Context) error { return errNotBuilt }

// Extend tells the supervisor that its lease was renewed: it is good for the lease's length from granted on, which is
// read with Now before the database was asked.
func (h *Handle) Extend(ctx context.Context, granted Instant) error { return errNotBuilt }

// Offset of the log's end now.
func (h *Handle) LogSize() (int64, error) { return 0, errNotBuilt }

// ErrCannotFind is returned by a Finder that does not know a type.
var ErrCannotFind = errors.New("no way to look this up")
