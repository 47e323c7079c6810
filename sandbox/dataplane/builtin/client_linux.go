package builtin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

// shimRecord identifies a shim's process: its number alone would not, since the
// kernel uses numbers again.
type shimRecord struct {
	PID       int
	StartTime string
	Boot      string
}

func (r *Runner) taskDir(task string) string { return filepath.Join(r.dir, "tasks", task) }

func (r *Runner) containerDir(task, name string) string {
	return filepath.Join(r.taskDir(task), "c", name)
}

func (r *Runner) lock(task string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.tasks[task]
	if !ok {
		l = &sync.Mutex{}
		r.tasks[task] = l
	}
	return l
}

func splitID(id string) (task, name string, ok bool) {
	task, name, ok = strings.Cut(id, ".")
	return task, name, ok && validName.MatchString(task) && validName.MatchString(name)
}

// record reads a container's record and brings its state up to date.
func (r *Runner) record(id string) (record, error) {
	task, name, ok := splitID(id)
	if !ok {
		return record{}, fmt.Errorf("%s: %w", id, engine.ErrNotFound)
	}
	dir := r.containerDir(task, name)
	var rec record
	if err := readJSON(filepath.Join(dir, recordName), &rec); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = engine.ErrNotFound
		}
		return record{}, fmt.Errorf("%s: %w", id, err)
	}
	alive := r.shimAlive(task)
	var exit exitRecord
	err := readJSON(filepath.Join(dir, exitName), &exit)
	if errors.Is(err, fs.ErrNotExist) && !alive {
		exit = exitRecord{Code: 137, Reason: "The container ended together with its task's supervisor", FinishedAt: time.Now().UTC()}
		err = writeJSON(filepath.Join(dir, exitName), exit)
	}
	if err == nil {
		rec.Container.State, rec.Container.Exit = engine.StateExited, exit.exit()
		return rec, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	return record{}, fmt.Errorf("%s: %w", id, err)
}

// connect opens a connection to a task's shim.
func (r *Runner) connect(ctx context.Context, task string) (*net.UnixConn, error) {
	// Through a descriptor, because the path of a socket must be short.
	dir, err := os.Open(r.taskDir(task))
	if err != nil {
		return nil, errShimGone
	}
	defer dir.Close()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return nil, errShimGone
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

func (r *Runner) shimAlive(task string) bool {
	// A connection is proof: the socket accepts only while the process lives.
	conn, err := r.connect(context.Background(), task)
	if err != nil {
		return !errors.Is(err, errShimGone)
	}
	conn.Close()
	return true
}

// call sends one request and waits for its response.
func (r *Runner) call(ctx context.Context, task string, req request) (response, error) {
	conn, err := r.connect(ctx, task)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var resp response
	err = json.NewEncoder(conn).Encode(req)
	if err == nil {
		err = json.NewDecoder(conn).Decode(&resp)
	}
	if ctx.Err() != nil {
		return resp, ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return resp, errShimGone
	}
	return resp, err
}

// dial is call for an operation that answers with a socket.
func (r *Runner) dial(ctx context.Context, task string, port int) (net.Conn, response, error) {
	conn, err := r.connect(ctx, task)
	if err != nil {
		return nil, response{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(request{Op: "dial", Port: port}); err != nil {
		return nil, response{}, errShimGone
	}
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if ctx.Err() != nil {
		return nil, response{}, ctx.Err()
	}
	if err != nil || n == 0 {
		return nil, response{}, errShimGone
	}
	var resp response
	if err := json.Unmarshal(bytes.TrimSpace(buf[:n]), &resp); err != nil || resp.Error != "" {
		return nil, resp, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, resp, errors.Join(err, errors.New("the shim sent no socket"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, resp, errors.Join(err, errors.New("the shim sent no socket"))
	}
	unix.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "task socket")
	defer f.Close()
	c, err := net.FileConn(f)
	return c, resp, err
}

// ensureShim starts the task's shim unless it runs.
func (r *Runner) ensureShim(ctx context.Context, task string) error {
	if r.shimAlive(task) {
		return nil
	}
	dir := r.taskDir(task)
	if err := os.MkdirAll(filepath.Join(dir, "c"), 0o700); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	groups, err := taskCgroups(r.cgroups, task)
	if err != nil {
		return err
	}
	return r.startShim(ctx, dir, shimConfig{TaskDir: dir, RootFS: r.store.RootFS(), Owner: r.owner, Cgroups: groups})
}

func (r *Runner) startShim(ctx context.Context, dir string, cfg shimConfig) error {
	configR, configW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer configW.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyR.Close()
	output, err := os.OpenFile(filepath.Join(dir, "shim.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{shimName}, Env: []string{"GOMAXPROCS=2"}, Dir: dir,
		Stdout: output, Stderr: output, ExtraFiles: []*os.File{configR, readyW}, SysProcAttr: shimAttributes()}
	err = cmd.Start()
	configR.Close()
	readyW.Close()
	if err != nil {
		return fmt.Errorf("starting the task's shim (%s): %w", whatIsNeeded(), err)
	}
	r.children.Go(func() { _ = cmd.Wait() })
	if err := json.NewEncoder(configW).Encode(cfg); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	message, err := io.ReadAll(readyR)
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || len(message) > 0 {
		_ = cmd.Process.Kill()
		return fmt.Errorf("starting the task's shim: %s (%s)", message, whatIsNeeded())
	}
	return writeJSON(filepath.Join(dir, pidName), identify(cmd.Process.Pid))
}

func whatIsNeeded() string {
	if os.Geteuid() == 0 {
		return "this machine must let root create namespaces"
	}
	return "this machine must let ordinary users create user namespaces"
}

func shimAttributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if os.Geteuid() != 0 {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return a
}

func identify(pid int) shimRecord {
	rec := shimRecord{PID: pid}
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		// The name before the last parenthesis may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 19 {
			rec.StartTime = fields[19]
		}
	}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		rec.Boot = strings.TrimSpace(string(boot))
	}
	return rec
}

// dropTaskIfEmpty ends a task without containers; the caller holds its lock.
func (r *Runner) dropTaskIfEmpty(task string) error {
	left, err := os.ReadDir(filepath.Join(r.taskDir(task), "c"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(left) > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// The answer is the end of the connection, which is the end of the process.
	_, err = r.call(ctx, task, request{Op: "exit"})
	if err != nil && !errors.Is(err, errShimGone) {
		r.killShim(task)
	}
	err = image.RemoveTree(r.taskDir(task))
	for _, b := range r.cgroups {
		if rerr := removeGroup(filepath.Join(b.Path, task)); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// killShim is for a shim that does not answer.
func (r *Runner) killShim(task string) {
	var rec shimRecord
	if err := readJSON(filepath.Join(r.taskDir(task), pidName), &rec); err != nil || rec.PID <= 1 {
		return
	}
	fd, err := unix.PidfdOpen(rec.PID, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// Identified after it was opened, so that the number cannot change owner.
	if identify(rec.PID) == rec {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// removeGroup removes a control group with what a crash left below it. A group
// is busy for a moment after its last process has gone.
func removeGroup(dir string) error {
	if below, err := os.ReadDir(dir); err == nil {
		for _, d := range below {
			if d.IsDir() {
				_ = os.Remove(filepath.Join(dir, d.Name()))
			}
		}
	}
	deadline := time.Now().Add(2 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		<-time.After(5 * time.Millisecond)
	}
}
