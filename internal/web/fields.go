package web

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

const (
	inputPrefix = "in."
	mostRadios  = 4
)

// inputFields makes the fields of the inputs. What a form does not mention has its default, so that a reader sees what will be
// used.
func inputFields(inputs []template.Input, form url.Values, prefix string) []views.Field {
	known := mentioned(form, prefix)
	out := make([]views.Field, 0, len(inputs))
	for _, in := range inputs {
		if !known[in.Name] {
			flattenInput(form, in, in.Default, prefix)
			if name := prefix + in.Name; in.Required && len(form[name+rowMark]) == 1 && !in.MultiSelect {
				form.Add(name+rowMark, "0") // a first row to fill in
			}
		}
		out = append(out, fieldOf(in, form, prefix))
	}
	return out
}

// fieldOf is the control for an input, with what the form holds of it.
func fieldOf(in template.Input, form url.Values, prefix string) views.Field {
	b := &fieldBuilder{form: form, parts: in.Parts}
	name := prefix + in.Name
	var f views.Field
	switch {
	case in.Sensitive:
		f = views.Field{Kind: views.FieldSecret}
		if in.Origin != template.FromNowhere {
			f.Placeholder = "Leave empty for the default"
		}
	case in.MultiSelect:
		f = views.Field{Kind: views.FieldSeveral, Values: form[name], Options: choicesOf(in)}
	case len(in.Choices) > 0:
		f = choiceField(in, last(form, name))
	case in.Type.Kind == "bool":
		f = views.Field{Kind: views.FieldBool, Value: last(form, name)}
	default:
		f = b.part(in.Type, name, in.Label, "")
	}
	f.Label, f.Name, f.Required = in.Label, name, in.Required && f.Kind != views.FieldBool
	f.Help = strings.TrimSpace(in.Description + " " + f.Help)
	if in.Immutable {
		f.Help = strings.TrimSpace(f.Help + " It cannot be changed after the first deploy.")
	}
	describeDefault(&f, in)
	return f
}

// describeDefault says what counts when nothing is given, and who says so.
func describeDefault(f *views.Field, in template.Input) {
	f.Origin = originNote(in)
	switch {
	case f.Kind == views.FieldSecret:
	case in.DefaultExpression != "":
		f.Placeholder, f.Default = "Worked out by the template", in.DefaultExpression
	case in.DefaultHidden:
		f.Placeholder = "Hidden"
	case in.MultiSelect || f.Structured():
	case jsonText(in.Default) != f.Value:
		f.Default = jsonText(in.Default)
	}
}

// originNote says where a default comes from.
func originNote(in template.Input) string {
	switch {
	case in.Origin == template.FromNowhere:
		return ""
	case in.DefaultHidden && in.Origin == template.FromModule:
		return "Default from the module, hidden"
	case in.DefaultHidden:
		return "Set by " + lowerFirst(originWord(in)) + ", hidden"
	}
	return "Default from " + map[template.Origin]string{
		template.FromEnvironmentTemplate: "the template", template.FromEnvironmentContext: "context " + in.Context,
		template.FromResourceTemplate: "the resource template", template.FromResourceContext: "the resource template's context " + in.Context,
		template.FromModule: "the module",
	}[in.Origin]
}

func choicesOf(in template.Input) []views.Option {
	var out []views.Option
	for _, c := range in.Choices {
		out = append(out, views.Option{Value: jsonText(c.Value), Label: c.Label})
	}
	return out
}

// choiceField is a few buttons where all choices can be seen at once, else a list.
func choiceField(in template.Input, value string) views.Field {
	f := views.Field{Kind: views.FieldSelect, Value: value, Options: choicesOf(in)}
	short := !slices.ContainsFunc(f.Options, func(o views.Option) bool { return len(o.Label) > 24 })
	if len(f.Options) <= mostRadios && short && len(in.Default) > 0 {
		f.Kind = views.FieldRadio
		return f
	}
	if len(in.Default) == 0 {
		label := "Default"
		if in.Required {
			label = "Choose one"
		}
		f.Options = append([]views.Option{{Label: label}}, f.Options...)
	}
	return f
}

