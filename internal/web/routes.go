package web

import (
	"log/slog"
	"net/http"
	"time"

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
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web/static"
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
	Tools        *tofu.Manager
	Statics      *staticresource.Service
	Repositories *repository.Service
	Manifests    *manifest.Service
	// Keyring seals what was typed into a form and must not be shown, until the form is saved.
	Keyring *secret.Keyring
	Logger  *slog.Logger
	// Secure says that browsers come over TLS, so that cookies must not travel without it.
	Secure bool
}

type server struct {
	Deps
	now       func() time.Time
	endpoints *endpointChecks
}

// Register adds the pages to mux.
func Register(mux *http.ServeMux, d Deps) error {
	s := &server{Deps: d, now: time.Now, endpoints: newEndpointChecks()}
	mux.Handle("GET "+static.Prefix, static.Handler())
	for _, rt := range routes() {
		mux.Handle(rt.method+" "+rt.pattern, s.serve(rt))
	}
	mux.Handle("/", s.serve(route{permission: anyone, handler: (*server).noSuchPage}))
	return nil
}

// Two permissions that are no row of the table of package authz.
const (
	anyone  authz.Permission = "anyone"   // also those who are not signed in
	anyUser authz.Permission = "any user" // whoever is signed in; what is shown is their own
)

// route is one page, form or stream. The permission is what the service behind it requires; the service checks it.
type route struct {
	method, pattern string
	permission      authz.Permission
	handler         func(*server, http.ResponseWriter, *http.Request) error
}

