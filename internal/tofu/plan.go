package tofu

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// PlannedObject is what a plan wants to do to one object.
type PlannedObject struct {
	Address string
	Type    string
	Actions []string
	// After holds the planned arguments that are known.
	After map[string]any
}

// PlanObjects reads the changes of a `show -json` document.
func PlanObjects(planJSON []byte) ([]PlannedObject, error) {
	var doc struct {
		Changes []struct {
			Address string `json:"address"`
			Mode    string `json:"mode"`
			Type    string `json:"type"`
			Change  struct {
				Actions []string       `json:"actions"`
				After   map[string]any `json:"after"`
			} `json:"change"`
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(planJSON, &doc); err != nil {
		return nil, fmt.Errorf("reading a plan: %w", err)
	}
	var out []PlannedObject
	for _, c := range doc.Changes {
		if c.Mode == "managed" {
			out = append(out, PlannedObject{Address: c.Address, Type: c.Type, Actions: c.Change.Actions, After: c.Change.After})
		}
	}
	return out, nil
}

// RedactPlan replaces, in a `show -json` document, every value that the tool marks as sensitive and every text that
// mask changes, so that what is kept for readers and policies holds no secret.
func RedactPlan(planJSON []byte, mark string, mask func(string) string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(planJSON))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading a plan: %w", err)
	}
	redactNode(doc, mark)
	redactVariables(doc, mark)
	return json.Marshal(maskTexts(doc, mask))
}

// redactNode finds, at any depth, the pairs (value, where it is sensitive) of the plan format.
func redactNode(node any, mark string) {
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			redactNode(v, mark)
		}
	case map[string]any:
		for _, p := range [][2]string{{"before", "before_sensitive"}, {"after", "after_sensitive"}, {"values", "sensitive_values"}} {
			if s, ok := n[p[1]]; ok {
				n[p[0]] = redactWhere(n[p[0]], s, mark)
			}
		}
		if n["sensitive"] == true {
			if _, ok := n["value"]; ok {
				n["value"] = mark
			}
		}
		for k, v := range n {
			if k != "configuration" {
				redactNode(v, mark)
			}
		}
	}
}

// redactVariables hides the inputs that the root module declares as sensitive; beside the values themselves the plan
// does not say so.
func redactVariables(doc map[string]any, mark string) {
	values := child(doc, "variables")
	for name, decl := range child(child(child(doc, "configuration"), "root_module"), "variables") {
		d, _ := decl.(map[string]any)
		if v := child(values, name); v != nil && d["sensitive"] == true {
			v["value"] = mark
		}
	}
}

func child(m map[string]any, key string) map[string]any {
	c, _ := m[key].(map[string]any)
	return c
}

func redactWhere(value, where any, mark string) any {
	switch w := where.(type) {
	case bool:
		if w && value != nil {
			return mark
		}
	case map[string]any:
		if v, ok := value.(map[string]any); ok {
			for k, s := range w {
				if _, has := v[k]; has {
					v[k] = redactWhere(v[k], s, mark)
				}
			}
		}
	case []any:
		if v, ok := value.([]any); ok {
			for i := range min(len(v), len(w)) {
				v[i] = redactWhere(v[i], w[i], mark)
			}
		}
	}
	return value
}

func maskTexts(node any, mask func(string) string) any {
	switch n := node.(type) {
	case string:
		return mask(n)
	case json.Number:
		if s := mask(n.String()); s != n.String() {
			return s
		}
	case []any:
		for i := range n {
			n[i] = maskTexts(n[i], mask)
		}
	case map[string]any:
		for k := range n {
			n[k] = maskTexts(n[k], mask)
		}
	}
	return node
}
