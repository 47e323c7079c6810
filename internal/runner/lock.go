package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Holder is written into a lock file by who holds it.
type Holder struct {
	StepID        string    `json:"step_id"`
	RunID         string    `json:"run_id"`
	EnvironmentID string    `json:"environment_id"`
	Attempt       int       `json:"attempt"`
	PID           int       `json:"pid"`
	Since         time.Time `json:"since"`
}

func lockPath(dir, resourceID string) string { return filepath.Join(dir, resourceID+".lock") }

// acquire takes the lock of a resource. The lock belongs to the open file: the tool and its children inherit it, so
// it stays held while anything that could change the resource lives, even if the supervisor is gone.
func acquire(dir, resourceID string, holder Holder, wait time.Duration) (*os.File, error) {
	path := lockPath(dir, resourceID)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, wait); err != nil {
		held := readHolder(f)
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		return nil, conflict("resource_locked", fmt.Sprintf(
			"the resource %s is being worked on by run %s, step %s, attempt %d (process %d, since %s); wait for it to end, or cancel it",
			resourceID, held.RunID, held.StepID, held.Attempt, held.PID, held.Since.Format(time.RFC3339)))
	}
	b, err := json.Marshal(holder)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(b, '\n'), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// flock waits at most wait. The kernel cannot wait with a limit, so the end of the wait is looked at in small steps.
func flock(f *os.File, wait time.Duration) error {
	deadline := Now().Add(wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || (!errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR)) || Now() >= deadline {
			return err
		}
		time.Sleep(pause) //nolint:forbidigo // see above
	}
}

func readHolder(f *os.File) Holder {
	var h Holder
	buf := make([]byte, 4096)
	n, _ := f.ReadAt(buf, 0)
	_ = json.Unmarshal(buf[:n], &h) // an unreadable holder is an unnamed one
	return h
}

// LockHolder tells who holds a resource's lock; ok is false when it is free.
func (l *Local) LockHolder(resourceID string) (holder Holder, ok bool, err error) {
	f, err := os.Open(lockPath(l.cfg.LockDir, resourceID))
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return readHolder(f), true, nil
	}
	return Holder{}, false, err
}
