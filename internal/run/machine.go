package run

import "time"

// Event is something that happened to a run. The set is closed.
type Event interface{ event() }

type (
	// Created is the first event of every run.
	Created struct{}
	// StepClaimed says that a runner took a ready step; Attempt is the number it was given.
	StepClaimed struct {
		Step    StepID
		Attempt int
	}
	// StepFinished reports how an attempt ended.
	StepFinished struct {
		Step    StepID
		Attempt int
		Outcome StepStatus // succeeded, failed or canceled
		Error   string
	}
	// StepLost says that an attempt's runner is certainly gone and reported no end.
	StepLost struct {
		Step    StepID
		Attempt int
	}
	// StepReturned gives back a claim that was never started, because the server is stopping.
	StepReturned struct {
		Step    StepID
		Attempt int
	}
	// CancelRequested asks a run to stop as soon as that is safe.
	CancelRequested struct{}
	// RetryRequested asks an ended run to redo what did not succeed.
	RetryRequested struct{}
)

func (Created) event()         {}
func (StepClaimed) event()     {}
func (StepFinished) event()    {}
func (StepLost) event()        {}
func (StepReturned) event()    {}
func (CancelRequested) event() {}
func (RetryRequested) event()  {}

// Command is something the caller must do after it has saved the run. The set is closed.
type Command interface{ command() }

type (
	// Wake says that a step has become ready: somebody should claim it.
	Wake struct{ Step StepID }
	// Stop asks the runner of a running step to stop it.
	Stop struct {
		Step    StepID
		Attempt int
	}
	// Finish says that the run has just ended.
	Finish struct{ Status Status }
)

func (Wake) command()   {}
func (Stop) command()   {}
func (Finish) command() {}

// Next is the whole state machine of a run: it takes a run and what happened at the given time, and returns
// the run as it is after that, and what to do now. It never changes its argument. An event that cannot happen
// in the run's state is an error and changes nothing: an old attempt's report is errStale.
func Next(before Run, ev Event, at time.Time) (Run, []Command, error) {
	r := before.clone()
	var cmds []Command
	switch ev := ev.(type) {
	case Created:
		r.Status = StatusQueued
		r.CreatedAt = at
	case StepClaimed:
		if err := r.claim(ev, at); err != nil {
			return before, nil, err
		}
	case StepFinished:
		if err := r.finish(ev, at); err != nil {
			return before, nil, err
		}
	case StepLost:
		woken, err := r.lose(ev, at)
		if err != nil {
			return before, nil, err
		}
		if woken {
			cmds = append(cmds, Wake{Step: ev.Step})
		}
	case StepReturned:
		woken, err := r.giveBack(ev, at)
		if err != nil {
			return before, nil, err
		}
		if woken {
			cmds = append(cmds, Wake{Step: ev.Step})
		}
	case CancelRequested:
		if r.Status.Ended() {
			return before, nil, ErrNotCancelable
		}
		cmds = append(cmds, r.cancel(at)...)
	case RetryRequested:
		if r.Status != StatusFailed && r.Status != StatusCanceled {
			return before, nil, ErrNotRetryable
		}
		r.retry()
	}
	cmds = append(cmds, r.settle(at)...)
	return r, cmds, nil
}

func (r *Run) claim(ev StepClaimed, at time.Time) error {
	s := r.step(ev.Step)
	if s == nil || s.Status != StepReady {
		return errUnexpectedStep
	}
	if ev.Attempt <= s.Attempt {
		return errStale
	}
	s.Status, s.Attempt, s.Phase, s.Error = StepRunning, ev.Attempt, "", ""
	s.Added, s.Changed, s.Destroyed = 0, 0, 0
	if s.StartedAt.IsZero() {
		s.StartedAt = at
	}
	if r.StartedAt.IsZero() {
		r.StartedAt = at
	}
	r.Status = StatusRunning
	return nil
}

func (r *Run) finish(ev StepFinished, at time.Time) error {
	s := r.step(ev.Step)
	switch {
	case s == nil:
		return errUnexpectedStep
	case ev.Attempt != s.Attempt:
		return errStale
	case s.Status != StepRunning:
		return errUnexpectedStep
	}
	switch ev.Outcome {
	case StepSucceeded, StepFailed, StepCanceled:
	case StepPending, StepReady, StepRunning, StepSkipped:
		return errUnexpectedStep
	}
	s.Status, s.Error, s.FinishedAt = ev.Outcome, ev.Error, at
	return nil
}

