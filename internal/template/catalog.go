package template

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
)

// Card is one environment template in the catalog of a project.
type Card struct {
	ID           EnvironmentTemplateID `json:"id"`
	Name         string                `json:"name"`
	DisplayName  string                `json:"displayName"`
	Summary      string                `json:"summary"`
	Icon         string                `json:"icon,omitempty"`
	Category     string                `json:"category,omitempty"`
	ProjectID    string                `json:"projectId,omitempty"` // the owner
	Versions     []CardVersion         `json:"versions"`            // active ones, newest first
	LatestActive string                `json:"latestActive"`
}

// CardVersion is one version on a card.
type CardVersion struct {
	ID        EnvironmentVersionID `json:"id"`
	Version   string               `json:"version"`
	State     State                `json:"state"`
	CreatedAt time.Time            `json:"createdAt"`
}

// Catalog returns the environment templates that a developer of the project can
// use: those with an active version, owned by the project or shared with it.
func (s *Service) Catalog(ctx context.Context, projectID string) ([]Card, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	rows, err := listCardRows(ctx, s.db, projectID)
	if err != nil {
		return nil, fmt.Errorf("listing the catalog: %w", err)
	}
	cards := []Card{}
	index := map[string]int{}
	for _, r := range rows {
		i, known := index[r.Name]
		switch {
		case !known:
			index[r.Name], i = len(cards), len(cards)
			cards = append(cards, r.Card)
		case cards[i].ID != r.ID && r.ProjectID == projectID:
			cards[i] = r.Card // the project's own goes before one shared under the same name
		case cards[i].ID != r.ID:
			continue
		}
		cards[i].Versions = append(cards[i].Versions, r.version)
		if cards[i].LatestActive == "" {
			cards[i].LatestActive = r.version.Version
		}
	}
	return cards, nil
}

type cardRow struct {
	Card
	version CardVersion
}

func listCardRows(ctx context.Context, q db.Querier, projectID string) ([]cardRow, error) {
	k := environmentKind()
	return db.List(ctx, q, func(s db.Scanner) (cardRow, error) {
		var r cardRow
		var description string
		err := s.Scan(&r.ID, &r.Name, &r.DisplayName, &description, db.ScanText(&r.ProjectID), &r.version.ID, &r.version.Version,
			&r.version.State, db.ScanTime(&r.version.CreatedAt), &r.Summary, &r.Icon, &r.Category)
		if r.Summary == "" {
			r.Summary = description
		}
		return r, err
	}, `SELECT t.id, t.name, t.display_name, t.description, t.project_id, v.id, v.version, v.state, v.created_at, v.summary, v.icon, v.category
		FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
		WHERE v.state = 'active' AND `+k.visibleTo()+`
		ORDER BY t.name, t.id, v.activated_at DESC, v.id DESC`, projectID)
}

// VersionView is what a developer may know of a version.
type VersionView struct {
	ID                 EnvironmentVersionID
	Template           string
	DisplayName        string
	Version            string
	State              State
	Summary            string
	Readme             string // markdown
	Icon               string
	Category           string
	AllowFreeVariables bool
	Inputs             []Input
	Schema             json.RawMessage
	Graph              Graph
	// MissingContexts are config contexts that a deploy would not find.
	MissingContexts []string
	// Sandbox is set when environments of the version talk to a sandbox.
	Sandbox *configcontext.Sandbox
}

// CheckContexts is Service.CheckContexts for what is known of the version already.
func (v *VersionView) CheckContexts() error { return noContext(v.Template, v.MissingContexts) }

// View returns a version of an environment template as a developer may see it.
// An empty version means the one activated last.
func (s *Service) View(ctx context.Context, projectID, name, version string) (*VersionView, error) {
	c, err := s.Find(ctx, projectID, name, version)
	if err != nil {
		return nil, err
	}
	return s.ViewOf(ctx, projectID, c)
}

// ViewOf is View for a version that is loaded already.
func (s *Service) ViewOf(ctx context.Context, projectID string, c *Compiled) (*VersionView, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	schema, err := c.Schema()
	if err != nil {
		return nil, err
	}
	v := c.Version
	view := &VersionView{
		ID: v.ID, Template: v.Template, DisplayName: v.DisplayName, Version: v.Version, State: v.State, Summary: v.Spec.Summary,
		Readme: v.Spec.Readme, Icon: v.Spec.Icon, Category: v.Spec.Category, AllowFreeVariables: v.Spec.AllowFreeVariables,
		Inputs: c.Inputs(), Schema: schema, Graph: c.Graph(),
	}
	for _, group := range contextGroups(v, c.versions()) {
		missing, err := s.contexts.Missing(ctx, projectID, group.owner, group.names)
		if err != nil {
			return nil, err
		}
		view.MissingContexts = append(view.MissingContexts, missing...)
	}
	view.Sandbox, err = s.Sandbox(ctx, projectID, c)
	return view, err
}

