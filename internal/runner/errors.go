package runner

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/fault"
)

// ErrLost ends Records of an attempt whose supervisor died without a result.
var ErrLost = errors.New("the supervisor ended without a result")

// ErrCannotFind is returned by a Finder that does not know a type.
var ErrCannotFind = errors.New("no way to look this up")

func invalid(code, message string) error {
	return &fault.Error{Kind: fault.Invalid, Code: code, Message: message}
}

func conflict(code, message string) error {
	return &fault.Error{Kind: fault.Conflict, Code: code, Message: message}
}

func notFound(code, message string) error {
	return &fault.Error{Kind: fault.NotFound, Code: code, Message: message}
}

func unavailable(code, message string, err error) error {
	return &fault.Error{Kind: fault.Unavailable, Code: code, Message: message, Err: err}
}

// reply is what a supervisor answers once, before it lets go of its parent.
type reply struct {
	OK      bool       `json:"ok"`
	Kind    fault.Kind `json:"kind,omitempty"`
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
}

func replyFor(err error) reply {
	var f *fault.Error
	if errors.As(err, &f) {
		return reply{Kind: f.Kind, Code: f.Code, Message: f.Error()}
	}
	return reply{Kind: fault.Internal, Code: "supervisor_failed", Message: err.Error()}
}

func (r reply) err() error {
	if r.OK {
		return nil
	}
	return &fault.Error{Kind: r.Kind, Code: r.Code, Message: r.Message}
}

func parseReply(b []byte) (reply, error) {
	var r reply
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("the supervisor ended before it was ready: %w", err)
	}
	return r, nil
}

// failure is how a step fails: a stable code and a message for people. It ends the step in an orderly way.
type failure struct {
	code    string
	message string
	err     error
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.message + ": " + f.err.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.err }

func fail(code, message string, err error) error {
	return &failure{code: code, message: message, err: err}
}
