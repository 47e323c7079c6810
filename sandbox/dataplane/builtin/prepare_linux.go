package builtin

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prepare lays what was asked for over what the image says.
func (r *Runner) prepare(spec engine.ContainerSpec, img image.Unpacked) (startRequest, error) {
	req := startRequest{
		Dir: spec.WorkingDir, Hostname: spec.Hostname, RootFS: img.Name, ReadOnly: spec.ReadonlyRootfs,
		CPUUnits: spec.CPUUnits, Memory: int64(spec.MemoryMiB) << 20,
	}
	if req.Args = engine.Command(spec, img.Config.Entrypoint, img.Config.Cmd); len(req.Args) == 0 {
		return req, fmt.Errorf("container %s: neither the image nor the task definition has a command", spec.Name)
	}
	if req.Dir == "" {
		req.Dir = img.Config.WorkingDir
	}
	req.Dir = filepath.Join("/", req.Dir)
	if req.Hostname == "" {
		req.Hostname = spec.TaskID
	}
	if len(req.Hostname) > 63 {
		req.Hostname = req.Hostname[:63]
	}
	user := spec.User
	if user == "" {
		user = img.Config.User
	}
	var home string
	var err error
	if req.UID, req.GID, home, err = findUser(filepath.Join(r.store.RootFS(), img.Name), user); err != nil {
		return req, fmt.Errorf("container %s: user %q: %w", spec.Name, user, err)
	}
	env := map[string]string{"PATH": defaultPath, "HOME": home, "HOSTNAME": req.Hostname, engine.TaskIDVariable: spec.TaskID}
	for _, e := range img.Config.Env {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	maps.Copy(env, spec.Env)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		req.Env = append(req.Env, k+"="+env[k])
	}
	return req, nil
}

// findUser reads "user[:group]", names or numbers, with the image's own files.
func findUser(rootfs, user string) (uid, gid int, home string, err error) {
	home = "/"
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return 0, 0, home, err
	}
	defer root.Close()
	who, group, hasGroup := strings.Cut(user, ":")
	if who == "" {
		who = "0"
	}
	entry := lookUpEntry(root, "etc/passwd", who)
	if uid, err = strconv.Atoi(who); err != nil {
		if len(entry) < 6 {
			return 0, 0, home, fmt.Errorf("no such user in the image")
		}
		if uid, err = strconv.Atoi(entry[2]); err != nil {
			return 0, 0, home, err
		}
	}
	if len(entry) >= 6 {
		home = entry[5]
		if gid, err = strconv.Atoi(entry[3]); err != nil {
			return 0, 0, home, err
		}
	}
	if !hasGroup {
		return uid, gid, home, nil
	}
	if gid, err = strconv.Atoi(group); err == nil {
		return uid, gid, home, nil
	}
	g := lookUpEntry(root, "etc/group", group)
	if len(g) < 3 {
		return 0, 0, home, fmt.Errorf("no such group in the image")
	}
	gid, err = strconv.Atoi(g[2])
	return uid, gid, home, err
}

// lookUpEntry finds the line of a name or number in passwd or group.
func lookUpEntry(root *os.Root, file, key string) []string {
	f, err := root.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), ":")
		if len(parts) >= 3 && (parts[0] == key || parts[2] == key) {
			return parts
		}
	}
	return nil
}
