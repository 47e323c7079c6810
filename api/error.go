package api

import (
	"fmt"
	"strings"
)

// Error is the answer to a request that was refused or failed, as application/problem+json (RFC 9457).
type Error struct {
	Type   string       `json:"type,omitempty" doc:"Left out: the code says all."`
	Title  string       `json:"title" doc:"The meaning of the status."`
	Status int          `json:"status" doc:"The status of the answer."`
	Code   string       `json:"code" doc:"Stable; scripts may compare it. docs/errors.md lists them."` // stable; scripts may compare it
	Detail string       `json:"detail" doc:"What is wrong and what to do."`
	Fields []FieldError `json:"errors,omitempty" doc:"The wrong fields, all of them."`
	// Reference finds the server's own log entry about an internal error.
	Reference string `json:"reference,omitempty" doc:"Finds the server's own log entry about an internal error."`
}

// FieldError names a wrong field and the fix.
type FieldError struct {
	Location string `json:"location" doc:"The field, for example variables[2].name."`
	Message  string `json:"message" doc:"What is wrong with it and the fix."`
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
