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

// Check tells what Set would refuse, and otherwise which sensitive variables of in
// have a value that is not the stored one. It writes nothing and shows no value.
func (s *Service) Check(ctx context.Context, projectID, name string, in Input) ([]string, error) {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return nil, err
	}
	if err := validate(name, in); err != nil {
		return nil, err
	}
	var stored []variable
	row, err := getByName(ctx, s.db, projectID, name)
	if err == nil {
		var all map[ID][]variable
		all, err = listVariables(ctx, s.db, []ID{row.ID})
		stored = all[row.ID]
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, fmt.Errorf("reading static resource: %w", err)
	}
	var changed []string
	var wrong fault.Fields
	for i, v := range in.Variables {
		if !v.Sensitive {
			continue
		}
		at := fmt.Sprintf("variables[%d].value", i)
		j := slices.IndexFunc(stored, func(k variable) bool { return k.Name == v.Name })
		if j < 0 {
			wrong.Check(v.Value != "", at, "%q is sensitive and new, so it needs a value", v.Name)
			changed = append(changed, v.Name)
			continue
		}
		old, err := s.open(stored[j])
		if err != nil {
			return nil, err
		}
		if v.Value == "" { // it is kept, and must be readable as its type of now
			v.Value = old
			if _, err := v.read(); err != nil {
				wrong.Add(at, "%v", err)
			}
			continue
		}
		if !stored[j].Sensitive || old != v.Value {
			changed = append(changed, v.Name)
		}
	}
	return changed, wrong.Err()
}
