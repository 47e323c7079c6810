package template

import (
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/template/bundle"
)

func (c *Compiled) bindEnvironmentVariables() {
	seen := map[string]bool{}
	for i, v := range c.Version.Spec.Variables {
		path := fmt.Sprintf("spec.variables[%d]", i)
		if seen[v.Name] {
			c.problem(bundle.Error, path+".name", "variable %q is given twice", v.Name)
			continue
		}
		seen[v.Name] = true
		g := c.given(v, path)
		targets := c.targetsOf(g)
		if len(targets) == 0 {
			continue
		}
		for _, t := range targets {
			if other := t.variable.environment; other != nil {
				c.problem(bundle.Error, path, "variables %q and %q both set %q of resource %q; remove one, or narrow its selectors",
					other.Name, v.Name, t.variable.Name, t.resource.Name)
				continue
			}
			t.variable.environment = g
		}
		c.offer(g, targets, FromEnvironmentTemplate)
	}
}

// targetsOf finds the module variables that a variable of the environment template
// sets.
func (c *Compiled) targetsOf(g *givenVariable) []target {
	selectors := g.Selectors
	if len(selectors) == 0 {
		selectors = []Selector{{}}
	}
	var out []target
	for i, s := range selectors {
		path := fmt.Sprintf("%s.selectors[%d]", g.path, i)
		name := s.Variable
		if name == "" {
			name = g.Name
		}
		if s.Resource != "" {
			r, ok := c.Resource(s.Resource)
			if u, exists := c.Upstream(s.Resource); exists {
				c.problem(bundle.Error, path+".resource", "%q is of the kind %s, which takes no variables", s.Resource, u.Kind)
				continue
			}
			if !ok {
				c.problem(bundle.Error, path+".resource", "there is no resource %q in the template%s", s.Resource, suggest(s.Resource, c.order()))
				continue
			}
			v := r.variable(name)
			if v == nil {
				c.problem(bundle.Error, path+".variable", "resource %q has no variable %q%s", s.Resource, name, suggest(name, r.variableNames()))
				continue
			}
			out = append(out, target{r, v})
			continue
		}
		found := false
		for _, r := range c.Resources {
			if v := r.variable(name); v != nil {
				out, found = append(out, target{r, v}), true
			}
		}
		if !found && len(c.Resources) > 0 && !slices.ContainsFunc(c.Resources, (*CompiledResource).unread) {
			c.problem(bundle.Error, g.path+".name", "no resource has a variable %q%s", name, suggest(name, c.variableNames()))
		}
	}
	return out
}

func (r *CompiledResource) variableNames() []string {
	var out []string
	for _, v := range r.variables {
		out = append(out, v.Name)
	}
	return out
}

func (c *Compiled) variableNames() []string {
	var out []string
	for _, r := range c.Resources {
		out = append(out, r.variableNames()...)
	}
	return out
}

// unread says that the code of a draft is not there yet, so that nobody knows its variables.
func (r *CompiledResource) unread() bool {
	return r.Version != nil && r.Version.State == Draft && r.Version.Spec.Bundle.Digest == ""
}

func (c *Compiled) bindResourceVariables(r *CompiledResource) {
	if r.unread() {
		return
	}
	for i, v := range r.Version.Spec.Variables {
		path := fmt.Sprintf("spec.resources[%d].template.variables[%d]", r.index, i)
		m := r.variable(v.Name)
		if m == nil {
			c.problem(bundle.Error, path, "resource template %q sets a variable %q that its module lacks", r.Version.Template, v.Name)
			continue
		}
		m.resource = c.given(v, path)
		if m.environment == nil {
			c.offer(m.resource, []target{{r, m}}, FromResourceTemplate)
		}
	}
	for _, m := range r.variables {
		if m.environment != nil || m.resource != nil {
			continue
		}
		if c.Version.Spec.ModuleInputs == HideModuleInputs {
			m.hidden = true
			continue
		}
		c.offer(&givenVariable{Variable: Variable{Name: m.Name}}, []target{{r, m}}, FromModule)
	}
}

// offer makes an input of a variable, or adds targets to the one of that name,
// unless the override rule forbids it.
func (c *Compiled) offer(g *givenVariable, targets []target, origin Origin) {
	if g.Options.Override.Type == NotAllowed {
		c.locked[g.Name] = "it is set by the template"
		return
	}
	in := c.byName[g.Name]
	if in == nil {
		in = &boundInput{Input: describe(g, targets[0].variable, origin)}
		c.byName[g.Name] = in
		c.inputs = append(c.inputs, in)
	} else if origin != FromEnvironmentTemplate && in.fixedTargets() {
		c.problem(bundle.Warning, fmt.Sprintf("spec.resources[%d]", targets[0].resource.index),
			"variable %q of resource %q is not set by the variable of that name, whose selectors name others; add a selector if it should be",
			g.Name, targets[0].resource.Name)
		return
	} else if in.Type.Kind != targets[0].variable.Type.Kind {
		c.problem(bundle.Warning, fmt.Sprintf("spec.resources[%d]", targets[0].resource.index),
			"variable %q is %s in resource %q and %s in resource %q; one value must fit both",
			g.Name, in.Type.Kind, in.targets[0].resource.Name, targets[0].variable.Type.Kind, targets[0].resource.Name)
	}
	for _, t := range targets {
		t.variable.input = in
		in.targets = append(in.targets, t)
		in.Sensitive = in.Sensitive || t.variable.Sensitive
		if !slices.Contains(in.ResourceNames, t.resource.Name) {
			in.ResourceNames = append(in.ResourceNames, t.resource.Name)
		}
	}
}

// fixedTargets reports whether the template itself says what the input sets.
func (b *boundInput) fixedTargets() bool {
	for _, t := range b.targets {
		if e := t.variable.environment; e != nil && len(e.Selectors) > 0 {
			return true
		}
	}
	return false
}
