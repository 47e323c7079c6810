package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/event"
)

// loop is a piece of background work. Its run blocks until ctx ends.
type loop struct {
	name string
	run  func(ctx context.Context) error
	// failing is set after several failures in a row, for /readyz.
	failing *atomic.Bool
}

const (
	firstPause    = time.Second
	longestPause  = time.Minute
	healthyAfter  = time.Minute // a run this long was no failure to start
	failuresToSay = 3
)

// supervise restarts a loop that fails, ever more slowly, and tells when it keeps failing.
func (l loop) supervise(ctx context.Context, log *slog.Logger) error {
	pause, failures := firstPause, 0
	for {
		begun := time.Now() //nolint:forbidigo // how long a goroutine ran is no business of the clock of the data
		err := l.once(ctx)
		if ctx.Err() != nil || err == nil {
			return nil
		}
		if time.Since(begun) > healthyAfter {
			pause, failures = firstPause, 0
		}
		failures++
		l.failing.Store(failures >= failuresToSay)
		log.ErrorContext(ctx, "background work failed and is started again", "name", l.name, "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

func (l loop) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.run(ctx)
}

func (a *App) newBackground(context.Context) error {
	add := func(name string, run func(ctx context.Context) error) {
		a.loops = append(a.loops, loop{name, run, &atomic.Bool{}})
	}
	add("events", a.events.Run)
	add("toolchain", a.ensureTools)
	add("runner", a.executor.Run)
	add("cleaning", a.clean)
	if a.sandbox != nil {
		add("sandbox", a.sandbox.Run)
	}
	if a.cfg.Dev != nil {
		add("first data", a.seed)
	} else {
		a.seeded.Store(true)
	}
	return nil
}

// ensureTools makes the toolchain ready. A failure is shown on the pages; it is tried again when a step needs it.
func (a *App) ensureTools(ctx context.Context) error {
	if _, err := a.tools.Ensure(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("preparing OpenTofu: %w", err)
	}
	return nil
}

const (
	cleanEvery = time.Hour
	keepEvents = 7 * 24 * time.Hour
)

// clean removes what nobody needs any more.
func (a *App) clean(ctx context.Context) error {
	ctx = authz.WithSubject(ctx, authz.System("cleaning"))
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_, trimErr := event.Trim(ctx, a.db, a.db.Now().Add(-keepEvents))
			if err := errors.Join(trimErr, a.identity.Prune(ctx)); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}