// routes is every page.
func routes() []route {
	const (
		get, post = http.MethodGet, http.MethodPost

		prj = "/p/{project}"
		env = prj + "/environments/{environment}"
		rn  = env + "/runs/{number}"

		rts = prj + "/resource-templates"
		rt  = rts + "/{resourcetemplate}"
		rtv = rt + "/versions/{version}"
	)
	return []route{
		{get, "/{$}", anyone, (*server).home},
		{get, "/signin", anyone, (*server).signInForm},
		{post, "/signin", anyone, (*server).signIn},
		{post, "/signout", anyone, (*server).signOut},
		{get, "/setup", anyone, (*server).setupForm},
		{post, "/setup", anyone, (*server).setup},
		{post, "/preferences/theme", anyone, (*server).setTheme},
		{get, "/projects", anyUser, (*server).projects},
		{get, "/toolchain", anyUser, (*server).toolchain},
		{get, "/toolchain/events", anyUser, (*server).toolchainEvents},

		{get, prj, authz.ProjectRead, (*server).projectHome},
		{get, prj + "/events", authz.EnvironmentRead, (*server).environmentsEvents},
		{get, prj + "/palette", authz.EnvironmentRead, (*server).palette},
		{get, prj + "/activity", authz.RunRead, (*server).activity},
		{get, prj + "/activity/events", authz.RunRead, (*server).activityEvents},

		{get, prj + "/templates", authz.TemplateRead, (*server).catalog},
		{post, prj + "/templates", authz.TemplateWrite, (*server).createTemplate},
		{get, prj + "/templates/new", authz.TemplateWrite, (*server).newTemplate},
		{get, prj + "/templates/{template}/compare", authz.TemplateRead, (*server).compareTemplates},
		{get, prj + "/templates/{template}/manifest", authz.TemplateSourceRead, (*server).templateManifest},
		{get, prj + "/templates/{template}/new-version", authz.TemplateWrite, (*server).newTemplateVersion},
		{post, prj + "/templates/{template}/versions", authz.TemplateWrite, (*server).createTemplateVersion},
		{get, prj + "/templates/{template}/versions/{version}/edit", authz.TemplateWrite, (*server).editTemplate},
		{post, prj + "/templates/{template}/versions/{version}", authz.TemplateWrite, (*server).saveTemplate},
		{post, prj + "/templates/{template}/versions/{version}/state", authz.TemplateWrite, (*server).setTemplateState},
		{post, prj + "/templates/{template}/versions/{version}/delete", authz.TemplateWrite, (*server).deleteTemplate},
		{post, prj + "/templates/{template}/delete", authz.TemplateWrite, (*server).deleteTemplate},
		{post, prj + "/templates/{template}/share", authz.TemplateShare, (*server).shareTemplate},
		{get, prj + "/templates/{template}", authz.TemplateRead, (*server).templatePage},
		{get, rts, authz.TemplateSourceRead, (*server).resourceTemplates},
		{post, rts, authz.TemplateWrite, (*server).createResourceTemplate},
		{get, rts + "/new", authz.TemplateWrite, (*server).newResourceTemplate},
		{get, rt, authz.TemplateSourceRead, (*server).resourceTemplatePage},
		{get, rt + "/compare", authz.TemplateSourceRead, (*server).compareResourceTemplate},
		{get, rt + "/new-version", authz.TemplateWrite, (*server).newResourceVersion},
		{post, rt + "/new-version", authz.TemplateWrite, (*server).createResourceVersion},
		{post, rt + "/delete", authz.TemplateWrite, (*server).deleteResourceTemplate},
		{post, rt + "/share", authz.TemplateShare, (*server).shareResourceTemplate},
		{get, rtv, authz.TemplateSourceRead, (*server).resourceTemplatePage},
		{get, rtv + "/code", authz.TemplateSourceRead, (*server).resourceTemplateCode},
		{get, rtv + "/yaml", authz.TemplateSourceRead, (*server).resourceTemplateYAML},
		{get, rtv + "/download", authz.TemplateSourceRead, (*server).downloadResourceTemplate},
		{get, rtv + "/edit", authz.TemplateWrite, (*server).editResourceVersion},
		{post, rtv + "/edit", authz.TemplateWrite, (*server).saveResourceVersion},
		{post, rtv + "/state", authz.TemplateWrite, (*server).setResourceState},
		{post, rtv + "/delete", authz.TemplateWrite, (*server).deleteResourceVersion},
		{get, prj + "/contexts", authz.ContextRead, (*server).contexts},
		{post, prj + "/contexts", authz.ContextWrite, (*server).createContext},
		{get, prj + "/contexts/new", authz.ContextWrite, (*server).newContext},
		{get, prj + "/contexts/{context}", authz.ContextRead, (*server).contextPage},
		{post, prj + "/contexts/{context}", authz.ContextWrite, (*server).saveContext},
		{post, prj + "/contexts/{context}/delete", authz.ContextWrite, (*server).deleteContext},
		{post, prj + "/contexts/{context}/share", authz.TemplateShare, (*server).shareContext},
		{get, prj + "/static-resources", authz.ContextRead, (*server).statics},
		{post, prj + "/static-resources", authz.ContextWrite, (*server).createStatic},
		{get, prj + "/static-resources/new", authz.ContextWrite, (*server).newStatic},
		{get, prj + "/static-resources/{static}", authz.ContextRead, (*server).staticPage},
		{post, prj + "/static-resources/{static}", authz.ContextWrite, (*server).saveStatic},
		{post, prj + "/static-resources/{static}/delete", authz.ContextWrite, (*server).deleteStatic},
		{post, prj + "/static-resources/{static}/share", authz.TemplateShare, (*server).shareStatic},
		{get, prj + "/settings/members", authz.MemberRead, (*server).members},
		{post, prj + "/settings/members", authz.MemberWrite, (*server).addMember},
		{post, prj + "/settings/members/{binding}/remove", authz.MemberWrite, (*server).removeMember},
		{get, prj + "/settings/repositories", authz.RepositoryRead, (*server).repositories},
		{post, prj + "/settings/repositories", authz.RepositoryWrite, (*server).createRepository},
		{get, prj + "/settings/repositories/new", authz.RepositoryWrite, (*server).newRepository},
		{get, prj + "/settings/repositories/{repository}", authz.RepositoryRead, (*server).repositoryPage},
		{post, prj + "/settings/repositories/{repository}", authz.RepositoryWrite, (*server).saveRepository},
		{post, prj + "/settings/repositories/{repository}/test", authz.RepositoryRead, (*server).testRepository},
		{post, prj + "/settings/repositories/{repository}/delete", authz.RepositoryWrite, (*server).deleteRepository},
		{get, prj + "/settings/sharing", authz.MemberRead, (*server).projectSharing},
		{post, prj + "/settings/sharing", authz.TemplateShare, (*server).setProjectSharing},
		{get, prj + "/settings/audit", authz.AuditRead, (*server).auditLog},
		{get, prj + "/settings/audit/export", authz.AuditRead, (*server).auditExport},

		{get, prj + "/environments", authz.EnvironmentRead, (*server).environments},
		{post, prj + "/environments", authz.EnvironmentCreate, (*server).createEnvironment},
		{post, prj + "/environments/check", authz.TemplateRead, (*server).checkNew},
		{get, prj + "/environments/new", authz.EnvironmentRead, (*server).newEnvironment},
		{get, env, authz.EnvironmentRead, (*server).environmentPage},
		{get, env + "/{tab}", authz.EnvironmentRead, (*server).environmentPage},
		{get, env + "/events", authz.EnvironmentRead, (*server).environmentEvents},
		{get, env + "/endpoint", authz.EnvironmentRead, (*server).endpoint},
		{post, env + "/inputs", authz.EnvironmentUpdate, (*server).saveInputs},
		{post, env + "/inputs/check", authz.EnvironmentUpdate, (*server).checkInputs},
		{post, env + "/inputs/{variable}/remove", authz.EnvironmentUpdate, (*server).removeInput},
		{post, env + "/resources/{resource}/outputs/{output}", authz.OutputSensitive, (*server).revealOutput},
		{post, env + "/version", authz.EnvironmentUpdate, (*server).setVersion},
		{post, env + "/deploy", authz.EnvironmentDeploy, (*server).deploy},
		{post, env + "/retry", authz.EnvironmentDeploy, (*server).retry},
		{post, env + "/plan", authz.EnvironmentDeploy, (*server).startPlan},
		{post, env + "/destroy", authz.EnvironmentDestroy, (*server).destroy},
		{post, env + "/delete", authz.EnvironmentDelete, (*server).deleteEnvironment},

		{get, rn, authz.RunRead, (*server).runPage},
		{get, rn + "/events", authz.RunRead, (*server).runEvents},
		{get, rn + "/plan", authz.RunRead, (*server).planPage},
		{get, rn + "/log/{step}", authz.RunLogRead, (*server).rawLog},
		{get, rn + "/log/{step}/earlier", authz.RunLogRead, (*server).earlierLog},
		{post, rn + "/cancel", authz.RunCancel, (*server).cancelRun},
	}
}
