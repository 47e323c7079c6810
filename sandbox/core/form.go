package core

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Form reads the flattened parameters of ec2 and query calls. Lists are
// accepted in both spellings: Name.1 and Name.member.1.
type Form struct{ values url.Values }

// NewForm wraps decoded form values.
func NewForm(v url.Values) Form { return Form{values: v} }

// Get returns the parameter, or "".
func (f Form) Get(name string) string { return f.values.Get(name) }

// Has reports whether the parameter was sent, even empty.
func (f Form) Has(name string) bool { return f.values.Has(name) }

// HasPrefix reports whether name or anything below it was sent.
func (f Form) HasPrefix(name string) bool {
	if f.Has(name) {
		return true
	}
	for k := range f.values {
		if strings.HasPrefix(k, name+".") {
			return true
		}
	}
	return false
}

// Values gives the parameters as they came.
func (f Form) Values() url.Values { return f.values }

// Bool returns the parameter's truth; anything but "true" and "1" is false.
func (f Form) Bool(name string) bool {
	v := strings.ToLower(f.Get(name))
	return v == "true" || v == "1"
}

// Int returns the parameter as a number, or fallback when it is absent.
func (f Form) Int(name string, fallback int) (int, error) {
	v := f.Get(name)
	if v == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid: it must be a whole number.", v, name)
	}
	return n, nil
}

// Sub returns the parameters below name, without the prefix: Sub("Ebs") of
// Ebs.VolumeSize holds VolumeSize.
func (f Form) Sub(name string) Form {
	out := url.Values{}
	prefix := name + "."
	for k, v := range f.values {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			out[rest] = v
		}
	}
	return Form{values: out}
}

// List returns the values of a list of scalars, in order.
func (f Form) List(name string) []string {
	var out []string
	for _, i := range f.indexes(name) {
		if v, ok := f.values[name+"."+i]; ok && len(v) > 0 {
			out = append(out, v[0])
			continue
		}
		if v, ok := f.values[name+".member."+i]; ok && len(v) > 0 {
			out = append(out, v[0])
		}
	}
	return out
}

// Structs returns one Form per element of a list of structures, in order.
func (f Form) Structs(name string) []Form {
	var out []Form
	for _, i := range f.indexes(name) {
		sub := f.Sub(name + "." + i)
		if len(sub.values) == 0 {
			sub = f.Sub(name + ".member." + i)
		}
		out = append(out, sub)
	}
	return out
}

// Tags reads a list of Key and Value pairs.
func (f Form) Tags(name string) Tags {
	tags := Tags{}
	for _, t := range f.Structs(name) {
		tags[t.Get("Key")] = t.Get("Value")
	}
	return tags
}

// Filters reads Filter.N.Name and Filter.N.Value.M.
func (f Form) Filters() Filters {
	var out Filters
	for _, s := range f.Structs("Filter") {
		values := s.List("Value")
		if len(values) == 0 {
			values = s.List("Values")
		}
		out = append(out, Filter{Name: s.Get("Name"), Values: values})
	}
	return out
}

// indexes lists the element numbers below name, in numeric order.
func (f Form) indexes(name string) []string {
	seen := map[int]string{}
	prefix := name + "."
	for k := range f.values {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		rest = strings.TrimPrefix(rest, "member.")
		index, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(index); err == nil {
			seen[n] = index
		}
	}
	numbers := make([]int, 0, len(seen))
	for n := range seen {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = seen[n]
	}
	return out
}

// Filter is one condition of a Describe call.
type Filter struct {
	Name   string
	Values []string
}

// Filters are conditions that must all hold.
type Filters []Filter

// Match reports whether an object passes. values returns the object's values
// for a filter's name, and false for a name the operation does not know. Tag
// filters (tag:KEY, tag-key) are answered from tags.
func (fs Filters) Match(tags Tags, values func(name string) ([]string, bool)) (bool, error) {
	for _, f := range fs {
		have, known := tagFilter(f.Name, tags)
		if !known {
			have, known = values(f.Name)
		}
		if !known {
			return false, Errorf("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		if !anyMatches(f.Values, have) {
			return false, nil
		}
	}
	return true, nil
}

func tagFilter(name string, tags Tags) ([]string, bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, has := tags[key]; has {
			return []string{v}, true
		}
		return nil, true
	}
	switch name {
	case "tag-key":
		return tags.Keys(), true
	case "tag-value":
		out := make([]string, 0, len(tags))
		for _, v := range tags {
			out = append(out, v)
		}
		return out, true
	default:
		return nil, false
	}
}

func anyMatches(patterns, have []string) bool {
	for _, p := range patterns {
		for _, h := range have {
			if wildcard(p, h) {
				return true
			}
		}
	}
	return false
}

// wildcard matches AWS's filter patterns: * is any text, ? one character.
func wildcard(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	p, t, star, mark := 0, 0, -1, 0
	for t < len(s) {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[t]) && pattern[p] != '*':
			p++
			t++
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
