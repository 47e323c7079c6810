// Package fault is the one error type that crosses package borders, and its
// kinds. A fault says what went wrong in words a user may read, under a stable
// code that scripts may compare, with a kind that each transport maps to its own
// status. It knows nothing of HTTP, of the command line or of any domain.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says whose problem an error is, and so how a transport answers.
type Kind string

// The kinds. An error that is no fault is Internal.
const (
	Invalid         Kind = "invalid"
	Unauthenticated Kind = "unauthenticated"
	Forbidden       Kind = "forbidden"
	NotFound        Kind = "not_found"
	Conflict        Kind = "conflict"
	Unavailable     Kind = "unavailable"
	Internal        Kind = "internal"
)

// CodeInvalidInput is the code of every error made of field errors.
const CodeInvalidInput = "invalid_input"

// Field names one wrong input and how to put it right. Path is the name a
// caller used for it, with dots and indexes for parts: "variables[2].name".
type Field struct {
	Path    string
	Message string
}

// Error is an error whose Message is safe to show to the person who caused it.
// Err is for logs only.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Fields  []Field
	Err     error
}

// New returns a fault without an underlying error.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: sprintf(format, args)}
}

// Wrap returns a fault that keeps err for logs and for errors.Is.
func Wrap(err error, kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: sprintf(format, args), Err: err}
}

// InvalidField returns the fault for one wrong input.
func InvalidField(path, message string) *Error {
	return invalid([]Field{{Path: path, Message: message}})
}

// Error returns the whole chain, for logs. Show Message and Fields to users.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	if e.Message == "" {
		return e.Err.Error()
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is a fault with the same code, so that a sentinel
// matches every error made from it, whatever the message.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && e.Code != "" && e.Code == other.Code
}

// With returns a copy of a sentinel with another message and the same code.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Message = sprintf(format, args)
	return &c
}

// Because returns a copy of a sentinel that carries err for logs.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// As returns the outermost fault in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf returns the kind of err. It is Internal for an error that is no fault,
// and empty for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the stable code of err, "internal" for an error that is no
// fault, and empty for nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok && e.Code != "" {
		return e.Code
	}
	return string(Internal)
}

// Fields collects what is wrong with one input, so that a person sees all of it
// at once. The zero value is ready for use.
type Fields struct {
	list []Field
}

// Add notes one wrong input. The message says what is wrong and the fix.
func (f *Fields) Add(path, format string, args ...any) {
	f.list = append(f.list, Field{Path: path, Message: sprintf(format, args)})
}

// Check notes a wrong input unless ok holds, and returns ok.
func (f *Fields) Check(ok bool, path, format string, args ...any) bool {
	if !ok {
		f.Add(path, format, args...)
	}
	return ok
}

// Merge takes over the field errors of err under a path prefix ("variables[2]").
// An error without fields becomes one field error at the prefix.
func (f *Fields) Merge(prefix string, err error) {
	if err == nil {
		return
	}
	e, ok := As(err)
	if !ok {
		f.Add(prefix, "%s", err.Error())
		return
	}
	if len(e.Fields) == 0 {
		f.Add(prefix, "%s", e.Message)
		return
	}
	for _, field := range e.Fields {
		path := field.Path
		if prefix != "" && path != "" && path[0] != '[' {
			path = prefix + "." + path
		} else {
			path = prefix + path
		}
		f.list = append(f.list, Field{Path: path, Message: field.Message})
	}
}

// Len returns how many inputs are wrong.
func (f *Fields) Len() int { return len(f.list) }

// Err returns one error for all that was added, or nil.
func (f *Fields) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	return invalid(append([]Field(nil), f.list...))
}

func invalid(fields []Field) *Error {
	parts := make([]string, len(fields))
	for i, field := range fields {
		parts[i] = field.Message
		if field.Path != "" {
			parts[i] = field.Path + ": " + field.Message
		}
	}
	return &Error{Kind: Invalid, Code: CodeInvalidInput, Message: strings.Join(parts, "; "), Fields: fields}
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
