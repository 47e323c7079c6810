package environment

import (
	"context"
	"slices"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// Check tells what Update would refuse, and otherwise which sensitive inputs would
// get another value. It writes nothing and shows no value.
func (s *Service) Check(ctx context.Context, projectID, name string, in UpdateInput) ([]string, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentUpdate, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return nil, err
	}
	e, err := s.get(ctx, s.DB, "e.project_id = $1 AND e.name = $2", projectID, name)
	if err != nil {
		return nil, err
	}
	before := slices.Clone(e.Inputs)
	version, err := s.choose(ctx, &e, in)
	if err != nil {
		return nil, err
	}
	if err := s.apply(ctx, &e, in); err != nil {
		return nil, err
	}
	var changed []string
	for _, v := range e.Inputs {
		if !version.Sensitive(v.Name) {
			continue
		}
		same := slices.ContainsFunc(before, func(old template.Value) bool { return old.Name == v.Name && old.Value == v.Value })
		if !same {
			changed = append(changed, v.Name)
		}
	}
	return changed, nil
}

// CheckWith is Validate for an environment of a version that is not saved yet.
func (s *Service) CheckWith(ctx context.Context, in CreateInput, version *template.Compiled) error {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentCreate, in.ProjectID, audit.Object{Kind: "environment", Name: in.Name}); err != nil {
		return err
	}
	var fields fault.Fields
	fields.Merge("", checkName(in.Name))
	fields.Merge("variables", version.ValidatePartial(in.Inputs))
	return fields.Err()
}
