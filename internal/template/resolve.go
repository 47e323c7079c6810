package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/expr"
)

// ResolveInput is everything the final variables of one resource depend on.
// Among contexts, a later one wins over an earlier one.
type ResolveInput struct {
	Resource            string
	Values              []Value
	Scope               expr.Scope
	EnvironmentContexts []configcontext.Values // of the environment template
	ResourceContexts    []configcontext.Values // of the resource template
}

// Resolved is what a step of one resource runs with.
type Resolved struct {
	// Variables are the values to pass to the module. Those that keep the module's
	// default are not among them.
	Variables map[string]json.RawMessage
	// Origins says for every variable of the module where its value comes from.
	Origins map[string]Origin
	// Sensitive names the variables whose values must not be shown.
	Sensitive map[string]bool
	Env       map[string]string
	Files     []configcontext.File
	Sandbox   *configcontext.Sandbox
	// Secrets are the texts to mask in everything that is written.
	Secrets []string
	// Unknown lists the outputs that were needed and missing, by variable. Those
	// variables are not in Variables; a plan shows them as known after deploy.
	Unknown map[string][]expr.Reference
}

// Known reports whether every needed output was there.
func (r *Resolved) Known() bool { return len(r.Unknown) == 0 }

// ErrUnknownResource is a resource name that the version does not have.
var ErrUnknownResource = fault.New(fault.NotFound, "resource_not_found", "The template has no such resource.")

// Resolve finds the final variables, environment and files of one resource. It
// reads nothing but its arguments. Wrong values are an error with a field each;
// missing upstream outputs are not, they are listed in Unknown.
func (c *Compiled) Resolve(in ResolveInput) (*Resolved, error) {
	r, ok := c.Resource(in.Resource)
	if !ok {
		return nil, ErrUnknownResource.With("Template %s %s has no resource %q.", c.Version.Template, c.Version.Version, in.Resource)
	}
	g, fields := c.read(in.Values)
	res := &resolver{in: in, out: &Resolved{
		Variables: map[string]json.RawMessage{}, Origins: map[string]Origin{}, Sensitive: map[string]bool{},
		Env: map[string]string{}, Unknown: map[string][]expr.Reference{},
	}}
	res.fromContexts()
	set := map[*moduleVariable]*readValueOf{}
	for _, v := range g.list {
		for _, t := range v.targets {
			set[t.variable] = v
		}
	}
	for _, m := range r.variables {
		if err := res.variable(m, set[m]); err != nil {
			fields.Add(m.Name, "%v", err)
		}
	}
	slices.Sort(res.out.Secrets)
	res.out.Secrets = slices.Compact(res.out.Secrets)
	return res.out, fields.Err()
}

type resolver struct {
	in  ResolveInput
	out *Resolved
}

// contexts lists all contexts, the least important first.
func (r *resolver) contexts() []configcontext.Values {
	return append(slices.Clone(r.in.ResourceContexts), r.in.EnvironmentContexts...)
}

