package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/expr"
)

// Validate checks a developer's values, all of them at once. The error has one
// field per wrong value, named like the input, that says the fix.
func (c *Compiled) Validate(values []Value) error { return c.validate(values, true) }

// ValidatePartial is Validate for an environment that is still being filled in:
// values may be missing, but none may be wrong.
func (c *Compiled) ValidatePartial(values []Value) error { return c.validate(values, false) }

// ValidateChange is Validate for an environment that has been deployed with the
// previous values: immutable inputs must keep theirs.
func (c *Compiled) ValidateChange(previous, next []Value) error {
	var f fault.Fields
	f.Merge("", c.Unchangeable(previous, next))
	f.Merge("", c.Validate(next))
	return f.Err()
}

// Unchangeable has one field for each immutable input that differs.
func (c *Compiled) Unchangeable(previous, next []Value) error {
	var f fault.Fields
	old := byName(previous)
	now := byName(next)
	for _, in := range c.inputs {
		if !in.Immutable {
			continue
		}
		a, hadOne := old[in.Name]
		b, hasOne := now[in.Name]
		if hadOne != hasOne || hadOne && !c.sameValue(in, a, b) {
			f.Add(in.Name, "cannot be changed after the first deploy; create another environment for another value")
		}
	}
	return f.Err()
}

func byName(values []Value) map[string]Value {
	out := make(map[string]Value, len(values))
	for _, v := range values {
		out[v.Name] = v
	}
	return out
}

func (c *Compiled) sameValue(in *boundInput, a, b Value) bool {
	if a == b {
		return true
	}
	m := in.targets[0].variable
	va, errA := parseValue(a.ValueType, a.Value, m.constraint, m.Type.Kind)
	vb, errB := parseValue(b.ValueType, b.Value, m.constraint, m.Type.Kind)
	return errA == nil && errB == nil && va.RawEquals(vb)
}

// Check is ValidatePartial and what is missing, apart: a form says that a value is
// wrong at once, and that one is missing only when its field has been left.
func (c *Compiled) Check(values []Value) (wrong, missing error) {
	g, fields := c.read(values)
	return c.finish(g, fields), c.missing(g)
}

func (c *Compiled) validate(values []Value, complete bool) error {
	g, fields := c.read(values)
	wrong := c.finish(g, fields)
	if !complete {
		return wrong
	}
	var all fault.Fields
	all.Merge("", wrong)
	all.Merge("", c.missing(g))
	return all.Err()
}

// finish checks what can only be checked once all values are read.
func (c *Compiled) finish(g *given, fields *fault.Fields) error {
	c.checkInputConditions(g, fields)
	if fields.Len() == 0 {
		if cycle := findCycle(c.order(), c.dependencies(g)); cycle != nil {
			fields.Add(g.expressionOn(cycle), "its expression makes the resources wait for each other: %s", joinArrows(cycle))
		}
	}
	return fields.Err()
}

func (c *Compiled) missing(g *given) error {
	var fields fault.Fields
	for _, in := range c.inputs {
		if in.Required && !g.has(in.Name) && !g.wrong[in.Name] {
			fields.Add(in.Name, "is required; it %s", in.requirement())
		}
	}
	return fields.Err()
}

// Typed returns a value as JSON of its input's type; false when it is an
// expression, is not the template's or does not fit.
func (c *Compiled) Typed(v Value) (json.RawMessage, bool) {
	in := c.byName[v.Name]
	if in == nil || v.ValueType == Expression {
		return nil, false
	}
	m := in.targets[0].variable
	value, err := parseValue(v.ValueType, v.Value, m.constraint, m.Type.Kind)
	if err != nil {
		return nil, false
	}
	raw, err := toJSON(value)
	return raw, err == nil
}

// Warnings names values that are accepted but have no effect.
func (c *Compiled) Warnings(values []Value) []string {
	var out []string
	g, _ := c.read(values)
	for _, v := range g.list {
		if len(v.targets) == 0 {
			out = append(out, fmt.Sprintf("%s: no resource of the template has a variable of this name, so the value has no effect%s", v.Name, suggest(v.Name, c.inputNames())))
		}
	}
	return out
}

func (c *Compiled) inputNames() []string {
	var out []string
	for _, in := range c.inputs {
		out = append(out, in.Name)
	}
	return out
}

// Dependencies returns, for each resource, the ones that must be deployed before
// it, given a developer's values, which may hold expressions of their own.
func (c *Compiled) Dependencies(values []Value) map[string][]string {
	g, _ := c.read(values)
	return c.dependencies(g)
}

func (c *Compiled) dependencies(g *given) map[string][]string {
	deps := map[string][]string{}
	for _, r := range c.Resources {
		deps[r.Name] = slices.Clone(r.DependsOn)
	}
	for _, v := range g.list {
		if v.expr == nil {
			continue
		}
		for _, t := range v.targets {
			for _, ref := range v.expr.References() {
				if !slices.Contains(deps[t.resource.Name], ref.Resource) {
					deps[t.resource.Name] = append(deps[t.resource.Name], ref.Resource)
				}
			}
		}
	}
	return deps
}

