// Package api is Berth's public wire contract: the types of /api/v1, the codes of its errors, and a Go client that the
// command line, agents and tests use. It knows nothing of how the server is built.
package api

import (
	"encoding/json"
	"time"
)

// Prefix is where the API lives on a server.
const Prefix = "/api/v1"

// Session is what signing in gives.
type Session struct {
	Token     string    `json:"token" doc:"Send it as Authorization: Bearer. It is shown once."`
	ExpiresAt time.Time `json:"expires_at" doc:"When it ends unless it is used; signing out ends it at once."`
	User      User      `json:"user" doc:"Who has signed in."`
}

// SignIn asks for a session.
type SignIn struct {
	Email    string `json:"email" maxLength:"254" example:"developer@example.com" doc:"Address of the user."`
	Password string `json:"password" maxLength:"1024" doc:"Their password."`
}

// User is a person who can sign in.
type User struct {
	ID       string    `json:"id" doc:"Identifier; it never changes."`
	Email    string    `json:"email" doc:"Address they sign in with."`
	Name     string    `json:"name,omitempty" doc:"Full name."`
	Disabled bool      `json:"disabled,omitempty" doc:"They cannot sign in."`
	Roles    []Binding `json:"roles,omitempty" doc:"Only for the signed-in user."`
}

// Binding is a role held in a project, or in the whole organisation.
type Binding struct {
	Role    string `json:"role" example:"environment_template_user" doc:"organisation_admin, organisation_read_only, project_admin, infrastructure_admin, environment_template_user or read_only."`
	Project string `json:"project,omitempty" doc:"Empty means the whole organisation."`
}

// CreateUser asks for a new user.
type CreateUser struct {
	Email    string `json:"email" maxLength:"254" doc:"Address they will sign in with."`
	Name     string `json:"name,omitempty" maxLength:"100" doc:"Full name."`
	Password string `json:"password" maxLength:"1024" doc:"First password; at least 12 characters."`
}

// ResetPassword sets a user's password and ends their sessions.
type ResetPassword struct {
	Password string `json:"password" maxLength:"1024" doc:"New password; at least 12 characters."`
}

// Project is the boundary for members and environments.
type Project struct {
	ID               string    `json:"id" doc:"Identifier; it never changes."`
	Name             string    `json:"name" doc:"Name, as paths use it."`
	Description      string    `json:"description,omitempty" doc:"What it is for."`
	SharingDelegated bool      `json:"sharing_delegated,omitempty" doc:"Its admins may share what it owns."`
	CreatedAt        time.Time `json:"created_at" doc:"When it was made."`
}

// CreateProject asks for a new project.
type CreateProject struct {
	Name        string `json:"name" maxLength:"40" doc:"Lower-case letters, digits and hyphens, starting with a letter."`
	Description string `json:"description,omitempty" maxLength:"500" doc:"What it is for."`
}

// Grant gives a role in a project to a user or a group.
type Grant struct {
	Role  string `json:"role" doc:"project_admin, infrastructure_admin, environment_template_user or read_only; in the whole organisation also organisation_admin and organisation_read_only."`
	User  string `json:"user,omitempty" doc:"E-mail address; give either user or group."`
	Group string `json:"group,omitempty" doc:"Group name; it must exist already."`
}