func (r *resolver) fromContexts() {
	files := map[string]configcontext.File{}
	for _, ctx := range r.contexts() {
		for _, e := range ctx.Env {
			r.out.Env[e.Key] = e.Value
			if e.Sensitive {
				r.secretText(e.Value)
			}
		}
		for _, f := range ctx.Files {
			files[f.MountPath] = f
			if f.Sensitive {
				r.secretText(string(f.Content))
			}
		}
		if ctx.Sandbox != nil {
			r.out.Sandbox = ctx.Sandbox
			r.secretText(ctx.Sandbox.SecretKey)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		r.out.Files = append(r.out.Files, files[p])
	}
}

// candidate is the value that wins for a variable.
type candidate struct {
	origin    Origin
	valueType ValueType
	text      string
	expr      *expr.Expression
	sensitive bool
}

func (r *resolver) choose(m *moduleVariable, set *readValueOf) (candidate, bool) {
	if set != nil {
		return candidate{FromInput, set.ValueType, set.Value.Value, set.expr, set.sensitive()}, true
	}
	if g := m.environment; g != nil && g.Value != nil {
		return candidate{FromEnvironmentTemplate, g.ValueType, *g.Value, g.expr, g.Options.Sensitive}, true
	}
	if v, ok := contextVariable(r.in.EnvironmentContexts, m.Name); ok {
		return candidate{FromEnvironmentContext, ValueType(v.ValueType), v.Value, nil, v.Sensitive}, true
	}
	if g := m.resource; g != nil && g.Value != nil {
		return candidate{FromResourceTemplate, g.ValueType, *g.Value, g.expr, g.Options.Sensitive}, true
	}
	if v, ok := contextVariable(r.in.ResourceContexts, m.Name); ok {
		return candidate{FromResourceContext, ValueType(v.ValueType), v.Value, nil, v.Sensitive}, true
	}
	return candidate{}, false
}

func contextVariable(contexts []configcontext.Values, name string) (configcontext.Variable, bool) {
	for _, c := range slices.Backward(contexts) {
		for _, v := range c.Variables {
			if v.Name == name {
				return v, true
			}
		}
	}
	return configcontext.Variable{}, false
}

func (r *resolver) variable(m *moduleVariable, set *readValueOf) error {
	chosen, ok := r.choose(m, set)
	sensitive := m.Sensitive || chosen.sensitive ||
		m.environment != nil && m.environment.Options.Sensitive || m.resource != nil && m.resource.Options.Sensitive
	if !ok {
		return r.fallback(m, sensitive)
	}
	r.out.Origins[m.Name] = chosen.origin
	raw, fromSecret, err := r.value(m, chosen)
	sensitive = sensitive || fromSecret
	if sensitive {
		r.out.Sensitive[m.Name] = true
	}
	if unknown, ok := errors.AsType[*expr.UnknownError](err); ok {
		r.out.Unknown[m.Name] = unknown.References
		return nil
	}
	if errors.Is(err, errNull) {
		return r.fallback(m, sensitive)
	}
	if err != nil {
		return err
	}
	r.out.Variables[m.Name] = raw
	if sensitive {
		r.secretJSON(raw)
	}
	return nil
}

// fallback leaves the variable to the module's default.
func (r *resolver) fallback(m *moduleVariable, sensitive bool) error {
	if !m.HasDefault {
		r.out.Origins[m.Name] = FromNowhere
		return errors.New(requirementOf(m.input, m) + "; it has no value")
	}
	r.out.Origins[m.Name] = FromModule
	if sensitive {
		r.out.Sensitive[m.Name] = true
		r.secretJSON(m.Default)
	}
	return nil
}

func (r *resolver) value(m *moduleVariable, c candidate) (raw json.RawMessage, sensitive bool, err error) {
	if c.expr == nil {
		v, err := parseValue(c.valueType, c.text, m.constraint, m.Type.Kind)
		if err != nil {
			return nil, false, err
		}
		raw, err = toJSON(v)
		return raw, false, err
	}
	result, err := c.expr.Eval(r.in.Scope)
	if err != nil {
		return nil, false, err
	}
	raw, err = convertJSON(result.Value, m)
	return raw, result.Sensitive, err
}

func convertJSON(raw json.RawMessage, m *moduleVariable) (json.RawMessage, error) {
	v, err := parseValue(JSON, string(raw), m.constraint, m.Type.Kind)
	if err != nil {
		if errors.Is(err, errNull) {
			return nil, err
		}
		return nil, fmt.Errorf("the value of the expression %w", err)
	}
	return toJSON(v)
}

// secretText notes a text to mask; of one with several lines, each line too,
// because logs show lines.
func (r *resolver) secretText(s string) {
	if strings.TrimSpace(s) == "" {
		return
	}
	r.out.Secrets = append(r.out.Secrets, s)
	if !strings.Contains(s, "\n") {
		return
	}
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); len(line) >= 8 {
			r.out.Secrets = append(r.out.Secrets, line)
		}
	}
}

// secretJSON notes every text and long number inside a value.
func (r *resolver) secretJSON(raw json.RawMessage) {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case string:
			r.secretText(x)
		case json.Number:
			if s := x.String(); len(s) >= 4 {
				r.out.Secrets = append(r.out.Secrets, s)
				if f, err := x.Float64(); err == nil {
					r.secretText(strconv.FormatFloat(f, 'f', -1, 64))
				}
			}
		case []any:
			for _, item := range x {
				walk(item)
			}
		case map[string]any:
			for _, item := range x {
				walk(item)
			}
		}
	}
	walk(v)
}