// fieldBuilder makes the fields of a structure from what a form holds.
type fieldBuilder struct {
	form  url.Values
	parts map[string]template.Limits
}

// part is the field of one part of a value; pattern is its place, with every index left out.
func (b *fieldBuilder) part(t bundle.Type, name, label, pattern string) views.Field {
	f := views.Field{Kind: views.FieldText, Name: name, Label: label, Value: last(b.form, name)}
	choices := b.parts[pattern].Choices
	switch t.Kind {
	case "list", "set":
		b.list(&f, t, pattern)
	case "map":
		b.mapping(&f, t, pattern)
	case "object":
		b.object(&f, t, pattern)
	case "number":
		f.Kind = views.FieldNumber
	case "bool":
		f.Kind, f.Off = views.FieldBool, views.SwitchedOff
	case "tuple":
		f.Kind, f.Mono, f.Help = views.FieldLong, true, `A list, as JSON: ["a", 1].`
	case "any":
		f.Mono, f.Help = true, `Text, or JSON such as ["a", "b"].`
		if len(f.Value) > 60 || strings.Contains(f.Value, "\n") {
			f.Kind = views.FieldLong
		}
	default:
		if strings.Contains(f.Value, "\n") {
			f.Kind = views.FieldLong
		}
	}
	if len(choices) > 0 && t.Scalar() {
		f.Kind = views.FieldSelect
		f.Options = []views.Option{{Label: "Choose one"}}
		for _, raw := range choices {
			f.Options = append(f.Options, views.Option{Value: jsonText(raw), Label: jsonText(raw)})
		}
	}
	return f
}

func (b *fieldBuilder) list(f *views.Field, t bundle.Type, pattern string) {
	f.Kind, f.AddTo = views.FieldList, singular(f.Label)
	for i, n := range rowNumbers(b.form, f.Name) {
		title := f.AddTo + " " + num(i+1)
		value := b.part(*t.Element, rowName(f.Name, n), title, pattern+"[]")
		value.Bare = !value.Structured()
		f.Rows = append(f.Rows, views.FieldRow{Number: n, Title: title, Value: value})
	}
}

func (b *fieldBuilder) mapping(f *views.Field, t bundle.Type, pattern string) {
	f.Kind, f.AddTo = views.FieldMap, singular(f.Label)
	for i, n := range rowNumbers(b.form, f.Name) {
		row := rowName(f.Name, n)
		title := f.AddTo + " " + num(i+1)
		key := views.Field{Kind: views.FieldText, Name: row + ".key", Label: title + " key", Placeholder: "Key", Value: b.form.Get(row + ".key"), Bare: true, Mono: true}
		value := b.part(*t.Element, row+".value", title+" value", pattern+"[]")
		if value.Bare = !value.Structured(); value.Bare {
			value.Placeholder = "Value"
		}
		f.Rows = append(f.Rows, views.FieldRow{Number: n, Title: title, Key: &key, Value: value})
	}
}

func (b *fieldBuilder) object(f *views.Field, t bundle.Type, pattern string) {
	f.Kind = views.FieldObject
	for _, a := range t.Attributes {
		part := b.part(a.Type, f.Name+"."+a.Name, labelOf(a.Name), pattern+"."+a.Name)
		if !a.Optional {
			part.Required = !part.Structured() && (a.Type.Kind == "number" || part.Kind == views.FieldSelect)
			f.Fields = append(f.Fields, part)
			continue
		}
		optional(&part, a)
		f.Folded = append(f.Folded, part)
		f.Open = f.Open || part.Value != "" || len(part.Rows) > 0 || part.Open
	}
	if len(f.Fields) == 0 || len(f.Folded) == 1 {
		f.Fields, f.Folded = append(f.Fields, f.Folded...), nil
	}
}

