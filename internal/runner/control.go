package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// command is one line of an attempt's control file. A file instead of a socket: it has no connection to lose, no limit
// on the length of its path, and a command given while nobody listens is still there.
type command struct {
	Op string `json:"op"` // stop, kill, extend
	// Granted is when an extended lease began to run, by the boot clock both sides share.
	Granted Instant `json:"granted,omitempty"`
}

func (d attemptDir) sendCommand(c command) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.path(fileControl), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// stopper holds why and how a step is to end, and tells the tool that runs.
type stopper struct {
	mu       sync.Mutex
	status   Status // why; empty while it goes on
	killed   bool
	tool     func(kill bool) // how to reach the running tool, nil between tools
	killAt   Instant         // when an orderly stop has to give way
	grace    time.Duration
	changed  chan struct{}
	onNotice func(code, message string)
}

func newStopper(grace time.Duration, onNotice func(code, message string)) *stopper {
	return &stopper{grace: grace, changed: make(chan struct{}, 1), onNotice: onNotice}
}

// stop asks for an orderly end; the first reason stands, and the tool gets one SIGINT only, because a second one makes
// it drop everything.
func (s *stopper) stop(why Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != "" {
		return
	}
	s.status, s.killAt = why, Now().Add(s.grace)
	if s.tool != nil {
		s.tool(false)
	}
	s.poke()
}

// kill ends the tool and everything it started.
func (s *stopper) kill(why Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status == "" {
		s.status = why
	}
	if s.killed {
		return
	}
	s.killed = true
	if s.tool != nil {
		s.tool(true)
	}
	s.poke()
}

func (s *stopper) poke() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// attach names the tool that now runs; a stop that came before reaches it at once. It returns false when no tool may
// be started any more.
func (s *stopper) allowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status == ""
}

func (s *stopper) attach(tool func(kill bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tool = tool
	if s.killed {
		tool(true)
	} else if s.status != "" {
		tool(false)
	}
}

func (s *stopper) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tool = nil
}

func (s *stopper) reason() (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.killed
}

// fenceState is the lease as the supervisor knows it.
type fenceState struct {
	mu sync.Mutex
	f  *Fence
}

func (f *fenceState) extend(granted Instant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Commands may be seen late; the boot clock says when the lease really began. Never from the future.
	if f.f != nil && granted > f.f.Granted && granted <= Now() {
		f.f.Granted = granted
	}
}

// check says whether the lease allows going on, stopping in order, or only killing, and when to look again.
func (f *fenceState) check(now Instant) (stop, kill bool, next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return false, false, time.Hour
	}
	half := f.f.Granted.Add(f.f.Lease / 2)
	last := f.f.Granted.Add(f.f.Lease - f.f.Margin)
	switch {
	case now >= last:
		return true, true, time.Hour
	case now >= half:
		return true, false, last.Sub(now)
	default:
		return false, false, half.Sub(now)
	}
}

// guard carries out commands and deadlines until ctx ends. It is the only place that decides to stop a step.
func (s *supervisor) guard(ctx context.Context) error {
	w, done, err := watch(ctx, s.dir.path(fileControl))
	if err != nil {
		return err
	}
	f, err := os.Open(s.dir.path(fileControl))
	if err != nil {
		done()
		return err
	}
	commands := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case commands <- struct{}{}:
			default:
			}
			if _, err := w.wait(); err != nil {
				return
			}
		}
	}()
	go func() {
		defer done()
		defer f.Close()
		tail := &lineTail{f: f}
		deadline := Now().Add(s.spec.Timeouts.Step)
		for {
			timer := time.NewTimer(s.tick(deadline))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-commands:
				s.takeCommands(tail)
			case <-s.stop.changed:
			case <-timer.C:
			}
			timer.Stop()
		}
	}()
	return nil
}

// tick looks at every deadline and returns when to look again. Go's timers stand still while the machine is suspended
// and the boot clock does not, so it never waits long.
func (s *supervisor) tick(deadline Instant) time.Duration {
	now := Now()
	next := time.Second
	if stop, kill, at := s.fence.check(now); kill {
		s.stop.kill(StatusFenced)
	} else if stop {
		s.stop.stop(StatusFenced)
		next = min(next, at)
	} else {
		next = min(next, at)
	}
	if now >= deadline {
		s.stop.stop(StatusTimedOut)
	}
	s.stop.mu.Lock()
	stopping, killAt := s.stop.status != "" && !s.stop.killed, s.stop.killAt
	s.stop.mu.Unlock()
	if stopping {
		if now >= killAt {
			s.stop.onNotice("grace_over", fmt.Sprintf("the tool did not end within %s after it was asked to; it is killed", s.stop.grace))
			s.stop.kill(StatusCanceled)
		} else {
			next = min(next, killAt.Sub(now))
		}
	}
	return max(next, time.Millisecond)
}

func (s *supervisor) takeCommands(tail *lineTail) {
	lines, err := tail.next()
	if err != nil {
		return
	}
	for _, line := range lines {
		var c command
		if json.Unmarshal(line, &c) != nil {
			continue
		}
		switch c.Op {
		case "stop":
			s.stop.stop(StatusCanceled)
		case "kill":
			s.stop.kill(StatusCanceled)
		case "extend":
			s.fence.extend(c.Granted)
		}
	}
}
