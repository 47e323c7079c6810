package web

import (
	"log/slog"
	"net/http"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/tofu"
)

type Deps struct {
	Audit        *audit.Service
	Identity     *identity.Service
	Projects     *project.Service
	Templates    *template.Service
	Contexts     *configcontext.Service
	Environments *environment.Service
	Runs         *run.Service
	Events       *event.Broker
	Tools        *tofu.Manager
	Logger       *slog.Logger
	Secure       bool
}

func Register(mux *http.ServeMux, d Deps) error { return nil }
