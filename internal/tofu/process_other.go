//go:build unix && !linux

package tofu

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the compiler into its own process group, so that stopping it reaches its children.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

func runGuarded(cmd *exec.Cmd) error { return cmd.Run() }
