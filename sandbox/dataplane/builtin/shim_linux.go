package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const dialLimit = 5 * time.Second

// shim is the process that holds one task.
type shim struct {
	cfg     shimConfig
	cgroups []*os.Root
	ln      *net.UnixListener

	mu         sync.Mutex
	containers map[string]*running
}

// running is one container of the task.
type running struct {
	process *os.Process
	cgroups []*cgroup
	done    chan struct{}
	exit    exitRecord
}

// runShim is the main function of a shim: its configuration comes on descriptor
// 3, and it tells on descriptor 4 that it is ready, or why not.
func runShim() error {
	ready := os.NewFile(4, "ready")
	s, err := newShim(os.NewFile(3, "config"))
	if err != nil {
		fmt.Fprint(ready, err)
		ready.Close()
		return err
	}
	ready.Close()
	// The terminal's signals are meant for the sandbox, which tells us by socket.
	// (Caught, not ignored: a container would inherit that.)
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGHUP, unix.SIGTERM, unix.SIGPIPE)
	for {
		conn, err := s.ln.AcceptUnix()
		if err != nil {
			return err
		}
		go s.serve(conn)
	}
}

func newShim(config *os.File) (*shim, error) {
	s := &shim{containers: map[string]*running{}}
	if err := json.NewDecoder(config).Decode(&s.cfg); err != nil {
		return nil, fmt.Errorf("reading the task's configuration: %w", err)
	}
	config.Close()
	if err := setUpNetwork(); err != nil {
		return nil, fmt.Errorf("setting up the task's network: %w", err)
	}
	for _, c := range s.cfg.Cgroups {
		root, err := os.OpenRoot(c.Path)
		if err != nil {
			return nil, fmt.Errorf("control group: %w", err)
		}
		s.cgroups = append(s.cgroups, root)
	}
	// The name is relative (we start in the task's directory): a socket's path
	// must be short, and data directories are not.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketName, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	s.ln = ln
	if err := enterShimRoot(s.cfg); err != nil {
		return nil, fmt.Errorf("setting up the task's file system: %w", err)
	}
	return s, nil
}

func (s *shim) serve(conn *net.UnixConn) {
	defer conn.Close()
	var req request
	if err := json.NewDecoder(conn).Decode(&req); err != nil {
		return
	}
	var resp response
	switch req.Op {
	case "known":
		if _, err := s.find(req.Name); err != nil {
			resp.Error = err.Error()
		}
	case "start":
		resp = s.start(req.Name, *req.Start)
	case "signal":
		resp = s.signal(req.Name, syscall.Signal(req.Signal))
	case "wait":
		resp = s.wait(req.Name)
	case "dial":
		s.dial(conn, req.Port)
		return
	case "remove":
		resp = s.remove(req.Name)
	case "exit":
		os.Exit(0)
	default:
		resp.Error = "unknown operation " + req.Op
	}
	_ = json.NewEncoder(conn).Encode(resp)
}

func (s *shim) find(name string) (*running, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.containers[name]
	if !ok {
		return nil, errors.New("no container " + name + " in this task")
	}
	return c, nil
}

func (s *shim) signal(name string, sig syscall.Signal) response {
	c, err := s.find(name)
	if err != nil {
		return response{Error: err.Error()}
	}
	if err := c.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return response{Error: err.Error()}
	}
	return response{}
}

func (s *shim) wait(name string) response {
	c, err := s.find(name)
	if err != nil {
		return response{Error: err.Error()}
	}
	<-c.done
	return response{Exit: &c.exit}
}

func (s *shim) remove(name string) response {
	c, err := s.find(name)
	if err != nil {
		return response{}
	}
	_ = c.process.Kill()
	<-c.done
	s.mu.Lock()
	delete(s.containers, name)
	s.mu.Unlock()
	_ = unix.Unmount(mergedDir(name), unix.MNT_DETACH)
	_ = os.Remove(mergedDir(name))
	return response{}
}

