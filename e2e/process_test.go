package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running process that works on a server's data folder.
type process struct {
	pid  int
	line string // its command line
}

// processes lists those that the server has started: a process counts when the data folder stands in its command line or
// environment. The server itself is left out.
func (s *server) processes(t *testing.T) []process {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || (s.cmd != nil && pid == s.cmd.Process.Pid) {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil {
			env = nil
		}
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if bytes.Contains(line, []byte(s.dir)) || bytes.Contains(env, []byte(s.dir)) || strings.HasPrefix(cwd, s.dir) {
			found = append(found, process{pid, strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))})
		}
	}
	return found
}

// running lists the server's processes whose command line holds a word.
func (s *server) running(t *testing.T, word string) []process {
	t.Helper()
	var found []process
	for _, p := range s.processes(t) {
		if strings.Contains(p.line, word) {
			found = append(found, p)
		}
	}
	return found
}

// descendants lists the processes with this command line below those of the server: what runs in a container has
// nothing of the data folder on it.
func (s *server) descendants(t *testing.T, line string) []process {
	t.Helper()
	ours := map[int]bool{}
	for _, p := range s.processes(t) {
		ours[p.pid] = true
	}
	var found []process
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(e)
		if err != nil || strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " ")) != line {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
		if above, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(parent(pid)), "cmdline")); bytes.Equal(above, text) {
			continue // one that the program made to answer a request
		}
		for above := parent(pid); above > 1; above = parent(above) {
			if ours[above] {
				found = append(found, process{pid, line})
				break
			}
		}
	}
	return found
}

// parent is the parent of a process, 0 when there is none any more.
func parent(pid int) int {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	above, _ := strconv.Atoi(string(fields[1]))
	return above
}

// gone waits for the process's end.
func (p process) gone(within time.Duration) bool {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(within)
	for left := within; left > 0; left = time.Until(deadline) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if err != nil && err != unix.EINTR {
			return false
		}
	}
	return false
}

// lockedBuffer keeps what processes write at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