// Variable is an input value of an environment.
type Variable struct {
	Name      string  `json:"name" maxLength:"128" doc:"Name of the input variable."`
	ValueType string  `json:"value_type,omitempty" enum:"text,expression,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *string `json:"value,omitempty" maxLength:"1048576" doc:"Left out in answers when the variable is sensitive; left out in an update it keeps the value it has."`
	Sensitive bool    `json:"sensitive,omitempty" readOnly:"true" doc:"The template marks it as sensitive: its value is never given."`
}

// CreateEnvironment asks for a new environment, a draft.
type CreateEnvironment struct {
	Name      string     `json:"name" maxLength:"200" example:"ecs-1" doc:"At most 40 lower-case letters, digits and hyphens, starting with a letter; new in the project."`
	Template  string     `json:"template" maxLength:"200" example:"ecs" doc:"Name of an environment template of the catalog."`
	Version   string     `json:"version,omitempty" maxLength:"200" doc:"A version to stay with; when left out, each deploy uses the newest active one."`
	Variables []Variable `json:"variables,omitempty" maxItems:"500" doc:"Values of the inputs; what is left out has the default of the template."`
	// Key travels as a header. The same request with the same key makes one environment, however often it is sent.
	Key string `json:"-"`
}

// UpdateEnvironment changes what the next deploy will use. What is left out stays.
type UpdateEnvironment struct {
	Version *string `json:"version,omitempty" maxLength:"200" doc:"Version of the template to stay with; empty is the same as follow_latest."`
	// FollowLatest is for those who name no version.
	FollowLatest *bool       `json:"follow_latest,omitempty" doc:"With true, each deploy uses the newest active version of the template; with false, the environment stays with the version it has."`
	Variables    *[]Variable `json:"variables,omitempty" maxItems:"500" doc:"Replaces all variables."`
}

// Environment is one instance of an environment template version.
type Environment struct {
	ID           string    `json:"id" doc:"Identifier; it never changes."`
	Project      string    `json:"project" doc:"Name of its project."`
	Name         string    `json:"name" doc:"Name in the project."`
	UniqueName   string    `json:"unique_name" doc:"Name with a random ending that names in the cloud begin with."`
	Template     string    `json:"template" doc:"Name of its environment template."`
	Version      string    `json:"version" doc:"Version of the template that the next deploy uses; of one that follows the newest, the version it was last saved or deployed with."`
	FollowLatest bool      `json:"follow_latest" doc:"Each deploy uses the newest active version of the template."`
	Status       string    `json:"status" enum:"draft,queued,deploying,deployed,failed,destroying,destroyed" doc:"Follows from its newest deploy or destroy."`
	StatusSince  time.Time `json:"status_since" doc:"When the status began."`
	// Cause says in one sentence why Status is failed, or why it is queued.
	Cause      string     `json:"cause,omitempty" doc:"Why it is failed, or why it is queued, in one sentence."`
	Endpoint   string     `json:"endpoint,omitempty" doc:"The address to open, once there is one."`
	Owner      string     `json:"owner" doc:"Address of who made it."`
	Sandbox    bool       `json:"sandbox,omitempty" doc:"It was made in the sandbox on the server, not in a cloud."`
	Variables  []Variable `json:"variables,omitempty" doc:"Left out in lists."`
	Resources  []Resource `json:"resources,omitempty" doc:"Left out in lists."`
	LastRun    *Run       `json:"last_run,omitempty" doc:"The newest deploy or destroy, without its steps."`
	Revision   int        `json:"revision" doc:"The entity tag: send it as If-Match with an update."`
	CreatedAt  time.Time  `json:"created_at" doc:"When it was made."`
	UpdatedAt  time.Time  `json:"updated_at" doc:"When it was last edited or run."`
	DeployedAt *time.Time `json:"deployed_at,omitempty" doc:"When a deploy last succeeded."`
}

// Resource is one node of an environment.
type Resource struct {
	Name    string    `json:"name" doc:"Name in the template."`
	Status  string    `json:"status" enum:"new,deployed,failed,destroyed" doc:"Follows from its newest step."`
	Objects int       `json:"objects" doc:"How many objects its newest state holds."`
	InDoubt []InDoubt `json:"in_doubt,omitempty" doc:"Objects that may exist and that no state holds."`
}

// InDoubt is an object whose fate could not be told.
type InDoubt struct {
	Address string `json:"address" doc:"Address in the code."`
	Type    string `json:"type" doc:"Type of the provider."`
	ID      string `json:"id,omitempty" doc:"Identifier in the cloud, when known."`
	Reason  string `json:"reason" doc:"Why its fate is not known, and what to do."`
}

// Output is one output value of a resource.
type Output struct {
	Value     json.RawMessage `json:"value,omitempty" doc:"Left out when it is sensitive and you may not see it."`
	Type      json.RawMessage `json:"type,omitempty" doc:"Type as OpenTofu writes it."`
	Sensitive bool            `json:"sensitive,omitempty" doc:"The template marks it as sensitive."`
}

// Outputs are the outputs of an environment, by resource and name.
type Outputs map[string]map[string]Output

// Run is one execution against an environment.
type Run struct {
	ID              string     `json:"id" doc:"Identifier; it never changes."`
	Environment     string     `json:"environment,omitempty" doc:"Name of its environment; in lists only."`
	Number          int        `json:"number" doc:"Counts the runs of one environment from 1."`
	Kind            string     `json:"kind" enum:"deploy,destroy,plan" doc:"What it does."`
	Status          string     `json:"status" enum:"queued,running,succeeded,failed,canceled" doc:"Where it stands."`
	CancelRequested bool       `json:"cancel_requested,omitempty" doc:"Somebody has asked it to stop."`
	Cause           string     `json:"cause,omitempty" doc:"Why it failed, or why it waits, in one sentence."`
	CreatedBy       string     `json:"created_by,omitempty" doc:"Address of who started it."`
	CreatedAt       time.Time  `json:"created_at" doc:"When it was asked for."`
	StartedAt       *time.Time `json:"started_at,omitempty" doc:"When its first step began."`
	FinishedAt      *time.Time `json:"finished_at,omitempty" doc:"When it ended; left out while it has not."`
	Steps           []Step     `json:"steps,omitempty" doc:"One per resource, in the order of the graph; left out in lists."`
}

// Step is one resource inside a run.
type Step struct {
	ID          string       `json:"id" doc:"Identifier; it never changes."`
	Resource    string       `json:"resource" doc:"Name of the resource it works on."`
	Action      string       `json:"action" enum:"apply,destroy,plan" doc:"What it does to the resource."`
	Status      string       `json:"status" enum:"pending,ready,running,succeeded,failed,skipped,canceled" doc:"Where it stands."`
	Phase       string       `json:"phase,omitempty" doc:"What a running step is doing: fetch, init, plan, apply and so on."`
	Attempt     int          `json:"attempt" doc:"Counts the tries; 0 while it has not been started."`
	Cause       string       `json:"cause,omitempty" doc:"Why it failed or was skipped, in one sentence."`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty" doc:"Errors and warnings of OpenTofu."`
	Added       int          `json:"added" doc:"Objects made."`
	Changed     int          `json:"changed" doc:"Objects changed in place."`
	Destroyed   int          `json:"destroyed" doc:"Objects removed."`
	Tool        string       `json:"tool,omitempty" doc:"Program and version that carried it out."`
	StartedAt   *time.Time   `json:"started_at,omitempty" doc:"When its newest try began."`
	FinishedAt  *time.Time   `json:"finished_at,omitempty" doc:"When it ended."`
	Objects     []Object     `json:"objects,omitempty" doc:"Progress, object by object."`
}

