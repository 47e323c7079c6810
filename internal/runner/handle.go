package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Handle is a started or adopted attempt. It keeps no connection: any number of handles of one attempt may exist.
type Handle struct {
	l   *Local
	dir attemptDir
}

// Attempt names the attempt.
func (h *Handle) Attempt() Attempt {
	a, _ := parseAttemptDir(filepath.Base(string(h.dir)))
	return a
}

// Dir is the attempt's directory, for people who look into a problem.
func (h *Handle) Dir() string { return string(h.dir) }

// Liveness of an attempt.
type Liveness string

const (
	Running  Liveness = "running"
	Finished Liveness = "finished" // its records end with a result
	// Lost means that the supervisor died before it could write a result. Salvage makes of it what can be made.
	Lost Liveness = "lost"
)

// Liveness looks at the attempt now.
func (h *Handle) Liveness() (Liveness, error) {
	id, err := h.dir.readIdentity()
	if err != nil {
		return "", err
	}
	alive := id.alive() // before the records are read: it may write its result and end in between
	res, err := h.result()
	switch {
	case err != nil:
		return "", err
	case res != nil:
		return Finished, nil
	case alive:
		return Running, nil
	default:
		return Lost, nil
	}
}

// result is the result, if it is there.
func (h *Handle) result() (*Result, error) {
	f, err := os.Open(h.dir.path(fileRecords))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var res *Result
	err = scanRecords(f, 0, func(r Record) bool {
		res = r.Result
		return true
	})
	return res, err
}

// Records yields records from an offset on and follows the file until the result, or until ctx ends. When the
// supervisor is found dead, it yields what is there and then ErrLost.
func (h *Handle) Records(ctx context.Context, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := h.follow(ctx, from, func(r Record) bool { return yield(r, nil) }); err != nil {
			yield(Record{}, err)
		}
	}
}

func (h *Handle) follow(ctx context.Context, from int64, yield func(Record) bool) error {
	id, err := h.dir.readIdentity()
	if err != nil {
		return err
	}
	path := h.dir.path(fileRecords)
	w, done, err := watch(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrLost // it died before its first record
	}
	if err != nil {
		return err
	}
	defer done()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	at, over := from, false
	for {
		// Looked at before reading: what a dead supervisor wrote is all there.
		dead := !id.alive()
		_, err := f.Seek(at, io.SeekStart)
		if err == nil {
			err = scanRecords(f, at, func(r Record) bool {
				at = r.End
				over = !yield(r) || r.Kind == KindResult
				return !over
			})
		}
		switch {
		case err != nil:
			return err
		case over:
			return nil
		case dead:
			return ErrLost
		}
		closed, err := w.wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if closed && id.alive() {
			// The kernel closes a dying process's files a moment before the process counts as dead. The other reason
			// is a result that was just written.
			if err := h.settleClose(ctx, id); err != nil {
				return err
			}
		}
	}
}

// settleClose waits, after the records file was closed, until the supervisor is dead or its result is there.
func (h *Handle) settleClose(ctx context.Context, id identity) error {
	if res, err := h.result(); err != nil || res != nil {
		return err
	}
	return waitDead(ctx, id)
}

// waitDead waits for the end of a process that is about to end.
func waitDead(ctx context.Context, id identity) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil || !id.alive() {
		if err == nil {
			_ = unix.Close(fd)
		}
		return nil // gone already
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 200)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 || !id.alive() {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Wait follows the records and returns the result.
func (h *Handle) Wait(ctx context.Context) (*Result, error) {
	for r, err := range h.Records(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if r.Kind == KindResult {
			return r.Result, nil
		}
	}
	return nil, ErrLost
}

// Stop asks for an orderly end: one SIGINT to the tool, kill after the grace time. It returns at once; the
// result tells. Asking twice is the same as once.
func (h *Handle) Stop(ctx context.Context) error { return h.command(ctx, command{Op: "stop"}) }

// Kill ends the tool and all its children at once. The supervisor still writes a result.
func (h *Handle) Kill(ctx context.Context) error { return h.command(ctx, command{Op: "kill"}) }

// Extend tells the supervisor that its lease was renewed: it is good for the lease's length from granted on, which is
// read with Now before the database was asked.
func (h *Handle) Extend(ctx context.Context, granted Instant) error {
	return h.command(ctx, command{Op: "extend", Granted: granted})
}

func (h *Handle) command(ctx context.Context, c command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := h.dir.sendCommand(c); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return notFound("attempt_unknown", "the attempt was settled")
		}
		return fmt.Errorf("telling the supervisor to %s: %w", c.Op, err)
	}
	return nil
}

// LogSize is the offset of the log's end now.
func (h *Handle) LogSize() (int64, error) {
	st, err := os.Stat(h.dir.path(fileLog))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// OpenLog reads the masked log of an attempt from a byte offset. With follow, reads wait for more until the step
// has ended; closing it or ending ctx ends a waiting read.
func (l *Local) OpenLog(ctx context.Context, stepID string, attempt int, offset int64, follow bool) (io.ReadCloser, error) {
	h, err := l.Adopt(ctx, stepID, attempt)
	if err != nil {
		return nil, err
	}
	path := h.dir.path(fileLog)
	f, err := os.Open(path)
	if err != nil {
		return nil, notFound("log_missing", "the attempt has no log yet")
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !follow {
		return f, nil
	}
	w, done, err := watch(ctx, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	id, err := h.dir.readIdentity()
	if err != nil {
		done()
		return nil, errors.Join(err, f.Close())
	}
	return &logReader{f: f, w: w, done: done, id: id, ctxErr: ctx.Err}, nil
}

// logReader reads a growing log. The log is closed by its writer when the step ends, however it ends.
type logReader struct {
	f      *os.File
	w      *watcher
	done   func()
	id     identity
	closed bool
	ctxErr func() error
}

// Read implements io.Reader.
func (r *logReader) Read(p []byte) (int, error) {
	for {
		over := r.closed || !r.id.alive()
		n, err := r.f.Read(p)
		if n > 0 || (err != nil && !errors.Is(err, io.EOF)) || over {
			return n, err
		}
		closed, err := r.w.wait()
		if cerr := r.ctxErr(); cerr != nil {
			return 0, cerr
		}
		if err != nil {
			return 0, err
		}
		r.closed = r.closed || closed
	}
}

// Close ends the reader.
func (r *logReader) Close() error {
	r.done()
	return r.f.Close()
}
