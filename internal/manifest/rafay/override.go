package rafay

import "strings"

// override reads the rule for a developer's own value.
func (d *document) override(o *object) map[string]any {
	out := map[string]any{}
	given := o.text("type")
	kind := strings.ReplaceAll(strings.ToLower(given), "_", "")
	switch kind {
	case "", "allowed", "notallowed", "restricted":
	case "restrictedkeyvalues":
		kind = "restricted"
	default:
		d.notice(Warning, o.at("type"), "%q is no rule; the value may not be set (use allowed, notallowed or restricted)", given)
		kind = "notallowed"
	}
	lists := []string{"restrictedValues", "restrictedKeyValues", "multiSelect"}
	choices := o.has("restrictedValues") || o.has("restrictedKeyValues")
	switch {
	case kind == "" && choices:
		kind = "restricted"
		d.notice(Info, o.at("type"), "is not given beside a list of values; the developer may choose from the list")
		d.choices(o, out)
	case kind == "restricted" && !choices:
		kind = "notallowed"
		d.notice(Warning, o.at("type"), "is restricted, but no value is listed; the value may not be set")
		o.lose(Info, "is about a list of values, and there is none", lists...)
	case kind == "restricted":
		d.choices(o, out)
	default:
		o.lose(Warning, "is for the rule restricted; here it has no effect", lists...)
	}
	if kind != "" {
		out["type"] = kind
	}
	o.lose(Info, "is about what a form shows; Berth always shows where a value comes from", "displayOverridden")
	return out
}

// choices reads the values to choose from.
func (d *document) choices(o *object, out map[string]any) {
	var values []any
	for i, v := range o.list("restrictedValues") {
		s, ok := scalar(v)
		if !ok && v != nil {
			s, ok = asJSON(v)
		}
		if ok {
			values = append(values, s)
		} else {
			d.notice(Warning, o.at("restrictedValues")+"["+itoa(i)+"]", "is empty; it is left out")
		}
	}
	if values != nil {
		out["restrictedValues"] = values
	}
	if m := o.texts("restrictedKeyValues"); m != nil {
		out["restrictedKeyValues"] = m
	}
	if on, set := o.flag("multiSelect"); set {
		out["multiSelect"] = on
	}
}
