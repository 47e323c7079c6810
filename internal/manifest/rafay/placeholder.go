package rafay

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// Rafay's repositories hold text templates: {{ .name }} is filled in by its CLI
// with a file of values. Only what comes out of that is a document.
var (
	placeholder = regexp.MustCompile(`\{\{-?\s*(?:[.$]|(?:if|else|end|range|with|define|template|include|block|printf|quote|default|toYaml|index|eq|or|and|not)\b)[^{}]*\}\}`)
	wholeText   = regexp.MustCompile(`^\s*\{\{[^{}]*\}\}\s*$`)
)

const renderAdvice = "the document is a text template that was not filled in. Render it first, for example with rctl apply -t FILE --values VALUES --test-template --write, and load what that writes"

// Placeholder finds the first placeholder of a text template in a file, for files
// that cannot even be parsed because of it. The line counts from 1.
func Placeholder(text []byte) (line int, found string, ok bool) {
	at := placeholder.FindIndex(text)
	if at == nil {
		return 0, "", false
	}
	return 1 + bytes.Count(text[:at[0]], []byte("\n")), string(text[at[0]:at[1]]), true
}

// PlaceholderAdvice says what to do about placeholders.
func PlaceholderAdvice() string { return renderAdvice }

// freeText are fields whose text may hold double braces of its own, such as the
// values of a chart.
var freeText = []string{"value", "readme", "description", "data", "content", "body", "source", "arguments", "commands"}

// checkPlaceholders reports placeholders; false means that there is no document yet.
func (d *document) checkPlaceholders(fields map[string]any) bool {
	before := len(d.notices)
	path, text := d.findPlaceholder("", "", fields)
	if text == "" {
		return true
	}
	d.notices = d.notices[:before]
	d.fail(path, "holds the placeholder %s: %s", text, renderAdvice)
	return false
}

// findPlaceholder returns the first place that cannot be meant as it stands.
func (d *document) findPlaceholder(path, field string, value any) (string, string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			if key == nestedKey || key == "{" {
				return path, nestedKey
			}
			if m := placeholder.FindString(key); m != "" {
				return path, m
			}
			if p, t := d.findPlaceholder(join(path, key), key, v[key]); t != "" {
				return p, t
			}
		}
	case []any:
		for i, item := range v {
			if p, t := d.findPlaceholder(path+"["+itoa(i)+"]", field, item); t != "" {
				return p, t
			}
		}
	case string:
		m := placeholder.FindString(v)
		if m == "" {
			return "", ""
		}
		if slices.Contains(freeText, field) && !wholeText.MatchString(v) {
			d.notice(Warning, path, "holds %s; if that is a placeholder, the document was not filled in", strings.TrimSpace(m))
			return "", ""
		}
		return path, m
	}
	return "", ""
}
