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
		Limits: m.limits, Group: Basic, Origin: FromNowhere,
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
func (c *Compiled) addInputs(contextVariables []string) {
	for _, in := range c.inputs {
		c.addChoices(in)
		c.addDefault(in, contextVariables)
	}
	slices.SortStableFunc(c.inputs, func(a, b *boundInput) int { return cmp.Compare(rank(a), rank(b)) })
	for _, r := range c.Resources {
		for _, m := range r.variables {
			c.checkGiven(r, m, contextVariables)
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
	add := func(label, text, path string) {
		v, err := parseValue(Text, text, m.constraint, m.Type.Kind)
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
}

func (b *boundInput) addChoice(label string, v cty.Value) {
	if raw, err := toJSON(v); err == nil {
		b.Choices = append(b.Choices, Choice{Label: label, Value: raw})
	}
}

// addDefault finds the value used when a developer gives none, over all targets:
// the input is required when one of them would have none.
func (c *Compiled) addDefault(in *boundInput, contextVariables []string) {
	for i, t := range in.targets {
		m := t.variable
		origin := FromNowhere
		given := m.given()
		switch {
		case given != nil && given == m.environment:
			origin = FromEnvironmentTemplate
		case given != nil:
			origin = FromResourceTemplate
		case slices.Contains(contextVariables, m.Name):
			origin = FromEnvironmentContext
		case m.HasDefault:
			origin = FromModule
		}
		if origin == FromNowhere {
			in.Required = true
		}
		if i > 0 {
			continue
		}
		in.Origin = origin
		switch {
		case given != nil && given.expr != nil:
			in.DefaultExpression = given.expr.Text()
		case given != nil && !in.Sensitive:
			if v, err := parseValue(given.ValueType, *given.Value, m.constraint, m.Type.Kind); err == nil {
				in.Default, _ = toJSON(v)
			}
		case origin == FromModule && !in.Sensitive:
			in.Default = m.Default
		}
	}
}

// checkGiven finds a variable that needs a value, gets none and cannot be set.
func (c *Compiled) checkGiven(r *CompiledResource, m *moduleVariable, contextVariables []string) {
	if m.input != nil || m.HasDefault || m.given() != nil || slices.Contains(contextVariables, m.Name) {
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
		return "must be one of " + strings.Join(labels, ", ")
	}
	return requirement(b.Type.Kind, b.Limits)
}

func requirement(kind string, l Limits) string {
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
