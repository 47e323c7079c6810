package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

const environmentsPerPage = 50

// environments lists the environments of a project.
func (s *server) environments(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "Environments")
	if err != nil {
		return err
	}
	after, err := s.Events.Last(r.Context())
	if err != nil {
		return err
	}
	v, err := s.environmentList(r, sc)
	if err != nil {
		return err
	}
	v.EventsURL = views.ProjectPath(sc.Project.Slug, "events") + "?" + withQuery(r.URL.Query(), "feed", fmt.Sprint(after))
	return render(w, r, http.StatusOK, EnvironmentsPage(v))
}

// withQuery is a query with one name set to another value.
func withQuery(q url.Values, name string, values ...string) string {
	out := url.Values{}
	for k, v := range q {
		out[k] = v
	}
	out[name] = values
	return out.Encode()
}

func (s *server) environmentList(r *http.Request, sc scope) (views.EnvironmentList, error) {
	q := r.URL.Query()
	ctx := r.Context()
	v := views.EnvironmentList{
		Page:      sc.Page,
		Filter:    views.EnvironmentFilter{Text: q.Get("q"), Status: q.Get("status"), Owner: q.Get("owner"), Template: q.Get("template")},
		CanCreate: sc.can(authz.EnvironmentCreate), MissingRole: roleFor(r, authz.EnvironmentCreate, sc.id),
	}
	pages := q["after"] // the cursors of the pages up to this one
	f := environment.ListFilter{Text: v.Filter.Text, Owner: v.Filter.Owner, Template: v.Filter.Template, Limit: environmentsPerPage}
	if v.Filter.Status != "" {
		f.Statuses = []environment.Status{environment.Status(v.Filter.Status)}
	}
	if len(pages) > 0 {
		f.After = pages[len(pages)-1]
	}
	items, err := s.Environments.List(ctx, sc.id, f)
	if err != nil {
		return v, err
	}
	cards, err := s.Templates.Catalog(ctx, sc.id)
	if err != nil {
		return v, err
	}
	for i := range items {
		v.Rows = append(v.Rows, environmentRowOf(items[i], cards, sc))
	}
	base := v.Base()
	if len(items) == environmentsPerPage {
		v.NextURL = base + "?" + withQuery(q, "after", append(slices.Clone(pages), items[len(items)-1].Name)...)
	}
	if len(pages) > 0 {
		v.PrevURL = base + "?" + withQuery(q, "after", pages[:len(pages)-1]...)
	}
	v.Total = len(items)
	if v.NextURL != "" || len(pages) > 0 {
		v.Total = views.Uncounted
	}
	v.Any = len(items) > 0 || len(pages) > 0
	if !v.Any && v.Filter.Active() {
		some, err := s.Environments.List(ctx, sc.id, environment.ListFilter{Limit: 1})
		if err != nil {
			return v, err
		}
		v.Any = len(some) > 0
	}
	fillFilters(&v, cards)
	for _, c := range cards {
		v.Catalog = append(v.Catalog, cardOf(c, sc.Project.Slug))
	}
	return v, nil
}

// fillFilters offers what there is to choose from: the templates of the catalog, and the owners that are on the page.
func fillFilters(v *views.EnvironmentList, cards []template.Card) {
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	add(&v.Owners, v.Filter.Owner)
	add(&v.Templates, v.Filter.Template)
	for _, c := range cards {
		add(&v.Templates, c.Name)
	}
	for _, row := range v.Rows {
		add(&v.Owners, row.Owner)
		add(&v.Templates, row.Template)
	}
	if v.User != nil {
		add(&v.Owners, v.User.Email)
	}
	slices.Sort(v.Owners)
	slices.Sort(v.Templates)
}

func environmentRowOf(e environment.Environment, cards []template.Card, sc scope) views.EnvironmentRow {
	row := views.EnvironmentRow{
		ID: string(e.ID), Name: e.Name, Status: environmentStatus(e.Status), Since: views.At(e.StatusSince, sc.Now), Template: e.Template.Name,
		Version: e.Template.Version, UpdateAvailable: newerVersion(cards, e.Template), Owner: e.OwnerEmail, Endpoint: e.Endpoint,
		Activity: views.At(latest(e), sc.Now), CanDeploy: !e.Status.Busy() && sc.can(authz.EnvironmentDeploy),
	}
	exists := e.Status != environment.StatusDraft && e.Status != environment.StatusDestroyed
	row.CanDestroy = exists && !e.Status.Busy() && sc.can(authz.EnvironmentDestroy)
	return row
}

// environmentsEvents sends the row of each environment of a project that changed.
func (s *server) environmentsEvents(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "")
	if err != nil {
		return err
	}
	if _, err := s.environmentList(r, sc); err != nil { // refused before the stream begins
		return err
	}
	out := s.stream(w, r)
	filter := event.Filter{ProjectIDs: []string{sc.id}, Kinds: []string{"run.", "environment."}}
	err = s.follow(r.Context(), r, out, filter, lastSeen(r), nil, func(last int64, events []event.Event) error {
		sc.Now = s.now()
		v, err := s.environmentList(r, sc)
		if err != nil {
			return err
		}
		for _, row := range v.Rows {
			if len(events) > 0 && !slices.ContainsFunc(events, func(e event.Event) bool { return e.EnvironmentID == row.ID }) {
				continue
			}
			if err := out.fragment(r.Context(), fmt.Sprint(last), "env-"+row.ID, EnvironmentCells(sc.Project.Slug, row)); err != nil {
				return err
			}
		}
		return nil
	})
	return s.ended(r, err)
}

// latest is when something last happened to an environment.
func latest(e environment.Environment) time.Time {
	if e.StatusSince.After(e.UpdatedAt) {
		return e.StatusSince
	}
	return e.UpdatedAt
}
