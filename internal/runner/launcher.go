package runner

import (
	"os/exec"
	"runtime"
)

// launcher starts processes from one operating system thread that lives as long as the supervisor. Two things hang on
// a thread: the mount namespace children get, and the signal they get when who started them dies.
type launcher struct {
	jobs chan func()
}

// newLauncher starts the thread; prepare runs on it first.
func newLauncher(prepare func() error) (*launcher, error) {
	l := &launcher{jobs: make(chan func())}
	ready := make(chan error)
	go func() {
		// Never unlocked: a thread with a namespace of its own must not serve other goroutines.
		runtime.LockOSThread()
		ready <- prepare()
		for job := range l.jobs {
			job()
		}
	}()
	return l, <-ready
}

func (l *launcher) start(cmd *exec.Cmd) error {
	done := make(chan error)
	l.jobs <- func() { done <- cmd.Start() }
	return <-done
}
