// Package httpapi is the JSON transport under /api/v1. It turns requests into calls of the domain services and their
// answers into wire types. It decides nothing: every check of input or permission is the services' own.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
)

// Deps is what the handlers call.
type Deps struct {
	Audit        *audit.Service
	Identity     *identity.Service
	Projects     *project.Service
	Templates    *template.Service
	Contexts     *configcontext.Service
	Statics      *staticresource.Service
	Repositories *repository.Service
	Environments *environment.Service
	Manifests    *manifest.Service
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
		r.add(a, s, r)
	}
	mux.HandleFunc("/api/", noSuchOperation)
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
