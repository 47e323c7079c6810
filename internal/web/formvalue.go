package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// The names of a form's fields are paths into a value: in.rules[0].port is the port of the first rule. A list says which
// rows it has, in their order, with the field in.rules[]: a row keeps its number for as long as the page is open, so what
// is typed elsewhere stays where it is when one is removed. A map's row has a key and a value: in.tags[0].key. Several
// choices are several values of one name.

const (
	rowMark = "[]"
	maxRows = 200
)

func rowName(list, number string) string { return list + "[" + number + "]" }

// rowNumbers are the rows of a list or map, in their order.
func rowNumbers(form url.Values, list string) []string {
	var out []string
	for _, n := range form[list+rowMark] {
		if _, err := strconv.ParseUint(n, 10, 31); err == nil && !slices.Contains(out, n) && len(out) < maxRows {
			out = append(out, n)
		}
	}
	return out
}

// changeRows does what a button of a list asks for: "add in.rules" or "remove in.rules[2]". It returns the name of the
// list, empty when there is nothing to do, and of the row that is new.
func changeRows(form url.Values) (list, added string) {
	action, name, _ := strings.Cut(form.Get("row"), " ")
	form.Del("row")
	switch action {
	case "add":
		next := 0
		for _, n := range rowNumbers(form, name) {
			i, _ := strconv.Atoi(n) // rowNumbers lets nothing else through
			next = max(next, i+1)
		}
		number := strconv.Itoa(next)
		form.Add(name+rowMark, number)
		return name, rowName(name, number)
	case "remove":
		at := strings.LastIndex(name, "[")
		if at < 0 || !strings.HasSuffix(name, "]") {
			return "", ""
		}
		list, number := name[:at], name[at+1:len(name)-1]
		form[list+rowMark] = slices.DeleteFunc(slices.Clone(form[list+rowMark]), func(n string) bool { return n == number })
		return list, ""
	}
	return "", ""
}

// mentioned lists the inputs of which a form holds a field.
func mentioned(form url.Values, prefix string) map[string]bool {
	out := map[string]bool{}
	for name := range form {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if i := strings.IndexAny(rest, ".["); i >= 0 {
				rest = rest[:i]
			}
			out[rest] = true
		}
	}
	return out
}

// flattenInput writes a value of an input into a form's fields, as if somebody had typed it.
func flattenInput(form url.Values, in template.Input, raw json.RawMessage, prefix string) {
	name := prefix + in.Name
	switch {
	case in.MultiSelect:
		form.Set(name+rowMark, "")
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) == nil {
			for _, item := range items {
				form.Add(name, jsonText(item))
			}
		}
	case in.Sensitive:
		form.Set(name, "")
	case len(in.Choices) > 0:
		form.Set(name, jsonText(raw))
	default:
		flatten(form, in.Type, raw, name)
	}
}

func flatten(form url.Values, t bundle.Type, raw json.RawMessage, name string) {
	if len(raw) == 0 || string(raw) == "null" {
		switch t.Kind {
		case "list", "set", "map":
			form.Set(name+rowMark, "")
		}
		return
	}
	switch t.Kind {
	case "any":
		form.Set(name, anyText(raw))
	case "tuple":
		form.Set(name, compactJSON(raw))
	case "list", "set":
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items) // what is no list has no rows
		form.Set(name+rowMark, "")
		for i, item := range items {
			number := strconv.Itoa(i)
			form.Add(name+rowMark, number)
			flatten(form, *t.Element, item, rowName(name, number))
		}
	case "map":
		var items map[string]json.RawMessage
		_ = json.Unmarshal(raw, &items)
		form.Set(name+rowMark, "")
		for i, key := range slices.Sorted(maps.Keys(items)) {
			number := strconv.Itoa(i)
			row := rowName(name, number)
			form.Add(name+rowMark, number)
			form.Set(row+".key", key)
			flatten(form, *t.Element, items[key], row+".value")
		}
	case "object":
		var items map[string]json.RawMessage
		_ = json.Unmarshal(raw, &items)
		for _, a := range t.Attributes {
			item := items[a.Name]
			if a.Optional && len(a.Default) > 0 && compactJSON(item) == compactJSON(a.Default) {
				item = nil // its field is empty and says what the default is
			}
			flatten(form, a.Type, item, name+"."+a.Name)
		}
	default:
		form.Set(name, jsonText(raw))
	}
}

