package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
)

// Times of the lease that a claim holds where more than one machine may claim. DESIGN: the supervisor kills its tool
// before the lease is over, so a step that is claimed again cannot still be running.
const (
	Lease     = 5 * time.Minute
	Heartbeat = 10 * time.Second
	// Unreachable is how long a runner may be silent before pages say so.
	Unreachable = 30 * time.Second
)

// ExecutorDeps is what an Executor works with.
type ExecutorDeps struct {
	Runs    *Service
	Runner  *runner.Local
	Prepare *Preparer
	// Owner names this machine in leases. It must stay the same when the server is restarted on the same data
	// directory, so that it adopts its own steps.
	Owner   string
	Pool    string // empty is the built-in pool of the servers
	Workers int    // steps at a time
	// Leased says that other machines claim from the same database, so each step carries a deadline. Without it
	// the state lock of this machine is the fence.
	Leased bool
	Logger *slog.Logger
}

// PrepareInput is a claimed step and all that is stored about it.
type PrepareInput struct {
	Run      Run
	Step     Step
	Snapshot Snapshot // what the step's resource is to be made from, or was made from when it is destroyed
	Resource Resource
	Outputs  map[string]map[string]Output // of the environment's other resources
	State    []byte
	Journal  []runner.JournalEntry
	DataKey  []byte
	// Salvaging says that nothing is to be run any more: what is missing by now must not matter.
	Salvaging bool
}

// Executor claims steps and carries them out on this machine.
type Executor struct {
	ExecutorDeps

	group   *errgroup.Group
	slots   chan struct{}
	running *held
}

// NewExecutor returns an Executor.
func NewExecutor(d ExecutorDeps) *Executor {
	return &Executor{ExecutorDeps: d, slots: make(chan struct{}, d.Workers), running: newHeld()}
}

// Run adopts the steps this machine was running, then claims steps until ctx ends. Ending does not stop steps: their
// supervisors go on, and the next Run adopts them.
func (e *Executor) Run(ctx context.Context) error {
	group, inner := errgroup.WithContext(authz.WithSubject(ctx, authz.System("runner")))
	e.group = group
	if e.Leased {
		group.Go(func() error { return e.heartbeats(inner) })
	}
	group.Go(func() error { return e.stops(inner) })
	group.Go(func() error {
		if err := e.adopt(inner); err != nil {
			return err
		}
		if err := e.Prepare.Ready(inner); err != nil {
			return err
		}
		return e.claims(inner)
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (e *Executor) claims(ctx context.Context) error {
	ready, stopWatching := e.Runs.DB.Watch(topicSteps)
	defer stopWatching()
	tick := time.NewTicker(Heartbeat) // another machine's lease may have run out; nobody announces that
	defer tick.Stop()
	for {
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		claimed, err := e.claim(ctx)
		switch {
		case err != nil:
			<-e.slots
			if ctx.Err() != nil {
				return nil
			}
			return err
		case claimed == nil:
			<-e.slots
			select {
			case <-ready:
			case <-tick.C:
				if err := e.reclaim(ctx); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		default:
			e.group.Go(func() error {
				defer func() { <-e.slots }()
				return e.carry(ctx, *claimed)
			})
		}
	}
}

// claim takes the oldest ready step, or returns nil.
func (e *Executor) claim(ctx context.Context) (*Step, error) {
	var claimed *Step
	granted := runner.Now()
	err := e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		claimed = nil
		id, stepID, err := lockClaimable(ctx, tx, e.Pool)
		if err != nil || id == "" {
			return err
		}
		before, err := lockRun(ctx, tx, id)
		if err != nil {
			return err
		}
		attempt := before.step(stepID).Attempt + 1
		after, err := e.Runs.transition(ctx, tx, id, StepClaimed{Step: stepID, Attempt: attempt})
		if err != nil {
			return err
		}
		st := *after.step(stepID)
		st.leaseOwner, st.readOffset, st.granted = e.Owner, 0, granted
		st.leaseUntil = tx.Now().Add(Lease)
		claimed = &st
		return takeLease(ctx, tx, st)
	})
	if err != nil {
		return nil, fmt.Errorf("claiming a step: %w", err)
	}
	return claimed, nil
}

// carry runs one claimed step to its end. It returns an error only when this machine cannot go on.
func (e *Executor) carry(ctx context.Context, st Step) error {
	in, err := e.Runs.load(ctx, st)
	if err != nil {
		return err
	}
	spec, err := e.Prepare.Spec(ctx, in)
	if err != nil {
		if ctx.Err() != nil {
			return e.giveBack(ctx, st)
		}
		return e.refuse(ctx, st, err)
	}
	if e.Leased {
		spec.Fence = &runner.Fence{Granted: st.granted, Lease: Lease}
	}
	h, err := e.Runner.Start(ctx, spec)
	if err != nil {
		if ctx.Err() != nil {
			return e.giveBack(ctx, st)
		}
		return e.refuse(ctx, st, err)
	}
	return e.follow(ctx, st, h, in)
}

// refuse ends a step that could not be started. What a user can do something about is told as it is; anything else is
// logged and told in general terms.
func (e *Executor) refuse(ctx context.Context, st Step, cause error) error {
	e.Logger.ErrorContext(ctx, "starting a step", "step", st.ID, "error", cause)
	message := "The step could not be started because of an internal error; the server's log tells more under this step's id " + string(st.ID) + "."
	if known, ok := fault.As(cause); ok && known.Kind != fault.Internal {
		message = known.Message
	}
	return e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := e.Runs.transition(ctx, tx, st.RunID, StepFinished{Step: st.ID, Attempt: st.Attempt, Outcome: StepFailed, Error: message})
		return ignoreStale(err)
	})
}

