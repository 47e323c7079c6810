package template

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/template/bundle"
)

// Schema returns the JSON Schema (draft 2020-12) of the inputs as an object with
// one property per input. Editors, forms and clients use it; Validate is the
// same rules in Go, and the one that decides.
func (c *Compiled) Schema() (json.RawMessage, error) {
	properties := map[string]any{}
	required := []string{}
	order := []string{}
	for _, in := range c.inputs {
		properties[in.Name] = inputSchema(in.Input)
		order = append(order, in.Name)
		if in.Required {
			required = append(required, in.Name)
		}
	}
	doc := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                fmt.Sprintf("Inputs of %s %s", c.Version.Template, c.Version.Version),
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": c.Version.Spec.AllowFreeVariables,
		"x-order":              order,
	}
	if len(required) > 0 {
		doc["required"] = required
	}
	if len(c.locked) > 0 && c.Version.Spec.AllowFreeVariables {
		for name := range c.locked {
			if properties[name] == nil {
				properties[name] = false // set by the template
			}
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("writing input schema: %w", err)
	}
	return out, nil
}

func inputSchema(in Input) map[string]any {
	s := typeSchema(in.Type, "", in.Parts)
	s["title"] = in.Label
	if in.Description != "" {
		s["description"] = in.Description
	}
	if in.Default != nil {
		s["default"] = in.Default
	}
	if in.Sensitive {
		s["writeOnly"] = true
		s["format"] = "password"
	}
	if in.Immutable {
		s["x-immutable"] = true
	}
	if in.DefaultExpression != "" {
		s["x-default-expression"] = in.DefaultExpression
	}
	if in.DefaultHidden {
		s["x-default-hidden"] = true
	}
	s["x-group"] = in.Group
	s["x-resources"] = in.ResourceNames
	s["x-origin"] = in.Origin
	if in.Context != "" {
		s["x-context"] = in.Context
	}
	addLimits(s, in.Type.Kind, in.Limits)
	addChoices(s, in)
	return s
}

func addChoices(s map[string]any, in Input) {
	if len(in.Choices) == 0 {
		return
	}
	values := make([]json.RawMessage, len(in.Choices))
	labels := make([]string, len(in.Choices))
	for i, c := range in.Choices {
		values[i], labels[i] = c.Value, c.Label
	}
	s["x-labels"] = labels
	if !in.MultiSelect {
		s["enum"] = values
		return
	}
	s["type"] = "array"
	s["items"] = map[string]any{"enum": values}
	s["uniqueItems"] = true
}

func addLimits(s map[string]any, kind string, l Limits) {
	if l.Integer && kind == "number" {
		s["type"] = "integer"
	}
	if l.Min != nil {
		s["minimum"] = *l.Min
	}
	if l.Max != nil {
		s["maximum"] = *l.Max
	}
	least, most := "minLength", "maxLength"
	switch kind {
	case "list", "set", "tuple":
		least, most = "minItems", "maxItems"
	case "map", "object":
		least, most = "minProperties", "maxProperties"
	}
	if l.MinLength != nil {
		s[least] = *l.MinLength
	}
	if l.MaxLength != nil {
		s[most] = *l.MaxLength
	}
	if l.Pattern != "" {
		s["pattern"] = l.Pattern
	}
	if len(l.Choices) > 0 {
		s["enum"] = l.Choices
	}
}

// partSchema is the schema of something inside a structure, with its limits.
func partSchema(t bundle.Type, pattern string, parts map[string]Limits) map[string]any {
	s := typeSchema(t, pattern, parts)
	addLimits(s, t.Kind, parts[pattern])
	return s
}

func typeSchema(t bundle.Type, pattern string, parts map[string]Limits) map[string]any {
	switch t.Kind {
	case "string":
		return map[string]any{"type": "string"}
	case "number":
		return map[string]any{"type": "number"}
	case "bool":
		return map[string]any{"type": "boolean"}
	case "list", "set":
		s := map[string]any{"type": "array", "items": partSchema(*t.Element, pattern+"[]", parts)}
		if t.Kind == "set" {
			s["uniqueItems"] = true
		}
		return s
	case "map":
		return map[string]any{"type": "object", "additionalProperties": partSchema(*t.Element, pattern+"[]", parts)}
	case "tuple":
		items := make([]any, len(t.Items))
		for i, item := range t.Items {
			items[i] = typeSchema(item, pattern+"[]", nil)
		}
		return map[string]any{"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
	case "object":
		return objectSchema(t, pattern, parts)
	}
	return map[string]any{}
}

func objectSchema(t bundle.Type, pattern string, parts map[string]Limits) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, a := range t.Attributes {
		p := partSchema(a.Type, pattern+"."+a.Name, parts)
		if a.Default != nil {
			p["default"] = a.Default
		}
		if a.Optional {
			p = orNull(p)
		} else {
			required = append(required, a.Name)
		}
		properties[a.Name] = p
	}
	s := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// orNull lets an optional attribute be null, which is the same as leaving it out.
func orNull(s map[string]any) map[string]any {
	name, typed := s["type"].(string)
	if !typed {
		return s
	}
	s["type"] = []string{name, "null"}
	if values, ok := s["enum"].([]json.RawMessage); ok {
		s["enum"] = append(slices.Clone(values), json.RawMessage("null"))
	}
	return s
}