// anyText is how a value of no type is typed: text as it is, unless it would be taken for JSON.
func anyText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && s != "" && s == strings.TrimSpace(s) && !looksLikeJSON(s) {
		return s
	}
	return compactJSON(raw)
}

func looksLikeJSON(s string) bool {
	return json.Valid([]byte(s)) || strings.ContainsAny(s[:1], `[{"`)
}

func compactJSON(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// placed is where a part of a value stands on the page.
type placed struct {
	name  string // of the field
	words string // "Rules, 2, port"
}

// decoder makes typed values of a form's fields. It has no opinion on what a value must be: it writes down what was typed
// and leaves the rest to the template, whose errors it can place.
type decoder struct {
	form   url.Values
	prefix string
	places map[string]placed // by path: rules[1].port
	wrong  []wrongField
}

// wrongField is what could not be made a value of.
type wrongField struct{ path, message string }

// err is what could not be made a value of, as an error with a field each.
func (d *decoder) err() error {
	var fields fault.Fields
	for _, w := range d.wrong {
		fields.Add(w.path, "%s", w.message)
	}
	return fields.Err()
}

func newDecoder(form url.Values, prefix string) *decoder {
	return &decoder{form: form, prefix: prefix, places: map[string]placed{}}
}

// structured reports whether an input is more than one text field.
func structured(in template.Input) bool {
	return !in.Sensitive && (in.MultiSelect || len(in.Choices) == 0 && (!in.Type.Scalar() || in.Type.Kind == "any"))
}

// input is the value that a form gives to an input; false when it gives none, so that the default counts.
func (d *decoder) input(in template.Input) (template.Value, bool) {
	name := d.prefix + in.Name
	d.places[in.Name] = placed{name: name, words: in.Label}
	if in.MultiSelect {
		return d.several(in, name)
	}
	if !structured(in) {
		return inputValue(in, last(d.form, name))
	}
	raw, state := d.value(in.Type, name, in.Name, in.Label, false)
	before := url.Values{}
	flatten(before, in.Type, in.Default, name)
	old, oldState := newDecoder(before, d.prefix).value(in.Type, name, in.Name, in.Label, false)
	switch {
	case state == absent && oldState == filled && d.form.Has(name+rowMark):
		raw, _ = d.value(in.Type, name, in.Name, in.Label, true) // all rows were taken away
	case state == absent, state == oldState && bytes.Equal(raw, old):
		return template.Value{}, false
	}
	return template.JSONValue(in.Name, raw), true
}

// explicit is the value that a form gives to an input that was set before, though it may be the default or empty.
func (d *decoder) explicit(in template.Input) template.Value {
	if in.MultiSelect {
		in.Default = nil
		if v, ok := d.several(in, d.prefix+in.Name); ok {
			return v
		}
		return template.JSONValue(in.Name, json.RawMessage("[]"))
	}
	raw, _ := d.value(in.Type, d.prefix+in.Name, in.Name, in.Label, true)
	if raw == nil {
		raw = json.RawMessage("null")
	}
	return template.JSONValue(in.Name, raw)
}

// several reads the boxes of a list of choices.
func (d *decoder) several(in template.Input, name string) (template.Value, bool) {
	items := []json.RawMessage{}
	for i, text := range d.form[name] {
		d.places[fmt.Sprintf("%s[%d]", in.Name, i)] = placed{name: name, words: in.Label}
		at := slices.IndexFunc(in.Choices, func(c template.Choice) bool { return jsonText(c.Value) == text })
		if at < 0 {
			items = append(items, quoted(text)) // the template says what is wrong with it
			continue
		}
		items = append(items, in.Choices[at].Value)
	}
	raw, err := json.Marshal(items)
	if err != nil || len(items) == 0 && len(in.Default) == 0 {
		return template.Value{}, false
	}
	var chosen []json.RawMessage
	_ = json.Unmarshal(in.Default, &chosen) // a default that is no list differs
	before := url.Values{}
	flattenInput(before, in, in.Default, d.prefix)
	if len(in.Default) > 0 && len(chosen) == len(items) && sameTexts(before[name], d.form[name]) {
		return template.Value{}, false
	}
	return template.JSONValue(in.Name, raw), true
}

func sameTexts(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// state says what a part of a form holds.
type state int

const (
	absent state = iota // nothing, and nothing is needed
	blank               // nothing was typed, but a value stands for that
	filled
)

// value reads one part. needed parts always have a value, if it is the empty one.
func (d *decoder) value(t bundle.Type, name, path, words string, needed bool) (json.RawMessage, state) {
	d.places[path] = placed{name: name, words: words}
	text := last(d.form, name)
	switch t.Kind {
	case "list", "set":
		return d.list(t, name, path, words, needed)
	case "map":
		return d.mapping(t, name, path, words, needed)
	case "object":
		return d.object(t, name, path, words, needed)
	case "string":
		return scalar(quoted(text), text, needed)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, absent
	}
	switch t.Kind {
	case "number":
		if json.Valid([]byte(text)) && strings.ContainsAny(text[:1], "-0123456789") {
			return json.RawMessage(text), filled
		}
	case "bool":
		switch text {
		case "true", "false":
			return json.RawMessage(text), filled
		case views.SwitchedOff:
			return json.RawMessage("false"), blank
		}
	default:
		if json.Valid([]byte(text)) {
			return json.RawMessage(text), filled
		}
		if t.Kind == "tuple" || looksLikeJSON(text) {
			d.wrong = append(d.wrong, wrongField{path, `must be valid JSON, like "text", 80, ["a","b"] or {"key":"value"}`})
		}
	}
	return quoted(text), filled
}

func scalar(raw json.RawMessage, text string, needed bool) (json.RawMessage, state) {
	switch {
	case text != "":
		return raw, filled
	case needed:
		return raw, blank
	}
	return nil, absent
}

func (d *decoder) list(t bundle.Type, name, path, words string, needed bool) (json.RawMessage, state) {
	items := []json.RawMessage{}
	for i, n := range rowNumbers(d.form, name) {
		at := fmt.Sprintf("%s[%d]", path, len(items))
		raw, s := d.value(*t.Element, rowName(name, n), at, fmt.Sprintf("%s, %d", words, i+1), false)
		if s == filled || s == blank && onlySwitches(*t.Element) {
			items = append(items, raw)
		}
	}
	return whole(items, len(items), needed)
}

// onlySwitches reports whether nothing but switches can be set, so that leaving all of them off says something.
func onlySwitches(t bundle.Type) bool {
	if t.Kind != "object" {
		return t.Kind == "bool"
	}
	return !slices.ContainsFunc(t.Attributes, func(a bundle.Attribute) bool { return a.Type.Kind != "bool" })
}

func (d *decoder) mapping(t bundle.Type, name, path, words string, needed bool) (json.RawMessage, state) {
	items := map[string]json.RawMessage{}
	for i, n := range rowNumbers(d.form, name) {
		row := rowName(name, n)
		key := d.form.Get(row + ".key")
		here := fmt.Sprintf("%s, %d", words, i+1)
		at := fmt.Sprintf("%s[%q]", path, key)
		_, twice := items[key]
		if twice || key == "" {
			at = fmt.Sprintf("%s[#%d]", path, i)
		}
		raw, s := d.value(*t.Element, row+".value", at, here, key != "")
		keyPath := at + ".key"
		d.places[keyPath] = placed{name: row + ".key", words: here}
		switch {
		case key == "" && s == filled:
			d.wrong = append(d.wrong, wrongField{keyPath, "must have a name"})
		case key == "":
		case twice:
			d.wrong = append(d.wrong, wrongField{keyPath, fmt.Sprintf("must have another name; %s is there already", key)})
		case raw == nil:
			items[key] = json.RawMessage("null") // the template says what is missing
		default:
			items[key] = raw
		}
	}
	return whole(items, len(items), needed)
}

func (d *decoder) object(t bundle.Type, name, path, words string, needed bool) (json.RawMessage, state) {
	items := map[string]json.RawMessage{}
	result := blank
	for _, a := range t.Attributes {
		label := strings.ToLower(a.Name)
		raw, s := d.value(a.Type, name+"."+a.Name, path+"."+a.Name, words+", "+strings.ReplaceAll(label, "_", " "), !a.Optional)
		if s != absent {
			items[a.Name] = raw
		}
		if s == filled {
			result = filled
		}
	}
	if result == blank && !needed && !onlySwitches(t) {
		return nil, absent
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return nil, absent
	}
	return raw, result
}

// whole is a list or map of so many parts.
func whole(items any, n int, needed bool) (json.RawMessage, state) {
	raw, err := json.Marshal(items)
	if err != nil {
		return nil, absent
	}
	switch {
	case n > 0:
		return raw, filled
	case needed:
		return raw, blank
	}
	return nil, absent
}

func quoted(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return raw
}