// given is a developer's values, read.
type given struct {
	list  []*readValueOf
	names map[string]*readValueOf
	wrong map[string]bool
}

type readValueOf struct {
	Value
	input     *boundInput // nil for a free variable
	targets   []target
	converted []cty.Value // one per target; empty for an expression
	expr      *expr.Expression
}

func (g *given) has(name string) bool { return g.names[name] != nil }

func (g *given) expressionOn(cycle []string) string {
	for _, v := range g.list {
		for _, t := range v.targets {
			if v.expr != nil && slices.Contains(cycle, t.resource.Name) {
				return v.Name
			}
		}
	}
	return ""
}

// read parses and converts every value. A wrong one is reported and left out.
func (c *Compiled) read(values []Value) (*given, *fault.Fields) {
	g := &given{names: map[string]*readValueOf{}, wrong: map[string]bool{}}
	fields := &fault.Fields{}
	for _, v := range values {
		r, err := c.readOne(v)
		switch {
		case g.names[v.Name] != nil || g.wrong[v.Name]:
			fields.Add(v.Name, "is given twice; remove one")
		case errors.Is(err, errNull):
		case err != nil:
			g.wrong[v.Name] = true
			addWrong(fields, v.Name, err)
		default:
			g.list = append(g.list, r)
			g.names[v.Name] = r
		}
	}
	return g, fields
}

// addWrong notes what is wrong with a value, part by part where that is known.
func addWrong(fields *fault.Fields, name string, err error) {
	parts, ok := errors.AsType[wrongParts](err)
	if !ok {
		fields.Add(name, "%v", err)
		return
	}
	for _, p := range parts {
		fields.Add(name+p.Path, "%s", p.Message)
	}
}

func (c *Compiled) readOne(v Value) (*readValueOf, error) {
	if v.ValueType == "" {
		v.ValueType = Text
	}
	if !v.ValueType.Valid() {
		return nil, fmt.Errorf("has the unknown value type %q; use text, expression, json or hcl", v.ValueType)
	}
	r := &readValueOf{Value: v, input: c.byName[v.Name]}
	if r.input != nil {
		r.targets = r.input.targets
	} else {
		var err error
		if r.targets, err = c.freeTargets(v.Name); err != nil {
			return nil, err
		}
	}
	if v.ValueType == Expression {
		return r, c.readExpression(r)
	}
	return r, c.convertAll(r)
}

// freeTargets says whether a variable may be added that the template does not
// offer, and which modules have it all the same.
func (c *Compiled) freeTargets(name string) ([]target, error) {
	if !variablePattern.MatchString(name) {
		return nil, fmt.Errorf("is no name for a variable; use letters, digits, _ and -, beginning with a letter")
	}
	if why := c.locked[name]; why != "" {
		return nil, fmt.Errorf("cannot be set: %s; remove it", why)
	}
	if !c.Version.Spec.AllowFreeVariables {
		return nil, fmt.Errorf("is no variable of template %s %s, which allows no others%s; remove it",
			c.Version.Template, c.Version.Version, suggest(name, c.inputNames()))
	}
	var out []target
	for _, r := range c.Resources {
		if m := r.variable(name); m != nil {
			if !m.hidden {
				return nil, fmt.Errorf("cannot be set: it is set by the template; remove it")
			}
			out = append(out, target{r, m})
		}
	}
	return out, nil
}

func (c *Compiled) readExpression(r *readValueOf) error {
	if r.input != nil && len(r.input.Choices) > 0 {
		return fmt.Errorf("%s; an expression is not possible here", r.input.requirement())
	}
	e, err := c.compiler.language.Compile(r.Value.Value)
	if err != nil {
		return unquoted(err, r.sensitive())
	}
	if !expr.Contains(r.Value.Value) {
		return errors.New("is of value type expression, so write it as $( ... )$, for example $(environment.name)$")
	}
	for _, ref := range e.References() {
		if err := c.checkReference(ref); err != nil {
			return err
		}
	}
	for _, t := range r.targets {
		if err := kindFits(c.kindOf(e), t.variable.Type.Kind); err != nil {
			return err
		}
	}
	r.expr = e
	return nil
}

// unquoted says of the expression of a sensitive variable only that it is wrong, for a secret may be written in it.
func unquoted(err error, sensitive bool) error {
	if !sensitive {
		return err
	}
	return errors.New("the expression is wrong; what is wrong is not told because it would show a part of a sensitive value")
}

func requirementOf(in *boundInput, m *moduleVariable) string {
	if in != nil {
		return in.requirement()
	}
	return requirement(m.Type.Kind, m.limits)
}

