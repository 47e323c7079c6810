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
	ExpiresAt time.Time `json:"expires_at"`
	User      User      `json:"user"`
}

// SignIn asks for a session.
type SignIn struct {
	Email    string `json:"email" maxLength:"254" example:"developer@example.com"`
	Password string `json:"password" maxLength:"1024"`
}

// User is a person who can sign in.
type User struct {
	ID       string    `json:"id"`
	Email    string    `json:"email"`
	Name     string    `json:"name,omitempty"`
	Disabled bool      `json:"disabled,omitempty"`
	Roles    []Binding `json:"roles,omitempty" doc:"Only for the signed-in user."`
}

// Binding is a role held in a project, or in the whole organisation.
type Binding struct {
	Role    string `json:"role" example:"environment_template_user"`
	Project string `json:"project,omitempty" doc:"Empty means the whole organisation."`
}

// CreateUser asks for a new user.
type CreateUser struct {
	Email    string `json:"email" maxLength:"254"`
	Name     string `json:"name,omitempty" maxLength:"100"`
	Password string `json:"password" maxLength:"1024"`
}

// ResetPassword sets a user's password and ends their sessions.
type ResetPassword struct {
	Password string `json:"password" maxLength:"1024"`
}

// Project is the boundary for members and environments.
type Project struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

// CreateProject asks for a new project.
type CreateProject struct {
	Name        string `json:"name" maxLength:"40"`
	Description string `json:"description,omitempty" maxLength:"500"`
}

// Grant gives a role in a project to a user or a group.
type Grant struct {
	Role  string `json:"role"`
	User  string `json:"user,omitempty" doc:"E-mail address; give either user or group."`
	Group string `json:"group,omitempty" doc:"Group name; it is made when there is none."`
}