// dial connects inside the task's network and hands the socket over.
func (s *shim) dial(conn *net.UnixConn, port int) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	d := net.Dialer{}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(TaskIP, strconv.Itoa(port)))
	if err != nil {
		_ = json.NewEncoder(conn).Encode(response{Error: err.Error(), Refused: errors.Is(err, unix.ECONNREFUSED)})
		return
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		_ = json.NewEncoder(conn).Encode(response{Error: err.Error()})
		return
	}
	defer f.Close()
	_, _, _ = conn.WriteMsgUnix([]byte("{}\n"), unix.UnixRights(int(f.Fd())), nil)
}

func (s *shim) start(name string, req startRequest) response {
	s.mu.Lock()
	_, exists := s.containers[name]
	s.mu.Unlock()
	if exists {
		return response{Error: "container " + name + " exists in this task already"}
	}
	if err := s.prepareRoot(name, req); err != nil {
		return response{Error: err.Error()}
	}
	c, command, err := s.launch(name, req)
	if err != nil {
		_ = unix.Unmount(mergedDir(name), unix.MNT_DETACH)
		_ = os.Remove(mergedDir(name))
		return response{Error: err.Error(), Command: command}
	}
	s.mu.Lock()
	s.containers[name] = c
	s.mu.Unlock()
	return response{}
}

// launch starts the container's first process and returns once its command
// runs. When the command cannot be executed, its name is returned too.
func (s *shim) launch(name string, req startRequest) (*running, string, error) {
	logs, err := openLog(filepath.Join("/task/c", name, logName))
	if err != nil {
		return nil, "", err
	}
	configR, configW, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer configW.Close()
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer statusR.Close()
	cmd := &exec.Cmd{Path: program(), Args: []string{initName}, Env: []string{}, Dir: "/",
		ExtraFiles: []*os.File{configR, statusW}, SysProcAttr: s.attributes(req)}
	copied, closePipes, err := logs.attach(cmd)
	if err != nil {
		return nil, "", err
	}
	err = cmd.Start()
	configR.Close()
	statusW.Close()
	closePipes()
	if err != nil {
		return nil, "", fmt.Errorf("starting the container: %w", err)
	}
	c := &running{process: cmd.Process, done: make(chan struct{})}
	fail := func(command string, err error) (*running, string, error) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		copied.Wait()
		logs.close()
		removeCgroups(c.cgroups)
		return nil, command, err
	}
	if c.cgroups, err = s.limit(name, req, cmd.Process.Pid); err != nil {
		return fail("", err)
	}
	if err := json.NewEncoder(configW).Encode(initConfig{startRequest: req, Root: mergedDir(name), Etc: etcDir(name)}); err != nil {
		return fail("", err)
	}
	configW.Close()
	message, err := io.ReadAll(statusR)
	if err != nil {
		return fail("", err)
	}
	if len(message) > 0 {
		var st initStatus
		if err := json.Unmarshal(message, &st); err != nil {
			return fail("", err)
		}
		return fail(st.Command, errors.New(st.Error))
	}
	go s.reap(name, cmd, c, logs, copied)
	return c, "", nil
}

func (s *shim) attributes(req startRequest) *syscall.SysProcAttr {
	host := owner{}
	if s.cfg.Owner != nil {
		host = *s.cfg.Owner
	}
	return &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: req.UID, HostID: host.UID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: req.GID, HostID: host.GID, Size: 1}},
		Credential:  &syscall.Credential{Uid: uint32(req.UID), Gid: uint32(req.GID), NoSetGroups: true},
		// Kept over the exec of a user who is not root, until set-up is done.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE},
	}
}

func (s *shim) reap(name string, cmd *exec.Cmd, c *running, logs *logWriter, copied *sync.WaitGroup) {
	_ = cmd.Wait()
	copied.Wait()
	logs.close()
	c.exit = exitRecord{FinishedAt: time.Now().UTC()}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		c.exit.Code = ws.ExitStatus()
		if ws.Signaled() {
			c.exit.Code = 128 + int(ws.Signal())
		}
	}
	if oomKilled(c.cgroups) {
		c.exit.OOMKilled = true
		c.exit.Reason = "OutOfMemoryError: Container killed due to memory usage"
	}
	removeCgroups(c.cgroups)
	_ = writeJSON(filepath.Join("/task/c", name, exitName), c.exit)
	close(c.done)
}
