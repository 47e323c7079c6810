package httpapi

import (
	"net/http"

	"github.com/berthdev/berth/internal/authz"
)

// byKind is said of operations on every kind of object.
const byKind = "That is so for environments; for another kind it is the permission of that kind."

// routes is every operation of the API.
func (s *server) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		prj = "/projects/{project}"
		env = prj + "/environments/{environment}"
		rn  = env + "/runs/{number}"
	)
	return []route{
		op(post, "/sessions", anyone, "sessions", "Sign in", (*server).signIn),
		op(del, "/sessions/current", anyUser, "sessions", "Sign out", (*server).signOut),
		op(get, "/me", anyUser, "sessions", "The signed-in user and their roles", (*server).me),

		op(post, "/users", authz.UserWrite, "users", "Create a user", (*server).createUser),
		op(put, "/users/{email}/password", authz.UserWrite, "users", "Reset a user's password", (*server).resetPassword),
		op(post, "/grants", authz.UserWrite, "users", "Give a role in the whole organisation", (*server).grantEverywhere),

		op(get, "/projects", authz.ProjectRead, "projects", "List your projects", (*server).listProjects),
		op(post, "/projects", authz.ProjectCreate, "projects", "Create a project", (*server).createProject),
		op(post, prj+"/grants", authz.MemberWrite, "projects", "Give a role in a project", (*server).grant),
		op(get, prj+"/audit", authz.AuditRead, "projects", "List who did what, newest first", (*server).listAudit),

		op(get, prj+"/templates", authz.TemplateRead, "templates", "List environment templates", (*server).listTemplates),
		op(get, prj+"/templates/{template}/versions/{version}", authz.TemplateRead, "templates", "Show a version and the inputs it asks for", (*server).getTemplate),
		op(post, prj+"/templates/{template}/versions/{version}/validate", authz.TemplateRead, "templates", "Check values against a version; makes nothing", (*server).validateInputs).asking(),
		stream(prj+"/templates/{template}/versions/{version}/source", authz.TemplateSourceRead, "templates",
			"Download the code behind a version (.tar.zst of each resource)", "application/zstd", (*server).templateSource),

		op(get, prj+"/contexts", authz.ContextRead, "contexts", "List config contexts", (*server).listContexts),
		op(put, prj+"/contexts/{name}", authz.ContextWrite, "contexts", "Create or change a config context", (*server).setContext),

		op(post, prj+"/apply", authz.ProjectRead, "manifests", "Apply documents", (*server).apply).large(applyLimit, applyTime).
			noted("What each document needs is decided document by document."),
		op(get, prj+"/manifests/{kind}", authz.EnvironmentRead, "manifests", "List the objects of a kind", (*server).listManifests).noted(byKind),
		op(get, prj+"/manifests/{kind}/{name}", authz.EnvironmentRead, "manifests", "Export an object as a document", (*server).getManifest).noted(byKind),
		op(del, prj+"/manifests/{kind}/{name}", authz.EnvironmentDelete, "manifests", "Delete an object", (*server).deleteManifest).noted(byKind),
		stream("/schemas/{kind}", anyone, "manifests", "The JSON Schema of a kind of document, for editors", "application/schema+json", (*server).schema),

		op(get, prj+"/environments", authz.EnvironmentRead, "environments", "List environments", (*server).listEnvironments),
		taggedOp(post, prj+"/environments", authz.EnvironmentCreate, "environments", "Create an environment, a draft", (*server).createEnvironment),
		taggedOp(get, env, authz.EnvironmentRead, "environments", "Show an environment", (*server).getEnvironment),
		taggedOp(patch, env, authz.EnvironmentUpdate, "environments", "Change an environment", (*server).updateEnvironment),
		op(del, env, authz.EnvironmentDelete, "environments", "Delete a draft or a destroyed environment", (*server).deleteEnvironment),
		op(post, env+"/deploy", authz.EnvironmentDeploy, "environments", "Start a deploy", (*server).deploy),
		op(post, env+"/plan", authz.EnvironmentDeploy, "environments", "Start a plan, which changes nothing", (*server).plan),
		op(post, env+"/retry", authz.EnvironmentDeploy, "environments", "Redo what did not succeed", (*server).retry),
		op(post, env+"/destroy", authz.EnvironmentDestroy, "environments", "Start a destroy", (*server).destroy),
		op(get, env+"/outputs", authz.OutputRead, "environments", "Show outputs, by resource", (*server).outputs),
		stream(env+"/resources/{resource}/state", authz.StateRead, "environments", "Download a resource's state", "application/json", (*server).state),

		op(get, env+"/runs", authz.RunRead, "runs", "List runs, newest first", (*server).listRuns),
		op(get, rn, authz.RunRead, "runs", "Show a run", (*server).getRun),
		op(get, rn+"/plan", authz.RunRead, "runs", "Show what a plan found", (*server).getPlan),
		op(post, rn+"/cancel", authz.RunCancel, "runs", "Ask a run to stop", (*server).cancel),
		stream(rn+"/log", authz.RunLogRead, "runs", "Read a step's log from a byte offset", "text/plain; charset=utf-8", (*server).log),
		stream(rn+"/events", authz.RunRead, "runs", "Follow a run: server-sent events, each the whole run", "text/event-stream", (*server).runEvents),
	}
}