// giveBack returns a claim that was not started because the server is stopping.
func (e *Executor) giveBack(ctx context.Context, st Step) error {
	return e.letGo(ctx, st, StepReturned{Step: st.ID, Attempt: st.Attempt})
}

func (e *Executor) letGo(ctx context.Context, st Step, ev Event) error {
	ctx = context.WithoutCancel(ctx) // the claim must not be left behind
	return e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := e.Runs.transition(ctx, tx, st.RunID, ev)
		return ignoreStale(err)
	})
}

// adopt takes over the steps that this machine ran before the server was restarted.
func (e *Executor) adopt(ctx context.Context) error {
	steps, err := db.List(ctx, e.Runs.DB, scanStep,
		`SELECT `+stepColumns+` FROM steps s WHERE s.status = 'running' AND s.pool = $1 AND s.lease_owner = $2`, e.Pool, e.Owner)
	if err != nil {
		return fmt.Errorf("looking for steps to adopt: %w", err)
	}
	for _, st := range steps {
		h, err := e.Runner.Adopt(ctx, string(st.ID), st.Attempt)
		if fault.KindOf(err) == fault.NotFound {
			// The server died between claiming and starting: nothing ran.
			if err := e.giveBack(ctx, st); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("adopting step %s: %w", st.ID, err)
		}
		e.Logger.InfoContext(ctx, "adopting a running step", "step", st.ID, "attempt", st.Attempt)
		e.group.Go(func() error {
			in, err := e.Runs.load(ctx, st)
			if err != nil {
				return err
			}
			return e.follow(ctx, st, h, in)
		})
	}
	return e.sweep(ctx)
}

// sweep wipes attempts whose end was taken over just before the server died.
func (e *Executor) sweep(ctx context.Context) error {
	left, err := e.Runner.List(ctx)
	if err != nil {
		return fmt.Errorf("listing attempts on disk: %w", err)
	}
	for _, a := range left {
		st, err := getStep(ctx, e.Runs.DB, StepID(a.StepID))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && st.Status == StepRunning && st.Attempt == a.Attempt {
			continue
		}
		if err := e.Runner.Settle(ctx, a.StepID, a.Attempt); err != nil {
			e.Logger.WarnContext(ctx, "wiping an old attempt", "step", a.StepID, "attempt", a.Attempt, "error", err)
		}
	}
	return nil
}

// reclaim makes steps ready again whose machine has let its lease run out.
func (e *Executor) reclaim(ctx context.Context) error {
	if !e.Leased {
		return nil
	}
	steps, err := db.List(ctx, e.Runs.DB, scanStep,
		`SELECT `+stepColumns+` FROM steps s WHERE s.status = 'running' AND s.lease_until < $1`, db.Micros(e.Runs.DB.Now()))
	if err != nil {
		return fmt.Errorf("looking for lost steps: %w", err)
	}
	for _, st := range steps {
		if err := e.letGo(ctx, st, StepLost{Step: st.ID, Attempt: st.Attempt}); err != nil {
			return err
		}
	}
	return nil
}

func ignoreStale(err error) error {
	if errors.Is(err, errStale) || errors.Is(err, errUnexpectedStep) {
		return nil
	}
	return err
}

// Busy reports whether a step is running on this machine, followed or not.
func (e *Executor) Busy(ctx context.Context) (bool, error) {
	var n int
	err := e.Runs.DB.QueryRowContext(ctx, `SELECT COUNT(*) FROM steps WHERE status = 'running' AND lease_owner = $1`, e.Owner).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("counting running steps: %w", err)
	}
	return n > 0, nil
}
