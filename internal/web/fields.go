package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// fieldOf is the control for an input: a list to choose from, a checkbox, a number, a text, or a larger text for lists
// and structures. The default stands in it, so that a reader sees what will be used.
func fieldOf(in template.Input, prefix string) views.Field {
	f := views.Field{
		Label: in.Label, Name: prefix + in.Name, Help: in.Description, Required: in.Required, Value: jsonText(in.Default), Kind: views.FieldText,
	}
	if f.Value != "" {
		f.Default = f.Value
	}
	switch {
	case in.Sensitive:
		f.Kind, f.Value, f.Default = views.FieldSecret, "", ""
		if in.Origin != template.FromNowhere {
			f.Placeholder = "Leave empty for the default"
		}
	case len(in.Choices) > 0:
		f.Kind = views.FieldSelect
		if len(in.Default) == 0 {
			f.Options = append(f.Options, views.Option{Value: "", Label: emptyChoice(in)})
		}
		for _, c := range in.Choices {
			f.Options = append(f.Options, views.Option{Value: jsonText(c.Value), Label: c.Label})
		}
	case in.Type.Kind == "bool":
		f.Kind, f.Required = views.FieldBool, false
	case in.Type.Kind == "number":
		f.Kind = views.FieldNumber
		f.Pattern, f.PatternHelp = numberRule(in)
	case in.Type.Scalar():
		if in.Limits.MaxLength != nil {
			f.MaxLength = *in.Limits.MaxLength
		}
	default:
		f.Kind, f.Mono = views.FieldLong, true
		f.Help = strings.TrimSpace(f.Help + " " + structureHelp(in.Type.Kind))
	}
	if in.DefaultExpression != "" {
		f.Value, f.Placeholder = "", "Worked out by the template"
		f.Default = in.DefaultExpression
	}
	return f
}

func emptyChoice(in template.Input) string {
	if in.Required {
		return "Choose one"
	}
	return "Default"
}

func structureHelp(kind string) string {
	switch kind {
	case "list", "set", "tuple":
		return `A list, as JSON: ["a", "b"].`
	case "map", "object":
		return `Names and values, as JSON: {"name": "value"}.`
	}
	return "As JSON."
}

// numberRule is what the browser can check by itself; the rest is checked when the form is sent.
func numberRule(in template.Input) (pattern, help string) {
	l := in.Limits
	pattern, help = `\s*-?[0-9]+(\.[0-9]+)?\s*`, in.Label+" must be a number"
	if l.Integer {
		pattern, help = `\s*-?[0-9]+\s*`, in.Label+" must be a whole number"
	}
	plain := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case l.Min != nil && l.Max != nil:
		help += fmt.Sprintf(" from %s to %s", plain(*l.Min), plain(*l.Max))
	case l.Min != nil:
		help += ", " + plain(*l.Min) + " or more"
	case l.Max != nil:
		help += ", " + plain(*l.Max) + " or less"
	}
	return pattern, help + "."
}

func typeWord(in template.Input) string {
	switch {
	case len(in.Choices) > 0:
		return "Choice"
	case in.Type.Kind == "bool":
		return "Yes or no"
	case in.Type.Kind == "number":
		return "Number"
	case in.Type.Kind == "string":
		return "Text"
	}
	return capital(in.Type.Kind)
}

// inputValue is what a form's text says about an input; false when it says nothing, so that the default counts.
func inputValue(in template.Input, text string) (template.Value, bool) {
	unchanged := text == jsonText(in.Default) && (text != "" || len(in.Default) > 0)
	if unchanged {
		return template.Value{}, false
	}
	kind := in.Type.Kind
	if text == "" && (in.Sensitive || kind != "string" || len(in.Choices) > 0 || len(in.Default) == 0 || in.DefaultExpression != "") {
		return template.Value{}, false
	}
	// A checkbox always says something; one that was left alone, with no default, says no.
	if kind == "bool" && text == "false" && len(in.Default) == 0 && !in.Required {
		return template.Value{}, false
	}
	v := template.Value{Name: in.Name, ValueType: template.Text, Value: text}
	switch {
	case in.Type.Scalar():
		if kind != "string" {
			v.Value = strings.TrimSpace(text)
		}
	default:
		v.ValueType = structureType(text)
	}
	return v, true
}

// structureType takes a structure as JSON when it is, else as HCL, which people copy from elsewhere.
func structureType(text string) template.ValueType {
	if json.Valid([]byte(text)) {
		return template.JSON
	}
	return template.HCL
}

const inputPrefix = "in."

// changedInputs are the values of a form that differ from the defaults.
func changedInputs(inputs []template.Input, form url.Values) []template.Value {
	values := []template.Value{}
	for _, in := range inputs {
		name := inputPrefix + in.Name
		if !form.Has(name) {
			continue
		}
		if v, ok := inputValue(in, last(form, name)); ok {
			values = append(values, v)
		}
	}
	return values
}
