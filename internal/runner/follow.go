package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scanRecords reads whole records from r, which begins at offset base, until yield says false or the data ends. An
// unfinished last line is left alone.
func scanRecords(r io.Reader, base int64, yield func(Record) bool) error {
	br := bufio.NewReaderSize(r, 64<<10)
	at := base
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at += int64(len(line))
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("reading a record at offset %d: %w", at-int64(len(line)), err)
		}
		rec.End = at
		if !yield(rec) {
			return nil
		}
	}
}

// watcher waits for changes of one file. The kernel reports when the last writer has closed it, which happens in every
// death of a process, so nothing is polled.
type watcher struct {
	f *os.File
}

// watch begins watching; changes after it returns are not missed. It ends with ctx or close.
func watch(ctx context.Context, path string) (*watcher, func(), error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("watching %s: %w", path, err)
	}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_CLOSE_WRITE|unix.IN_DELETE_SELF|unix.IN_ATTRIB); err != nil {
		_ = unix.Close(fd)
		return nil, nil, fmt.Errorf("watching %s: %w", path, err)
	}
	w := &watcher{f: os.NewFile(uintptr(fd), "inotify")}
	stop := context.AfterFunc(ctx, func() { _ = w.f.Close() })
	return w, func() { stop(); _ = w.f.Close() }, nil
}

// wait blocks until the file changed. closed says that a writer has closed it.
func (w *watcher) wait() (closed bool, err error) {
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	n, err := w.f.Read(buf)
	if err != nil {
		return false, err
	}
	for off := 0; off+unix.SizeofInotifyEvent <= n; {
		ev := (*unix.InotifyEvent)(unsafe.Pointer(&buf[off]))
		if ev.Mask&(unix.IN_CLOSE_WRITE|unix.IN_DELETE_SELF|unix.IN_ATTRIB|unix.IN_IGNORED) != 0 {
			closed = true
		}
		off += unix.SizeofInotifyEvent + int(ev.Len)
	}
	return closed, nil
}

// lineTail hands out the whole lines of a growing file, batch by batch.
type lineTail struct {
	f    *os.File
	rest []byte
}

// next reads what is there and returns the whole lines of it.
func (t *lineTail) next() ([][]byte, error) {
	data, err := io.ReadAll(t.f)
	if err != nil {
		return nil, err
	}
	t.rest = append(t.rest, data...)
	i := bytes.LastIndexByte(t.rest, '\n')
	if i < 0 {
		return nil, nil
	}
	whole := t.rest[:i]
	t.rest = append([]byte(nil), t.rest[i+1:]...)
	return bytes.Split(whole, []byte("\n")), nil
}
