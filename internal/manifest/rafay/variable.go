package rafay

import (
	"regexp"
	"slices"
	"strings"
)

// Where a variable stands decides what may be said of it.
type place int

const (
	inResourceTemplate place = iota
	inEnvironmentTemplate
	inEnvironment
	inContext // and in static resources: values that are stored
)

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	envName      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

const (
	sealedMark = "sealed://"
	fileMark   = "file://"
	unfilled   = "UPDATE_VALUE"
)

// variables reads the field "variables".
func (d *document) variables(parent *object, where place, out map[string]any) {
	var list []any
	seen := map[string]bool{}
	for _, o := range parent.objects("variables") {
		if v := d.variable(o, where, seen); v != nil {
			list = append(list, v)
		}
	}
	if list != nil {
		out["variables"] = list
	}
}

func (d *document) variable(o *object, where place, seen map[string]bool) map[string]any {
	name := o.text("name")
	if !o.unique("name", name, variableName, seen) {
		return nil
	}
	out := map[string]any{"name": name}
	opts := o.object("options")
	sensitive := d.sensitive(o, opts)
	if !d.value(o, where, sensitive, out) {
		return nil
	}
	options := map[string]any{}
	if sensitive.set {
		options["sensitive"] = sensitive.on
	}
	if where != inEnvironment {
		if s := opts.text("description"); s != "" {
			options["description"] = s
		}
	}
	switch where {
	case inResourceTemplate, inEnvironmentTemplate:
		d.templateOptions(opts, where, options, out)
	case inEnvironment:
		opts.lose(Warning, "is for the template to say, not for an environment", "description", "required", "immutable", "readOnly", "override", "schema", "displayMetadata", "selectors")
	case inContext:
		d.storedOptions(opts)
	}
	if len(options) > 0 {
		out["options"] = options
	}
	return out
}

// storedOptions reports what cannot be said of a value that is kept in a context
// or a static resource.
func (d *document) storedOptions(opts *object) {
	opts.lose(Info, "is not kept with a stored value; a template says what its variables need", "required", "immutable", "readOnly")
	if rule, ok := opts.fields["override"].(map[string]any); ok && onlyAllows(rule) {
		opts.lose(Info, "needs no rule: an environment may set a variable that a context gives", "override")
	}
	opts.lose(Warning, "is a rule for the developer, which a stored value cannot have; say it in the template", "override")
	opts.lose(Warning, "has no counterpart for a stored value", "schema", "displayMetadata", "selectors")
}

// onlyAllows reports whether a rule says no more than what holds without one.
func onlyAllows(rule map[string]any) bool {
	for key, v := range rule {
		text, _ := v.(string)
		if !isEmpty(v) && (key != "type" || !strings.EqualFold(text, "allowed")) {
			return false
		}
	}
	return true
}

// flagged is a truth value that may not be given.
type flagged struct{ on, set bool }

// sensitive reads the mark of a secret: the option, or the old flag beside the value.
func (d *document) sensitive(o, opts *object) flagged {
	on, set := opts.flag("sensitive")
	old, oldSet := o.flag("sensitive")
	if oldSet {
		if set && on != old {
			d.notice(Info, o.at("sensitive"), "says something else than options.sensitive; the value is taken as sensitive")
		} else if set {
			d.notice(Info, o.at("sensitive"), "is the old spelling of options.sensitive, which says the same")
		}
	}
	return flagged{on: on || old, set: set || oldSet}
}

// value reads valueType and value into out. Without one, whoever uses the variable
// gives it. It returns false when the entry had to be left out.
func (d *document) value(o *object, where place, sensitive flagged, out map[string]any) bool {
	kind := ""
	if !o.read["valueType"] {
		kind = strings.ToLower(o.text("valueType"))
	}
	if kind != "" && !slices.Contains([]string{"text", "expression", "json", "hcl"}, kind) {
		d.notice(Warning, o.at("valueType"), "%q is no type of value; the value is taken as text", kind)
		kind = "text"
	}
	text, given := d.valueText(o, &kind)
	if kind != "" && (out["name"] != nil) {
		out["valueType"] = kind
	}
	if !given {
		return true
	}
	at := o.at("value")
	switch {
	case strings.HasPrefix(text, sealedMark):
		d.notice(Warning, at, "was sealed for Rafay and cannot be read; give the value again")
		return true
	case strings.HasPrefix(text, fileMark):
		d.notice(Warning, at, "names a file, which Berth does not read; the value is the text as it stands")
	case text == unfilled:
		d.notice(Warning, at, "is the placeholder %s; replace it with the real value", unfilled)
	}
	switch {
	case kind == "expression" && where == inContext:
		o.leaveOut("value", "is an expression, which a stored value cannot be; give it in the template instead")
		return false
	case kind == "expression":
		text = d.expression(text, at)
	case hasExpression(text) && !sensitive.on:
		d.notice(Warning, at, "holds an expression, but its valueType is %s: Berth takes the text as it stands", orText(kind))
	}
	out["value"] = text
	return true
}

func orText(kind string) string {
	if kind == "" {
		return "text"
	}
	return kind
}

// valueText reads a value as text. A list or map becomes JSON, and so its type.
func (d *document) valueText(o *object, kind *string) (string, bool) {
	v, ok := o.take("value")
	if !ok {
		return "", false
	}
	if s, ok := scalar(v); ok {
		return s, true
	}
	s, ok := asJSON(v)
	if !ok {
		d.lost(Warning, o.at("value"), v, "cannot be written as JSON")
		return "", false
	}
	if *kind != "json" {
		d.notice(Info, o.at("value"), "is a list or map; it is taken over as JSON")
		*kind = "json"
	}
	return s, true
}

// templateOptions reads what a template says of its variables.
func (d *document) templateOptions(opts *object, where place, options, out map[string]any) {
	for _, key := range []string{"required", "immutable"} {
		if on, set := opts.flag(key); set {
			options[key] = on
		}
	}
	rule := opts.object("override")
	override := d.override(rule)
	if on, set := opts.flag("readOnly"); set {
		if _, ruled := override["type"]; ruled || !on {
			d.notice(Info, opts.at("readOnly"), "is the old spelling of the override rule, which is used instead")
		} else {
			override["type"] = "notallowed"
		}
	}
	if len(override) > 0 {
		options["override"] = override
	}
	selectors := append(d.selectors(rule, where), d.selectors(opts, where)...)
	if len(selectors) > 0 {
		out["selectors"] = selectors
	}
	display := opts.object("displayMetadata")
	if s := display.text("alias"); s != "" {
		options["label"] = s
	}
	for key := range display.fields {
		if key != "alias" {
			display.read[key] = true
		}
	}
	rest := map[string]any{}
	for key, v := range display.fields {
		if key != "alias" && !isEmpty(v) {
			rest[key] = v
		}
	}
	if len(rest) > 0 {
		d.lost(Warning, display.path, rest, "lays out a form field; Berth makes the field from the module's own type")
	}
	opts.lose(Warning, "describes a form; Berth makes it from the module's own types", "schema")
}
