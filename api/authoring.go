package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Verdict is what trying a repository found out.
type Verdict struct {
	OK            bool     `json:"ok" doc:"The repository can be read."`
	Message       string   `json:"message" doc:"What was found, or what is wrong."`
	Advice        string   `json:"advice,omitempty" doc:"What to do about it."`
	HostKey       string   `json:"host_key,omitempty" doc:"The key of an SSH server that is not trusted yet, to compare before it is added to the known hosts."`
	DefaultBranch string   `json:"default_branch,omitempty" doc:"The branch that is read where none is named."`
	Commit        string   `json:"commit,omitempty" doc:"The commit that is read where none is named."`
	Branches      []string `json:"branches,omitempty" doc:"Branches there are."`
	Tags          []string `json:"tags,omitempty" doc:"Tags there are."`
}

// SetState asks for a version to be in a state.
type SetState struct {
	State string `json:"state" enum:"active,disabled" doc:"An active version can be used and does not change; a disabled one cannot be chosen any more."`
}

// ObjectSharing says which projects may use an object.
type ObjectSharing struct {
	Projects []string `json:"projects" maxItems:"1000" doc:"Names of projects; * means all; empty means that it is not shared."`
}

// SharingDelegation says whether the administrators of a project may share what it owns.
type SharingDelegation struct {
	Delegated bool `json:"delegated" doc:"They may."`
}

// Comparison is what differs between two versions of a template.
type Comparison struct {
	Template     string      `json:"template" doc:"Name of the template."`
	From         string      `json:"from" doc:"The version before."`
	To           string      `json:"to" doc:"The version after."`
	Inputs       []ItemDiff  `json:"inputs" doc:"Inputs of the form that differ."`
	Outputs      []ItemDiff  `json:"outputs,omitempty" doc:"Outputs that differ."`
	Resources    []ItemDiff  `json:"resources,omitempty" doc:"Resources that differ."`
	Variables    []ItemDiff  `json:"variables,omitempty" doc:"Values of the template that differ."`
	Contexts     []ItemDiff  `json:"contexts,omitempty" doc:"Config contexts that differ."`
	Settings     []FieldDiff `json:"settings,omitempty" doc:"Settings that differ."`
	Files        []FileDiff  `json:"files,omitempty" doc:"Files of the code that differ."`
	SourceHidden bool        `json:"source_hidden,omitempty" doc:"Only inputs are compared, because you may not read the source of templates."`
	Truncated    bool        `json:"truncated,omitempty" doc:"There are more files than these."`
}

// ItemDiff is a thing with a name that differs.
type ItemDiff struct {
	Name   string      `json:"name" doc:"Its name."`
	Change string      `json:"change" enum:"added,removed,changed" doc:"What became of it."`
	Fields []FieldDiff `json:"fields,omitempty" doc:"What differs."`
}

// FieldDiff is a property that differs. What is sensitive reads (hidden).
type FieldDiff struct {
	Field  string `json:"field" doc:"The property."`
	Before string `json:"before,omitempty" doc:"What it was."`
	After  string `json:"after,omitempty" doc:"What it is."`
}

// FileDiff is a file that differs.
type FileDiff struct {
	Resource  string `json:"resource,omitempty" doc:"The resource it belongs to, in an environment template."`
	Path      string `json:"path" doc:"Its path."`
	Change    string `json:"change" enum:"added,removed,changed" doc:"What became of it."`
	Unified   string `json:"unified,omitempty" doc:"The difference by line; left out for binary files and for those too large."`
	Binary    bool   `json:"binary,omitempty" doc:"It is no text."`
	Truncated bool   `json:"truncated,omitempty" doc:"The difference is longer than this."`
}

// VersionUsers are the users of a version of a template.
type VersionUsers struct {
	Version string        `json:"version" doc:"Name of the version."`
	Users   []VersionUser `json:"users" doc:"What uses it."`
}

// VersionUser is an environment, or a version of an environment template. Of a hidden one only this is told: that it exists.
type VersionUser struct {
	Kind    string `json:"kind" enum:"environment,environment_template" doc:"What it is."`
	Project string `json:"project,omitempty" doc:"Name of its project."`
	Name    string `json:"name,omitempty" doc:"Its name."`
	Version string `json:"version,omitempty" doc:"The version of the environment template."`
	Status  string `json:"status,omitempty" doc:"The status of the environment."`
	Hidden  bool   `json:"hidden,omitempty" doc:"It is in a project that you may not see."`
}

