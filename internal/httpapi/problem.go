package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
)

const problemType = "application/problem+json"

// Codes of what this transport refuses by itself, before a service sees it. docs/errors.md tells users.
const (
	codeBadBody      = "bad_body"
	codeBodyTooLarge = "body_too_large"
	codeNotJSON      = "not_json"
	codeNoRoute      = "no_such_operation"
	codeTimeout      = "request_timeout"
	codeRefused      = "bad_request"
)

// apiError lets problem embed the type without a field that hides its method.
type apiError = api.Error

// problem is an api.Error as huma wants it.
type problem struct{ apiError }

func (p *problem) GetStatus() int { return p.Status }

// ContentType makes it application/problem+json.
func (p *problem) ContentType(string) string { return problemType }

// problem turns any error into what the client gets.
func (s *server) problem(ctx context.Context, err error) *problem {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Internal {
		ref := reference(ctx)
		s.Logger.ErrorContext(ctx, "request failed", "reference", ref, "error", err)
		return &problem{api.Error{
			Title: http.StatusText(http.StatusInternalServerError), Status: http.StatusInternalServerError, Code: string(fault.Internal),
			Detail: "Something went wrong on the server. Tell its operator the reference.", Reference: ref,
		}}
	}
	status := statusOf(f.Kind)
	switch {
	case errors.Is(err, identity.ErrTooManyAttempts):
		status = http.StatusTooManyRequests
	case errors.Is(err, environment.ErrStale):
		status = http.StatusPreconditionFailed
	}
	p := &problem{api.Error{Title: http.StatusText(status), Status: status, Code: fault.CodeOf(err), Detail: f.Message}}
	for _, field := range f.Fields {
		p.Fields = append(p.Fields, api.FieldError{Location: field.Path, Message: field.Message})
	}
	return p
}

func (s *server) refuse(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return s.problem(ctx, err)
}

func reference(ctx context.Context) string {
	if id := audit.ClientFrom(ctx).RequestID; id != "" {
		return id
	}
	return db.NewID("ref")
}

func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
	}
	return http.StatusInternalServerError
}

// WriteProblem answers with an error in the form of all others. It is for what refuses requests before a route is found.
func WriteProblem(w http.ResponseWriter, e api.Error) {
	if e.Title == "" {
		e.Title = http.StatusText(e.Status)
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e)
}

// noSuchOperation answers for every path below /api/ that is none.
func noSuchOperation(w http.ResponseWriter, r *http.Request) {
	WriteProblem(w, api.Error{
		Status: http.StatusNotFound, Code: codeNoRoute,
		Detail: fmt.Sprintf("The API has no %s %s. /api/openapi.json lists what it has.", r.Method, r.URL.Path),
	})
}

// newProblem makes huma's own refusals, of a body that is no JSON or breaks the schema, into problems.
func newProblem(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	for _, err := range errs {
		var p *problem
		if errors.As(err, &p) {
			return p
		}
	}
	p := &problem{api.Error{Title: http.StatusText(status), Status: status}}
	switch status {
	case http.StatusRequestEntityTooLarge:
		p.Code, p.Detail = codeBodyTooLarge, fmt.Sprintf("The body of the request is too large: at most %d MiB is accepted.", bodyLimit(ctx)>>20)
		return p
	case http.StatusUnsupportedMediaType:
		p.Code, p.Detail = codeNotJSON, "Send the body as JSON, with Content-Type: application/json."
		return p
	case http.StatusRequestTimeout:
		p.Code, p.Detail = codeTimeout, "The body of the request did not arrive in time. Send it again."
		return p
	case http.StatusBadRequest:
		p.Code, p.Detail = codeBadBody, "The body of the request is not valid JSON."
	case http.StatusUnprocessableEntity:
		p.Code = fault.CodeInvalidInput
	default:
		p.Code, p.Detail = codeRefused, sentence(message)
	}
	for _, err := range errs {
		if err != nil {
			p.Fields = append(p.Fields, fieldError(err))
		}
	}
	if len(p.Fields) == 0 && status == http.StatusBadRequest {
		p.Fields = []api.FieldError{{Location: "body", Message: "A body is required. Send a JSON object."}}
	}
	if p.Detail == "" {
		p.Detail = p.Error()
	}
	return p
}

