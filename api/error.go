package api

import (
	"fmt"
	"strings"
)

// Error is the answer to a request that was refused or failed, as application/problem+json (RFC 9457).
type Error struct {
	Type   string       `json:"type,omitempty"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Code   string       `json:"code"` // stable; scripts may compare it
	Detail string       `json:"detail"`
	Fields []FieldError `json:"errors,omitempty"`
	// Reference finds the server's own log entry about an internal error.
	Reference string `json:"reference,omitempty"`
}

// FieldError names a wrong field and the fix.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error returns the detail, or a line for each field.
func (e *Error) Error() string {
	if len(e.Fields) > 0 {
		var lines []string
		for _, f := range e.Fields {
			lines = append(lines, fmt.Sprintf("%s: %s", f.Location, f.Message))
		}
		return strings.Join(lines, "\n")
	}
	if e.Reference != "" {
		return fmt.Sprintf("%s (reference %s)", e.Detail, e.Reference)
	}
	return e.Detail
}
