package template

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/bundle"
)

// wrongParts is what is wrong inside a structured value, each with its place in
// it, like "[2].port".
type wrongParts []fault.Field

func (w wrongParts) Error() string {
	parts := make([]string, len(w))
	for i, f := range w {
		parts[i] = strings.TrimPrefix(f.Path, ".") + " " + f.Message
	}
	return strings.Join(parts, "; ")
}

// partCheck walks a value along its type and notes what does not fit. Strict is
// for JSON, where a number must be a number; HCL and text follow the conversions
// that the module's program makes by itself.
type partCheck struct {
	strict bool
	secret bool
	limits map[string]Limits
	wrong  wrongParts
}

func (p *partCheck) add(path, format string, args ...any) {
	p.wrong = append(p.wrong, fault.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

// walk checks a value before it is converted. path is the place of the value and
// pattern the same with every index left out.
func (p *partCheck) walk(v cty.Value, t bundle.Type, path, pattern string) {
	if v.IsNull() || !v.IsKnown() {
		return
	}
	switch t.Kind {
	case "string", "number", "bool":
		p.scalar(v, t, path, pattern)
	case "list", "set":
		if !isList(v) {
			p.add(path, "must be a list%s", p.entered(v))
			return
		}
		p.elements(v, t, path, pattern)
	case "map":
		if !isMap(v) {
			p.add(path, "must have names and values%s", p.entered(v))
			return
		}
		for name, item := range eachOf(v) {
			p.part(item, *t.Element, fmt.Sprintf("%s[%q]", path, name), pattern+"[]", true)
		}
	case "object":
		if !isMap(v) {
			p.add(path, "must be an object with the attributes %s%s", attributeNames(t), p.entered(v))
			return
		}
		p.object(v, t, path, pattern)
	case "tuple":
		if !isList(v) || v.LengthInt() != len(t.Items) {
			p.add(path, "must be a list of %d values%s", len(t.Items), p.entered(v))
			return
		}
		for i, item := range v.AsValueSlice() {
			p.part(item, t.Items[i], fmt.Sprintf("%s[%d]", path, i), pattern+"[]", true)
		}
	}
}

// part checks one part, which may have to be there.
func (p *partCheck) part(v cty.Value, t bundle.Type, path, pattern string, needed bool) {
	if v.IsNull() && needed && (p.strict || path == "") {
		p.add(path, "is required; it %s", requirement(t.Kind, p.limits[pattern]))
		return
	}
	p.walk(v, t, path, pattern)
}

func (p *partCheck) elements(v cty.Value, t bundle.Type, path, pattern string) {
	var seen []cty.Value
	for i, item := range v.AsValueSlice() {
		at := fmt.Sprintf("%s[%d]", path, i)
		p.part(item, *t.Element, at, pattern+"[]", true)
		if t.Kind != "set" || !p.strict {
			continue
		}
		if slices.ContainsFunc(seen, func(other cty.Value) bool { return other.RawEquals(item) }) {
			p.add(at, "is in the list already; remove one")
		}
		seen = append(seen, item)
	}
}

func (p *partCheck) object(v cty.Value, t bundle.Type, path, pattern string) {
	given := map[string]cty.Value{}
	for name, item := range eachOf(v) {
		given[name] = item
	}
	for _, a := range t.Attributes {
		at, here := path+"."+a.Name, pattern+"."+a.Name
		item, ok := given[a.Name]
		if !ok {
			if !a.Optional {
				p.add(at, "is required; it %s", requirement(a.Type.Kind, p.limits[here]))
			}
			continue
		}
		p.part(item, a.Type, at, here, !a.Optional)
	}
}

func (p *partCheck) scalar(v cty.Value, t bundle.Type, path, pattern string) {
	want := map[string]cty.Type{"string": cty.String, "number": cty.Number, "bool": cty.Bool}[t.Kind]
	l := p.limits[pattern]
	if !v.Type().IsPrimitiveType() || p.strict && v.Type() != want {
		p.add(path, "%s%s", requirement(t.Kind, l), p.entered(v))
		return
	}
	converted, err := convert.Convert(v, want)
	if err != nil || !l.allow(converted) {
		p.add(path, "%s%s", requirement(t.Kind, l), p.entered(v))
	}
}

func (p *partCheck) entered(v cty.Value) string {
	if p.secret {
		return ""
	}
	return "; you entered " + shown(valueText(v))
}

// allow reports whether a scalar is within the limits.
func (l Limits) allow(v cty.Value) bool {
	if len(l.Choices) > 0 {
		raw, err := toJSON(v)
		if err != nil || !slices.ContainsFunc(l.Choices, func(c json.RawMessage) bool { return sameJSON(c, raw) }) {
			return false
		}
	}
	switch v.Type() {
	case cty.Number:
		f, _ := v.AsBigFloat().Float64()
		return !(l.Integer && !v.AsBigFloat().IsInt() || l.Min != nil && f < *l.Min || l.Max != nil && f > *l.Max)
	case cty.String:
		n := utf8.RuneCountInString(v.AsString())
		if l.MinLength != nil && n < *l.MinLength || l.MaxLength != nil && n > *l.MaxLength {
			return false
		}
		if l.Pattern != "" {
			if re, err := regexp.Compile(l.Pattern); err == nil {
				return re.MatchString(v.AsString())
			}
		}
	}
	return true
}

func isList(v cty.Value) bool {
	t := v.Type()
	return t.IsTupleType() || t.IsListType() || t.IsSetType()
}

func isMap(v cty.Value) bool { return v.Type().IsObjectType() || v.Type().IsMapType() }

// eachOf walks the names and values of a map or an object, by name.
func eachOf(v cty.Value) func(yield func(string, cty.Value) bool) {
	return func(yield func(string, cty.Value) bool) {
		for it := v.ElementIterator(); it.Next(); {
			k, item := it.Element()
			if !yield(k.AsString(), item) {
				return
			}
		}
	}
}

func attributeNames(t bundle.Type) string {
	names := make([]string, len(t.Attributes))
	for i, a := range t.Attributes {
		names[i] = a.Name
	}
	return strings.Join(names, ", ")
}
