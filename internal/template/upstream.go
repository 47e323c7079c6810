package template

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/berthdev/berth/internal/sharing"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
)

// Upstream is a node that exists before a run and only gives outputs: a static
// resource, or another environment of the project.
type Upstream struct {
	Name        string
	Kind        ResourceKind
	Static      string // the static resource
	Environment string // the environment
	DependsOn   []string

	index   int
	outputs []staticresource.Output
	nested  map[string][]string // outputs of the environment's resources
	known   bool                // whether outputs or nested say all there is
}

// Upstream returns the node of that name, if it exists before a run.
func (c *Compiled) Upstream(name string) (*Upstream, bool) {
	for _, u := range c.Upstreams {
		if u.Name == name {
			return u, true
		}
	}
	return nil, false
}

func (u *Upstream) outputNames() []string {
	out := []string{}
	for _, o := range u.outputs {
		out = append(out, o.Name)
	}
	return out
}

func (u *Upstream) output(name string) (staticresource.Output, bool) {
	i := slices.IndexFunc(u.outputs, func(o staticresource.Output) bool { return o.Name == name })
	if i < 0 {
		return staticresource.Output{}, false
	}
	return u.outputs[i], true
}

func (c *Compiled) addUpstream(index int, in Surroundings) {
	r := c.Version.Spec.Resources[index]
	path := fmt.Sprintf("spec.resources[%d]", index)
	u := &Upstream{Name: r.Name, Kind: r.Kind, index: index}
	switch {
	case r.Kind == KindStatic && r.Static == "":
		c.problem(bundle.Error, path+".static", "%q is of the kind static, so it must name the static resource", r.Name)
	case r.Kind == KindStatic:
		u.Static = r.Static
		u.outputs, u.known = in.Statics[r.Static]
		if in.Statics != nil && !u.known {
			c.problem(bundle.Error, path+".static", "there is no static resource %q that the template's project may use; create it, or have it shared", r.Static)
		}
	case r.Environment == "":
		c.problem(bundle.Error, path+".environment", "%q is of the kind environment, so it must name the environment", r.Name)
	case !sharing.ValidName(r.Environment):
		c.problem(bundle.Error, path+".environment", "%q is no name of an environment; write the name that it has in the project, like net-1", r.Environment)
	default:
		u.Environment = r.Environment
		u.nested, u.known = in.Environments[r.Environment]
	}
	c.Upstreams = append(c.Upstreams, u)
}

// checkReferences checks every expression of a template against the outputs of
// the nodes it names, and turns each use into a dependency.
func (c *Compiled) checkReferences() {
	for _, g := range c.givenExpressions() {
		for _, ref := range g.expr.References() {
			c.checkTemplateReference(g, ref)
		}
	}
	for _, r := range c.Resources {
		for _, m := range r.variables {
			if g := m.given(); g != nil && g.expr != nil {
				for _, ref := range g.expr.References() {
					r.dependOn(ref.Resource)
				}
			}
		}
	}
}

// givenExpressions are the expressions of the templates, each once, in the order in
// which the modules have the variables.
func (c *Compiled) givenExpressions() []*givenVariable {
	var out []*givenVariable
	seen := map[*givenVariable]bool{}
	for _, r := range c.Resources {
		for _, m := range r.variables {
			for _, g := range []*givenVariable{m.environment, m.resource} {
				if g != nil && g.expr != nil && !seen[g] {
					seen[g] = true
					out = append(out, g)
				}
			}
		}
	}
	return out
}

func (c *Compiled) checkTemplateReference(g *givenVariable, ref expr.Reference) {
	if err := c.lookUp(ref); err != nil {
		c.problem(bundle.Error, g.path+".value", "variable %q: %v", g.Name, err)
		return
	}
	if u, ok := c.Upstream(ref.Resource); ok {
		if why := u.doubt(ref); why != "" {
			c.problem(bundle.Warning, g.path+".value", "variable %q: %s", g.Name, why)
		}
	}
}

// checkReference is for an expression that a developer gives. Those may not read
// the secrets of a static resource: they belong to the template's authors, and a
// developer could have a module print them.
func (c *Compiled) checkReference(ref expr.Reference) error {
	if err := c.lookUp(ref); err != nil {
		return err
	}
	if u, ok := c.Upstream(ref.Resource); ok {
		if o, _ := u.output(ref.Output); o.Sensitive {
			return fmt.Errorf("%s is sensitive, so only the template itself can use it", ref)
		}
	}
	return nil
}

