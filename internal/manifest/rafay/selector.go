package rafay

import (
	"strconv"
	"strings"
)

func itoa(i int) string { return strconv.Itoa(i) }

// selectors reads which module variables a variable of an environment template
// sets: resource."x".variables.y and its other spellings, the bare name of a
// variable, or a map with resource and variable.
func (d *document) selectors(o *object, where place) []any {
	if where != inEnvironmentTemplate {
		o.lose(Warning, "has a meaning in an environment template alone", "selectors")
		return nil
	}
	var out []any
	for i, v := range o.list("selectors") {
		at := o.at("selectors") + "[" + itoa(i) + "]"
		if m, ok := v.(map[string]any); ok {
			s := o.child(at, m)
			if one := selector(d.reference(s.text("resource"), s.at("resource")), s.text("variable")); len(one) > 0 {
				out = append(out, one)
			}
			continue
		}
		text, _ := scalar(v)
		resource, variable, ok := parseSelector(text)
		if !ok {
			d.notice(Warning, at, "%q cannot be read as a selector; write resource.NAME.VARIABLE or the name of a variable", text)
			continue
		}
		out = append(out, selector(d.reference(resource, at), variable))
	}
	return out
}

func selector(resource, variable string) map[string]any {
	out := map[string]any{}
	if resource != "" {
		out["resource"] = resource
	}
	if variable != "" {
		out["variable"] = variable
	}
	return out
}

// parseSelector takes a selector apart.
func parseSelector(text string) (resource, variable string, ok bool) {
	parts, ok := selectorParts(strings.TrimSpace(text))
	if !ok || len(parts) == 0 {
		return "", "", false
	}
	if len(parts) == 1 {
		return "", parts[0], true
	}
	if parts[0] == "resource" || parts[0] == "resources" {
		parts = parts[1:]
	}
	if len(parts) == 3 && (parts[1] == "variable" || parts[1] == "variables") {
		parts = []string{parts[0], parts[2]}
	}
	switch len(parts) {
	case 1:
		return parts[0], "", true
	case 2:
		return parts[0], parts[1], true
	}
	return "", "", false
}

// selectorParts splits at dots and brackets; names may stand between quotes.
func selectorParts(text string) ([]string, bool) {
	if text == "" {
		return nil, false
	}
	if text[0] != '[' {
		text = "." + text
	}
	var parts []string
	for text != "" {
		name, n := keyed(text)
		if text[0] == '.' && !strings.HasPrefix(text, `."`) && !strings.HasPrefix(text, ".'") {
			// A dash is part of a name here, and no minus.
			end := strings.IndexAny(text[1:], `.["'`)
			if end < 0 {
				end = len(text) - 1
			}
			name, n = text[1:1+end], 1+end
		}
		if n == 0 || name == "" || strings.ContainsAny(name, " \t\n") {
			return nil, false
		}
		parts, text = append(parts, name), text[n:]
	}
	return parts, true
}
