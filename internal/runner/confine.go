package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// confinedName is the first argument of a process that enters its confinement and then becomes another program.
const confinedName = "berth-confined"

// Confined is a program that runs to its end within the call: not a step, and nothing that could change a resource, but
// it may start template code (a provider that is asked for its schema).
type Confined struct {
	Path string
	Args []string
	Dir  string
	Env  []string
	// Output and Errors take what it prints. They are files, so that nothing it leaves behind can keep the caller waiting.
	Output, Errors *os.File
	// Hide lists what it must not see, Read and Write what stays visible below that. Where the machine permits no
	// namespaces it runs without, as steps do. Without Hide nothing is confined, and the running binary need not call
	// MaybeSupervise.
	Hide, Read, Write []string
}

// confinement is what a confined process reads from its standard input.
type confinement struct {
	Path        string
	Args        []string
	Env         []string
	Hide        []string
	Read, Write []string
}

// Run runs the program in a process group of its own, and where possible in a process namespace, so that nothing of it
// is left when Run returns. Its exit code is -1 when a signal ended it. When ctx ends, all of it is killed.
func (c Confined) Run(ctx context.Context) (int, error) {
	if len(c.Hide) > 0 {
		code, entered, err := c.runHidden(ctx)
		if entered || ctx.Err() != nil {
			return code, err
		}
	}
	cmd := c.command(c.Path, c.Args)
	cmd.Env = c.Env
	return runGroup(ctx, cmd)
}

func (c Confined) command(path string, args []string) *exec.Cmd {
	return &exec.Cmd{
		Path: path, Args: append([]string{path}, args...), Dir: c.Dir, Stdout: c.Output, Stderr: c.Errors,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
}

// runHidden starts this program again, which enters the namespace and becomes the other one. A thread of a server cannot
// do that for an ordinary user, and should not for root. It reports whether the program was started at all.
func (c Confined) runHidden(ctx context.Context) (code int, entered bool, err error) {
	body, err := json.Marshal(confinement{Path: c.Path, Args: c.Args, Env: c.Env, Hide: resolveAll(c.Hide),
		Read: resolveAll(c.Read), Write: resolveAll(c.Write)})
	if err != nil {
		return -1, false, err
	}
	for _, flags := range []uintptr{syscall.CLONE_NEWPID, 0} {
		if code, entered, err = c.tryHidden(ctx, body, flags); entered || ctx.Err() != nil {
			return code, entered, err
		}
	}
	return -1, false, err
}

func (c Confined) tryHidden(ctx context.Context, body []byte, flags uintptr) (code int, entered bool, err error) {
	failR, failW, err := os.Pipe()
	if err != nil {
		return -1, false, err
	}
	defer failR.Close()
	cmd := c.command("/proc/self/exe", nil)
	cmd.Args = []string{confinedName}
	cmd.Env = []string{"PATH=" + defaultPath}
	cmd.Stdin = bytes.NewReader(body)
	cmd.ExtraFiles = []*os.File{failW}
	attr := cmd.SysProcAttr
	attr.Cloneflags = flags
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{capSysAdmin}
	}
	// The pipe closes when the process has become the other program, or has ended.
	failed := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(failR, 64<<10))
		failed <- text
	}()
	code, err = runGroup(ctx, cmd)
	_ = failW.Close()
	why := <-failed
	switch {
	case len(why) > 0:
		return -1, false, errors.New(string(why))
	case err != nil && cmd.ProcessState == nil:
		return -1, false, err // not even started
	}
	return code, true, err
}

// runGroup runs a command to its end and kills what is left of its group. It stays on one thread, because the signal
// that ends the command with this process is tied to the thread that started it.
func runGroup(ctx context.Context, cmd *exec.Cmd) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := ctx.Err(); err != nil {
		return -1, err
	}
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	pid := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(-pid, unix.SIGKILL) })
	err := cmd.Wait()
	stop()
	_ = unix.Kill(-pid, unix.SIGKILL)
	if ctx.Err() != nil {
		return -1, ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return -1, err
	}
	return 0, nil
}

// becomeConfined enters the confinement and becomes the program. It returns only when that failed.
func becomeConfined() error {
	unix.CloseOnExec(3)
	var c confinement
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return fmt.Errorf("reading the confinement: %w", err)
	}
	runtime.LockOSThread()
	keeps := []keep{{c.Path, false}}
	for _, p := range c.Read {
		keeps = append(keeps, keep{p, false})
	}
	for _, p := range c.Write {
		keeps = append(keeps, keep{p, true})
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := enterNamespace(c.Hide, keeps); err != nil {
		return err
	}
	// The working directory is still the one under the cover.
	if err := os.Chdir(filepath.Clean(dir)); err != nil {
		return err
	}
	return syscall.Exec(c.Path, append([]string{c.Path}, c.Args...), c.Env)
}

func confinedMain() {
	err := becomeConfined()
	_, _ = os.NewFile(3, "failed").WriteString(err.Error())
	os.Exit(1)
}
