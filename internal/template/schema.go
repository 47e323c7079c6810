package template

import (
	"encoding/json"
	"fmt"

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
	s := typeSchema(in.Type)
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
	s["x-group"] = in.Group
	s["x-resources"] = in.ResourceNames
	addLimits(s, in)
	if len(in.Choices) == 0 {
		return s
	}
	values := make([]json.RawMessage, len(in.Choices))
	labels := make([]string, len(in.Choices))
	for i, c := range in.Choices {
		values[i], labels[i] = c.Value, c.Label
	}
	s["enum"] = values
	s["x-labels"] = labels
	return s
}

func addLimits(s map[string]any, in Input) {
	l := in.Limits
	if l.Integer && in.Type.Kind == "number" {
		s["type"] = "integer"
	}
	if l.Min != nil {
		s["minimum"] = *l.Min
	}
	if l.Max != nil {
		s["maximum"] = *l.Max
	}
	least, most := "minLength", "maxLength"
	switch in.Type.Kind {
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
}

func typeSchema(t bundle.Type) map[string]any {
	switch t.Kind {
	case "string":
		return map[string]any{"type": "string"}
	case "number":
		return map[string]any{"type": "number"}
	case "bool":
		return map[string]any{"type": "boolean"}
	case "list", "set":
		s := map[string]any{"type": "array", "items": typeSchema(*t.Element)}
		if t.Kind == "set" {
			s["uniqueItems"] = true
		}
		return s
	case "map":
		return map[string]any{"type": "object", "additionalProperties": typeSchema(*t.Element)}
	case "tuple":
		items := make([]any, len(t.Items))
		for i, item := range t.Items {
			items[i] = typeSchema(item)
		}
		return map[string]any{"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
	case "object":
		return objectSchema(t)
	}
	return map[string]any{}
}

func objectSchema(t bundle.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, a := range t.Attributes {
		p := typeSchema(a.Type)
		if a.Default != nil {
			p["default"] = a.Default
		}
		properties[a.Name] = p
		if !a.Optional {
			required = append(required, a.Name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}
