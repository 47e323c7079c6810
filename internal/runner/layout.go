package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Names inside an attempt's directory. docs/design/runner.md describes them; a newer version must read what an older
// one left, because steps outlive an upgrade.
const (
	fileSupervisor = "supervisor.json"
	fileRecords    = "records.jsonl"
	fileLog        = "log"
	fileControl    = "control"
	fileStderr     = "supervisor.log"
	dirStates      = "states"
	dirSealed      = "sealed"
	dirWork        = "work" // the only part that template code sees

	fileEvents = "events.json" // in work; the tool's machine-readable events
	dirModule  = "module"      // in work; the bundle
	dirHome    = "home"        // in work
	dirTmp     = "tmp"         // in work
)

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// attemptDir is the directory of one attempt of a step.
type attemptDir string

func (l *Local) attemptDir(stepID string, attempt int) (attemptDir, error) {
	if !validID.MatchString(stepID) {
		return "", invalid("step_id_invalid", fmt.Sprintf("step id %q: use letters, digits, - and _", stepID))
	}
	if attempt < 1 {
		return "", invalid("attempt_invalid", fmt.Sprintf("attempt %d: attempts count from 1", attempt))
	}
	return attemptDir(filepath.Join(l.cfg.Dir, stepID+"."+strconv.Itoa(attempt))), nil
}

func (d attemptDir) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

func (d attemptDir) exists() bool {
	_, err := os.Stat(string(d))
	return err == nil
}

func (d attemptDir) statePath(version int) string {
	return d.path(dirStates, fmt.Sprintf("%06d", version))
}

// make creates the directory and what belongs into it. An existing one is an error (fs.ErrExist).
func (d attemptDir) make() error {
	if err := os.Mkdir(string(d), 0o700); err != nil {
		return err
	}
	for _, sub := range []string{dirStates, dirSealed, dirWork, dirWork + "/" + dirHome, dirWork + "/" + dirTmp} {
		if err := os.Mkdir(d.path(sub), 0o700); err != nil {
			return err
		}
	}
	return os.WriteFile(d.path(fileControl), nil, 0o600)
}

// parseAttemptDir splits "step.3".
func parseAttemptDir(name string) (Attempt, bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return Attempt{}, false
	}
	n, err := strconv.Atoi(name[i+1:])
	if err != nil || n < 1 || !validID.MatchString(name[:i]) {
		return Attempt{}, false
	}
	return Attempt{StepID: name[:i], Attempt: n}, true
}

// identity tells a live supervisor from a later process with the same number.
type identity struct {
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"` // clock ticks after boot, field 22 of /proc/PID/stat
	Boot   string `json:"boot"`
	Cgroup string `json:"cgroup,omitempty"` // directory of the cgroup its tools run in
	// ShortTmp is a folder outside that holds a short name for work/tmp, where the real one is too long.
	ShortTmp string `json:"short_tmp,omitempty"`
	// Marker is an environment variable that every process of the attempt carries.
	Marker string `json:"marker"`
}

// maxTmp leaves room for a socket's name: providers listen on sockets in TMPDIR, and the path of a socket has at most 107
// bytes.
const maxTmp = 80

// shortenTmp makes a short name for a temporary folder with a long one; empty where the own name will do.
func (d attemptDir) shortenTmp() (string, error) {
	if len(d.path(dirWork, dirTmp)) <= maxTmp {
		return "", nil
	}
	dir, err := os.MkdirTemp("/tmp", "berth-")
	if err != nil {
		return "", err
	}
	return dir, os.Symlink(d.path(dirWork, dirTmp), filepath.Join(dir, dirTmp))
}

// dropTmp removes what shortenTmp made.
func (id identity) dropTmp() error {
	if id.ShortTmp == "" {
		return nil
	}
	return errors.Join(ignoreMissing(os.Remove(filepath.Join(id.ShortTmp, dirTmp))), ignoreMissing(os.Remove(id.ShortTmp)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func selfIdentity() (identity, error) {
	start, _, err := procStart(os.Getpid())
	if err != nil {
		return identity{}, err
	}
	boot, err := bootID()
	return identity{PID: os.Getpid(), Start: start, Boot: boot}, err
}

// alive says whether the process that wrote id still runs. A process that has ended but was not waited for is dead.
func (id identity) alive() bool {
	boot, err := bootID()
	if err != nil || boot != id.Boot || id.PID == 0 {
		return false
	}
	start, state, err := procStart(id.PID)
	return err == nil && start == id.Start && state != 'Z' && state != 'X'
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// procStart reads a process's start time and state.
func procStart(pid int) (start uint64, state byte, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name in parentheses may hold anything, so fields are counted from its end.
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return 0, 0, errors.New("reading /proc/PID/stat: too few fields")
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return start, f[0][0], err
}

func (d attemptDir) readIdentity() (identity, error) {
	var id identity
	b, err := os.ReadFile(d.path(fileSupervisor))
	if errors.Is(err, fs.ErrNotExist) {
		return id, nil // the supervisor never came so far
	}
	if err != nil {
		return id, err
	}
	return id, json.Unmarshal(b, &id)
}

// writeFileDurably replaces path so that a crash leaves the old or the new content.
func writeFileDurably(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = unix.Fdatasync(int(tmp.Fd()))
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
