package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
)

// field is a field of a document, as the tags of its Go field describe it.
type field struct {
	name     string
	index    int
	doc      string
	enum     []string
	required bool
	omit     bool
}

// fieldsOf lists the fields of a struct type in order.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		one := field{name: name, index: i, doc: f.Tag.Get("doc"), required: f.Tag.Get("required") != "", omit: options != ""}
		if e := f.Tag.Get("enum"); e != "" {
			one.enum = strings.Split(e, ",")
		}
		out = append(out, one)
	}
	return out
}

// decoder fills Go values from a tree and notes everything that does not fit.
type decoder struct{ *issues }

// decode fills v, which is settable. path is where n stands in its document.
func (d *decoder) decode(n *node, v reflect.Value, path string, enum []string) {
	if n.kind == nullNode {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path, enum)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		if n.kind != listNode {
			d.at(n, "%s must be a list; here stands %s", path, n.describe())
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
		for i, item := range n.items {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item.kind == nullNode {
				d.at(item, "%s is empty; remove it or give it a value", at)
				continue
			}
			d.decode(item, v.Index(i), at, nil)
		}
	case reflect.Map:
		if n.kind != mapNode {
			d.at(n, "%s must be a map; here stands %s", path, n.describe())
			return
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(n.pairs)))
		for _, p := range n.pairs {
			value := reflect.New(v.Type().Elem()).Elem()
			d.decode(p.value, value, path+"."+p.key, nil)
			v.SetMapIndex(reflect.ValueOf(p.key), value)
		}
	default:
		d.scalar(n, v, path, enum)
	}
}

func (d *decoder) scalar(n *node, v reflect.Value, path string, enum []string) {
	if n.kind != scalarNode {
		help := ""
		if v.Type() == reflect.TypeFor[Text]() {
			help = "; write lists and maps as JSON text with valueType json"
		}
		d.at(n, "%s must be %s; here stands %s%s", path, scalarWord(v.Kind()), n.describe(), help)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		switch text := strings.ToLower(n.text); {
		case (n.quoted && !n.loose) || text != "true" && text != "false":
			d.at(n, "%s must be true or false, without quotation marks", path)
		default:
			v.SetBool(text == "true")
		}
	case reflect.Int:
		i, err := strconv.Atoi(n.text)
		if err != nil || n.quoted && !n.loose {
			d.at(n, "%s must be a whole number, without quotation marks", path)
			return
		}
		v.SetInt(int64(i))
	case reflect.String:
		v.SetString(d.choice(n, path, enum))
	default:
		panic("a manifest has no field of type " + v.Type().String())
	}
}

// choice is the text of n, spelled as in enum.
func (d *decoder) choice(n *node, path string, enum []string) string {
	if len(enum) == 0 {
		return n.text
	}
	if i := slices.IndexFunc(enum, func(e string) bool { return strings.EqualFold(e, n.text) }); i >= 0 {
		return enum[i]
	}
	d.at(n, "%s cannot be %q; use %s", path, short(n.text), joinOr(enum))
	return ""
}

func scalarWord(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	default:
		return "plain text"
	}
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if n.kind != mapNode {
		d.at(n, "%s must be a map; here stands %s", path, n.describe())
		return
	}
	fields := fieldsOf(v.Type())
	for _, p := range n.pairs {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == p.key })
		if i < 0 {
			d.add(p.line, p.col, "unknown field %s%s", join(path, short(p.key)), suggest(p.key, fields))
			continue
		}
		d.decode(p.value, v.Field(fields[i].index), join(path, p.key), fields[i].enum)
	}
	for _, f := range fields {
		if value := n.get(f.name); f.required && (value == nil || value.kind == nullNode || value.kind == scalarNode && value.text == "") {
			d.at(n, "%s is required", join(path, f.name))
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// elsewhere says what to use instead of fields that people bring along from elsewhere.
func elsewhere(name string) string {
	switch name {
	case "repositoryOptions":
		return "use source: {repository, revision, path}"
	case "iconURL":
		return "use icon"
	case "allowNewInputsDuringPublish":
		return "use allowFreeVariables"
	case "backendConfigs":
		return "use backendConfig, a map"
	case "env", "envVars":
		return "use envs"
	case "hooks", "agents", "agentPools", "schedules", "actions":
		return "there is no such thing yet; remove it"
	}
	return ""
}

// suggest names the field that was probably meant.
func suggest(name string, fields []field) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, f := range fields {
		if d := levenshtein.Distance(strings.ToLower(short(name)), strings.ToLower(f.name), nil); d < distance {
			best, distance = f.name, d
		}
	}
	if help := elsewhere(name); help != "" && distance > 1 {
		return "; " + help
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	if len(names) == 0 {
		return "; there is no field here"
	}
	return "; the fields here are " + strings.Join(names, ", ")
}

const longestShown = 60

func short(text string) string {
	if r := []rune(text); len(r) > longestShown {
		return string(r[:longestShown]) + "…"
	}
	return text
}

func joinOr(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
