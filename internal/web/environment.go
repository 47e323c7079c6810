package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web/views"
)

const runsOnTab = 50

// environmentPage shows one environment, with the part of it that the address names.
func (s *server) environmentPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.environmentView(w, r, views.Tab(r.PathValue("tab")))
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, EnvironmentPage(v))
}

func (s *server) environmentView(w http.ResponseWriter, r *http.Request, tab views.Tab) (views.EnvironmentPage, error) {
	var v views.EnvironmentPage
	if !slices.Contains([]views.Tab{views.TabOverview, views.TabResources, views.TabInputs, views.TabActivity, views.TabSettings}, tab) {
		return v, fault.New(fault.NotFound, "page_not_found", "An environment has no part %q.", string(tab))
	}
	name := r.PathValue("environment")
	sc, err := s.inProject(w, r, views.SectionEnvironments, name)
	if err != nil {
		return v, err
	}
	after, err := s.Events.Last(r.Context())
	if err != nil {
		return v, err
	}
	f, err := s.environmentFacts(r.Context(), sc, name, tab)
	if err != nil {
		return v, err
	}
	v = views.EnvironmentPage{Page: sc.Page, Tab: tab, Header: f.header(), Run: f.runSummary()}
	v.Sandbox = f.Sandbox
	v.EventsURL = f.base + "/events?" + url.Values{"tab": {string(tab)}, "feed": {fmt.Sprint(after)}, "open": {r.URL.Query().Get("open")}}.Encode()
	v.Settings = f.settings()
	switch tab {
	case views.TabResources:
		v.Resources = f.resourceRows(r.URL.Query().Get("open"), "")
	case views.TabInputs:
		v.Inputs = f.inputTab(r.URL.Query().Get("edit"))
	case views.TabActivity:
		v.Runs, err = s.environmentRuns(r.Context(), f)
	case views.TabSettings:
	case views.TabOverview:
		v.Endpoint, v.Graph = s.endpointView(f), f.graph()
	}
	return v, err
}

// environmentFacts is what is known of an environment when a page about it is drawn.
type environmentFacts struct {
	environment.Environment
	scope
	base      string // its address
	run       *runFacts
	version   *template.Compiled
	newer     string // a newer version of its template
	resources []run.Resource
	outputs   map[string]map[string]run.Output
	near      environment.Neighbours      // of the overview
	may       map[authz.Permission]string // why not; "" when permitted
}

// environmentFacts loads what the tab needs, with the same number of queries whatever there is.
func (s *server) environmentFacts(ctx context.Context, sc scope, name string, tab views.Tab) (environmentFacts, error) {
	f := environmentFacts{scope: sc, base: views.ProjectPath(sc.Project.Slug, "environments", name)}
	var err error
	if f.Environment, err = s.Environments.Get(ctx, sc.id, name); err != nil {
		return f, err
	}
	f.may = map[authz.Permission]string{}
	for _, p := range []authz.Permission{
		authz.EnvironmentDeploy, authz.EnvironmentDestroy, authz.EnvironmentDelete, authz.EnvironmentUpdate, authz.RunCancel, authz.OutputSensitive,
	} {
		if err := authz.Require(ctx, p, sc.id); err != nil {
			f.may[p] = describeError(err).Text
		}
	}
	if f.version, err = s.Templates.Load(ctx, sc.id, template.EnvironmentVersionID(f.Template.VersionID)); err != nil {
		return f, err
	}
	if f.resources, err = s.Runs.Resources(ctx, sc.id, string(f.ID)); err != nil {
		return f, err
	}
	if f.LastRun != nil {
		rf, err := s.runFacts(ctx, f.LastRun.ID, f.base)
		if err != nil {
			return f, err
		}
		f.run = &rf
	}
	if tab == views.TabOverview || tab == views.TabResources {
		if f.outputs, err = s.Runs.Outputs(ctx, sc.id, string(f.ID)); err != nil {
			return f, err
		}
	}
	if tab == views.TabOverview && len(f.version.Environments()) > 0 {
		if f.near, err = s.Environments.Neighbours(ctx, sc.id, name); err != nil {
			return f, err
		}
	}
	cards, err := s.Templates.Catalog(ctx, sc.id)
	if err != nil {
		return f, err
	}
	f.newer = newerVersion(cards, f.Template)
	return f, nil
}

func (s *server) runFacts(ctx context.Context, id run.ID, base string) (runFacts, error) {
	f := runFacts{now: s.now(), base: base, ready: s.Tools.Snapshot().State == tofu.StateReady}
	var err error
	if f.Run, err = s.Runs.Get(ctx, id); err != nil {
		return f, err
	}
	f.progress, err = s.Runs.Progress(ctx, f.Run)
	return f, err
}

func (s *server) environmentRuns(ctx context.Context, f environmentFacts) ([]views.RunRow, error) {
	items, err := s.Runs.List(ctx, run.ListFilter{ProjectID: f.id, EnvironmentID: string(f.ID), Limit: runsOnTab})
	if err != nil {
		return nil, err
	}
	return runRows(items, f.Project.Slug, s.now(), s.Tools.Snapshot().State == tofu.StateReady), nil
}

// newerVersion is the newest version of an environment's template, when that is another one than its own.
func newerVersion(cards []template.Card, t environment.TemplateRef) string {
	for _, c := range cards {
		if string(c.ID) == t.ID && c.LatestActive != t.Version {
			return c.LatestActive
		}
	}
	return ""
}

// environmentEvents sends the parts of an environment's page as they change.
func (s *server) environmentEvents(w http.ResponseWriter, r *http.Request) error {
	tab := views.Tab(r.URL.Query().Get("tab"))
	name := r.PathValue("environment")
	sc, err := s.inProject(w, r, views.SectionEnvironments, name)
	if err != nil {
		return err
	}
	f, err := s.environmentFacts(r.Context(), sc, name, tab)
	if err != nil {
		return err
	}
	out := s.stream(w, r)
	filter := event.Filter{ProjectIDs: []string{f.id}, EnvironmentID: string(f.ID)}
	err = s.follow(r.Context(), r, out, filter, lastSeen(r), nil, func(last int64, _ []event.Event) error {
		sc.Now = s.now()
		f, err := s.environmentFacts(r.Context(), sc, name, tab)
		if fault.KindOf(err) == fault.NotFound {
			return errGone // deleted; the page stays as it was
		}
		if err != nil {
			return err
		}
		return s.sendEnvironment(r, out, f, tab, fmt.Sprint(last))
	})
	return s.ended(r, err)
}

func (s *server) sendEnvironment(r *http.Request, out *stream, f environmentFacts, tab views.Tab, id string) error {
	ctx := r.Context()
	parts := []struct {
		name string
		body templ.Component
	}{{"header", EnvironmentHeader(f.header())}, {"run", EnvironmentRun(f.runSummary())}}
	add := func(name string, body templ.Component) {
		parts = append(parts, struct {
			name string
			body templ.Component
		}{name, body})
	}
	switch tab {
	case views.TabResources:
		add("resources", EnvironmentResources(f.resourceRows(r.URL.Query().Get("open"), "")))
	case views.TabActivity:
		rows, err := s.environmentRuns(ctx, f)
		if err != nil {
			return err
		}
		add("runs", RunTable(rows, false))
	case views.TabOverview:
		add("endpoint", EndpointCard(s.endpointView(f), environmentStatus(f.Status)))
		add("graph", graphOf(f.graph()))
	case views.TabInputs, views.TabSettings:
	}
	for _, p := range parts {
		if err := out.fragment(ctx, id, p.name, p.body); err != nil {
			return err
		}
	}
	return nil
}
