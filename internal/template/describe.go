package template

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/berthdev/berth/internal/template/bundle"
)

// describe makes an input from the template's variable, if any, and the first
// module variable it sets. Defaults come later, when everything is bound.
func describe(g *givenVariable, m *moduleVariable, origin Origin) Input {
	in := Input{
		Name: g.Name, Label: g.Options.Label, Type: m.Type, Description: g.Options.Description,
		Sensitive: g.Options.Sensitive || m.Sensitive, Immutable: g.Options.Immutable,
		Limits: m.limits, Parts: m.parts, Group: Basic, Origin: FromNowhere,
	}
	if m.resource != nil {
		in.Description = cmp.Or(in.Description, m.resource.Options.Description)
		in.Sensitive = in.Sensitive || m.resource.Options.Sensitive
		in.Immutable = in.Immutable || m.resource.Options.Immutable
	}
	in.Description = cmp.Or(in.Description, m.Description)
	if in.Label == "" {
		in.Label = humanise(g.Name)
	}
	if origin == FromModule && m.HasDefault || g.Options.Advanced {
		in.Group = Advanced
	}
	return in
}

// humanise turns a variable's name into a label: container_port, Container port.
func humanise(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' })
	if len(words) == 0 {
		return name
	}
	for i, w := range words {
		switch lower := strings.ToLower(w); lower {
		case "id", "ip", "vpc", "cpu", "url", "arn", "dns", "ttl", "cidr", "az", "ecs", "aws", "tls", "ssl", "api", "http", "https":
			words[i] = strings.ToUpper(lower)
		default:
			words[i] = lower
		}
	}
	words[0] = strings.ToUpper(words[0][:1]) + words[0][1:]
	return strings.Join(words, " ")
}

// addInputs completes the inputs: choices, defaults, what is required, order.
func (c *Compiled) addInputs(contexts []KnownContext) {
	for _, in := range c.inputs {
		c.addChoices(in)
		c.addDefault(in, contexts)
	}
	slices.SortStableFunc(c.inputs, func(a, b *boundInput) int { return cmp.Compare(rank(a), rank(b)) })
	for _, r := range c.Resources {
		for _, m := range r.variables {
			c.checkGiven(target{r, m}, contexts)
		}
	}
}

func rank(b *boundInput) int {
	switch {
	case b.Required:
		return 0
	case b.Group == Basic:
		return 1
	}
	return 2
}

func (c *Compiled) addChoices(in *boundInput) {
	first := in.targets[0].variable
	g := first.environment
	if g == nil {
		g = first.resource
	}
	if g != nil && g.Options.Override.Type == Restricted {
		c.restrictedChoices(in, g, first)
		return
	}
	if in.Type.Scalar() {
		for _, v := range first.choices {
			converted, err := convertValue(v, first.constraint, first.Type.Kind)
			if err != nil {
				continue
			}
			in.addChoice(valueText(converted), converted)
		}
	}
}

func (c *Compiled) restrictedChoices(in *boundInput, g *givenVariable, m *moduleVariable) {
	o := g.Options.Override
	constraint, kind := m.constraint, m.Type.Kind
	if o.MultiSelect {
		var ok bool
		if constraint, kind, ok = m.elements(); !ok {
			c.problem(bundle.Error, g.path+".options.override.multiSelect",
				"variable %q takes several values, but it is %s in the module; only a list or a set can", g.Name, kindWords(m.Type.Kind))
			return
		}
		in.MultiSelect = true
	}
	add := func(label, text, path string) {
		v, err := parseValue(Text, text, constraint, kind)
		if err != nil {
			c.problem(bundle.Error, g.path+".options.override."+path, "variable %q: the choice %q %v", g.Name, text, err)
			return
		}
		in.addChoice(label, v)
	}
	for i, text := range o.RestrictedValues {
		add(text, text, fmt.Sprintf("restrictedValues[%d]", i))
	}
	for _, label := range slices.Sorted(maps.Keys(o.RestrictedKeyValues)) {
		add(label, o.RestrictedKeyValues[label], fmt.Sprintf("restrictedKeyValues[%q]", label))
	}
	c.checkDefaultChoice(in, g, m)
}

// checkDefaultChoice finds a template whose own value is none of its choices.
func (c *Compiled) checkDefaultChoice(in *boundInput, g *givenVariable, m *moduleVariable) {
	if g.Value == nil || g.expr != nil || len(in.Choices) == 0 {
		return
	}
	v, err := parseValue(g.ValueType, *g.Value, m.constraint, m.Type.Kind)
	if err != nil {
		return // said by checkStaticValues
	}
	if in.checkChoice(v) != nil {
		c.problem(bundle.Error, g.path+".value", "variable %q: the value is none of its choices; it %s", g.Name, in.requirement())
	}
}

// elements is the type of what a list holds; false for what is no list.
func (m *moduleVariable) elements() (bundle.Constraint, string, bool) {
	switch m.Type.Kind {
	case "list", "set":
		return bundle.Constraint{Type: m.constraint.Type.ElementType()}, m.Type.Element.Kind, true
	case "any":
		return bundle.Constraint{Type: cty.DynamicPseudoType}, "any", true
	}
	return bundle.Constraint{}, "", false
}