// explain adds what was entered, unless that is a secret, and for simple types
// says all that the value must be, not only what the first check missed.
func (r *readValueOf) explain(err error, whole string) error {
	if err == nil || errors.Is(err, errNull) {
		return err
	}
	message := err.Error()
	kind := "any"
	if len(r.targets) > 0 {
		kind = r.targets[0].variable.Type.Kind
	}
	if whole != "" && (kind == "number" || kind == "bool" || kind == "string") && message == "must be "+typeWords(kind) {
		message = whole
	}
	if r.sensitive() || strings.Contains(message, "you entered") {
		return errors.New(message)
	}
	return fmt.Errorf("%s; you entered %s", message, shown(r.Value.Value))
}

func (r *readValueOf) sensitive() bool {
	if r.input != nil && r.input.Sensitive {
		return true
	}
	return slices.ContainsFunc(r.targets, func(t target) bool { return t.variable.Sensitive })
}

// checkInputConditions evaluates the validation blocks of every variable that a
// developer sets, with the other variables as far as they are known.
func (c *Compiled) checkInputConditions(g *given, fields *fault.Fields) {
	values := map[*moduleVariable]cty.Value{}
	setBy := map[*moduleVariable]*readValueOf{}
	for _, v := range g.list {
		for i, t := range v.targets {
			setBy[t.variable] = v
			if v.expr == nil {
				values[t.variable] = v.converted[i]
			} else {
				values[t.variable] = cty.UnknownVal(t.variable.constraint.Type.WithoutOptionalAttributesDeep())
			}
		}
	}
	for _, r := range c.Resources {
		vars := cty.NilVal
		for _, m := range r.variables {
			v := setBy[m]
			if v == nil || v.expr != nil || len(m.conditions) == 0 || g.wrong[v.Name] {
				continue
			}
			if vars == cty.NilVal {
				vars = r.knownValues(values, len(c.Version.Spec.Contexts)+len(r.Version.Spec.Contexts) > 0)
			}
			if err := c.checkConditions(m, values[m], vars); err != nil {
				fields.Add(v.Name, "%v", v.explain(err, ""))
				g.wrong[v.Name] = true
			}
		}
	}
}

// knownValues is the module's var object: what is set, else what the template
// gives, else the module's default, else unknown.
func (r *CompiledResource) knownValues(set map[*moduleVariable]cty.Value, withContexts bool) cty.Value {
	vars := make(map[string]cty.Value, len(r.variables))
	for _, m := range r.variables {
		v, ok := set[m]
		if !ok {
			v = m.staticValue(withContexts)
		}
		vars[m.Name] = v
	}
	return cty.ObjectVal(vars)
}

// staticValue is what the variable is when a developer does not set it. Config
// contexts are not known here, so where one could give the value, it is unknown.
func (m *moduleVariable) staticValue(withContexts bool) cty.Value {
	ty := m.constraint.Type.WithoutOptionalAttributesDeep()
	g := m.given()
	if withContexts && (g == nil || g != m.environment) {
		return cty.UnknownVal(ty)
	}
	if g != nil {
		if g.expr == nil {
			if v, err := parseValue(g.ValueType, *g.Value, m.constraint, m.Type.Kind); err == nil {
				return v
			}
		}
		return cty.UnknownVal(ty)
	}
	if m.HasDefault {
		raw, err := fromJSON(m.Default)
		if err != nil {
			return cty.UnknownVal(ty)
		}
		if raw.IsNull() {
			return cty.NullVal(ty)
		}
		if v, err := convertValue(raw, m.constraint, m.Type.Kind); err == nil {
			return v
		}
	}
	return cty.UnknownVal(ty)
}

// checkConditions evaluates the validation blocks of one variable. Without vars
// only those are evaluated that look at the variable alone.
func (c *Compiled) checkConditions(m *moduleVariable, v, vars cty.Value) error {
	alone := vars == cty.NilVal
	if alone {
		vars = cty.ObjectVal(map[string]cty.Value{m.Name: v})
	}
	for _, cond := range m.conditions {
		if alone && !cond.about(m.Name) {
			continue
		}
		if holds, known := cond.holds(vars, c.compiler.functions); !known || holds {
			continue
		}
		if cond.plain && m.Type.Scalar() {
			return errors.New(m.plainRequirement())
		}
		return errors.New(lowerFirst(strings.TrimSuffix(cond.message, ".")))
	}
	return nil
}

func (m *moduleVariable) plainRequirement() string {
	if len(m.choices) > 0 {
		labels := make([]string, len(m.choices))
		for i, v := range m.choices {
			labels[i] = valueText(v)
		}
		return "must be one of " + strings.Join(labels, ", ")
	}
	return requirement(m.Type.Kind, m.limits)
}

// about reports whether a condition looks at no variable but the named one.
func (c condition) about(name string) bool {
	for _, t := range c.expr.Variables() {
		if rest := t.SimpleSplit().Rel; len(rest) == 0 || attributeName(rest[0]) != name {
			return false
		}
	}
	return true
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
