package staticresource

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
)

// Outputs tells what static resources of those names give to a template of an
// owner (empty: the organisation), by name: the owner's own before those that are
// shared with it. Missing ones are left out, and no value is shown. The caller needs
// to be able to read templates in projectID.
func (s *Service) Outputs(ctx context.Context, projectID, ownerID string, names []string) (map[string][]Output, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	rows, _, err := s.find(ctx, s.db, ownerID, names)
	if err != nil {
		return nil, err
	}
	variables, err := listVariables(ctx, s.db, ids(rows))
	if err != nil {
		return nil, fmt.Errorf("reading static resources: %w", err)
	}
	out := map[string][]Output{}
	for _, r := range rows {
		list := []Output{}
		for _, v := range variables[r.ID] {
			list = append(list, Output{Name: v.Name, Kind: v.kind, Sensitive: v.Sensitive})
		}
		out[r.Name] = list
	}
	return out, nil
}

// Resolve returns the values of the static resources that Outputs tells of, by
// name and variable. It is internal: only Berth itself, preparing a run, may call
// it, never in the name of a person.
func (s *Service) Resolve(ctx context.Context, ownerID string, names []string) (map[string]map[string]Value, error) {
	if subject := authz.From(ctx); subject.Kind == authz.Anonymous {
		return nil, authz.ErrUnauthenticated
	} else if subject.Kind != authz.SystemKind {
		return nil, authz.ErrForbidden.With("Static resources are read in clear by Berth alone.")
	}
	rows, missing, err := s.find(ctx, s.db, ownerID, names)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, ErrNotFound.With("The template needs the static resource %s; create it in the project that owns the template, or have it shared with that project.", strings.Join(missing, ", "))
	}
	variables, err := listVariables(ctx, s.db, ids(rows))
	if err != nil {
		return nil, fmt.Errorf("reading static resources: %w", err)
	}
	out := map[string]map[string]Value{}
	for _, r := range rows {
		out[r.Name] = map[string]Value{}
		for _, v := range variables[r.ID] {
			if v.Value, err = s.open(v); err != nil {
				return nil, err
			}
			text, err := v.json()
			if err != nil {
				return nil, fmt.Errorf("reading %s of static resource %s: %w", v.Name, r.Name, err)
			}
			out[r.Name][v.Name] = Value{JSON: text, Sensitive: v.Sensitive}
		}
	}
	return out, nil
}

func (s *Service) find(ctx context.Context, q db.Querier, ownerID string, names []string) (found []Static, missing []string, err error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	candidates, err := listByNames(ctx, q, ownerID, names)
	if err != nil {
		return nil, nil, fmt.Errorf("looking up static resources: %w", err)
	}
	found, missing = sharing.Pick(candidates, func(r Static) (string, string) { return r.ProjectID, r.Name }, names, ownerID)
	return found, missing, nil
}
