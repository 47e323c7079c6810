package runner

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// recorder appends to a records file. It is the file's only writer.
type recorder struct {
	mu     sync.Mutex
	f      *os.File
	seq    int64
	dirty  bool // written, but not known to be on disk
	closed bool
	err    error // the first failure; nothing is written after it
}

// openRecorder opens the file for appending and goes on counting after the records it holds. A torn last line (the
// writer died in the middle) is cut off: it was never read.
func openRecorder(path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	r := &recorder{f: f}
	end := int64(0)
	err = scanRecords(io.NewSectionReader(f, 0, 1<<62), 0, func(rec Record) bool {
		r.seq, end = rec.Seq, rec.End
		return true
	})
	if err == nil {
		err = f.Truncate(end)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// add appends records in order and returns the number of the first. With durable they are on disk when it returns.
func (r *recorder) add(durable bool, recs ...Record) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	var buf []byte
	first := r.seq + 1
	for _, rec := range recs {
		r.seq++
		rec.Seq = r.seq
		if rec.Time.IsZero() {
			rec.Time = time.Now().UTC()
		}
		if rec.Journal != nil {
			rec.Journal.Seq = r.seq
		}
		line, err := json.Marshal(rec)
		if err != nil {
			return 0, err
		}
		buf = append(append(buf, line...), '\n')
	}
	if _, err := r.f.Write(buf); err != nil {
		r.err = err
		return 0, err
	}
	r.dirty = true
	if durable {
		return first, r.syncLocked()
	}
	return first, nil
}

func (r *recorder) syncLocked() error {
	if !r.dirty {
		return r.err
	}
	if err := unix.Fdatasync(int(r.f.Fd())); err != nil {
		// After a failed sync the kernel may have dropped the pages, so nothing later can be trusted.
		r.err = err
		return err
	}
	r.dirty = false
	return nil
}

func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return errors.Join(r.syncLocked(), r.f.Close())
}
