package template

import (
	"context"
	"slices"

	"github.com/berthdev/berth/internal/configcontext"
)

// KnownContext is what describing inputs may know of a config context that a
// version names. Sensitive variables come without their value.
type KnownContext struct {
	Owner     string // of the template that names it; empty for the organisation
	Name      string
	Variables []configcontext.Variable
}

// knownContexts looks at the contexts of a version and of its resource templates.
func (s *Service) knownContexts(ctx context.Context, projectID string, v *EnvironmentVersion, resources map[ResourceVersionID]*ResourceVersion) ([]KnownContext, error) {
	var out []KnownContext
	for _, group := range contextGroups(v, resources) {
		preview, err := s.contexts.Preview(ctx, projectID, group.owner, group.names)
		if err != nil {
			return nil, err
		}
		for _, c := range preview.Contexts {
			out = append(out, KnownContext{Owner: group.owner, Name: c.Name, Variables: c.Variables})
		}
	}
	return out, nil
}

// fallback is the value a variable has when a developer gives none, and where it
// comes from. It follows the same order as resolver.choose.
type fallback struct {
	origin   Origin
	given    *givenVariable          // of a template
	context  string                  // the name of the context
	variable *configcontext.Variable // of that context
}

func (c *Compiled) fallbackOf(t target, contexts []KnownContext) fallback {
	m := t.variable
	if g := m.environment; g != nil && g.Value != nil {
		return fallback{origin: FromEnvironmentTemplate, given: g}
	}
	if name, v := contextValue(contexts, c.Version.ProjectID, c.Version.Spec.Contexts, m.Name); v != nil {
		return fallback{origin: FromEnvironmentContext, context: name, variable: v}
	}
	if g := m.resource; g != nil && g.Value != nil {
		return fallback{origin: FromResourceTemplate, given: g}
	}
	version := t.resource.Version
	if name, v := contextValue(contexts, version.ProjectID, version.Spec.Contexts, m.Name); v != nil {
		return fallback{origin: FromResourceContext, context: name, variable: v}
	}
	if m.HasDefault {
		return fallback{origin: FromModule}
	}
	return fallback{origin: FromNowhere}
}

// contextValue finds the variable in the contexts that a template names; a later
// one wins over an earlier one.
func contextValue(contexts []KnownContext, owner string, refs []ContextRef, name string) (string, *configcontext.Variable) {
	for _, ref := range slices.Backward(refs) {
		for i := range contexts {
			if contexts[i].Owner != owner || contexts[i].Name != ref.Name {
				continue
			}
			for j := range contexts[i].Variables {
				if v := &contexts[i].Variables[j]; v.Name == name {
					return ref.Name, v
				}
			}
		}
	}
	return "", nil
}
