package template

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/audit"
)

// What the audit log keeps of a version: all that decides what it does, without
// sensitive values, long texts shortened.

const auditedText = 200

func beforeSaving(t *templateRow, v *oldVersion) any {
	if t == nil {
		return nil
	}
	out := auditedTemplate(*t)
	if v != nil {
		out["state"] = string(v.state)
		var spec map[string]any
		if json.Unmarshal([]byte(v.specJSON), &spec) == nil {
			out["spec"] = audited(spec)
		}
	}
	return out
}

func afterSaving(t templateRow, in SaveInput, v savedVersion, change Change) map[string]any {
	out := auditedTemplate(t)
	out["version"], out["state"], out["digest"], out["change"] = in.Version, string(in.state()), v.digest, string(change)
	var spec map[string]any
	if raw, err := json.Marshal(v.spec); err == nil && json.Unmarshal(raw, &spec) == nil {
		out["spec"] = audited(spec)
	}
	return out
}

func auditedTemplate(t templateRow) map[string]any {
	return map[string]any{"displayName": t.displayName, "description": t.description, "labels": labelled(t.labels), "annotations": labelled(t.annotations)}
}

// audited hides and shortens a specification as it is in JSON.
func audited(spec map[string]any) map[string]any {
	variables, _ := spec["variables"].([]any)
	for _, item := range variables {
		v, _ := item.(map[string]any)
		options, _ := v["options"].(map[string]any)
		if sensitive, _ := options["sensitive"].(bool); !sensitive {
			continue
		}
		if v["value"] != nil || v["sealed"] != nil {
			v["value"] = audit.Hidden
		}
		delete(v, "sealed")
	}
	shorten(spec)
	return spec
}

// shorten cuts long texts off.
func shorten(v any) any {
	switch v := v.(type) {
	case string:
		if utf8.RuneCountInString(v) > auditedText {
			return string([]rune(v)[:auditedText]) + "…"
		}
	case map[string]any:
		for name, item := range v {
			v[name] = shorten(item)
		}
	case []any:
		for i := range v {
			v[i] = shorten(v[i])
		}
	}
	return v
}