// Diagnostic is an error or warning.
type Diagnostic struct {
	Source   string   `json:"source,omitempty" enum:"application" doc:"application when it tells why the application does not start; empty for OpenTofu's own."`
	Severity string   `json:"severity" doc:"error or warning."`
	Summary  string   `json:"summary" doc:"What is wrong, in a few words."`
	Detail   string   `json:"detail,omitempty" doc:"More about it."`
	Address  string   `json:"address,omitempty" doc:"Address of the object it is about."`
	File     string   `json:"file,omitempty" doc:"File of the module it points to."`
	Line     int      `json:"line,omitempty" doc:"Line in that file."`
	Try      []string `json:"try,omitempty" doc:"What can be done about it."`
}

// Object is the progress of one object of a module.
type Object struct {
	Address    string     `json:"address" doc:"Address in the code."`
	Type       string     `json:"type" doc:"Type of the provider."`
	Action     string     `json:"action" doc:"create, update, delete and so on."`
	Status     string     `json:"status" enum:"planned,started,finished,errored" doc:"Where it stands."`
	ID         string     `json:"id,omitempty" doc:"Identifier in the cloud, once known."`
	StartedAt  *time.Time `json:"started_at,omitempty" doc:"When work on it began."`
	FinishedAt *time.Time `json:"finished_at,omitempty" doc:"When work on it ended."`
}

// Change is what a plan would do to one object.
type Change struct {
	Resource   string            `json:"resource" doc:"Name of the resource of the template."`
	Address    string            `json:"address" doc:"Address in the code."`
	Type       string            `json:"type" doc:"Type of the provider."`
	Action     string            `json:"action" enum:"create,read,update,replace,delete,forget" doc:"What would happen to it."`
	Attributes []AttributeChange `json:"attributes,omitempty" doc:"The attributes that differ."`
}

// AttributeChange is one attribute before and after. A sensitive value is left out on both sides.
type AttributeChange struct {
	Path      string          `json:"path" doc:"Path of the attribute."`
	Before    json.RawMessage `json:"before,omitempty" doc:"Value now."`
	After     json.RawMessage `json:"after,omitempty" doc:"Value afterwards."`
	Unknown   bool            `json:"unknown,omitempty" doc:"Known only after it was applied."`
	Sensitive bool            `json:"sensitive,omitempty" doc:"Its values are not given."`
	Replaces  bool            `json:"replaces,omitempty" doc:"This change makes a new object necessary."`
}

// Plan is what a plan run found.
type Plan struct {
	Changes []Change `json:"changes" doc:"What would change; empty when nothing would."`
	// Waiting names resources about which nothing can be said before what they depend on exists.
	Waiting []string `json:"waiting,omitempty" doc:"Resources about which nothing can be said before what they depend on exists."`
}

