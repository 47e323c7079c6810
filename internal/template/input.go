package template

import (
	"encoding/json"

	"github.com/berthdev/berth/internal/template/bundle"
)

// Group says where a form shows an input.
type Group string

// Advanced inputs are folded away.
const (
	Basic    Group = "basic"
	Advanced Group = "advanced"
)

// Origin says where the value of a variable comes from, highest first.
type Origin string

// The origins, in order of precedence.
const (
	FromInput               Origin = "environment_input"
	FromEnvironmentTemplate Origin = "environment_template"
	FromEnvironmentContext  Origin = "environment_template_context"
	FromResourceTemplate    Origin = "resource_template"
	FromResourceContext     Origin = "resource_template_context"
	FromModule              Origin = "module_default"
	FromNowhere             Origin = "unset"
)

// Choice is one entry of a choice list.
type Choice struct {
	Label string          `json:"label"`
	Value json.RawMessage `json:"value"`
}

// Limits are what a form can check by itself. They are read from the module's
// validation conditions where those are simple enough.
type Limits struct {
	Integer   bool     `json:"integer,omitempty"`
	Min       *float64 `json:"min,omitempty"`
	Max       *float64 `json:"max,omitempty"`
	MinLength *int     `json:"minLength,omitempty"`
	MaxLength *int     `json:"maxLength,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`
	// Choices are the only values allowed, for a part of a structure; those of a
	// whole input are its own.
	Choices []json.RawMessage `json:"choices,omitempty"`
}

// Input is one value that an environment template version asks a developer for.
type Input struct {
	Name        string      `json:"name"`
	Label       string      `json:"label"`
	Type        bundle.Type `json:"type"`
	Description string      `json:"description,omitempty"`
	// Default is the value used when none is given. It is absent for secrets, and
	// when it is an expression; DefaultExpression holds that.
	Default           json.RawMessage `json:"default,omitempty"`
	DefaultExpression string          `json:"defaultExpression,omitempty"`
	Required          bool            `json:"required"`
	Sensitive         bool            `json:"sensitive"`
	Immutable         bool            `json:"immutable"`
	// DefaultHidden holds when there is a default that must not be shown.
	DefaultHidden bool     `json:"defaultHidden,omitempty"`
	Choices       []Choice `json:"choices,omitempty"`
	// MultiSelect makes the value a list of any of the choices.
	MultiSelect bool   `json:"multiSelect,omitempty"`
	Limits      Limits `json:"limits,omitzero"`
	// Parts are the limits inside a structure, by their place: ".port" is an
	// attribute, "[]" every element, so "[].port" the ports of a list of objects.
	Parts         map[string]Limits `json:"parts,omitempty"`
	Group         Group             `json:"group"`
	ResourceNames []string          `json:"resourceNames"`
	// Origin is where the default comes from; FromNowhere when there is none.
	Origin Origin `json:"origin"`
	// Context names the config context that gives the default, if one does.
	Context string `json:"context,omitempty"`
}

// Inputs returns what the version asks a developer for, in the order of a form:
// required ones first, then those the templates name, then the modules' own.
func (c *Compiled) Inputs() []Input {
	out := make([]Input, len(c.inputs))
	for i, b := range c.inputs {
		out[i] = b.Input
	}
	return out
}

// Input returns the input of that name.
func (c *Compiled) Input(name string) (Input, bool) {
	if b := c.byName[name]; b != nil {
		return b.Input, true
	}
	return Input{}, false
}

// Sensitive reports whether a value of that name must be stored sealed and never
// shown, be it an input or a variable that a developer adds.
func (c *Compiled) Sensitive(name string) bool {
	if in := c.byName[name]; in != nil && in.Sensitive {
		return true
	}
	for _, r := range c.Resources {
		if m := r.variable(name); m != nil && m.Sensitive {
			return true
		}
	}
	return false
}
