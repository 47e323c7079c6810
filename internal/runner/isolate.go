package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// keep is a path that stays visible below a hidden directory.
type keep struct {
	path     string
	writable bool
}

// enterNamespace gives the calling thread a mount namespace in which the hidden directories are empty apart from keeps.
// It needs CAP_SYS_ADMIN, of the machine or of the user namespace the supervisor was started in. The thread must be
// locked and used for nothing else.
func enterNamespace(hide []string, keeps []keep) error {
	if len(hide) == 0 {
		return errors.New("nothing to hide")
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unsharing mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	kept, err := openKeeps(hide, keeps)
	if err != nil {
		return err
	}
	defer func() {
		for _, k := range kept {
			_ = unix.Close(k.fd)
		}
	}()
	for _, path := range hide {
		if err := cover(path); err != nil {
			return fmt.Errorf("hiding %s: %w", path, err)
		}
	}
	for _, k := range kept {
		if err := k.bind(); err != nil {
			return fmt.Errorf("keeping %s visible: %w", k.path, err)
		}
	}
	return dropCapabilities()
}

// cover puts an empty directory over a directory, and nothing over a file. What does not exist need not be hidden.
func cover(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755")
	}
	return unix.Mount("/dev/null", path, "", unix.MS_BIND, "")
}

// lookingCapabilities would let template code that runs as root look behind a covered directory: by unmounting, through
// another process's /proc/PID/root, by file handle or by the disk itself.
var lookingCapabilities = [...]uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH, unix.CAP_MKNOD,
	unix.CAP_SYS_RAWIO, unix.CAP_SYS_MODULE, unix.CAP_SYS_BOOT, unix.CAP_SYS_CHROOT}

// dropCapabilities sees to it that what this thread starts gets none of them.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("dropping ambient capabilities: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil // the next exec drops them all
	}
	for _, c := range lookingCapabilities {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	return nil
}

type keptFD struct {
	keep
	fd    int
	isDir bool
}

// openKeeps opens, in the new namespace and before anything is covered, the kept paths that lie below a hidden one.
// Outer paths come first, so that inner ones are bound over them.
func openKeeps(hide []string, keeps []keep) ([]keptFD, error) {
	var out []keptFD
	sort.Slice(keeps, func(i, j int) bool { return len(keeps[i].path) < len(keeps[j].path) })
	for _, k := range keeps {
		if !below(k.path, hide) {
			continue
		}
		fd, err := unix.Open(k.path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", k.path, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, err
		}
		out = append(out, keptFD{keep: k, fd: fd, isDir: st.Mode&unix.S_IFMT == unix.S_IFDIR})
	}
	return out, nil
}

func (k keptFD) bind() error {
	if k.isDir {
		if err := os.MkdirAll(k.path, 0o755); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(k.path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(k.path, os.O_CREATE|os.O_RDONLY, 0o600)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", k.fd), k.path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if k.writable {
		return nil
	}
	// Flags that the mount below has must be named again, else an ordinary user is refused.
	var fs unix.Statfs_t
	if err := unix.Statfs(k.path, &fs); err != nil {
		return err
	}
	flags := uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	return unix.Mount("", k.path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags, "")
}

func below(path string, dirs []string) bool {
	for _, d := range dirs {
		if path == d || strings.HasPrefix(path, strings.TrimSuffix(d, "/")+"/") {
			return true
		}
	}
	return false
}
