package core

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is a failure in AWS's terms. Each protocol gives it its own shape.
type Error struct {
	// Code is AWS's error code, for example InvalidVpcID.NotFound.
	Code    string
	Message string
	// Status is the HTTP status; zero means 400.
	Status int
	// Fields are further members of the error's JSON body.
	Fields map[string]any
}

// Errorf makes an error with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// WithStatus returns a copy of e with another HTTP status.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is reports whether target is an *Error with the same code, so that errors.Is
// works with Errorf("Code", "").
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// ErrorCode returns the AWS code in err's chain, or "".
func ErrorCode(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// asError turns anything into an *Error; what is not one is an internal failure
// whose detail belongs to the log.
func asError(err error) (e *Error, internal bool) {
	if errors.As(err, &e) {
		if e.Status == 0 {
			return e.WithStatus(http.StatusBadRequest), false
		}
		return e, false
	}
	return &Error{
		Code:    "InternalError",
		Message: "The sandbox met an internal error; its log has the detail under this request's id.",
		Status:  http.StatusInternalServerError,
	}, true
}

func errUnknownOperation(p Protocol, action, version, service string) *Error {
	switch p {
	case ProtocolEC2:
		return Errorf("InvalidAction", "The action %s is not valid for this web service. (The sandbox's %s does not offer it.)", action, service)
	case ProtocolQuery:
		return Errorf("InvalidAction", "Could not find operation %s for version %s. (The sandbox's %s does not offer it.)", action, version, service)
	case ProtocolJSON10, ProtocolJSON11:
		return Errorf("UnknownOperationException", "Unknown operation %s. (The sandbox's %s does not offer it.)", action, service)
	default:
		return Errorf("InvalidAction", "Unknown operation %s of %s.", action, service)
	}
}
