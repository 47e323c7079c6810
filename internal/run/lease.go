package run

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/runner"
)

// held are the attempts this process is following.
type held struct {
	mu sync.Mutex
	m  map[StepID]heldStep
}

type heldStep struct {
	attempt int
	handle  *runner.Handle
	stop    chan struct{} // gets a value when the attempt is to stop
}

func newHeld() *held { return &held{m: map[StepID]heldStep{}} }

// add returns the channel that gets a value when the attempt is to stop.
func (h *held) add(st Step, handle *runner.Handle) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	stop := make(chan struct{}, 1)
	h.m[st.ID] = heldStep{st.Attempt, handle, stop}
	return stop
}

func (h *held) remove(st Step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.m, st.ID)
}

func (h *held) requestStop(id StepID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.m[id]; ok {
		select {
		case s.stop <- struct{}{}:
		default: // it was asked already
		}
	}
}

func (h *held) all() map[StepID]heldStep {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[StepID]heldStep, len(h.m))
	for id, s := range h.m {
		out[id] = s
	}
	return out
}

// stops passes on requests to cancel, whichever server got them.
func (e *Executor) stops(ctx context.Context) error {
	asked, stopWatching := e.Runs.DB.Watch(topicStops)
	defer stopWatching()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			if err := e.checkStops(ctx); err != nil {
				return err
			}
		}
	}
}

// checkStops asks every step of this machine to stop whose run is being canceled.
func (e *Executor) checkStops(ctx context.Context) error {
	ids, err := db.List(ctx, e.Runs.DB, db.Value[StepID], `SELECT s.id FROM steps s JOIN runs r ON r.id = s.run_id
		WHERE s.lease_owner = $1 AND s.status = 'running' AND r.cancel_requested = 1`, e.Owner)
	if err != nil {
		return fmt.Errorf("looking for steps to stop: %w", err)
	}
	for _, id := range ids {
		e.running.requestStop(id)
	}
	return nil
}

// heartbeats extends the leases of everything this process follows, in the database and at the supervisors. A beat that
// the database does not answer is left out: the supervisors' own clocks then run down.
func (e *Executor) heartbeats(ctx context.Context) error {
	tick := time.NewTicker(Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := e.beat(ctx); err != nil && ctx.Err() == nil {
				e.Logger.WarnContext(ctx, "extending leases", "error", err)
			}
		}
	}
}

func (e *Executor) beat(ctx context.Context) error {
	steps := e.running.all()
	if len(steps) == 0 {
		return nil
	}
	granted := runner.Now()
	var extended []StepID
	err := e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		args := []any{e.Owner, db.Micros(tx.Now().Add(Lease))}
		var marks []string
		for id := range steps {
			args = append(args, id)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		var err error
		extended, err = db.List(ctx, tx, db.Value[StepID], `UPDATE steps SET lease_until = $2
			WHERE lease_owner = $1 AND status = 'running' AND id IN (`+strings.Join(marks, ", ")+`) RETURNING id`, args...)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range extended {
		if err := steps[id].handle.Extend(ctx, granted); err != nil {
			return fmt.Errorf("extending step %s: %w", id, err)
		}
	}
	return nil
}
