package rafay

import (
	"regexp"
	"strings"
)

// An expression of Rafay stands between $( and )$ (CUE) or between #{ and }#
// (Starlark). Berth has CEL between $( and )$. The forms that templates use
// mean the same once references are respelt; others are passed on with a notice,
// and Berth checks them when the template is saved.

// simpleExpression is what means the same in all three languages: a reference,
// perhaps with an index or a field of the value, or a fact of the environment.
var simpleExpression = regexp.MustCompile(`^(environment\.[A-Za-z]+|resource\["[^"\\]*"\](\.resource\["[^"\\]*"\])?\.output\.[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\]|\["[^"\\]*"\])*)$`)

// expression respells a text with expressions in it.
func (d *document) expression(text, field string) string {
	var out strings.Builder
	rest := text
	for rest != "" {
		at, opening, closing := nextMark(rest)
		if at < 0 {
			break
		}
		out.WriteString(rest[:at])
		code, after, closed := cutCode(rest[at+len(opening):], closing)
		if !closed {
			d.notice(Warning, field, "the expression that begins with %s does not end; close it with %s", opening, closing)
			out.WriteString(rest[at:])
			return out.String()
		}
		out.WriteString("$(" + d.code(code, opening, closing, field) + ")$")
		rest = after
	}
	return out.String() + rest
}

func hasExpression(text string) bool {
	at, _, _ := nextMark(text)
	return at >= 0
}

func nextMark(text string) (at int, opening, closing string) {
	cue, starlark := strings.Index(text, "$("), strings.Index(text, "#{")
	if cue >= 0 && (starlark < 0 || cue < starlark) {
		return cue, "$(", ")$"
	}
	return starlark, "#{", "}#"
}

// cutCode finds the end of an expression; the end mark inside a string of it does
// not count.
func cutCode(text, closing string) (code, after string, closed bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"' || c == '\'':
			i += stringLength(text[i:])
		case strings.HasPrefix(text[i:], closing):
			return text[:i], text[i+len(closing):], true
		default:
			i++
		}
	}
	// A stray quote has eaten the end mark.
	return strings.Cut(text, closing)
}

// stringLength is the length of the string literal at the start of code.
func stringLength(code string) int {
	for i := 1; i < len(code); i++ {
		switch code[i] {
		case '\\':
			i++
		case code[0]:
			return i + 1
		}
	}
	return len(code)
}

// code respells one expression.
func (d *document) code(code, opening, closing, field string) string {
	// In a plain YAML value, \" is two characters; templates have it nevertheless.
	if !strings.Contains(strings.ReplaceAll(code, `\"`, ""), `"`) {
		code = strings.ReplaceAll(code, `\"`, `"`)
	}
	code = strings.TrimSpace(code)
	r := &respeller{doc: d, field: field}
	out := r.respell(code)
	switch {
	case r.reported:
	case simpleExpression.MatchString(out):
		if name, ok := strings.CutPrefix(out, "environment."); ok && name != "name" && name != "id" {
			d.notice(Warning, field, "uses environment.%s, which Berth may not have; it has environment.name, id, uniqueName, project, template and version", name)
		}
	default:
		d.notice(Warning, field, "the expression %s…%s is more than a reference; Berth reads it as CEL, so check that it still means the same", opening, closing)
	}
	return out
}

// respeller turns resource."x".output.y.value and resource["x"].output.y.value
// into resource["x"].output.y.
type respeller struct {
	doc      *document
	field    string
	reported bool
}

func (r *respeller) respell(code string) string {
	var out strings.Builder
	for i := 0; i < len(code); {
		if code[i] == '"' || code[i] == '\'' {
			n := stringLength(code[i:])
			out.WriteString(code[i : i+n])
			i += n
			continue
		}
		if n := wordLength(code[i:]); n > 0 {
			word := code[i : i+n]
			start := i == 0 || code[i-1] != '.'
			if used, text := r.reference(word, code[i+n:]); start && used > 0 {
				out.WriteString(text)
				i += n + used
				continue
			}
			if start && word == "ctx" {
				r.report("reads ctx, which holds Rafay's own activities; Berth has nothing like it")
			}
			out.WriteString(word)
			i += n
			continue
		}
		out.WriteByte(code[i])
		i++
	}
	return out.String()
}

func (r *respeller) report(why string) {
	if !r.reported {
		r.doc.notice(Warning, r.field, "%s", "the expression "+why)
	}
	r.reported = true
}

// reference reads what follows the word resource, and returns how much of it that
// was and what the whole becomes; 0 when it is no reference.
func (r *respeller) reference(word, tail string) (int, string) {
	if word != "resource" {
		return 0, ""
	}
	out, at := "", 0
	for {
		name, n := keyed(tail[at:])
		if n == 0 {
			break
		}
		at += n
		out += `resource[` + quote(r.doc.reference(name, r.field)) + `]`
		if !strings.HasPrefix(tail[at:], ".resource") {
			break
		}
		if _, n := keyed(tail[at+len(".resource"):]); n == 0 {
			break
		}
		at += len(".resource")
		out += "."
	}
	if at == 0 {
		return 0, ""
	}
	const output = ".output"
	if !strings.HasPrefix(tail[at:], output) {
		r.report("reads something else than an output of a resource; Berth knows resource[\"name\"].output.name")
		return at, out
	}
	name, n := keyed(tail[at+len(output):])
	if n == 0 {
		return at, out
	}
	at += len(output) + n
	out += output + member(name)
	switch field, n := keyed(tail[at:]); {
	case n > 0 && field == "value":
		at += n
	case n > 0 && (field == "sensitive" || field == "type"):
		r.report("reads ." + field + " of an output; Berth gives an output's value alone")
	default:
		r.report("reads an output without .value; in Berth, that is the value itself")
	}
	return at, out
}

// keyed reads .name, ."name", ["name"] or ['name'] at the start of code.
func keyed(code string) (name string, length int) {
	if code == "" {
		return "", 0
	}
	rest, closing := code[1:], ""
	switch code[0] {
	case '.':
		if n := wordLength(rest); n > 0 {
			return rest[:n], 1 + n
		}
	case '[':
		closing = "]"
	default:
		return "", 0
	}
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", 0
	}
	n := stringLength(rest)
	if n < 2 || rest[n-1] != rest[0] || !strings.HasPrefix(rest[n:], closing) {
		return "", 0
	}
	return rest[1 : n-1], 1 + n + len(closing)
}

func wordLength(code string) int {
	n := 0
	for n < len(code) && (code[n] == '_' || code[n] >= 'a' && code[n] <= 'z' || code[n] >= 'A' && code[n] <= 'Z' || n > 0 && code[n] >= '0' && code[n] <= '9') {
		n++
	}
	return n
}

func member(name string) string {
	if wordLength(name) == len(name) {
		return "." + name
	}
	return "[" + quote(name) + "]"
}

// quote writes a name as a string literal; escapes in it are kept as they are.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`
}
