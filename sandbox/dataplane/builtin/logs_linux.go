package builtin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

const (
	maxLine = 64 << 10
	maxLog  = 256 << 20
	// How often a followed log is looked at; nobody reads faster.
	logPoll = 50 * time.Millisecond
)

// logLine is one line on disk. The offsets that the engine speaks of are byte
// offsets into the file.
type logLine struct {
	Time   time.Time `json:"t"`
	Stream string    `json:"s"`
	Text   string    `json:"m"`
}

// logWriter appends a container's lines to its log.
type logWriter struct {
	mu   sync.Mutex
	file *os.File
	size int64
}

func openLog(name string) (*logWriter, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &logWriter{file: f}, nil
}

func (l *logWriter) close() { _ = l.file.Close() }

// attach gives cmd pipes for its output. The group is done when both have ended;
// the function closes our copies of the writing ends, after the start.
func (l *logWriter) attach(cmd *exec.Cmd) (*sync.WaitGroup, func(), error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, outR.Close(), outW.Close())
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	var wg sync.WaitGroup
	wg.Go(func() { l.copy("stdout", outR) })
	wg.Go(func() { l.copy("stderr", errR) })
	return &wg, func() { outW.Close(); errW.Close() }, nil
}

func (l *logWriter) copy(stream string, r io.ReadCloser) {
	defer r.Close()
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			l.write(stream, line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *logWriter) write(stream string, line []byte) {
	text := string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size >= maxLog {
		return
	}
	data, err := json.Marshal(logLine{Time: time.Now().UTC(), Stream: stream, Text: text})
	if err != nil {
		return
	}
	n, _ := l.file.Write(append(data, '\n'))
	if l.size += int64(n); l.size >= maxLog {
		note, _ := json.Marshal(logLine{Time: time.Now().UTC(), Stream: "stderr", Text: "[the sandbox keeps no more than 256 MiB of a container's log]"})
		_, _ = l.file.Write(append(note, '\n'))
	}
}

// readLog yields the lines from offset on. With ended not nil it follows until
// that channel is closed and everything was delivered.
func readLog(ctx context.Context, name string, offset int64, ended <-chan struct{}, yield func(engine.LogLine, error) bool) {
	f, err := os.Open(name)
	if err != nil {
		yield(engine.LogLine{}, err)
		return
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		yield(engine.LogLine{}, err)
		return
	}
	ticker := time.NewTicker(logPoll)
	defer ticker.Stop()
	var partial []byte
	br := bufio.NewReader(f)
	last := ended == nil
	for {
		data, err := br.ReadBytes('\n')
		partial = append(partial, data...)
		if err == nil {
			offset += int64(len(partial))
			var l logLine
			if err := json.Unmarshal(partial, &l); err != nil {
				yield(engine.LogLine{}, err)
				return
			}
			partial = nil
			if !yield(engine.LogLine{Next: offset, Time: l.Time, Stream: l.Stream, Text: l.Text}, nil) {
				return
			}
			continue
		}
		if !errors.Is(err, io.EOF) {
			yield(engine.LogLine{}, err)
			return
		}
		if last {
			return
		}
		select {
		case <-ctx.Done():
			yield(engine.LogLine{}, ctx.Err())
			return
		case <-ended:
			last = true
		case <-ticker.C:
		}
	}
}
