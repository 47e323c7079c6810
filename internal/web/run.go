package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web/views"
)

// findRun loads the run that the address names, and its environment.
func (s *server) findRun(r *http.Request) (environment.Environment, runFacts, error) {
	ctx := r.Context()
	p, err := s.Projects.Get(ctx, r.PathValue("project"))
	if err != nil {
		return environment.Environment{}, runFacts{}, err
	}
	e, err := s.Environments.Get(ctx, string(p.ID), r.PathValue("environment"))
	if err != nil {
		return e, runFacts{}, err
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 1 {
		return e, runFacts{}, run.ErrNotFound
	}
	f := runFacts{now: s.now(), base: views.ProjectPath(p.Name, "environments", e.Name), ready: s.Tools.Snapshot().State == tofu.StateReady}
	if f.Run, err = s.Runs.GetByNumber(ctx, string(e.ID), number); err != nil {
		return e, f, err
	}
	f.progress, err = s.Runs.Progress(ctx, f.Run)
	return e, f, err
}

func (s *server) runPage(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "Run "+r.PathValue("number")+" of "+r.PathValue("environment"))
	if err != nil {
		return err
	}
	last, err := s.Events.Last(r.Context())
	if err != nil {
		return err
	}
	e, f, err := s.findRun(r)
	if err != nil {
		return err
	}
	v := runView(r, sc, e, f)
	asked := r.URL.Query().Get("log")
	var at place
	if v.Log, at, err = s.logView(r.Context(), f, asked); err != nil {
		return err
	}
	if v.Cause != nil {
		v.Cause.WhereURL = errorLineURL(f, v.Log)
	}
	v.EventsURL = f.url() + "/events?" + url.Values{"log": {asked}, "feed": {feedID(last, at)}}.Encode()
	return render(w, r, http.StatusOK, RunPage(v))
}

// errorLineURL leads to the first error among the lines that are shown.
func errorLineURL(f runFacts, log views.Log) string {
	st := f.failedStep()
	if st == nil || log.Current != st.Resource {
		return f.failedLogURL()
	}
	for _, line := range log.Lines {
		if line.Level == "error" && strings.Contains(line.Text, "Error:") {
			return fmt.Sprintf("%s?log=%s#L%d", f.url(), url.QueryEscape(st.Resource), line.Number)
		}
	}
	return f.failedLogURL()
}

func (f runFacts) failedLogURL() string {
	if st := f.failedStep(); st != nil {
		return f.logURL(st.Resource)
	}
	return f.url()
}

// runView is the page of a run without its log.
func runView(r *http.Request, sc scope, e environment.Environment, f runFacts) views.RunPage {
	v := views.RunPage{
		Page: sc.Page, Environment: e.Name, EnvironmentURL: f.base, Number: f.Number, Kind: kindWord(f.Kind), Status: runStatus(f.Status),
		By: f.CreatedByEmail, Started: views.At(f.StartedAt, f.now), Headline: f.headline(), Progress: f.estimate(), Cause: f.cause(), Steps: f.steps(),
	}
	v.Sandbox = e.Sandbox
	if v.Started.IsZero() {
		v.Started = views.At(f.CreatedAt, f.now)
	}
	if !f.FinishedAt.IsZero() {
		v.Took = took(f.StartedAt, f.FinishedAt, f.now)
	}
	if f.Kind == run.KindPlan && f.Status == run.StatusSucceeded {
		v.PlanURL = f.url() + "/plan"
	}
	latest := e.LastRun != nil && e.LastRun.ID == f.ID
	switch {
	case !f.Status.Ended() && refusal(r, authz.RunCancel, sc.id) == "":
		v.Cancel = &views.Action{Label: "Cancel", URL: f.url() + "/cancel"}
		if f.CancelRequested {
			v.Cancel.Blocked = "It is being stopped already."
		}
	case f.Status == run.StatusFailed || f.Status == run.StatusCanceled:
		if latest {
			v.Retry = (&environmentFacts{Environment: e, scope: sc, base: f.base, run: &f, may: map[authz.Permission]string{
				authz.EnvironmentDeploy: refusal(r, authz.EnvironmentDeploy, sc.id), authz.EnvironmentDestroy: refusal(r, authz.EnvironmentDestroy, sc.id),
			}}).retryAction()
		}
	}
	return v
}

// feedID is the id of an event on a run's page: what was seen of the changes, and of the log.
func feedID(last int64, at place) string { return fmt.Sprintf("%d~%s", last, at) }

