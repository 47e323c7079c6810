package rafay

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// document is what is being translated, with everything to be told about it.
// It remembers each object of the document that was opened: at the end, a field
// that nobody read is reported, so that nothing is dropped in silence.
type document struct {
	kind, name string
	notices    []Notice
	root       *object
	failed     bool
}

func (d *document) notice(severity Severity, field, format string, args ...any) {
	d.notices = append(d.notices, Notice{Severity: severity, Kind: d.kind, Name: d.name, Field: field, Message: fmt.Sprintf(format, args...)})
}

// fail reports that the document cannot be translated.
func (d *document) fail(field, format string, args ...any) {
	d.failed = true
	d.notice(Error, field, format, args...)
}

// finish reports the fields that nobody read.
func (d *document) finish() { d.root.finish() }

func (o *object) finish() {
	for _, key := range sortedKeys(o.fields) {
		if !o.read[key] {
			o.doc.lost(Warning, o.at(key), o.fields[key], "is not a field that Berth knows here")
		}
	}
	for _, c := range o.children {
		c.finish()
	}
}

// lost reports a part of the document that is not taken over, with all that it
// holds.
func (d *document) lost(severity Severity, path string, value any, why string) {
	inside := leaves("", value)
	switch value.(type) {
	case map[string]any, []any:
		if len(inside) > 0 {
			why += "; not taken over: " + strings.Join(inside, ", ")
		}
	}
	d.notice(severity, path, "%s", why)
}

// leaves lists the places of the plain values below a value.
func leaves(path string, value any) []string {
	var out []string
	switch v := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			out = append(out, leaves(join(path, key), v[key])...)
		}
	case []any:
		for i, item := range v {
			out = append(out, leaves(path+"["+strconv.Itoa(i)+"]", item)...)
		}
	case nil:
	default:
		out = append(out, path)
	}
	return out
}

// join writes the place of a field below another one.
func join(path, key string) string {
	if !isWord(key) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// object is a map of the document.
type object struct {
	doc    *document
	path   string
	fields map[string]any
	read   map[string]bool
	// children are the objects below that were opened.
	children []*object
}

func (d *document) open(fields map[string]any) *object {
	d.root = &object{doc: d, fields: fields, read: map[string]bool{}}
	return d.root
}

// at is the place of a field.
func (o *object) at(key string) string { return join(o.path, key) }

// has reports whether a field holds anything; it does not count as reading it.
func (o *object) has(key string) bool { return !isEmpty(o.fields[key]) }

// take reads a field. An empty one counts as absent.
func (o *object) take(key string) (any, bool) {
	o.read[key] = true
	v := o.fields[key]
	return v, v != nil
}

// text reads a field as text: numbers and booleans as they are written.
func (o *object) text(key string) string {
	s, _ := o.textSet(key)
	return s
}

func (o *object) textSet(key string) (string, bool) {
	v, ok := o.take(key)
	if !ok {
		return "", false
	}
	s, ok := scalar(v)
	if !ok {
		o.doc.lost(Warning, o.at(key), v, "must be plain text")
	}
	return s, ok
}

// flag reads a field as true or false.
func (o *object) flag(key string) (value, set bool) {
	v, ok := o.take(key)
	if !ok {
		return false, false
	}
	s, _ := scalar(v)
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes":
		return true, true
	case "false", "no":
		return false, true
	}
	o.doc.lost(Warning, o.at(key), v, "must be true or false")
	return false, false
}

// object opens a field that holds a map; without one, it is empty.
func (o *object) object(key string) *object {
	v, _ := o.take(key)
	return o.child(o.at(key), v)
}

func (o *object) child(path string, v any) *object {
	m, ok := v.(map[string]any)
	if !ok && !isEmpty(v) {
		o.doc.lost(Warning, path, v, "must be a map of fields")
	}
	c := &object{doc: o.doc, path: path, fields: m, read: map[string]bool{}}
	o.children = append(o.children, c)
	return c
}

// list reads a field as a list; a single value stands for a list of one.
func (o *object) list(key string) []any {
	v, ok := o.take(key)
	if !ok {
		return nil
	}
	if l, ok := v.([]any); ok {
		return l
	}
	if !isEmpty(v) {
		o.doc.lost(Warning, o.at(key), v, "must be a list")
	}
	return nil
}

// objects opens the maps of a list.
func (o *object) objects(key string) []*object {
	var out []*object
	for i, v := range o.list(key) {
		path := fmt.Sprintf("%s[%d]", o.at(key), i)
		if isEmpty(v) {
			continue
		}
		if _, ok := v.(map[string]any); !ok {
			o.doc.lost(Warning, path, v, "must be a map of fields")
			continue
		}
		out = append(out, o.child(path, v))
	}
	return out
}

// names reads a list of {name: x}.
func (o *object) names(key string) (names, places []string) {
	for _, item := range o.objects(key) {
		if name := item.text("name"); name != "" {
			names, places = append(names, name), append(places, item.at("name"))
		} else {
			item.leaveOut("name", "is required")
		}
	}
	return names, places
}

// texts reads a map whose values are plain text.
func (o *object) texts(key string) map[string]any {
	child := o.object(key)
	if len(child.fields) == 0 {
		return nil
	}
	out := map[string]any{}
	for _, k := range sortedKeys(child.fields) {
		if s, ok := child.textSet(k); ok {
			out[k] = s
		} else if child.fields[k] == nil {
			out[k] = ""
		}
	}
	return out
}

// lose reports fields that have no counterpart, where they hold something and
// nobody has read them.
func (o *object) lose(severity Severity, why string, keys ...string) {
	for _, key := range keys {
		if o.has(key) && !o.read[key] {
			o.doc.lost(severity, o.at(key), o.fields[key], why)
		}
		o.read[key] = true
	}
}

// loseEach is lose with a notice of its own for each entry of a list, also of
// lists deeper in maps.
func (o *object) loseEach(severity Severity, why string, keys ...string) {
	for _, key := range keys {
		o.read[key] = true
		o.doc.loseEntries(severity, why, o.at(key), o.fields[key])
	}
}

func (d *document) loseEntries(severity Severity, why, path string, value any) {
	if isEmpty(value) {
		return
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			if !isEmpty(item) {
				d.lost(severity, fmt.Sprintf("%s[%d]", path, i), item, why)
			}
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			d.loseEntries(severity, why, join(path, key), v[key])
		}
	default:
		d.lost(severity, path, v, why)
	}
}

// leaveOut reports that an entry of a list is not taken over, with all it holds.
func (o *object) leaveOut(field, format string, args ...any) {
	o.ignoreRest()
	why := "the entry is left out: "
	if field != "" {
		why += field + " "
	}
	o.doc.lost(Warning, o.path, o.fields, why+fmt.Sprintf(format, args...))
}

// unique checks what an entry of a list is called, and leaves it out when Berth
// would not take the name or has it already.
func (o *object) unique(key, name string, rule *regexp.Regexp, seen map[string]bool) bool {
	switch {
	case name == "":
		o.leaveOut(key, "is required")
	case !rule.MatchString(name):
		o.leaveOut(key, "%q is no name for it in Berth; use letters, digits and _, beginning with a letter", name)
	case seen[name]:
		o.leaveOut(key, "%q is given twice, and the first one counts", name)
	default:
		seen[name] = true
		return true
	}
	return false
}

// ignoreRest takes the object and all below it as read.
func (o *object) ignoreRest() {
	for key := range o.fields {
		o.read[key] = true
	}
	for _, c := range o.children {
		c.ignoreRest()
	}
}
