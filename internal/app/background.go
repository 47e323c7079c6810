package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/template/shipped"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/templates"
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
	add("announcing", a.announce)
	if a.sandbox != nil {
		add("sandbox", a.sandbox.Run)
	} else {
		a.ready.sandbox.reach()
	}
	if a.cfg.Dev != nil {
		add("first data", a.seed)
	} else {
		add("templates", a.publish)
	}
	return nil
}

// publish makes the templates that ship, and those in the operator's folder, available to every project. What is published
// already stays as it is.
func (a *App) publish(ctx context.Context) error {
	ctx = authz.WithSubject(ctx, authz.System("start"))
	sources := []fs.FS{templates.Files}
	if a.cfg.TemplatesDir != "" {
		sources = append(sources, os.DirFS(a.cfg.TemplatesDir))
	}
	for _, files := range sources {
		if _, err := shipped.Publish(ctx, a.templates, "", files); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("publishing templates: %w", err)
		}
	}
	a.ready.data.reach()
	return nil
}

// milestones are what has to happen once before environments can be deployed.
type milestones struct{ tools, sandbox, data milestone }

type milestone struct {
	once sync.Once
	ch   chan struct{}
}

func newMilestones() milestones {
	return milestones{milestone{ch: make(chan struct{})}, milestone{ch: make(chan struct{})}, milestone{ch: make(chan struct{})}}
}

func (m *milestone) reach() { m.once.Do(func() { close(m.ch) }) }

func (m *milestone) reached() bool {
	select {
	case <-m.ch:
		return true
	default:
		return false
	}
}

// announce tells once that everything is there.
func (a *App) announce(ctx context.Context) error {
	for _, m := range []*milestone{&a.ready.tools, &a.ready.sandbox, &a.ready.data} {
		select {
		case <-ctx.Done():
			return nil
		case <-m.ch:
		}
	}
	if a.cfg.OnReady != nil {
		a.cfg.OnReady()
	}
	return nil
}

// ensureTools makes the toolchain ready. A failure is shown on the pages; it is tried again when a step needs it.
func (a *App) ensureTools(ctx context.Context) error {
	report := a.cfg.OnProgress
	if report == nil {
		report = func(tofu.Progress) {}
	}
	if _, err := a.tools.Install(ctx, report); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("preparing OpenTofu: %w", err)
	}
	a.ready.tools.reach()
	return nil
}

// waitsFor says why no step can start: there is no OpenTofu yet.
func (a *App) waitsFor() string {
	snap := a.tools.Snapshot()
	if snap.Tofu != nil || snap.State == tofu.StateReady {
		return ""
	}
	why := "Waiting until OpenTofu is ready"
	for _, p := range snap.Tools {
		why += "; " + p.String()
	}
	if snap.Err != nil {
		why += "; " + snap.Err.Error()
	}
	return why + "."
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
			_, collectErr := a.templates.Collect(ctx)
			if err := errors.Join(trimErr, collectErr, a.identity.Prune(ctx)); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}
