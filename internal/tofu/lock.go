package tofu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// buildLock keeps two processes from building the same thing at once. It is a lock of the kernel on an open file, so
// it goes away with its last holder, however that ends. The compiler inherits it: when Berth is killed, the next one
// waits until the compilers left behind have ended instead of writing beside them.
type buildLock struct{ file *os.File }

// holder is written into the lock file for those who wait. It is information only; the lock itself decides.
type holder struct {
	PID      int       `json:"pid"`
	Since    time.Time `json:"since"`
	Progress Progress  `json:"progress"`
}

const lockPollInterval = 200 * time.Millisecond

// errLocked is returned by tryLock when somebody else holds the lock.
var errLocked = errors.New("locked by another process")

func tryLock(path string) (*buildLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening lock file: %w", err)
	}
	for {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &buildLock{file: file}, nil
}

// waitLock takes the lock, and reports the holder's own progress for as long as somebody else has it.
func waitLock(ctx context.Context, path string, waiting func(holder)) (*buildLock, error) {
	ticker := time.NewTicker(lockPollInterval)
	defer ticker.Stop()
	for {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		waiting(readHolder(path))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// announce tells those who wait what is being done. Failing to is no reason to stop the work.
func (l *buildLock) announce(p Progress) {
	data, err := json.Marshal(holder{PID: os.Getpid(), Since: p.Started, Progress: p})
	if err != nil {
		return
	}
	if _, err := l.file.WriteAt(append(data, '\n'), 0); err == nil {
		_ = l.file.Truncate(int64(len(data) + 1))
	}
}

// readHolder reads what announce wrote. A reader may meet a half-written text; it then knows nothing of the holder.
func readHolder(path string) holder {
	file, err := os.Open(path)
	if err != nil {
		return holder{}
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return holder{}
	}
	var h holder
	if json.Unmarshal(data, &h) != nil {
		return holder{}
	}
	return h
}

// unlock empties the file and closes it. A child that inherited the lock still holds it afterwards.
func (l *buildLock) unlock() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}
