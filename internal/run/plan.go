package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// Change is what a plan would do to one object.
type Change struct {
	Resource   string // of the environment
	Address    string
	Type       string
	Action     string // create, read, update, replace, delete, forget
	Attributes []AttributeChange
}

// AttributeChange is one top-level attribute before and after. The values of a sensitive one are left out.
type AttributeChange struct {
	Path      string
	Before    json.RawMessage
	After     json.RawMessage
	Unknown   bool // known only after it was applied
	Sensitive bool
	Replaces  bool // makes a new object necessary
}

// Plan returns what a plan run found, by step, without what stays as it is.
func (s *Service) Plan(ctx context.Context, id ID) ([]Change, error) {
	if _, err := s.read(ctx, authz.RunRead, "r.id = $1", id); err != nil {
		return nil, err
	}
	type row struct {
		id       StepID
		resource string
		plan     []byte
	}
	rows, err := db.List(ctx, s.DB, func(sc db.Scanner) (row, error) {
		var v row
		return v, sc.Scan(&v.id, &v.resource, &v.plan)
	}, `SELECT id, resource, plan FROM steps WHERE run_id = $1 AND plan IS NOT NULL ORDER BY position`, id)
	if err != nil {
		return nil, fmt.Errorf("loading the plan of run %s: %w", id, err)
	}
	var out []Change
	for _, v := range rows {
		plain, err := s.open(v.plan, string(v.id))
		if err != nil {
			return nil, err
		}
		changes, err := readPlan(v.resource, plain)
		if err != nil {
			return nil, err
		}
		out = append(out, changes...)
	}
	return out, nil
}

func readPlan(resource string, text []byte) ([]Change, error) {
	var plan tfjson.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, fmt.Errorf("reading the plan of %s: %w", resource, err)
	}
	var out []Change
	for _, rc := range plan.ResourceChanges {
		action := actionOf(rc.Change.Actions)
		if action == "" {
			continue
		}
		c := Change{Resource: resource, Address: rc.Address, Type: rc.Type, Action: action}
		if action == "update" || action == "replace" || action == "create" {
			c.Attributes = attributeChanges(rc.Change)
		}
		out = append(out, c)
	}
	return out, nil
}

// actionOf is empty when nothing happens.
func actionOf(a tfjson.Actions) string {
	switch {
	case a.Replace():
		return "replace"
	case a.Create():
		return "create"
	case a.Update():
		return "update"
	case a.Delete():
		return "delete"
	case a.Read():
		return "read"
	case a.Forget():
		return "forget"
	}
	return ""
}

func attributeChanges(c *tfjson.Change) []AttributeChange {
	before, after, unknown := object(c.Before), object(c.After), object(c.AfterUnknown)
	hiddenBefore, hiddenAfter := object(c.BeforeSensitive), object(c.AfterSensitive)
	names := map[string]bool{}
	for _, m := range []map[string]any{before, after, unknown} {
		for name := range m {
			names[name] = true
		}
	}
	replaces := map[string]bool{}
	for _, p := range c.ReplacePaths {
		if steps, ok := p.([]any); ok && len(steps) > 0 {
			if name, ok := steps[0].(string); ok {
				replaces[name] = true
			}
		}
	}
	var out []AttributeChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a := AttributeChange{
			Path: name, Unknown: anyTrue(unknown[name]), Replaces: replaces[name],
			Sensitive: anyTrue(hiddenBefore[name]) || anyTrue(hiddenAfter[name]),
		}
		if !a.Unknown && reflect.DeepEqual(before[name], after[name]) {
			continue
		}
		if !a.Sensitive {
			a.Before = raw(before[name])
			if !a.Unknown {
				a.After = raw(after[name])
			}
		}
		out = append(out, a)
	}
	return out
}

func object(v any) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return m
}

// anyTrue reports whether a marker of the plan format, a boolean or a structure of them, marks anything.
func anyTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case []any:
		return slices.ContainsFunc(v, anyTrue)
	case map[string]any:
		for _, x := range v {
			if anyTrue(x) {
				return true
			}
		}
	}
	return false
}

func raw(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil // what came from JSON can be written as JSON
	}
	return text
}
