package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process identifies a process that outlives the server, on disk. The start time makes a reused pid harmless.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // in clock ticks since boot, as in /proc/PID/stat
	Addr  string `json:"addr"`
}

// startTime returns field 22 of /proc/PID/stat. The command's name, field 2, may hold anything, so it is cut off first.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", fmt.Errorf("looking at process %d: %w", pid, err)
	}
	_, rest, ok := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", fmt.Errorf("looking at process %d: unexpected form of its stat file", pid)
	}
	if fields[0][0] == 'Z' {
		return "", os.ErrProcessDone
	}
	return string(fields[19]), nil
}

func readProcess(path string) (process, bool) {
	var p process
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return p, false
	}
	start, err := startTime(p.PID)
	return p, err == nil && start == p.Start
}

func (p process) write(path string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("recording process %d: %w", p.PID, err)
	}
	if err := os.WriteFile(path+".tmp", text, 0o600); err != nil {
		return fmt.Errorf("recording process %d: %w", p.PID, err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("recording process %d: %w", p.PID, err)
	}
	return nil
}

// wait returns when the process has ended, or ctx has. A pidfd becomes readable at the end, whoever the parent is.
func (p process) wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watching process %d: %w", p.PID, err)
	}
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC); err != nil {
		return errors.Join(fmt.Errorf("watching process %d: %w", p.PID, err), unix.Close(fd))
	}
	defer func() { _ = unix.Close(fd); _ = unix.Close(wake[0]) }()
	stop := context.AfterFunc(ctx, func() { _ = unix.Close(wake[1]) })
	defer func() {
		if stop() {
			_ = unix.Close(wake[1])
		}
	}()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake[0]), Events: unix.POLLIN}} //nolint:gosec // file descriptors fit
	for {
		if _, err := unix.Poll(fds, -1); err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return fmt.Errorf("watching process %d: %w", p.PID, err)
		}
		if fds[0].Revents != 0 {
			return nil
		}
		return ctx.Err()
	}
}

// stop asks the process to end and waits for that.
func (p process) stop(grace time.Duration) error {
	if err := unix.Kill(p.PID, unix.SIGTERM); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return fmt.Errorf("stopping process %d: %w", p.PID, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace) // the caller's context has ended already
	defer cancel()
	return p.wait(ctx)
}
