// Package httpapi is the JSON transport under /api/v1. It turns requests into calls of the domain services and their
// answers into wire types. It decides nothing: every check of input or permission is the services' own.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
)

// Deps is what the handlers call.
type Deps struct {
	Audit        *audit.Service
	Identity     *identity.Service
	Projects     *project.Service
	Templates    *template.Service
	Contexts     *configcontext.Service
	Environments *environment.Service
	Runs         *run.Service
	Events       *event.Broker
	Logger       *slog.Logger
}

type server struct{ Deps }

// useProblems makes huma's own refusals look like all others. Huma offers a package variable for that and nothing else.
var useProblems sync.Once

// Register adds the API's routes to mux.
func Register(mux *http.ServeMux, d Deps) huma.API {
	useProblems.Do(func() { huma.NewErrorWithContext = newProblem })
	config := huma.DefaultConfig("Berth", "v1")
	config.OpenAPIPath = "/api/openapi"
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema member in answers
	config.Info.Description = "Environments from versioned templates. Send the token of a session as Authorization: Bearer."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"session": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"session": {}}}
	a := humago.New(mux, config)
	s := &server{d}
	a.UseMiddleware(s.authenticate(a))
	for _, r := range s.routes() {
		r.add(a, s)
	}
	return a
}

// authenticate finds the subject of the bearer token. Whether an operation needs one is decided by the services, so
// that a missing token and a missing role are told apart and audited in one place.
func (s *server) authenticate(a huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		token, ok := strings.CutPrefix(ctx.Header("Authorization"), "Bearer ")
		if !ok || token == "" {
			next(ctx)
			return
		}
		subject, session, err := s.Identity.Authenticate(ctx.Context(), token)
		if err != nil {
			p := s.problem(ctx.Context(), err)
			if err := huma.WriteErr(a, ctx, p.Status, p.Detail, p); err != nil {
				s.Logger.WarnContext(ctx.Context(), "writing an answer", "error", err)
			}
			return
		}
		c := authz.WithSubject(ctx.Context(), subject)
		next(huma.WithContext(ctx, context.WithValue(c, sessionKey{}, session)))
	}
}

type sessionKey struct{}

// problem turns any error into what the client gets.
func (s *server) problem(ctx context.Context, err error) *problem {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Internal {
		ref := reference(ctx)
		s.Logger.ErrorContext(ctx, "request failed", "reference", ref, "error", err)
		return &problem{api.Error{
			Title: http.StatusText(http.StatusInternalServerError), Status: http.StatusInternalServerError, Code: "internal",
			Detail: "Something went wrong on the server. Tell its operator the reference.", Reference: ref,
		}}
	}
	status := statusOf(f.Kind)
	if errors.Is(err, identity.ErrTooManyAttempts) {
		status = http.StatusTooManyRequests
	}
	p := &problem{api.Error{Title: http.StatusText(status), Status: status, Code: fault.CodeOf(err), Detail: f.Message}}
	for _, field := range f.Fields {
		p.Fields = append(p.Fields, api.FieldError{Location: field.Path, Message: field.Message})
	}
	return p
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

// apiError lets problem embed the type without a field that hides its method.
type apiError = api.Error

// problem is an api.Error as huma wants it.
type problem struct{ apiError }

func (p *problem) GetStatus() int { return p.Status }

// ContentType makes it application/problem+json.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// newProblem makes huma's own refusals, of a body that is no JSON or breaks the schema, into problems.
func newProblem(_ huma.Context, status int, message string, errs ...error) huma.StatusError {
	for _, err := range errs {
		var p *problem
		if errors.As(err, &p) {
			return p
		}
	}
	p := &problem{api.Error{Title: http.StatusText(status), Status: status, Code: "invalid_request", Detail: message}}
	for _, err := range errs {
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			p.Fields = append(p.Fields, api.FieldError{Location: strings.TrimPrefix(d.Location, "body."), Message: d.Message})
		} else if err != nil {
			p.Fields = append(p.Fields, api.FieldError{Message: err.Error()})
		}
	}
	return p
}

// none is the input or output of an operation without one.
type none struct{}

// body wraps the JSON body of an answer.
type body[T any] struct{ Body T }

// route is one operation: what it is, whom it is for, and what carries it out.
type route struct {
	method, path string
	permission   authz.Permission // what the service requires; empty is public, said in summary
	summary, tag string
	status       int
	add          func(huma.API, *server)
}

// op makes a route of a handler.
func op[In, Out any](method, path string, p authz.Permission, tag, summary string, h func(*server, context.Context, *In) (Out, error)) route {
	r := route{method: method, path: path, permission: p, summary: summary, tag: tag, status: http.StatusOK}
	var out Out
	if _, empty := any(out).(none); empty {
		r.status = http.StatusNoContent
	} else if method == http.MethodPost {
		r.status = http.StatusCreated
	}
	r.add = func(a huma.API, s *server) {
		operation := r.operation()
		if r.status == http.StatusNoContent {
			huma.Register(a, operation, func(ctx context.Context, in *In) (*none, error) {
				_, err := h(s, ctx, in)
				return nil, s.refuse(ctx, err)
			})
			return
		}
		huma.Register(a, operation, func(ctx context.Context, in *In) (*body[Out], error) {
			v, err := h(s, ctx, in)
			if err != nil {
				return nil, s.refuse(ctx, err)
			}
			return &body[Out]{v}, nil
		})
	}
	return r
}

func (r route) operation() huma.Operation {
	return huma.Operation{
		OperationID: operationID(r.method, r.path), Method: r.method, Path: api.Prefix + r.path, DefaultStatus: r.status,
		Summary: r.summary, Tags: []string{r.tag}, Description: permissionText(r.permission),
		Errors: []int{401, 403, 404, 409, 422, 500},
	}
}

func permissionText(p authz.Permission) string {
	if p == "" {
		return "Needs no permission."
	}
	return "Needs the permission " + string(p) + "."
}

func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			id += "-" + strings.Trim(part, "{}")
		}
	}
	return id
}

func (s *server) refuse(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return s.problem(ctx, err)
}