// Member is who holds a role in a project.
type Member struct {
	User  string    `json:"user,omitempty" doc:"E-mail address of a user."`
	Group string    `json:"group,omitempty" doc:"Name of a group."`
	Role  string    `json:"role" doc:"The role they hold."`
	Since time.Time `json:"since" doc:"When it was given."`
}

// The kinds of template in paths.
const (
	ResourceTemplates    = "resource-templates"
	EnvironmentTemplates = "environment-templates"
)

// TestRepository tries whether a repository can be read.
func (c *Client) TestRepository(ctx context.Context, project, name string) (Verdict, error) {
	var out Verdict
	return out, c.do(ctx, http.MethodPost, path("projects", project, "repositories", name, "test"), nil, &out)
}

// SetState activates or disables a version of a template; kind is ResourceTemplates or EnvironmentTemplates.
func (c *Client) SetState(ctx context.Context, project, kind, name, version, state string) error {
	if err := templateKind(kind); err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path("projects", project, kind, name, "versions", version, "state"), SetState{state}, nil)
}

// Compare tells what differs between two versions of a template.
func (c *Client) Compare(ctx context.Context, project, kind, name, from, to string) (Comparison, error) {
	var out Comparison
	if err := templateKind(kind); err != nil {
		return out, err
	}
	return out, c.do(ctx, http.MethodGet, path("projects", project, kind, name, "compare")+query("from", from, "to", to), nil, &out)
}

// Users tells what uses each version of a template.
func (c *Client) Users(ctx context.Context, project, kind, name string) ([]VersionUsers, error) {
	if err := templateKind(kind); err != nil {
		return nil, err
	}
	var out Page[VersionUsers]
	err := c.do(ctx, http.MethodGet, path("projects", project, kind, name, "users"), nil, &out)
	return out.Items, err
}

func templateKind(kind string) error {
	if kind != ResourceTemplates && kind != EnvironmentTemplates {
		return fmt.Errorf("%q is no kind of template", kind)
	}
	return nil
}

// Sharing tells with which projects an object is shared.
func (c *Client) Sharing(ctx context.Context, project, kind, name string) (ObjectSharing, error) {
	var out ObjectSharing
	return out, c.do(ctx, http.MethodGet, path("projects", project, "manifests", kind, name, "sharing"), nil, &out)
}

// SetSharing sets with which projects an object is shared.
func (c *Client) SetSharing(ctx context.Context, project, kind, name string, in ObjectSharing) (ObjectSharing, error) {
	var out ObjectSharing
	return out, c.do(ctx, http.MethodPut, path("projects", project, "manifests", kind, name, "sharing"), in, &out)
}

// DelegateSharing sets whether the administrators of a project may share what it owns.
func (c *Client) DelegateSharing(ctx context.Context, project string, delegated bool) (Project, error) {
	var out Project
	return out, c.do(ctx, http.MethodPut, path("projects", project, "sharing-delegation"), SharingDelegation{delegated}, &out)
}

// AllUsers lists the users.
func (c *Client) AllUsers(ctx context.Context) ([]User, error) {
	var out Page[User]
	err := c.do(ctx, http.MethodGet, "/users", nil, &out)
	return out.Items, err
}

// Members lists who holds which role in a project.
func (c *Client) Members(ctx context.Context, project string) ([]Member, error) {
	var out Page[Member]
	err := c.do(ctx, http.MethodGet, path("projects", project, "members"), nil, &out)
	return out.Items, err
}

// Context returns a config context.
func (c *Client) Context(ctx context.Context, project, name string) (Context, error) {
	var out Context
	return out, c.do(ctx, http.MethodGet, path("projects", project, "contexts", name), nil, &out)
}

// DeleteContext deletes a config context.
func (c *Client) DeleteContext(ctx context.Context, project, name string) error {
	return c.do(ctx, http.MethodDelete, path("projects", project, "contexts", name), nil, nil)
}