func readFeedID(text string) (last int64, at place, ok bool) {
	head, rest, found := strings.Cut(text, "~")
	last, err := strconv.ParseInt(head, 10, 64)
	if err != nil || !found {
		return 0, place{}, false
	}
	at, ok = readPlace(rest)
	return last, at, ok
}

// runFeed sends the parts of a run's page as they change, and its log.
type runFeed struct {
	*server
	r     *http.Request
	out   *stream
	sc    scope
	asked string // the step whose log was chosen; "" follows the run
	last  int64
	at    place
	more  chan func() error
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // a feed lives as long as the request it answers
	stop  context.CancelFunc
}

// runEvents follows one run.
func (s *server) runEvents(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "")
	if err != nil {
		return err
	}
	_, f, err := s.findRun(r)
	if err != nil {
		return err
	}
	known := false
	feed := &runFeed{server: s, r: r, sc: sc, asked: r.URL.Query().Get("log"), more: make(chan func() error), stop: func() {}}
	if feed.last, feed.at, known = readFeedID(resumeAt(r)); !known {
		feed.last = unknown
	}
	feed.out = s.stream(w, r)
	feed.group, feed.ctx = errgroup.WithContext(r.Context())
	feed.group.Go(func() error {
		if known {
			if err := feed.openLog(f, false); err != nil {
				return err
			}
		}
		filter := event.Filter{ProjectIDs: []string{sc.id}, RunID: string(f.ID)}
		return s.follow(feed.ctx, r, feed.out, filter, feed.last, feed.more, feed.draw)
	})
	return s.ended(r, feed.group.Wait())
}

func (feed *runFeed) draw(last int64, _ []event.Event) error {
	feed.last = last
	feed.sc.Now = feed.now()
	e, f, err := feed.findRun(feed.r)
	if fault.KindOf(err) == fault.NotFound {
		return errGone
	}
	if err != nil {
		return err
	}
	v := runView(feed.r, feed.sc, e, f)
	if v.Cause != nil {
		v.Cause.WhereURL = f.failedLogURL()
	}
	ctx, id := feed.ctx, feedID(feed.last, feed.at)
	if err := feed.out.fragment(ctx, id, "head", RunHead(v)); err != nil {
		return err
	}
	if err := feed.out.fragment(ctx, id, "cause", runCause(v.Cause)); err != nil {
		return err
	}
	if err := feed.out.fragment(ctx, id, "steps", RunSteps(v.Steps)); err != nil {
		return err
	}
	return feed.openLog(f, true)
}

// openLog follows the log of the step to be shown. When that is another one than before, or begins anew, the whole panel
// is sent.
func (feed *runFeed) openLog(f runFacts, following bool) error {
	st := stepToShow(f.Run, feed.asked)
	if st == nil || st.Attempt == 0 {
		return nil
	}
	same := st.Resource == feed.at.resource && st.Attempt == feed.at.attempt
	if same && following {
		return nil
	}
	feed.stop()
	if !same {
		panel, at, err := feed.logView(feed.ctx, f, feed.asked)
		if err != nil {
			return err
		}
		feed.at = at
		if err := feed.out.fragment(feed.ctx, feedID(feed.last, at), "log-panel", logPanel(panel)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(feed.ctx)
	feed.stop = cancel
	step, from := *st, feed.at
	feed.group.Go(func() error {
		defer cancel()
		err := feed.followLog(ctx, step, from, func(lines []views.LogLine, at place) error {
			return feed.hand(ctx, lines, at)
		})
		if ctx.Err() != nil {
			return nil // another log is followed now, or nobody looks any more
		}
		return err
	})
	return nil
}

// hand gives lines to the one goroutine that writes.
func (feed *runFeed) hand(ctx context.Context, lines []views.LogLine, at place) error {
	write := func() error {
		if ctx.Err() != nil {
			return nil
		}
		body, err := text(feed.ctx, LogLines(lines))
		if err != nil {
			return err
		}
		feed.at = at
		return feed.out.send(feedID(feed.last, at), "log", body)
	}
	select {
	case feed.more <- write:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) cancelRun(w http.ResponseWriter, r *http.Request) error {
	_, f, err := s.findRun(r)
	if err != nil {
		return err
	}
	if _, err := s.Runs.Cancel(r.Context(), f.ID); err != nil {
		return err
	}
	to := f.base
	if from := referer(r); from != "" {
		to = from
	}
	return redirect(w, r, to)
}
