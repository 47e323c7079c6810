package core

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// compactFloor is the size under which a journal is never rewritten.
const compactFloor = 4 << 20

// journal is the store's file: one line per transaction, "CRC JSON". A line cut
// short by a crash is the last one, fails its checksum and is dropped; a bad
// line before others is damage and refuses to open. The file is written anew,
// through a temporary file and a rename, when it has outgrown its content.
type journal struct {
	path     string
	file     *os.File
	lock     *os.File
	size     int64
	limit    int64
	snapshot func() []change
	logger   *slog.Logger
	lastSync time.Time
	// broken is set when the file's end is not known to be whole; nothing
	// more is written after it.
	broken error
}

func openJournal(dir string, apply func(change), snapshot func() []change, logger *slog.Logger) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the sandbox's data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	j := &journal{path: filepath.Join(dir, "state.jsonl"), lock: lock, snapshot: snapshot, logger: logger}
	if err := j.load(apply); err != nil {
		_ = lock.Close()
		return nil, err
	}
	if err := j.compact(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return j, nil
}

// lockDir keeps a second sandbox out of the same directory. The kernel drops
// the lock with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox's lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another sandbox is running on the data directory %s; stop it or choose another --data-dir", dir)
		}
		return nil, fmt.Errorf("locking the data directory %s: %w", dir, err)
	}
	return f, nil
}

func (j *journal) load(apply func(change)) error {
	f, err := os.Open(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the sandbox's state: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, readErr := r.ReadBytes('\n')
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return fmt.Errorf("reading the sandbox's state: %w", readErr)
		}
		if len(line) == 0 {
			return nil
		}
		changes, parseErr := parseLine(line)
		if parseErr != nil {
			if _, peekErr := r.Peek(1); errors.Is(peekErr, io.EOF) {
				j.logger.Warn("dropped the last change of the sandbox's state: it was cut short", "line", n)
				return nil
			}
			return fmt.Errorf("%s is damaged at line %d: %w", j.path, n, parseErr)
		}
		for _, c := range changes {
			apply(c)
		}
	}
}

func parseLine(line []byte) ([]change, error) {
	line, whole := bytes.CutSuffix(line, []byte("\n"))
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !whole || !ok {
		return nil, errors.New("the line is cut short")
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return nil, errors.New("the checksum does not match")
	}
	var changes []change
	if err := json.Unmarshal(body, &changes); err != nil {
		return nil, err
	}
	return changes, nil
}

func formatLine(changes []change) ([]byte, error) {
	body, err := json.Marshal(changes)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%08x ", crc32.ChecksumIEEE(body)), append(body, '\n')...), nil
}

// append writes one transaction. The write reaches the kernel before it
// returns, which a kill of the process cannot undo; the disk is made to follow
// at most every second, which is what a power cut can cost.
func (j *journal) append(changes []change) error {
	if j.broken != nil {
		return j.broken
	}
	line, err := formatLine(changes)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(line); err != nil {
		// Take back what may be half a line, so the next one starts clean.
		if cutErr := j.file.Truncate(j.size); cutErr != nil {
			j.broken = fmt.Errorf("the state file cannot be repaired after a failed write: %w", cutErr)
		}
		return err
	}
	j.size += int64(len(line))
	if now := time.Now(); now.Sub(j.lastSync) > time.Second {
		j.lastSync = now
		if err := j.file.Sync(); err != nil {
			j.logger.Warn("syncing the sandbox's state", "error", err)
		}
	}
	if j.size > j.limit {
		// The transaction is safe already; a failed rewrite is tried again later.
		if err := j.compact(); err != nil {
			j.logger.Warn("rewriting the sandbox's state", "error", err)
			j.limit = 2 * j.size
		}
	}
	return nil
}

// compact writes every record into a fresh file and puts it in the old one's place.
func (j *journal) compact() error {
	tmp := j.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("rewriting the sandbox's state: %w", err)
	}
	size, err := writeRecords(f, j.snapshot())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(j.path))
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("rewriting the sandbox's state: %w", err)
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.size, j.limit = f, size, max(4*size, compactFloor)
	j.lastSync = time.Now()
	return nil
}

func writeRecords(w io.Writer, records []change) (size int64, err error) {
	buf := bufio.NewWriterSize(w, 1<<20)
	for _, c := range records {
		line, err := formatLine([]change{c})
		if err != nil {
			return 0, err
		}
		if _, err := buf.Write(line); err != nil {
			return 0, err
		}
		size += int64(len(line))
	}
	return size, buf.Flush()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

func (j *journal) close() error {
	return errors.Join(j.file.Sync(), j.file.Close(), j.lock.Close())
}
