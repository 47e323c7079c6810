package web

import (
	"strings"
	"unicode"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// placeErrors puts each field's error beside its field and returns, as one text, what belongs to none.
func placeErrors(f *fault.Error, fields map[string]*views.Field) string {
	if len(f.Fields) == 0 {
		return f.Message
	}
	var left []string
	for _, e := range f.Fields {
		e.Path = inputName(e.Path)
		field := fields[e.Path]
		switch {
		case field == nil && e.Path == "":
			left = append(left, sentence("", e.Message))
		case field == nil:
			left = append(left, sentence(e.Path, e.Message))
		case field.Error == "":
			field.Error = sentence(field.Label, e.Message)
		default:
			field.Error += " " + sentence(field.Label, e.Message)
		}
	}
	return strings.Join(left, " ")
}

// inputName is the name of the input that a path leads to: a variable's, or a field's own.
func inputName(path string) string { return strings.TrimPrefix(path, "variables.") }

// sentence makes a whole sentence of a message that may be only its end: "must be a number" about Port.
func sentence(label, message string) string {
	if message == "" {
		return ""
	}
	first := []rune(message)[0]
	if label != "" && unicode.IsLower(first) {
		message = label + " " + message
	} else {
		message = string(unicode.ToUpper(first)) + message[len(string(first)):]
	}
	if !strings.HasSuffix(message, ".") && !strings.HasSuffix(message, "?") {
		message += "."
	}
	return message
}