// Variable is an input value of an environment.
type Variable struct {
	Name      string  `json:"name" maxLength:"128"`
	ValueType string  `json:"value_type,omitempty" enum:"text,expression,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *string `json:"value,omitempty" maxLength:"1048576" doc:"Left out in answers when the variable is sensitive; left out in an update it keeps the value it has."`
	Sensitive bool    `json:"sensitive,omitempty" readOnly:"true"`
}

// CreateEnvironment asks for a new environment, a draft.
type CreateEnvironment struct {
	Name      string     `json:"name" maxLength:"200" example:"ecs-1"`
	Template  string     `json:"template" maxLength:"200" example:"ecs"`
	Version   string     `json:"version,omitempty" maxLength:"200" doc:"The newest active one when left out."`
	Variables []Variable `json:"variables,omitempty" maxItems:"500"`
}

// UpdateEnvironment changes what the next deploy will use. What is left out stays.
type UpdateEnvironment struct {
	Version   *string     `json:"version,omitempty" maxLength:"200"`
	Variables *[]Variable `json:"variables,omitempty" maxItems:"500" doc:"Replaces all variables."`
}

// Environment is one instance of an environment template version.
type Environment struct {
	ID          string    `json:"id"`
	Project     string    `json:"project"`
	Name        string    `json:"name"`
	UniqueName  string    `json:"unique_name"`
	Template    string    `json:"template"`
	Version     string    `json:"version"`
	Status      string    `json:"status" enum:"draft,queued,deploying,deployed,failed,destroying,destroyed"`
	StatusSince time.Time `json:"status_since"`
	// Cause says in one sentence why Status is failed, or why it is queued.
	Cause      string     `json:"cause,omitempty"`
	Endpoint   string     `json:"endpoint,omitempty" doc:"The address to open, once there is one."`
	Owner      string     `json:"owner"`
	Sandbox    bool       `json:"sandbox,omitempty" doc:"It was made in the sandbox on the server, not in a cloud."`
	Variables  []Variable `json:"variables,omitempty" doc:"Left out in lists."`
	Resources  []Resource `json:"resources,omitempty" doc:"Left out in lists."`
	LastRun    *Run       `json:"last_run,omitempty" doc:"The newest deploy or destroy, without its steps."`
	Revision   int        `json:"revision" doc:"The entity tag: send it as If-Match with an update."`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	DeployedAt *time.Time `json:"deployed_at,omitempty"`
}

// Resource is one node of an environment.
type Resource struct {
	Name    string    `json:"name"`
	Status  string    `json:"status" enum:"new,deployed,failed,destroyed"`
	Objects int       `json:"objects" doc:"How many objects its newest state holds."`
	InDoubt []InDoubt `json:"in_doubt,omitempty" doc:"Objects that may exist and that no state holds."`
}

// InDoubt is an object whose fate could not be told.
type InDoubt struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	ID      string `json:"id,omitempty"`
	Reason  string `json:"reason"`
}

// Output is one output value of a resource.
type Output struct {
	Value     json.RawMessage `json:"value,omitempty" doc:"Left out when it is sensitive and you may not see it."`
	Type      json.RawMessage `json:"type,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// Outputs are the outputs of an environment, by resource and name.
type Outputs map[string]map[string]Output

// Run is one execution against an environment.
type Run struct {
	ID              string     `json:"id"`
	Environment     string     `json:"environment,omitempty"`
	Number          int        `json:"number"`
	Kind            string     `json:"kind" enum:"deploy,destroy,plan"`
	Status          string     `json:"status" enum:"queued,running,succeeded,failed,canceled"`
	CancelRequested bool       `json:"cancel_requested,omitempty"`
	Cause           string     `json:"cause,omitempty" doc:"Why it failed, or why it waits, in one sentence."`
	CreatedBy       string     `json:"created_by,omitempty"`
	CreatedAt       time.Time  `json:"created_at"`
	StartedAt       *time.Time `json:"started_at,omitempty"`
	FinishedAt      *time.Time `json:"finished_at,omitempty"`
	Steps           []Step     `json:"steps,omitempty"`
}

// Step is one resource inside a run.
type Step struct {
	ID          string       `json:"id"`
	Resource    string       `json:"resource"`
	Action      string       `json:"action" enum:"apply,destroy,plan"`
	Status      string       `json:"status" enum:"pending,ready,running,succeeded,failed,skipped,canceled"`
	Phase       string       `json:"phase,omitempty"`
	Attempt     int          `json:"attempt"`
	Cause       string       `json:"cause,omitempty"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
	Added       int          `json:"added"`
	Changed     int          `json:"changed"`
	Destroyed   int          `json:"destroyed"`
	Tool        string       `json:"tool,omitempty"`
	StartedAt   *time.Time   `json:"started_at,omitempty"`
	FinishedAt  *time.Time   `json:"finished_at,omitempty"`
	Objects     []Object     `json:"objects,omitempty"`
}

// Diagnostic is an error or warning.
type Diagnostic struct {
	Source   string   `json:"source,omitempty" enum:"application" doc:"application when it tells why the application does not start; empty for OpenTofu's own."`
	Severity string   `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Address  string   `json:"address,omitempty"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Try      []string `json:"try,omitempty" doc:"What can be done about it."`
}

// Object is the progress of one object of a module.
type Object struct {
	Address    string     `json:"address"`
	Type       string     `json:"type"`
	Action     string     `json:"action"`
	Status     string     `json:"status" enum:"planned,started,finished,errored"`
	ID         string     `json:"id,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// Change is what a plan would do to one object.
type Change struct {
	Resource   string            `json:"resource"`
	Address    string            `json:"address"`
	Type       string            `json:"type"`
	Action     string            `json:"action" enum:"create,read,update,replace,delete,forget"`
	Attributes []AttributeChange `json:"attributes,omitempty"`
}

// AttributeChange is one attribute before and after. A sensitive value is left out on both sides.
type AttributeChange struct {
	Path      string          `json:"path"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Unknown   bool            `json:"unknown,omitempty" doc:"Known only after it was applied."`
	Sensitive bool            `json:"sensitive,omitempty"`
	Replaces  bool            `json:"replaces,omitempty" doc:"This change makes a new object necessary."`
}

// Plan is what a plan run found.
type Plan struct {
	Changes []Change `json:"changes"`
	// Waiting names resources about which nothing can be said before what they depend on exists.
	Waiting []string `json:"waiting,omitempty"`
}

// Template is an environment template as developers see it.
type Template struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"display_name,omitempty"`
	Summary     string   `json:"summary,omitempty"`
	Category    string   `json:"category,omitempty"`
	Versions    []string `json:"versions" doc:"Active versions, newest first."`
	Latest      string   `json:"latest,omitempty"`
}

// TemplateVersion is a version of an environment template and what it asks a developer for.
type TemplateVersion struct {
	Template  string          `json:"template"`
	Version   string          `json:"version"`
	State     string          `json:"state" enum:"draft,active,disabled"`
	Summary   string          `json:"summary,omitempty"`
	Readme    string          `json:"readme,omitempty"`
	Resources []TemplateNode  `json:"resources"`
	Schema    json.RawMessage `json:"schema" doc:"JSON Schema of the inputs."`
}

// TemplateNode is a resource of an environment template.
type TemplateNode struct {
	Name      string   `json:"name"`
	DependsOn []string `json:"depends_on,omitempty"`
}

// Context is a config context. Values of sensitive items are never given.
type Context struct {
	Name      string            `json:"name"`
	Sandbox   bool              `json:"sandbox,omitempty"`
	Env       []ContextItem     `json:"env,omitempty"`
	Files     []ContextFile     `json:"files,omitempty"`
	Variables []ContextVariable `json:"variables,omitempty"`
	UpdatedAt time.Time         `json:"updated_at" readOnly:"true"`
}

// ContextItem is an environment variable of a context.
type ContextItem struct {
	Name      string  `json:"name"`
	Value     *string `json:"value,omitempty" doc:"Left out in answers when sensitive; left out in a request it keeps the value it has."`
	Sensitive bool    `json:"sensitive,omitempty"`
}

// ContextFile is a file of a context.
type ContextFile struct {
	Path      string `json:"path"`
	Content   []byte `json:"content,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// ContextVariable is an input variable of a context.
type ContextVariable struct {
	Name      string  `json:"name"`
	ValueType string  `json:"value_type,omitempty" enum:"text,expression,json,hcl"`
	Value     *string `json:"value,omitempty"`
	Sensitive bool    `json:"sensitive,omitempty"`
}

// AuditEntry is one line of the audit log. Secret values are never in it.
type AuditEntry struct {
	ID         string          `json:"id"`
	At         time.Time       `json:"at"`
	Actor      string          `json:"actor"`
	Action     string          `json:"action"`
	ObjectKind string          `json:"object_kind,omitempty"`
	Object     string          `json:"object,omitempty"`
	Outcome    string          `json:"outcome" enum:"succeeded,failed,refused"`
	Client     string          `json:"client,omitempty"`
	IP         string          `json:"ip,omitempty"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Send it as cursor to get the next page."`
}