// lookUp finds out whether there is such an output, as far as that is known.
func (c *Compiled) lookUp(ref expr.Reference) error {
	if r, ok := c.Resource(ref.Resource); ok {
		if ref.Inner != "" {
			return fmt.Errorf("%s: %q is no environment, so write resource[%q].output.%s", ref, ref.Resource, ref.Resource, ref.Output)
		}
		return missingOutput(ref, "resource", r.outputNames())
	}
	u, ok := c.Upstream(ref.Resource)
	switch {
	case !ok:
		return fmt.Errorf("%s: there is no resource %q%s", ref, ref.Resource, suggest(ref.Resource, c.order()))
	case u.Kind == KindEnvironment && ref.Inner == "":
		return fmt.Errorf("%s: %q is another environment; name one of its resources, too: resource[%q].resource[\"name\"].output.%s",
			ref, ref.Resource, ref.Resource, ref.Output)
	case u.Kind == KindEnvironment:
		return nil
	case ref.Inner != "":
		return fmt.Errorf("%s: %q is a static resource, so write resource[%q].output.%s", ref, ref.Resource, ref.Resource, ref.Output)
	case !u.known:
		return nil
	}
	return missingOutput(ref, "static resource", u.outputNames())
}

func missingOutput(ref expr.Reference, word string, names []string) error {
	if slices.Contains(names, ref.Output) {
		return nil
	}
	return fmt.Errorf("%s: %s %q has no output %q%s", ref, word, ref.Resource, ref.Output, suggest(ref.Output, names))
}

// doubt says what the environment, as it is deployed now, lacks. That is no error:
// the template is for environments of other projects, too, and for later ones.
func (u *Upstream) doubt(ref expr.Reference) string {
	if u.Kind != KindEnvironment || !u.known {
		return ""
	}
	outputs, ok := u.nested[ref.Inner]
	if !ok {
		return fmt.Sprintf("%s: environment %q, as it is deployed now, has no resource %q%s", ref, u.Environment, ref.Inner,
			suggest(ref.Inner, slices.Sorted(maps.Keys(u.nested))))
	}
	if slices.Contains(outputs, ref.Output) {
		return ""
	}
	return fmt.Sprintf("%s: resource %q of environment %q, as it is deployed now, has no output %q%s", ref, ref.Inner, u.Environment, ref.Output,
		suggest(ref.Output, outputs))
}

// kindOf is the kind of an expression's value, as far as it is known.
func (c *Compiled) kindOf(e *expr.Expression) string {
	if ref, ok := e.Reference(); ok && ref.Inner == "" {
		if u, ok := c.Upstream(ref.Resource); ok {
			if o, ok := u.output(ref.Output); ok {
				return o.Kind
			}
		}
	}
	return e.Kind()
}

// surroundings is what is known of the static resources and environments that a
// version uses, when it is saved.
func (s *Service) surroundings(ctx context.Context, v *EnvironmentVersion) (Surroundings, error) {
	var out Surroundings
	var err error
	if out.Statics, err = s.staticOutputs(ctx, v.ProjectID, v); err != nil {
		return out, err
	}
	names := v.environments()
	if len(names) == 0 || v.ProjectID == "" || s.applied == nil {
		return out, nil
	}
	applied, err := s.applied(ctx, v.ProjectID, names)
	if err != nil {
		return out, err
	}
	out.Environments = map[string]map[string][]string{}
	for name, id := range applied {
		c, err := s.load(ctx, v.ProjectID, id)
		if err != nil {
			return out, err
		}
		resources := map[string][]string{}
		for _, r := range c.Resources {
			resources[r.Name] = r.outputNames()
		}
		out.Environments[name] = resources
	}
	return out, nil
}

// Environments names the environments that the version uses.
func (c *Compiled) Environments() []string { return c.Version.environments() }

// Nested returns the outputs of other environments' resources that are used, given a
// developer's values.
func (c *Compiled) Nested(values []Value) []expr.Reference {
	g, _ := c.read(values)
	set := map[*moduleVariable]*readValueOf{}
	for _, v := range g.list {
		for _, t := range v.targets {
			set[t.variable] = v
		}
	}
	var out []expr.Reference
	for _, r := range c.Resources {
		for _, m := range r.variables {
			var e *expr.Expression
			if v := set[m]; v != nil {
				e = v.expr
			} else if given := m.given(); given != nil {
				e = given.expr
			}
			if e == nil {
				continue
			}
			for _, ref := range e.References() {
				if u, ok := c.Upstream(ref.Resource); ok && u.Kind == KindEnvironment && !slices.Contains(out, ref) {
					out = append(out, ref)
				}
			}
		}
	}
	return out
}

// statics names the static resources that the nodes of a version stand for.
func (v *EnvironmentVersion) statics() []string {
	var out []string
	for _, r := range v.Spec.Resources {
		if r.Kind == KindStatic && r.Static != "" && !slices.Contains(out, r.Static) {
			out = append(out, r.Static)
		}
	}
	return out
}

// environments names the environments that the nodes of a version stand for.
func (v *EnvironmentVersion) environments() []string {
	var out []string
	for _, r := range v.Spec.Resources {
		if r.Kind == KindEnvironment && r.Environment != "" && !slices.Contains(out, r.Environment) {
			out = append(out, r.Environment)
		}
	}
	return out
}
