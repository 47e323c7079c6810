package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type initConfig struct {
	startRequest
	Root string
	Etc  string
}

type initStatus struct {
	Error   string
	Command string
}

// runInit is the main function of a container's first process: it finishes the
// container from inside, gives every privilege up and becomes the command. Its
// configuration comes on descriptor 3; errors go to descriptor 4, which closes
// by itself when the command starts.
func runInit() error {
	// Privileges belong to threads: the thread that gives them up must be the
	// one that becomes the command.
	runtime.LockOSThread()
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	var cfg initConfig
	config := os.NewFile(3, "config")
	if err := json.NewDecoder(config).Decode(&cfg); err != nil {
		return fmt.Errorf("reading the container's configuration: %w", err)
	}
	status := initStatus{}
	if err := enterContainer(cfg); err != nil {
		status.Error = "setting up the container: " + err.Error()
	} else if err := become(cfg); err != nil {
		status = initStatus{Error: err.Error(), Command: cfg.Args[0]}
	}
	return json.NewEncoder(os.NewFile(4, "status")).Encode(status)
}

func enterContainer(cfg initConfig) error {
	if err := unix.Sethostname([]byte(cfg.Hostname)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	// A mount made here is ours to move; the inherited one is not.
	if err := unix.Mount(cfg.Root, cfg.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	root, err := unix.Open(cfg.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := mountInside(root, cfg); err != nil {
		return err
	}
	if err := os.Chdir(cfg.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if cfg.ReadOnly {
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("read-only root: %w", err)
		}
	}
	return nil
}

// mountInside mounts what every container has. Each target is opened with the
// image's root as the limit, so a link in the image cannot lead a mount out.
func mountInside(root int, cfg initConfig) error {
	const secure = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mountAt(root, "proc", true, "proc", "proc", secure, ""); err != nil {
		return err
	}
	if err := mountAt(root, "dev", true, "tmpfs", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=64k"); err != nil {
		return err
	}
	for _, name := range deviceNames {
		if err := mountAt(root, "dev/"+name, false, "/dev/"+name, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := mountAt(root, "dev/shm", true, "tmpfs", "tmpfs", secure, "mode=1777,size=64m"); err != nil {
		return err
	}
	if err := mountAt(root, "dev/pts", true, "devpts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	for link, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := symlinkAt(root, "dev", link, target); err != nil {
			return err
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		if err := mountAt(root, "etc/"+name, false, filepath.Join(cfg.Etc, name), "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mountAt(root int, target string, dir bool, source, kind string, flags uintptr, data string) error {
	fd, err := ensureInside(root, target, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	defer unix.Close(fd)
	if err := unix.Mount(source, fmt.Sprintf("/proc/self/fd/%d", fd), kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}

// openInside opens a path that cannot lead out of root.
func openInside(root int, name string) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}

// ensureInside opens a mount point, making it when it is missing.
func ensureInside(root int, name string, dir bool) (int, error) {
	fd, err := openInside(root, name)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	parent, err := ensureParent(root, name)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if dir {
		err = unix.Mkdirat(parent, path.Base(name), 0o755)
	} else {
		err = unix.Mknodat(parent, path.Base(name), unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return -1, err
	}
	return openInside(root, name)
}

func ensureParent(root int, name string) (int, error) {
	if path.Dir(name) == "." {
		return openInside(root, ".")
	}
	return ensureInside(root, path.Dir(name), true)
}

func symlinkAt(root int, dir, name, target string) error {
	fd, err := openInside(root, dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Symlinkat(target, fd, name)
}

// become gives up all privileges and runs the command. It returns only when that
// fails.
func become(cfg initConfig) error {
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil && !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("working directory: %w", err)
	}
	if err := os.Chdir(cfg.Dir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	program, err := lookUp(cfg.Args[0], cfg.Env)
	if err != nil {
		return err
	}
	unix.Umask(0o022)
	if err := dropPrivileges(); err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	return syscall.Exec(program, cfg.Args, cfg.Env)
}

// lookUp finds a command as a shell would, with the container's own PATH.
func lookUp(command string, env []string) (string, error) {
	if strings.Contains(command, "/") {
		if _, err := os.Stat(command); err != nil {
			return "", fmt.Errorf("stat %s: no such file or directory", command)
		}
		return command, nil
	}
	for _, e := range env {
		dirs, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, d := range filepath.SplitList(dirs) {
			p := filepath.Join(d, command)
			if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return p, nil
			}
		}
	}
	return "", errors.New("executable file not found in $PATH")
}

func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	for c := uintptr(0); c <= 63; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	return installFilter()
}