// Label names a version in lists of other things.
type Label struct {
	Template    string
	DisplayName string
	Version     string
	Icon        string
}

// Labels names many versions with one query. It is internal: whoever lists
// environments has authorised that; it tells nothing but names.
func (s *Service) Labels(ctx context.Context, ids []EnvironmentVersionID) (map[EnvironmentVersionID]Label, error) {
	out := map[EnvironmentVersionID]Label{}
	if authz.From(ctx).Kind == authz.Anonymous {
		return nil, authz.ErrUnauthenticated
	}
	if len(ids) == 0 {
		return out, nil
	}
	type row struct {
		id EnvironmentVersionID
		Label
	}
	var args []any
	rows, err := db.List(ctx, s.db, func(sc db.Scanner) (row, error) {
		var r row
		err := sc.Scan(&r.id, &r.Template, &r.DisplayName, &r.Version, &r.Icon)
		return r, err
	}, `SELECT v.id, t.name, t.display_name, v.version, v.icon`+environmentVersionTables+`WHERE v.id IN (`+db.In(&args, ids)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading template names: %w", err)
	}
	for _, r := range rows {
		out[r.id] = r.Label
	}
	return out, nil
}

// Summary is a template in the list of its authors.
type Summary struct {
	ID          string
	ProjectID   string
	Name        string
	DisplayName string
	Description string
	Labels      map[string]string
	Annotations map[string]string
	Versions    []SummaryVersion // newest first
}

// SummaryVersion is one version in that list.
type SummaryVersion struct {
	ID        string
	Version   string
	State     State
	Errors    int
	Warnings  int
	UpdatedAt time.Time
}

// ListResources returns the resource templates of a project, their versions in every
// state, and those shared with it. What was never published is its owner's alone.
func (s *Service) ListResources(ctx context.Context, projectID string) ([]Summary, error) {
	return s.listTemplates(ctx, resourceKind(), projectID)
}

// ListEnvironments is ListResources for environment templates.
func (s *Service) ListEnvironments(ctx context.Context, projectID string) ([]Summary, error) {
	return s.listTemplates(ctx, environmentKind(), projectID)
}

// ResourceTemplate returns the resource template of a name with all its versions: the
// project's own, else one that is shared with it.
func (s *Service) ResourceTemplate(ctx context.Context, projectID, name string) (*Summary, error) {
	return s.summary(ctx, resourceKind(), projectID, name)
}

// EnvironmentTemplate is ResourceTemplate for environment templates.
func (s *Service) EnvironmentTemplate(ctx context.Context, projectID, name string) (*Summary, error) {
	return s.summary(ctx, environmentKind(), projectID, name)
}

func (s *Service) summary(ctx context.Context, k kind, projectID, name string) (*Summary, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateRead, projectID, k.object(name)); err != nil {
		return nil, err
	}
	found, err := s.listSummaries(ctx, k, projectID, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound.With("There is no %s %q here.", k.word, name)
	}
	if i := slices.IndexFunc(found, func(t Summary) bool { return t.ProjectID == projectID }); i > 0 {
		return &found[i], nil
	}
	return &found[0], nil
}

func (s *Service) listTemplates(ctx context.Context, k kind, projectID string) ([]Summary, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	return s.listSummaries(ctx, k, projectID, "")
}

// listSummaries lists the templates that a project may use; an empty name is any.
func (s *Service) listSummaries(ctx context.Context, k kind, projectID, name string) ([]Summary, error) {
	type row struct {
		Summary
		version  SummaryVersion
		problems []Problem
	}
	rows, err := db.List(ctx, s.db, func(sc db.Scanner) (row, error) {
		var r row
		err := sc.Scan(&r.ID, db.ScanText(&r.ProjectID), &r.Name, &r.DisplayName, &r.Description,
			db.ScanJSON(&r.Labels), db.ScanJSON(&r.Annotations), &r.version.ID, &r.version.Version,
			&r.version.State, db.ScanJSON(&r.problems), db.ScanTime(&r.version.UpdatedAt))
		return r, err
	}, `SELECT t.id, t.project_id, t.name, t.display_name, t.description, t.labels_json, t.annotations_json,
			v.id, v.version, v.state, v.problems_json, v.updated_at
		FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id WHERE `+k.visibleTo()+`
		AND (COALESCE(t.project_id, '') = $1 OR v.state <> 'draft') AND ($2 = '' OR t.name = $2) ORDER BY t.name, t.id, v.created_at DESC, v.id DESC`, projectID, name)
	if err != nil {
		return nil, fmt.Errorf("listing %ss: %w", k.word, err)
	}
	out := []Summary{}
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].ID != r.ID {
			out = append(out, r.Summary)
		}
		r.version.Errors, r.version.Warnings = count(r.problems)
		last := &out[len(out)-1]
		last.Versions = append(last.Versions, r.version)
	}
	return slices.Clip(out), nil
}
