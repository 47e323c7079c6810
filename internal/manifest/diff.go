package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Difference is one field that an apply changes, or would change.
type Difference struct {
	Path   string
	Before string
	After  string
}

// What stands for values that nobody may see.
const (
	secretSet     = "(sensitive)"
	secretChanged = "(sensitive) changed"
)

const maxShown = 4 << 10

// differences compares two documents field by field. A nil one does not exist.
func differences(before, after any) []Difference {
	var d differ
	d.compare("", tree(before), tree(after), false)
	return d.list
}

// tree is a value as maps, lists and scalars, without what is left out when it is written.
func tree(v any) any {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic("a manifest can always be written: " + err.Error())
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic("what was written can be read: " + err.Error())
	}
	return out
}

type differ struct{ list []Difference }

func (d *differ) add(path string, before, after any, secret bool) {
	one := Difference{Path: path, Before: shown(before), After: shown(after)}
	if secret {
		if one.Before != "" {
			one.Before = secretSet
		}
		if one.After != "" {
			one.After = secretSet
		}
		if one.Before == one.After {
			one.After = secretChanged
		}
	}
	d.list = append(d.list, one)
}

func (d *differ) compare(path string, before, after any, secret bool) {
	a, aMap := before.(map[string]any)
	b, bMap := after.(map[string]any)
	if (aMap || before == nil) && (bMap || after == nil) && (aMap || bMap) {
		d.maps(path, a, b, secret)
		return
	}
	x, xList := before.([]any)
	y, yList := after.([]any)
	if (xList || before == nil) && (yList || after == nil) && (xList || yList) {
		d.lists(path, x, y, secret)
		return
	}
	if before != after {
		d.add(path, before, after, secret)
	}
}

// hides reports whether the values of an entry are secret.
func hides(entry map[string]any) bool {
	options, _ := entry["options"].(map[string]any)
	return options["sensitive"] == true
}

// valueField reports whether a field of an entry holds its value.
func valueField(name string) bool {
	switch name {
	case "value", "data", "content", "secretKey", "password", "privateKey", "passphrase":
		return true
	}
	return false
}

// alwaysSecret are fields that are secret whatever stands beside them.
func alwaysSecret(name string) bool {
	switch name {
	case "secretKey", "password", "privateKey", "passphrase":
		return true
	}
	return false
}

func (d *differ) maps(path string, a, b map[string]any, secret bool) {
	hidden := hides(a) || hides(b)
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		d.compare(join(path, k), a[k], b[k], secret || alwaysSecret(k) || hidden && valueField(k))
	}
}

// keyOf is what an entry of a list is known by, or empty.
func keyOf(v any) string {
	entry, ok := v.(map[string]any)
	if !ok {
		return ""
	}
	for _, name := range []string{"name", "key", "mountPath"} {
		if key, ok := entry[name].(string); ok && key != "" {
			return key
		}
	}
	return ""
}

func keysOf(list []any) ([]string, bool) {
	var keys []string
	for _, v := range list {
		k := keyOf(v)
		if k == "" || slices.Contains(keys, k) {
			return nil, false
		}
		keys = append(keys, k)
	}
	return keys, true
}

// lists compares entries that have a name by name, others by place.
func (d *differ) lists(path string, a, b []any, secret bool) {
	ka, named := keysOf(a)
	kb, alsoNamed := keysOf(b)
	if !named || !alsoNamed {
		for i := range max(len(a), len(b)) {
			d.compare(fmt.Sprintf("%s[%d]", path, i), at(a, i), at(b, i), secret)
		}
		return
	}
	before := len(d.list)
	for i, k := range ka {
		d.compare(fmt.Sprintf("%s[%s]", path, k), a[i], at(b, slices.Index(kb, k)), secret)
	}
	for i, k := range kb {
		if !slices.Contains(ka, k) {
			d.compare(fmt.Sprintf("%s[%s]", path, k), nil, b[i], secret)
		}
	}
	if len(d.list) == before && !slices.Equal(ka, kb) {
		d.add(path+" (order)", strings.Join(ka, ", "), strings.Join(kb, ", "), false)
	}
}

func at(list []any, i int) any {
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

func shown(v any) string {
	var out string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		out = v
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		out = string(raw)
	}
	if len(out) > maxShown {
		out = strings.ToValidUTF8(out[:maxShown], "") + "…"
	}
	return out
}
