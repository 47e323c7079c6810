package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// YAML writes the document, fields in their order, so that reading it gives the
// same again.
func (m Manifest) YAML() []byte {
	w := &writer{}
	w.value(reflect.ValueOf(m), 0, false)
	return w.Bytes()
}

type writer struct{ bytes.Buffer }

const indentStep = 2

func (w *writer) indent(n int) { w.WriteString(strings.Repeat(" ", n*indentStep)) }

// value writes a value after its key, or after the dash of a list.
func (w *writer) value(v reflect.Value, depth int, afterDash bool) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		var pairs []writtenPair
		for _, f := range fieldsOf(v.Type()) {
			if value := v.Field(f.index); !f.omit || !empty(value) {
				pairs = append(pairs, writtenPair{f.name, value})
			}
		}
		w.pairs(pairs, depth, afterDash)
	case reflect.Map:
		var pairs []writtenPair
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			pairs = append(pairs, writtenPair{k.String(), v.MapIndex(k)})
		}
		w.pairs(pairs, depth, afterDash)
	case reflect.Slice:
		if v.Len() == 0 {
			w.WriteString(" []\n")
			return
		}
		w.WriteString("\n")
		for i := range v.Len() {
			w.indent(depth)
			w.WriteString("-")
			w.value(v.Index(i), depth+1, true)
		}
	case reflect.Bool:
		w.WriteString(" " + strconv.FormatBool(v.Bool()) + "\n")
	case reflect.Int:
		w.WriteString(" " + strconv.FormatInt(v.Int(), 10) + "\n")
	case reflect.String:
		w.text(v.String(), depth)
	default:
		panic("a manifest has no field of type " + v.Type().String())
	}
}

type writtenPair struct {
	key   string
	value reflect.Value
}

func (w *writer) pairs(pairs []writtenPair, depth int, afterDash bool) {
	if len(pairs) == 0 {
		w.WriteString(" {}\n")
		return
	}
	if depth > 0 && !afterDash {
		w.WriteString("\n")
	}
	for i, p := range pairs {
		if afterDash && i == 0 {
			w.WriteString(" ")
		} else {
			w.indent(depth)
		}
		w.WriteString(quoted(p.key) + ":")
		w.value(p.value, depth+1, false)
	}
}

// empty reports what is left out when it is written.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// plainText matches text that YAML reads as nothing but this text.
var plainText = regexp.MustCompile(`^[A-Za-z_/~][A-Za-z0-9_./@+~=-]*$|^[A-Za-z][A-Za-z0-9_./@+~=,;()%-]*( [A-Za-z0-9_./@+~=,;()%-]+)*$`)

// special are words that mean something else than their text to some reader.
var special = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|null|y|n|~|\.nan|[-+]?\.inf|[0-9.]+e[0-9]+)$`)

func quoted(s string) string {
	if plainText.MatchString(s) && !special.MatchString(s) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("text can always be written: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// text writes text of several lines as a block, where a block keeps it as it is.
func (w *writer) text(s string, depth int) {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || !blockable(body) {
		w.WriteString(" " + quoted(s) + "\n")
		return
	}
	style := "|"
	if body == s {
		style = "|-"
	}
	fmt.Fprintf(w, " %s\n", style)
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			w.indent(max(depth, 1))
			w.WriteString(line)
		}
		w.WriteString("\n")
	}
}

func blockable(s string) bool {
	if s == "" || strings.ContainsAny(s[:1], " \t\n") || strings.HasSuffix(s, "\n") {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.TrimRight(line, " \t") != line {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) })
}