// bodyLimit is what the operation accepts.
func bodyLimit(ctx huma.Context) int64 {
	const standard = 1 << 20
	if ctx == nil || ctx.Operation() == nil || ctx.Operation().MaxBodyBytes <= 0 {
		return standard
	}
	return ctx.Operation().MaxBodyBytes
}

// fieldError names the field as the services do, without the part of the request that it stood in, and says the fix.
func fieldError(err error) api.FieldError {
	var d *huma.ErrorDetail
	if !errors.As(err, &d) {
		return api.FieldError{Location: "body", Message: sentence(err.Error())}
	}
	location := d.Location
	for _, part := range []string{"body.", "query.", "path.", "header."} {
		location = strings.TrimPrefix(location, part)
	}
	if name, ok := cutAround(d.Message, "expected required property ", " to be present"); ok {
		if location == "body" {
			location = ""
		}
		return api.FieldError{Location: strings.TrimPrefix(location+"."+name, "."), Message: "This is required. Add it."}
	}
	if d.Location == "body" && !strings.HasPrefix(d.Message, "expected") {
		return api.FieldError{Location: "body", Message: "It cannot be read as JSON: " + d.Message + "."}
	}
	return api.FieldError{Location: location, Message: fix(d.Message, d.Value)}
}

// fix rewrites what the schema's validator says, which tells what it expected, into what is wrong and what to do.
func fix(message string, value any) string {
	after := func(prefix string) string { return strings.TrimPrefix(message, prefix) }
	switch {
	case message == "unexpected property":
		return "There is no such field here. Remove it, or check its spelling."
	case strings.HasSuffix(message, "parameter is missing"):
		return "This is required. Add it."
	case strings.HasPrefix(message, "expected length <= "):
		return fmt.Sprintf("This must be at most %s characters long; yours has %d.", after("expected length <= "), length(value))
	case strings.HasPrefix(message, "expected array length <= "):
		return fmt.Sprintf("This may have at most %s entries.", after("expected array length <= "))
	case strings.HasPrefix(message, "expected number >= "):
		return fmt.Sprintf("This must be at least %s; you gave %v.", after("expected number >= "), value)
	case strings.HasPrefix(message, "expected number <= "):
		return fmt.Sprintf("This must be at most %s; you gave %v.", after("expected number <= "), value)
	case strings.HasPrefix(message, "expected value to be one of "):
		choices := strings.Trim(after("expected value to be one of "), `"`)
		return fmt.Sprintf("Choose one of %s; you gave %s.", choices, shown(value))
	case message == "invalid integer":
		return fmt.Sprintf("This must be a whole number; you gave %s.", shown(value))
	case message == "invalid boolean":
		return fmt.Sprintf("This must be true or false; you gave %s.", shown(value))
	}
	for expected, words := range map[string]string{
		"expected string": "text in quotation marks", "expected number": "a number", "expected integer": "a whole number",
		"expected boolean": "true or false", "expected array": "a list in [ ]", "expected object": "an object in { }",
		"expected string to be base64 encoded": "text in base64",
	} {
		if message == expected {
			return fmt.Sprintf("This must be %s; you gave %s.", words, kindOf(value))
		}
	}
	return sentence(message)
}

// kindOf says what kind of JSON value it is, and never the value: that may be a secret in the wrong place.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}

const longestShown = 40

func shown(value any) string {
	text := fmt.Sprint(value)
	if len(text) > longestShown {
		text = text[:longestShown] + "…"
	}
	return fmt.Sprintf("%q", text)
}

func length(value any) int {
	text, _ := value.(string)
	return len([]rune(text))
}

func cutAround(s, prefix, suffix string) (string, bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, suffix)
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