// Template is an environment template as developers see it.
type Template struct {
	Name        string   `json:"name" doc:"Name, as paths use it."`
	DisplayName string   `json:"display_name,omitempty" doc:"Name for people."`
	Summary     string   `json:"summary,omitempty" doc:"What it makes, in one sentence."`
	Category    string   `json:"category,omitempty" doc:"Heading it stands under in the catalog."`
	Versions    []string `json:"versions" doc:"Active versions, newest first."`
	Latest      string   `json:"latest,omitempty" doc:"The version that a new environment gets when none is asked for."`
}

// TemplateVersion is a version of an environment template and what it asks a developer for.
type TemplateVersion struct {
	Template  string          `json:"template" doc:"Name of the template."`
	Version   string          `json:"version" doc:"Name of the version."`
	State     string          `json:"state" enum:"draft,active,disabled" doc:"Only active versions can be chosen."`
	Summary   string          `json:"summary,omitempty" doc:"What it makes, in one sentence."`
	Readme    string          `json:"readme,omitempty" doc:"Description in Markdown."`
	Resources []TemplateNode  `json:"resources" doc:"Its graph."`
	Schema    json.RawMessage `json:"schema" doc:"JSON Schema of the inputs."`
}

// TemplateNode is a resource of an environment template.
type TemplateNode struct {
	Name      string   `json:"name" doc:"Name of the resource."`
	DependsOn []string `json:"depends_on,omitempty" doc:"Resources that are made before it."`
}

// Context is a config context. Values of sensitive items are never given.
type Context struct {
	Name      string            `json:"name" doc:"Name; the one in the path decides."`
	Sandbox   bool              `json:"sandbox,omitempty" doc:"It points at the sandbox on the server."`
	Env       []ContextItem     `json:"env,omitempty" doc:"Environment variables of the steps."`
	Files     []ContextFile     `json:"files,omitempty" doc:"Files of the steps."`
	Variables []ContextVariable `json:"variables,omitempty" doc:"Input variables of the modules."`
	UpdatedAt time.Time         `json:"updated_at" readOnly:"true" doc:"When it was last changed."`
}

// ContextItem is an environment variable of a context.
type ContextItem struct {
	Name      string  `json:"name" doc:"Name of the environment variable."`
	Value     *string `json:"value,omitempty" doc:"Left out in answers when sensitive; left out in a request it keeps the value it has."`
	Sensitive bool    `json:"sensitive,omitempty" doc:"Encrypted, and never shown again."`
}

// ContextFile is a file of a context.
type ContextFile struct {
	Path      string `json:"path" doc:"Path below the working directory of a step."`
	Content   []byte `json:"content,omitempty" doc:"Content in base64; left out in answers when sensitive."`
	Sensitive bool   `json:"sensitive,omitempty" doc:"Encrypted, and never shown again."`
}

// ContextVariable is an input variable of a context.
type ContextVariable struct {
	Name      string  `json:"name" doc:"Name of the input variable."`
	ValueType string  `json:"value_type,omitempty" enum:"text,expression,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *string `json:"value,omitempty" doc:"Left out in answers when sensitive; left out in a request it keeps the value it has."`
	Sensitive bool    `json:"sensitive,omitempty" doc:"Encrypted, and never shown again."`
}

// AuditEntry is one line of the audit log. Secret values are never in it.
type AuditEntry struct {
	ID         string          `json:"id" doc:"Identifier, in the order of time."`
	At         time.Time       `json:"at" doc:"When it happened."`
	Actor      string          `json:"actor" doc:"Who did it."`
	Action     string          `json:"action" doc:"What was done, for example environment.deploy."`
	ObjectKind string          `json:"object_kind,omitempty" doc:"Kind of thing it was done to."`
	Object     string          `json:"object,omitempty" doc:"Name of that thing."`
	Outcome    string          `json:"outcome" enum:"succeeded,failed,refused" doc:"refused means that a role was missing."`
	Client     string          `json:"client,omitempty" doc:"How they came: browser, cli or api."`
	IP         string          `json:"ip,omitempty" doc:"Address they came from."`
	Before     json.RawMessage `json:"before,omitempty" doc:"What it was like before."`
	After      json.RawMessage `json:"after,omitempty" doc:"What it was like afterwards."`
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T    `json:"items" doc:"The entries of this page."`
	Next  string `json:"next,omitempty" doc:"Send it as cursor to get the next page."`
}
