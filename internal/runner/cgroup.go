package runner

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup holds the tools of one attempt and everything they start, so that nothing of it can get away. It is only had
// where the process may make groups below its own; a supervisor is also a subreaper, which does without.
type cgroup struct {
	dir string
	fd  *os.File
}

// newCgroup makes a version 2 group below the one this process is in.
func newCgroup(name string) (*cgroup, error) {
	mount, err := cgroupMount()
	if err != nil {
		return nil, err
	}
	own, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(mount, own, "berth-"+name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	// Without cgroup.kill (Linux 5.14) it would be of no use.
	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return &cgroup{dir: dir, fd: f}, nil
}

func cgroupMount() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		for i, w := range fields {
			if w == "-" && i+1 < len(fields) && fields[i+1] == "cgroup2" && len(fields) > 4 {
				return fields[4], nil
			}
		}
	}
	return "", errors.New("no version 2 cgroup hierarchy is mounted")
}

func ownCgroup() (string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("this process is in no version 2 cgroup")
}

func cgroupPIDs(dir string) []int {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for f := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func killCgroup(dir string) {
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
}

func (c *cgroup) close() {
	if c == nil {
		return
	}
	_ = c.fd.Close()
	_ = os.Remove(c.dir)
}

// children lists the direct children of a process.
func children(pid int) []int {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var out []int
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			if c, err := strconv.Atoi(f); err == nil {
				out = append(out, c)
			}
		}
	}
	return out
}

func descendants(pid int) []int {
	var out []int
	for _, c := range children(pid) {
		out = append(append(out, c), descendants(c)...)
	}
	return out
}

func procName(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}

// sweep kills whatever an ended tool left behind and returns the names of it. It returns when nothing is left: a
// process whose parent died becomes a child of this subreaper, so a chain of them is followed to its end. Nothing else
// may wait for children meanwhile.
func sweep(cg *cgroup) []string {
	var names []string
	seen := map[int]bool{}
	for pause := time.Millisecond / 2; ; pause = min(2*pause, 50*time.Millisecond) {
		pids := descendants(os.Getpid())
		if cg != nil {
			pids = append(pids, cgroupPIDs(cg.dir)...)
		}
		left := 0
		for _, pid := range pids {
			_, state, err := procStart(pid)
			if err != nil {
				continue
			}
			left++
			if state == 'Z' {
				continue
			}
			if !seen[pid] {
				seen[pid] = true
				names = append(names, fmt.Sprintf("%s (%d)", procName(pid), pid))
			}
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if cg != nil && left > 0 {
			killCgroup(cg.dir)
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
		if left == 0 {
			return names
		}
		time.Sleep(pause) //nolint:forbidigo // processes that are no children announce nothing
	}
}