func kindWords(kind string) string {
	switch kind {
	case "object", "any":
		return "an " + kind
	}
	return "a " + kind
}

func (b *boundInput) addChoice(label string, v cty.Value) {
	if raw, err := toJSON(v); err == nil {
		b.Choices = append(b.Choices, Choice{Label: label, Value: raw})
	}
}

// addDefault finds the value used when a developer gives none, over all targets:
// the input is required when one of them would have none, or when a template says
// so and nothing but the module has a value.
func (c *Compiled) addDefault(in *boundInput, contexts []KnownContext) {
	for i, t := range in.targets {
		f := c.fallbackOf(t, contexts)
		if f.origin == FromModule && t.variable.mustBeGiven() {
			f.origin, in.Group = FromNowhere, Basic
		}
		if f.origin == FromNowhere {
			in.Required = true
		}
		if i == 0 {
			in.describeDefault(f, t.variable)
		}
	}
}

// mustBeGiven reports whether a template insists on a value, whatever the
// module's own default is.
func (m *moduleVariable) mustBeGiven() bool {
	return m.environment != nil && m.environment.Options.Required || m.resource != nil && m.resource.Options.Required
}

func (b *boundInput) describeDefault(f fallback, m *moduleVariable) {
	b.Origin, b.Context = f.origin, f.context
	var valueType ValueType
	var text string
	switch {
	case f.given != nil && f.given.expr != nil:
		b.DefaultExpression = f.given.expr.Text()
		return
	case f.given != nil:
		valueType, text = f.given.ValueType, *f.given.Value
	case f.variable != nil && f.variable.Sensitive:
		b.DefaultHidden = true
		return
	case f.variable != nil:
		valueType, text = ValueType(f.variable.ValueType), f.variable.Value
	case f.origin == FromModule:
		if b.Sensitive {
			b.DefaultHidden = true
		} else {
			b.Default = m.Default
		}
		return
	default:
		return
	}
	if b.Sensitive {
		b.DefaultHidden = true
		return
	}
	if v, err := parseValue(valueType, text, m.constraint, m.Type.Kind); err == nil {
		b.Default, _ = toJSON(v)
	}
}

// checkGiven finds a variable that needs a value, gets none and cannot be set.
func (c *Compiled) checkGiven(t target, contexts []KnownContext) {
	r, m := t.resource, t.variable
	if m.input != nil || c.fallbackOf(t, contexts).origin != FromNowhere {
		return
	}
	if m.hidden && c.Version.Spec.AllowFreeVariables {
		return
	}
	path := fmt.Sprintf("spec.resources[%d]", r.index)
	if len(c.Version.Spec.Contexts)+len(r.Version.Spec.Contexts) > 0 {
		c.problem(bundle.Warning, path, "resource %q needs the variable %q, and only a config context can give it", r.Name, m.Name)
		return
	}
	c.problem(bundle.Error, path, "resource %q needs the variable %q, but nobody gives it: set its value in the template, or let developers set it", r.Name, m.Name)
}

// requirement says in words what a value must be.
func (b *boundInput) requirement() string {
	if len(b.Choices) > 0 {
		labels := make([]string, len(b.Choices))
		for i, c := range b.Choices {
			labels[i] = c.Label
		}
		if b.MultiSelect {
			return "must be a list of any of " + strings.Join(labels, ", ")
		}
		return "must be one of " + strings.Join(labels, ", ")
	}
	return requirement(b.Type.Kind, b.Limits)
}

func requirement(kind string, l Limits) string {
	if len(l.Choices) > 0 {
		labels := make([]string, len(l.Choices))
		for i, raw := range l.Choices {
			labels[i] = strings.Trim(string(raw), `"`)
		}
		return "must be one of " + strings.Join(labels, ", ")
	}
	words := typeWords(kind)
	switch kind {
	case "number":
		if l.Integer {
			words = "a whole number"
		}
		switch {
		case l.Min != nil && l.Max != nil:
			words += fmt.Sprintf(" from %s to %s", plain(*l.Min), plain(*l.Max))
		case l.Min != nil:
			words += fmt.Sprintf(", %s or more", plain(*l.Min))
		case l.Max != nil:
			words += fmt.Sprintf(", %s or less", plain(*l.Max))
		}
	case "string":
		switch {
		case l.MinLength != nil && l.MaxLength != nil:
			words += fmt.Sprintf(" of %d to %d characters", *l.MinLength, *l.MaxLength)
		case l.MinLength != nil && *l.MinLength == 1:
			return "must not be empty"
		case l.MinLength != nil:
			words += fmt.Sprintf(" of at least %d characters", *l.MinLength)
		case l.MaxLength != nil:
			words += fmt.Sprintf(" of at most %d characters", *l.MaxLength)
		}
	}
	return "must be " + words
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// valueText is a scalar as a person would write it.
func valueText(v cty.Value) string {
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case cty.Bool:
		return strconv.FormatBool(v.True())
	}
	raw, err := toJSON(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
