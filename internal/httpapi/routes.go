package httpapi

import (
	"net/http"

	"github.com/berthdev/berth/internal/authz"
)

// byKind is said of operations on every kind of object.
const byKind = "That is so for environments; for another kind it is the permission of that kind."

// sourceToo is said of comparisons.
const sourceToo = "Code and settings are compared for those with the permission template.source.read; others see the inputs."

// routes is every operation of the API.
func (s *server) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete

		prj = "/projects/{project}"
		env = prj + "/environments/{environment}"
		rn  = env + "/runs/{number}"

		rt        = prj + "/resource-templates/{name}"
		rtVersion = rt + "/versions/{version}"
		et        = prj + "/environment-templates/{name}"
		etVersion = et + "/versions/{version}"
	)
	return []route{
		op(post, "/sessions", anyone, "sessions", "Sign in", (*server).signIn),
		op(del, "/sessions/current", anyUser, "sessions", "Sign out", (*server).signOut),
		op(get, "/me", anyUser, "sessions", "The signed-in user and their roles", (*server).me),

		op(get, "/users", authz.UserRead, "users", "List the users", (*server).listUsers),
		op(post, "/users", authz.UserWrite, "users", "Create a user", (*server).createUser),
		op(put, "/users/{email}/password", authz.UserWrite, "users", "Reset a user's password", (*server).resetPassword),
		op(post, "/grants", authz.UserWrite, "users", "Give a role in the whole organisation", (*server).grantEverywhere),

		op(get, "/projects", authz.ProjectRead, "projects", "List your projects", (*server).listProjects),
		op(post, "/projects", authz.ProjectCreate, "projects", "Create a project", (*server).createProject),
		op(put, prj+"/sharing-delegation", authz.TemplateShare, "projects", "Let a project's admins share what it owns, or no longer", (*server).delegateSharing),
		op(get, prj+"/members", authz.MemberRead, "projects", "List who holds which role in a project", (*server).listMembers),
		op(post, prj+"/grants", authz.MemberWrite, "projects", "Give a role in a project", (*server).grant),
		op(get, prj+"/audit", authz.AuditRead, "projects", "List who did what, newest first", (*server).listAudit),

		op(get, prj+"/templates", authz.TemplateRead, "templates", "List environment templates", (*server).listTemplates),
		op(get, prj+"/templates/{template}/versions/{version}", authz.TemplateRead, "templates", "Show a version and the inputs it asks for", (*server).getTemplate),
		op(post, prj+"/templates/{template}/versions/{version}/validate", authz.TemplateRead, "templates", "Check values against a version; makes nothing", (*server).validateInputs).asking(),
		stream(prj+"/templates/{template}/versions/{version}/source", authz.TemplateSourceRead, "templates",
			"Download the code behind a version (.tar.zst of each resource)", "application/zstd", (*server).templateSource),

		op(get, prj+"/contexts", authz.ContextRead, "contexts", "List config contexts", (*server).listContexts),
		op(get, prj+"/contexts/{name}", authz.ContextRead, "contexts", "Show a config context", (*server).getContext),
		op(del, prj+"/contexts/{name}", authz.ContextWrite, "contexts", "Delete a config context", (*server).deleteContext),
		op(put, prj+"/contexts/{name}", authz.ContextWrite, "contexts", "Create or change a config context", (*server).setContext),

		op(post, prj+"/sources", authz.TemplateWrite, "sources", "Upload the code of a module", (*server).upload).uploading(),
		op(get, prj+"/sources/{digest}", authz.TemplateWrite, "sources", "Show an upload, so that it need not be sent again", (*server).getUpload),
		op(post, prj+"/sources/read", authz.TemplateWrite, "sources", "Read and check what a source holds; saves nothing", (*server).readSource).asking(),
		op(post, prj+"/repositories/{name}/test", authz.RepositoryRead, "sources", "Try whether a repository can be read", (*server).testRepository).asking(),

		op(post, rtVersion+"/state", authz.TemplateWrite, "authoring", "Activate or disable a version of a resource template", (*server).setResourceState),
		stream(rtVersion+"/source", authz.TemplateSourceRead, "authoring", "Download the code of a resource template (.tar.zst)", "application/zstd", (*server).resourceSource).
			noted("What was uploaded for it; without an upload, the code it runs."),
		op(get, rt+"/compare", authz.TemplateRead, "authoring", "Compare two versions of a resource template", (*server).compareResource).noted(sourceToo),
		op(get, rt+"/users", authz.TemplateSourceRead, "authoring", "List what uses each version of a resource template", (*server).resourceUsers),
		op(post, etVersion+"/state", authz.TemplateWrite, "authoring", "Activate or disable a version of an environment template", (*server).setEnvironmentState),
		op(get, et+"/compare", authz.TemplateRead, "authoring", "Compare two versions of an environment template", (*server).compareEnvironment).noted(sourceToo),
		op(get, et+"/users", authz.TemplateSourceRead, "authoring", "List what uses each version of an environment template", (*server).environmentUsers),

		op(post, "/apply", anyUser, "manifests", "Apply documents that name their projects, or describe what is the organisation's", (*server).applyAnywhere).large(applyLimit, applyTime).
			noted("What each document needs is decided document by document."),
		op(post, prj+"/apply", authz.ProjectRead, "manifests", "Apply documents", (*server).apply).large(applyLimit, applyTime).
			noted("What each document needs is decided document by document."),
		op(get, prj+"/manifests/{kind}", authz.EnvironmentRead, "manifests", "List the objects of a kind", (*server).listManifests).noted(byKind),
		op(get, prj+"/manifests/{kind}/{name}", authz.EnvironmentRead, "manifests", "Export an object as a document", (*server).getManifest).noted(byKind),
		op(del, prj+"/manifests/{kind}/{name}", authz.EnvironmentDelete, "manifests", "Delete an object", (*server).deleteManifest).noted(byKind),
		op(get, prj+"/manifests/{kind}/{name}/sharing", authz.ContextRead, "manifests", "Tell with which projects an object is shared", (*server).getSharing).
			noted("That is so for config contexts and static resources; for templates it is template.source.read or template.share.delegated."),
		op(put, prj+"/manifests/{kind}/{name}/sharing", authz.TemplateShare, "manifests", "Set with which projects an object is shared", (*server).setSharing).
			noted("Where sharing is delegated to the admins of the project, it is template.share.delegated."),
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
