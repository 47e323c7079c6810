package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupDir is the control group of a task in one hierarchy. Kind is "v2", or
// the controller of a version 1 hierarchy.
type cgroupDir struct{ Kind, Path string }

// cgroup is the control group of one container.
type cgroup struct {
	kind string
	root *os.Root
	name string
}

const cgroupMount = "/sys/fs/cgroup"

// cgroupBases returns the groups below which tasks get theirs, and what cannot be
// limited on this machine.
func cgroupBases(id string) (bases []cgroupDir, notes []string) {
	if base, err := makeUnified(id); err == nil {
		return []cgroupDir{base}, nil
	}
	for _, controller := range []string{"memory", "cpu", "pids"} {
		dir := filepath.Join(cgroupMount, controller, id)
		if _, err := os.Stat(filepath.Join(cgroupMount, controller, "tasks")); err == nil {
			if err := os.Mkdir(dir, 0o755); err == nil || errors.Is(err, fs.ErrExist) {
				bases = append(bases, cgroupDir{controller, dir})
				continue
			}
		}
		notes = append(notes, "The "+controller+" size of tasks is not enforced: this machine lets us make no control group for it.")
	}
	return bases, notes
}

// makeUnified makes the base group in a version 2 hierarchy with the controllers
// we need.
func makeUnified(id string) (cgroupDir, error) {
	have, err := os.ReadFile(filepath.Join(cgroupMount, "cgroup.controllers"))
	if err != nil {
		return cgroupDir{}, err
	}
	for _, c := range []string{"memory", "cpu", "pids"} {
		if !strings.Contains(" "+strings.TrimSpace(string(have))+" ", " "+c+" ") {
			return cgroupDir{}, fmt.Errorf("no %s controller", c)
		}
	}
	parent := cgroupMount
	if os.Geteuid() != 0 {
		// An ordinary user may only have been given the group it runs in.
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return cgroupDir{}, err
		}
		parent = filepath.Join(cgroupMount, filepath.Dir(strings.TrimSpace(strings.TrimPrefix(string(own), "0::"))))
	}
	dir := filepath.Join(parent, id)
	if err := enable(parent); err != nil {
		return cgroupDir{}, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return cgroupDir{}, err
	}
	return cgroupDir{"v2", dir}, enable(dir)
}

func enable(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory +cpu +pids"), 0o644)
}

// taskCgroups makes a task's groups below the bases.
func taskCgroups(bases []cgroupDir, task string) ([]cgroupDir, error) {
	var out []cgroupDir
	for _, b := range bases {
		dir := filepath.Join(b.Path, task)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("control group: %w", err)
		}
		if b.Kind == "v2" {
			if err := enable(dir); err != nil {
				return nil, fmt.Errorf("control group: %w", err)
			}
		}
		out = append(out, cgroupDir{b.Kind, dir})
	}
	return out, nil
}

// limit puts a container's first process under its limits.
func (s *shim) limit(name string, req startRequest, pid int) ([]*cgroup, error) {
	var out []*cgroup
	for i, root := range s.cgroups {
		kind := s.cfg.Cgroups[i].Kind
		if err := root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return out, err
		}
		c := &cgroup{kind, root, name}
		out = append(out, c)
		for _, w := range c.settings(req) {
			if err := c.set(w[0], w[1]); err != nil {
				return out, fmt.Errorf("limiting the container (%s): %w", w[0], err)
			}
		}
		if err := c.set("cgroup.procs", strconv.Itoa(pid)); err != nil {
			return out, fmt.Errorf("limiting the container: %w", err)
		}
	}
	return out, nil
}

const cpuPeriod = 100_000

func (c *cgroup) settings(req startRequest) (out [][2]string) {
	memory := strconv.FormatInt(req.Memory, 10)
	quota := strconv.Itoa(max(req.CPUUnits*cpuPeriod/1024, 1000))
	shares := strconv.Itoa(max(req.CPUUnits, 2))
	if req.Memory > 0 {
		switch c.kind {
		case "v2":
			out = append(out, [2]string{"memory.max", memory})
		case "memory":
			out = append(out, [2]string{"memory.limit_in_bytes", memory})
		}
	}
	if req.CPUUnits > 0 {
		switch c.kind {
		case "v2":
			out = append(out, [2]string{"cpu.max", quota + " " + strconv.Itoa(cpuPeriod)})
		case "cpu":
			out = append(out, [2]string{"cpu.shares", shares}, [2]string{"cpu.cfs_period_us", strconv.Itoa(cpuPeriod)}, [2]string{"cpu.cfs_quota_us", quota})
		}
	}
	if c.kind == "v2" || c.kind == "pids" {
		out = append(out, [2]string{"pids.max", "4096"})
	}
	return out
}

func (c *cgroup) set(file, value string) error {
	f, err := c.root.OpenFile(filepath.Join(c.name, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// oomKilled tells whether the kernel killed something for lack of memory.
func oomKilled(groups []*cgroup) bool {
	for _, c := range groups {
		file := map[string]string{"v2": "memory.events", "memory": "memory.oom_control"}[c.kind]
		if file == "" {
			continue
		}
		data, err := c.root.ReadFile(filepath.Join(c.name, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
				return true
			}
		}
	}
	return false
}

func removeCgroups(groups []*cgroup) {
	for _, c := range groups {
		_ = c.root.Remove(c.name)
	}
}
