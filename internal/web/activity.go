package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web/views"
)

const runsPerPage = 50

// activity lists the runs of a project, newest first.
func (s *server) activity(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionActivity, "Activity")
	if err != nil {
		return err
	}
	last, err := s.Events.Last(r.Context())
	if err != nil {
		return err
	}
	v, err := s.activityView(r, sc)
	if err != nil {
		return err
	}
	v.EventsURL = views.ProjectPath(sc.Project.Slug, "activity", "events") + "?" + withQuery(r.URL.Query(), "feed", fmt.Sprint(last))
	return render(w, r, http.StatusOK, ActivityPage(v))
}

func (s *server) activityView(r *http.Request, sc scope) (views.ActivityPage, error) {
	q := r.URL.Query()
	v := views.ActivityPage{Page: sc.Page, Status: q.Get("status"), Kind: q.Get("kind"), Text: q.Get("q")}
	pages := q["after"]
	f := run.ListFilter{ProjectID: sc.id, Limit: runsPerPage}
	if len(pages) > 0 {
		f.Before = run.ID(pages[len(pages)-1])
	}
	items, err := s.Runs.List(r.Context(), f)
	if err != nil {
		return v, err
	}
	q.Del("feed")
	q.Del("last")
	v.Any = len(items) > 0 || len(pages) > 0
	base := views.ProjectPath(sc.Project.Slug, "activity") + "?"
	if len(items) == runsPerPage {
		v.NextURL = base + withQuery(q, "after", append(slices.Clone(pages), string(items[len(items)-1].ID))...)
	}
	if len(pages) > 0 {
		v.PrevURL = base + withQuery(q, "after", pages[:len(pages)-1]...)
	}
	items = slices.DeleteFunc(items, func(it run.Item) bool { return !wanted(it, v) })
	v.Rows = runRows(items, sc.Project.Slug, sc.Now, s.Tools.Snapshot().State == tofu.StateReady)
	return v, nil
}

// activityEvents sends the list of runs anew whenever one begins, ends or goes on.
func (s *server) activityEvents(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionActivity, "")
	if err != nil {
		return err
	}
	if _, err := s.activityView(r, sc); err != nil { // refused before the stream begins
		return err
	}
	out := s.stream(w, r)
	filter := event.Filter{ProjectIDs: []string{sc.id}, Kinds: []string{"run."}}
	err = s.follow(r.Context(), r, out, filter, lastSeen(r), nil, func(last int64, _ []event.Event) error {
		sc.Now = s.now()
		v, err := s.activityView(r, sc)
		if err != nil {
			return err
		}
		return out.fragment(r.Context(), fmt.Sprint(last), "runs", ActivityRuns(v))
	})
	return s.ended(r, err)
}

// wanted says whether a run fits the filter.
func wanted(it run.Item, v views.ActivityPage) bool {
	return (v.Status == "" || string(it.Status) == v.Status) && (v.Kind == "" || string(it.Kind) == v.Kind) &&
		(v.Text == "" || strings.Contains(it.Environment, strings.ToLower(v.Text)) || strings.Contains(it.CreatedByEmail, strings.ToLower(v.Text)))
}

func runRows(items []run.Item, project string, now time.Time, ready bool) []views.RunRow {
	var out []views.RunRow
	for _, it := range items {
		f := runFacts{Run: it.Run, now: now, ready: ready, base: views.ProjectPath(project, "environments", it.Environment)}
		row := views.RunRow{
			URL: f.url(), Number: it.Number, Environment: it.Environment, EnvironmentURL: f.base, Kind: kindWord(it.Kind), Status: runStatus(it.Status),
			Headline: f.headline(), By: it.CreatedByEmail, Started: views.At(it.CreatedAt, now),
		}
		if !it.FinishedAt.IsZero() {
			row.Took = took(it.StartedAt, it.FinishedAt, now)
		}
		if it.Status == run.StatusFailed {
			if cause := it.Cause(); cause != "" {
				row.Headline = fmt.Sprintf("%s: %s", f.headline(), cause)
			}
		}
		out = append(out, row)
	}
	return out
}
