package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/berthdev/berth/api"
)

// What berth dev makes.
const (
	project  = "demo"
	admin    = "admin@example.com"
	password = "only-for-the-bench"
)

const (
	readyLimit = time.Minute
	stopLimit  = time.Minute
)

// server is a berth process under measurement.
type server struct {
	URL string
	cmd *exec.Cmd
	log string
	end chan error
}

// dataDir is a folder for a server's data. The key file, beside which nothing is visible to a run's code, gets one too.
func (b *bench) dataDir(name string) []string {
	return []string{"--data-dir", filepath.Join(b.root, name, "data"), "--key-file", filepath.Join(b.root, name, "key", "berth.key")}
}

// dev starts berth dev on the data of this name and waits until it is ready.
func (b *bench) dev(ctx context.Context, name string, args ...string) (*server, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	s, err := b.launch(ctx, name, append([]string{"dev", "--sandbox-addr", addr}, args...))
	if err != nil {
		return nil, err
	}
	return s, s.await(ctx, "/readyz")
}

// launch starts a server on the data of this name. It does not wait.
func (b *bench) launch(ctx context.Context, name string, args []string) (*server, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"data", "key"} {
		if err := os.MkdirAll(filepath.Join(b.root, name, dir), 0o700); err != nil {
			return nil, fmt.Errorf("making the server's folders: %w", err)
		}
	}
	s := &server{URL: "http://" + addr, log: filepath.Join(b.root, name, "server.log"), end: make(chan error, 1)}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the server's log: %w", err)
	}
	defer log.Close()
	args = append(append(args, "--addr", addr), b.dataDir(name)...)
	s.cmd = exec.Command(b.binary, args...) //nolint:noctx // it is stopped in order, also after an interrupt
	s.cmd.Env = append(os.Environ(), "BERTH_DEV_PASSWORD="+password)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the terminal is for the bench
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", b.binary, err)
	}
	go func() { s.end <- s.cmd.Wait() }()
	return s, nil
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// await asks for path until it answers 200. It asks often: what it waits for is measured in milliseconds.
func (s *server) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			if err := resp.Body.Close(); err == nil && resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.end:
			s.end <- err
			return fmt.Errorf("the server ended: %w; its log says:\n%s", err, s.said())
		case <-ctx.Done():
			return fmt.Errorf("the server did not answer on %s in time; its log says:\n%s", path, s.said())
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *server) said() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// stop ends the server as an operator would. A berth dev ends its sandbox with it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the server: %w", err)
	}
	select {
	case err := <-s.end:
		s.end <- err
		return err
	case <-time.After(stopLimit):
		return errors.Join(errors.New("the server did not stop in time"), s.cmd.Process.Kill())
	}
}

// client signs in as the administrator.
func (s *server) client(ctx context.Context) (*api.Client, error) {
	c := &api.Client{URL: s.URL, Agent: "berth-bench"}
	session, err := c.SignIn(ctx, api.SignIn{Email: admin, Password: password})
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	c.Token = session.Token
	return c, nil
}

// deploy presses Deploy and waits until the run has ended, as the page does: by the events that the server pushes.
func deploy(ctx context.Context, c *api.Client, name string) error {
	r, err := c.Start(ctx, project, name, "deploy")
	if err != nil {
		return fmt.Errorf("starting the deploy of %s: %w", name, err)
	}
	if r, err = c.WatchRun(ctx, project, name, r.Number, func(api.Run) {}); err != nil {
		return fmt.Errorf("watching the deploy of %s: %w", name, err)
	}
	if r.Status != "succeeded" {
		return fmt.Errorf("the deploy of %s is %s: %s", name, r.Status, r.Cause)
	}
	return nil
}

// clean stops what is left, which after an interrupt may be a step or a sandbox, and removes everything. Only processes
// whose command line names the run's own folder are touched.
func (b *bench) clean() error {
	var errs []error
	if b.many != nil {
		errs = append(errs, b.many.stop())
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for range 50 {
			pids := b.processes()
			if len(pids) == 0 {
				break
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
					errs = append(errs, err)
				}
			}
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // nobody announces the end of a process that is no child
		}
	}
	return errors.Join(append(errs, os.RemoveAll(b.root))...)
}

func (b *bench) processes() []int {
	var pids []int
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), b.root+"/") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/cmdline", &pid); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