// optional makes a field of one that may be left out: a switch always says something, so it becomes a choice.
func optional(f *views.Field, a bundle.Attribute) {
	byDefault := jsonText(a.Default)
	nothing := "Not set"
	if byDefault != "" && !f.Structured() {
		f.Default, nothing = byDefault, "Default: "+byDefault
	}
	switch f.Kind {
	case views.FieldBool:
		f.Kind = views.FieldSelect
		if byDefault != "" {
			nothing = map[string]string{"true": "Default: yes", "false": "Default: no"}[byDefault]
		}
		f.Default = ""
		f.Options = []views.Option{{Label: nothing}, {Value: "true", Label: "Yes"}, {Value: "false", Label: "No"}}
		if f.Value == views.SwitchedOff {
			f.Value = ""
		}
	case views.FieldSelect:
		f.Default, f.Options[0].Label = "", nothing
	}
}

// labelOf turns the name of an attribute into a label.
func labelOf(name string) string { return capital(strings.ReplaceAll(name, "_", " ")) }

func singular(label string) string {
	lower := strings.ToLower(label)
	switch {
	case strings.HasSuffix(lower, "ies"):
		return label[:len(label)-3] + "y"
	case strings.HasSuffix(lower, "sses"), strings.HasSuffix(lower, "xes"):
		return label[:len(label)-2]
	case strings.HasSuffix(lower, "ss"), strings.HasSuffix(lower, "us"), strings.HasSuffix(lower, "is"):
		return label
	}
	return strings.TrimSuffix(label, "s")
}

func typeWord(in template.Input) string {
	switch {
	case len(in.Choices) > 0:
		return "Choice"
	case in.Type.Kind == "bool":
		return "Yes or no"
	case in.Type.Kind == "number":
		return "Number"
	case in.Type.Kind == "string":
		return "Text"
	}
	return capital(in.Type.Kind)
}

// inputValue is what a form's text says about an input; false when it says nothing, so that the default counts.
func inputValue(in template.Input, text string) (template.Value, bool) {
	unchanged := text == jsonText(in.Default) && (text != "" || len(in.Default) > 0)
	if unchanged {
		return template.Value{}, false
	}
	kind := in.Type.Kind
	if text == "" && (in.Sensitive || kind != "string" || len(in.Choices) > 0 || len(in.Default) == 0 || in.DefaultExpression != "") {
		return template.Value{}, false
	}
	// A checkbox always says something; one that was left alone, with no default, says no.
	if kind == "bool" && text == "false" && len(in.Default) == 0 && !in.Required {
		return template.Value{}, false
	}
	v := template.Value{Name: in.Name, ValueType: template.Text, Value: text}
	switch {
	case in.Type.Scalar():
		if kind != "string" {
			v.Value = strings.TrimSpace(text)
		}
	default:
		v.ValueType = structureType(text)
	}
	return v, true
}

// structureType takes a structure as JSON when it is, else as HCL, which people copy from elsewhere.
func structureType(text string) template.ValueType {
	if json.Valid([]byte(text)) {
		return template.JSON
	}
	return template.HCL
}

// last returns the value that counts: a checkbox comes after the hidden field that stands for its absence.
func last(form url.Values, name string) string {
	if all := form[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// changedInputs are the values of a form that differ from the defaults.
func changedInputs(inputs []template.Input, form url.Values) ([]template.Value, *decoder) {
	values := []template.Value{}
	d := newDecoder(form, inputPrefix)
	known := mentioned(form, inputPrefix)
	for _, in := range inputs {
		if !known[in.Name] {
			d.places[in.Name] = placed{name: inputPrefix + in.Name, words: in.Label}
			continue
		}
		if v, ok := d.input(in); ok {
			values = append(values, v)
		}
	}
	return values, d
}