// lose makes a step claimable again. After a requested cancel it is not started again: its journal is kept,
// and the next run of the environment repairs the state before anything else.
func (r *Run) lose(ev StepLost, at time.Time) (woken bool, err error) {
	s := r.step(ev.Step)
	switch {
	case s == nil || s.Status != StepRunning:
		return false, errUnexpectedStep
	case ev.Attempt != s.Attempt:
		return false, errStale
	case r.CancelRequested:
		s.Status, s.FinishedAt = StepCanceled, at
		s.Error = "The run was canceled and its runner died while stopping. The next run repairs the state first."
		return false, nil
	case s.Losses+1 >= MaxLosses:
		s.Status, s.FinishedAt = StepFailed, at
		s.Error = "The process that ran this step died every time it was started. Look at the log of the last attempt; the machine may be short of memory."
		return false, nil
	}
	s.Status, s.Phase = StepReady, ""
	s.Losses++
	return true, nil
}

// giveBack makes a step claimable again whose attempt never began.
func (r *Run) giveBack(ev StepReturned, at time.Time) (woken bool, err error) {
	s := r.step(ev.Step)
	switch {
	case s == nil || s.Status != StepRunning:
		return false, errUnexpectedStep
	case ev.Attempt != s.Attempt:
		return false, errStale
	case r.CancelRequested:
		s.Status, s.FinishedAt = StepCanceled, at
		return false, nil
	}
	s.Status, s.Phase = StepReady, ""
	return true, nil
}

func (r *Run) cancel(at time.Time) []Command {
	r.CancelRequested = true
	var cmds []Command
	for i := range r.Steps {
		s := &r.Steps[i]
		switch s.Status {
		case StepPending, StepReady:
			s.Status, s.FinishedAt = StepCanceled, at
		case StepRunning:
			cmds = append(cmds, Stop{Step: s.ID, Attempt: s.Attempt})
		case StepSucceeded, StepFailed, StepSkipped, StepCanceled:
		}
	}
	return cmds
}

func (r *Run) retry() {
	r.CancelRequested = false
	r.Status = StatusQueued
	r.FinishedAt = time.Time{}
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Status == StepSucceeded {
			continue
		}
		s.Status, s.Phase, s.Error, s.Losses = StepPending, "", "", 0
		s.StartedAt, s.FinishedAt = time.Time{}, time.Time{}
	}
}

// settle moves on whatever the last change made possible: it readies steps whose dependencies have succeeded,
// skips those that can never start, and ends the run when no step is left.
func (r *Run) settle(at time.Time) []Command {
	if r.Status.Ended() {
		return nil
	}
	var cmds []Command
	for changed := true; changed; {
		changed = false
		for i := range r.Steps {
			s := &r.Steps[i]
			if s.Status != StepPending {
				continue
			}
			switch r.dependencies(s) {
			case StepSucceeded:
				s.Status = StepReady
				cmds = append(cmds, Wake{Step: s.ID})
				changed = true
			case StepFailed:
				s.Status, s.FinishedAt = StepSkipped, at
				changed = true
			default:
			}
		}
	}
	if end, ok := r.outcome(); ok {
		r.Status, r.FinishedAt = end, at
		if r.StartedAt.IsZero() {
			r.StartedAt = at
		}
		cmds = append(cmds, Finish{Status: end})
	}
	return cmds
}

// dependencies sums up the steps that s waits for: succeeded when all have, failed when one never will.
func (r *Run) dependencies(s *Step) StepStatus {
	sum := StepSucceeded
	for _, id := range s.DependsOn {
		d := r.step(id)
		switch {
		case d == nil || d.Status == StepSucceeded:
		case d.Status.Ended():
			return StepFailed
		default:
			sum = StepPending
		}
	}
	return sum
}

// outcome is the run's end, once every step has ended.
func (r *Run) outcome() (Status, bool) {
	end := StatusSucceeded
	for i := range r.Steps {
		switch r.Steps[i].Status {
		case StepPending, StepReady, StepRunning:
			return "", false
		case StepFailed:
			end = StatusFailed
		case StepCanceled:
			if end == StatusSucceeded {
				end = StatusCanceled
			}
		case StepSkipped, StepSucceeded:
		}
	}
	return end, true
}
