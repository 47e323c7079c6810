package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func mergedDir(name string) string { return "/m/" + name }
func etcDir(name string) string    { return "/etc/" + name }

var deviceNames = []string{"null", "zero", "full", "random", "urandom", "tty"}

// setUpNetwork brings the loopback interface up, gives the task its address, and
// lets programs without privileges bind low ports.
func setUpNetwork() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr([]byte{169, 254, 172, 2}); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias); err != nil {
		return fmt.Errorf("task address: %w", err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0); err != nil {
		return fmt.Errorf("allowing low ports: %w", err)
	}
	return nil
}

// enterShimRoot moves the shim into a file system of its own that holds the
// unpacked images, the task's directory and little more. What is mounted below
// it is reachable by the container's user whatever the modes of the folders
// above the data directory, and nobody outside sees it.
func enterShimRoot(cfg shimConfig) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	top := filepath.Join(cfg.TaskDir, "root")
	if err := os.MkdirAll(top, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", top, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1g"); err != nil {
		return err
	}
	for _, d := range []string{"rootfs", "task", "proc", "dev", "m", "etc", "old"} {
		if err := os.Mkdir(filepath.Join(top, d), 0o755); err != nil {
			return err
		}
	}
	for name, source := range map[string]string{"rootfs": cfg.RootFS, "task": cfg.TaskDir} {
		if err := unix.Mount(source, filepath.Join(top, name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	if err := bindDevices(filepath.Join(top, "dev")); err != nil {
		return err
	}
	if err := bindLibraries(top); err != nil {
		return err
	}
	if err := unix.Mount("proc", filepath.Join(top, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	if err := unix.PivotRoot(top, filepath.Join(top, "old")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	return copyProgram()
}

// programCopy is this binary for the container's user, when that user may not
// execute the original.
const programCopy = "/berth"

func copyProgram() error {
	st, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 || st.Mode()&0o001 != 0 {
		return nil
	}
	if err := copyFile("/proc/self/exe", programCopy); err != nil {
		return err
	}
	return os.Chmod(programCopy, 0o755)
}

// program is what a container's first process is started from.
func program() string {
	if _, err := os.Stat(programCopy); err == nil {
		return programCopy
	}
	return "/proc/self/exe"
}

func bindDevices(dir string) error {
	for _, name := range deviceNames {
		target := filepath.Join(dir, name)
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	return nil
}

// bindLibraries keeps the host's shared libraries in reach of this binary, which
// has to start again for each container and may be linked dynamically.
func bindLibraries(top string) error {
	for _, dir := range []string{"/usr/lib", "/usr/lib64", "/lib", "/lib64", "/nix/store"} {
		st, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		target := filepath.Join(top, dir)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(dir)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, target); err != nil {
				return err
			}
			continue
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(dir, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// prepareRoot gives the container a writable root over the unpacked image: an
// overlay, or a copy where overlays are not permitted.
func (s *shim) prepareRoot(name string, req startRequest) error {
	dir := filepath.Join("/task/c", name)
	upper, work, merged := filepath.Join(dir, "up"), filepath.Join(dir, "work"), mergedDir(name)
	for _, d := range []string{upper, work, merged} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		if s.cfg.Owner != nil {
			if err := os.Chown(d, s.cfg.Owner.UID, s.cfg.Owner.GID); err != nil {
				return err
			}
		}
	}
	lower := filepath.Join("/rootfs", req.RootFS)
	options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if s.cfg.Owner == nil {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", merged, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		if err := copyTree(lower, upper); err != nil {
			return fmt.Errorf("copying the image: %w", err)
		}
		if err := unix.Mount(upper, merged, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return writeEtc(etcDir(name), req.Hostname)
}

func writeEtc(dir, hostname string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{
		"hosts":       "127.0.0.1 localhost\n::1 localhost\n" + TaskIP + " " + hostname + "\n",
		"hostname":    hostname + "\n",
		"resolv.conf": "# This task has no network outside of itself.\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
