package tofu

import (
	"os/exec"
	"runtime"
	"syscall"
)

// ownGroup puts the compiler into its own process group, so that stopping it reaches its children, and lets the kernel
// end it when Berth is killed: the next start goes on from Go's build cache, with progress, instead of waiting blindly.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runGuarded runs the command on one thread: the kernel's death signal is tied to the thread that started the process,
// not to Berth as a whole.
func runGuarded(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
