package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// sandboxProcess keeps the sandbox of berth dev running. It is a process of its own, so that it outlives a server that is
// killed: a deploy that is going on, and the applications already deployed, do not notice.
type sandboxProcess struct {
	addr   string
	dir    string
	logger *slog.Logger
	// busy reports whether steps are running, which need the sandbox beyond the server's end.
	busy    func(ctx context.Context) (bool, error)
	started func() // is told when it answers
	healthy atomic.Bool
}

const (
	sandboxStart = 30 * time.Second
	sandboxStop  = 30 * time.Second
)

func (s *sandboxProcess) processFile() string { return filepath.Join(s.dir, "process.json") }

// Run takes over a sandbox that is running on the same folder, or starts one, and starts it again when it dies.
func (s *sandboxProcess) Run(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the sandbox's folder: %w", err)
	}
	for ctx.Err() == nil {
		p, running := readProcess(s.processFile())
		if running && p.Addr != s.addr {
			return fmt.Errorf("a sandbox is running on %s already, at %s; stop it (process %d) to use %s", s.dir, p.Addr, p.PID, s.addr)
		}
		if !running {
			var err error
			if p, err = s.start(); err != nil {
				return err
			}
		}
		if err := s.awaitHealth(ctx, p); err != nil {
			return err
		}
		s.healthy.Store(true)
		s.started()
		err := p.wait(ctx)
		s.healthy.Store(false)
		if ctx.Err() != nil {
			return s.end(context.WithoutCancel(ctx), p)
		}
		if err != nil {
			return err
		}
		s.logger.WarnContext(ctx, "the sandbox ended and is started again", "pid", p.PID)
	}
	return nil
}

// end stops the sandbox with the server, unless a step would fail by that.
func (s *sandboxProcess) end(ctx context.Context, p process) error {
	busy, err := s.busy(ctx)
	if err != nil {
		return err
	}
	if busy {
		s.logger.Warn("steps are running, so the sandbox stays", "pid", p.PID)
		return nil
	}
	return p.stop(sandboxStop)
}

func (s *sandboxProcess) start() (process, error) {
	exe, err := os.Executable()
	if err != nil {
		return process{}, fmt.Errorf("finding the berth binary: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "sandbox.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("opening the sandbox's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(exe, "sandbox", "--addr", s.addr, "--data-dir", filepath.Join(s.dir, "data")) //nolint:gosec,noctx // it must outlive every context
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("starting the sandbox: %w", err)
	}
	p := process{PID: cmd.Process.Pid, Addr: s.addr}
	// Reaping frees the pid only after wait has seen the end through the pidfd; the file names the start time as well.
	reaped := func() { _ = cmd.Wait() }
	if p.Start, err = startTime(p.PID); err != nil {
		reaped()
		return p, s.failedStart()
	}
	go reaped()
	return p, p.write(s.processFile())
}

func (s *sandboxProcess) failedStart() error {
	return fmt.Errorf("the sandbox did not start; %s tells why", filepath.Join(s.dir, "sandbox.log"))
}

func (s *sandboxProcess) awaitHealth(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, sandboxStart)
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		if _, running := readProcess(s.processFile()); !running {
			return s.failedStart()
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/_sandbox/health", nil)
		if err != nil {
			return fmt.Errorf("asking the sandbox for its health: %w", err)
		}
		if resp, err := client.Do(req); err == nil {
			ok := resp.StatusCode == http.StatusOK
			if err := resp.Body.Close(); err == nil && ok {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("the sandbox (process %d) does not answer on %s: %w", p.PID, s.addr, s.failedStart())
			}
			return nil
		case <-time.After(pause):
		}
	}
}
