package staticresource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Preview is what Set would make of a static resource.
type Preview struct {
	// NewSecrets names the sensitive variables that would get another value.
	NewSecrets []string
	Outputs    []Output
}

// Check tells what Set would refuse, and otherwise what it would make. It writes
// nothing and shows no value.
func (s *Service) Check(ctx context.Context, projectID, name string, in Input) (Preview, error) {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return Preview{}, err
	}
	if err := validate(name, in); err != nil {
		return Preview{}, err
	}
	var stored []variable
	row, err := getByName(ctx, s.db, projectID, name)
	if err == nil {
		var all map[ID][]variable
		all, err = listVariables(ctx, s.db, []ID{row.ID})
		stored = all[row.ID]
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Preview{}, fmt.Errorf("reading static resource: %w", err)
	}
	var out Preview
	var wrong fault.Fields
	for i, v := range in.Variables {
		at := fmt.Sprintf("variables[%d].value", i)
		isNew, err := s.settle(&v, stored)
		var bad *valueError
		if errors.As(err, &bad) {
			wrong.Add(at, "%v", bad)
			continue
		}
		if err != nil {
			return Preview{}, err
		}
		value, err := v.read()
		if err != nil {
			wrong.Add(at, "%v", err)
			continue
		}
		if isNew {
			out.NewSecrets = append(out.NewSecrets, v.Name)
		}
		out.Outputs = append(out.Outputs, Output{Name: v.Name, Kind: kindOf(value), Sensitive: v.Sensitive})
	}
	return out, wrong.Err()
}

// settle gives a sensitive variable without a value the stored one, and reports
// whether one with a value has another than the stored one.
func (s *Service) settle(v *Variable, stored []variable) (isNew bool, err error) {
	if !v.Sensitive {
		return false, nil
	}
	i := slices.IndexFunc(stored, func(k variable) bool { return k.Name == v.Name })
	if i < 0 {
		if v.Value == "" {
			return false, &valueError{fmt.Errorf("%q is sensitive and new, so it needs a value", v.Name)}
		}
		return true, nil
	}
	old, err := s.open(stored[i])
	if err != nil {
		return false, err
	}
	if v.Value == "" {
		v.Value = old
		return !stored[i].Sensitive, nil
	}
	return !stored[i].Sensitive || old != v.Value, nil
}
