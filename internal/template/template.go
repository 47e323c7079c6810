// Package template holds resource templates and environment templates: their
// versions, what a version asks of a developer (the input schema), how the final
// value of every variable is found, and the catalog a project sees.
//
// It must not know runs, environments as stored objects, or any transport: what
// it needs of them is handed in (inputs, outputs, context values).
package template

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/berthdev/berth/internal/template/bundle"
)

// Ids. Environment and resource templates live in one table each.
type (
	ResourceTemplateID    string
	ResourceVersionID     string
	EnvironmentTemplateID string
	EnvironmentVersionID  string
)

// State is the life of a version.
type State string

// A draft may change. An active version never changes; new environments may use
// it. A disabled version serves only the environments that already use it.
const (
	Draft    State = "draft"
	Active   State = "active"
	Disabled State = "disabled"
)

// Valid reports whether s is one of the states.
func (s State) Valid() bool { return s == Draft || s == Active || s == Disabled }

// ValueType says how the text of a value is to be read.
type ValueType string

// Text is taken as it is and converted to the variable's type. JSON and HCL are
// parsed to a value; HCL may hold literals only, no functions and no references.
const (
	Text       ValueType = "text"
	Expression ValueType = "expression"
	JSON       ValueType = "json"
	HCL        ValueType = "hcl"
)

// Valid reports whether t is one of the value types.
func (t ValueType) Valid() bool { return t == Text || t == Expression || t == JSON || t == HCL }

// ProviderName is the program that runs a module.
type ProviderName string

// The providers.
const (
	OpenTofu  ProviderName = "opentofu"
	Terraform ProviderName = "terraform"
)

// BackendType says who keeps the state of a resource.
type BackendType string

// System: Berth keeps it, encrypted and locked. Custom: the module's own backend.
const (
	BackendSystem BackendType = "system"
	BackendCustom BackendType = "custom"
)

// OverrideType says whether a developer may set a variable.
type OverrideType string

// The override rules. The empty rule means Allowed.
const (
	Allowed    OverrideType = "allowed"
	NotAllowed OverrideType = "notallowed"
	Restricted OverrideType = "restricted"
)

// Override is the rule for a developer's own value. Restricted takes one of
// RestrictedValues, or of the values of RestrictedKeyValues, which are shown by
// their label. With MultiSelect the value is a list of any of them.
type Override struct {
	Type                OverrideType      `json:"type,omitempty"`
	RestrictedValues    []string          `json:"restrictedValues,omitempty"`
	RestrictedKeyValues map[string]string `json:"restrictedKeyValues,omitempty"`
	MultiSelect         bool              `json:"multiSelect,omitempty"`
}

// Options describe a variable to a developer.
type Options struct {
	Description string   `json:"description,omitempty"`
	Label       string   `json:"label,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Sensitive   bool     `json:"sensitive,omitempty"`
	Immutable   bool     `json:"immutable,omitempty"`
	Advanced    bool     `json:"advanced,omitempty"`
	Override    Override `json:"override,omitzero"`
}

// Selector names the module variables that a variable of an environment template
// sets. An empty Resource means every resource that has the variable; an empty
// Variable means one of the same name.
type Selector struct {
	Resource string `json:"resource,omitempty"`
	Variable string `json:"variable,omitempty"`
}

// Variable is a value that a template gives, or asks for. A nil Value only sets
// options. Selectors are used in environment templates alone; without any, the
// variable goes to every resource that has one of the same name.
type Variable struct {
	Name      string     `json:"name"`
	ValueType ValueType  `json:"valueType,omitempty"`
	Value     *string    `json:"value,omitempty"`
	Options   Options    `json:"options,omitzero"`
	Selectors []Selector `json:"selectors,omitempty"`
	// HasValue says that there is a value which is not shown, for it is sensitive.
	HasValue bool `json:"hasValue,omitempty"`
	// Sealed is that value as it is stored; it is never set outside this package.
	Sealed []byte `json:"sealed,omitempty"`
}

// Value is an input of an environment, as a developer gives it. The text of a
// number is "80", of a list `["a","b"]`. An empty ValueType means Text.
type Value struct {
	Name      string    `json:"name"`
	ValueType ValueType `json:"valueType,omitempty"`
	Value     string    `json:"value"`
}

// JSONValue makes an input from a typed value, as forms and the API have it.
func JSONValue(name string, raw json.RawMessage) Value {
	return Value{Name: name, ValueType: JSON, Value: string(raw)}
}

// ContextRef names a config context.
type ContextRef struct {
	Name string `json:"name"`
}

// BundleRef names the code of a resource template version. Source is the digest
// of the code as it was before modules and the lock file were added to it: the
// same source saved again is the same version. All are empty while a draft's
// source could not be read.
type BundleRef struct {
	Digest string `json:"digest"`
	Dir    string `json:"dir"`
	Source string `json:"source,omitempty"`
	// Folder is the module's folder in the source as it was packed; Dir that in the
	// bundle.
	Folder string `json:"folder,omitempty"`
	// Incomplete says that modules or providers could not be fetched, so that the
	// source is read again before the version becomes active.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Source is where the code of a resource template version comes from: a folder of
// a repository, or of an uploaded archive (Upload is its digest). Commit is filled
// in when the repository is read; one that is given is what is read, whatever the
// revision points at now.
type Source struct {
	Repository string `json:"repository,omitempty"`
	Revision   string `json:"revision,omitempty"`
	Path       string `json:"path,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Upload     string `json:"upload,omitempty"`
}

// Empty reports whether no source is named.
func (s Source) Empty() bool { return s.Repository == "" && s.Upload == "" }

// Provider is the program to use, with an optional version constraint.
type Provider struct {
	Name    ProviderName `json:"name"`
	Version string       `json:"version,omitempty"`
}

// Backend says where the state lives. Config is for BackendCustom.
type Backend struct {
	Type   BackendType       `json:"type"`
	Config map[string]string `json:"config,omitempty"`
}

// Timeouts in seconds; 0 means the server's default.
type Timeouts struct {
	Deploy  int `json:"deploy,omitempty"`
	Destroy int `json:"destroy,omitempty"`
}

// ResourceSpec is the content of a resource template version.
type ResourceSpec struct {
	Provider  Provider     `json:"provider"`
	Source    Source       `json:"source,omitzero"`
	Bundle    BundleRef    `json:"bundle"`
	Backend   Backend      `json:"backend"`
	Variables []Variable   `json:"variables,omitempty"`
	Contexts  []ContextRef `json:"contexts,omitempty"`
	Timeouts  Timeouts     `json:"timeouts,omitzero"`
}

// ResourceKind is what a node of an environment template stands for.
type ResourceKind string

// A node is a module that a run applies, or something that exists already and only
// gives outputs: a static resource, or another environment of the project that the
// new environment is in.
const (
	KindResourceTemplate ResourceKind = "resourcetemplate"
	KindStatic           ResourceKind = "static"
	KindEnvironment      ResourceKind = "environment"
)

// Resource is one node of an environment template. Template, Version and VersionID
// are for KindResourceTemplate: an empty Version follows the latest active one until
// the environment template version becomes active, and VersionID is set when the
// version is saved. Static and Environment name what nodes of those kinds stand for.
type Resource struct {
	Name        string            `json:"name"`
	Kind        ResourceKind      `json:"kind"`
	Template    string            `json:"template,omitempty"`
	Version     string            `json:"version,omitempty"`
	VersionID   ResourceVersionID `json:"versionId,omitempty"`
	Static      string            `json:"static,omitempty"`
	Environment string            `json:"environment,omitempty"`
	DependsOn   []string          `json:"dependsOn,omitempty"`
}

// ModuleInputs says what becomes of module variables no template mentions.
type ModuleInputs string

// Offer them to the developer with the module's own defaults (also when empty),
// or keep them out of the form and out of reach.
const (
	OfferModuleInputs ModuleInputs = "offered"
	HideModuleInputs  ModuleInputs = "hidden"
)

// EnvironmentSpec is the content of an environment template version.
type EnvironmentSpec struct {
	Resources          []Resource   `json:"resources"`
	Variables          []Variable   `json:"variables,omitempty"`
	Contexts           []ContextRef `json:"contexts,omitempty"`
	AllowFreeVariables bool         `json:"allowFreeVariables,omitempty"`
	ModuleInputs       ModuleInputs `json:"moduleInputs,omitempty"`
	Summary            string       `json:"summary,omitempty"`
	Readme             string       `json:"readme,omitempty"` // markdown
	Icon               string       `json:"icon,omitempty"`   // the name of an icon, or a data: URL of an image
	Category           string       `json:"category,omitempty"`
}

// Problem is one thing wrong with a version, with its place.
type Problem = bundle.Problem

// ResourceVersion is a stored version of a resource template.
type ResourceVersion struct {
	ID         ResourceVersionID
	TemplateID ResourceTemplateID
	Template   string // its name
	ProjectID  string // the owner; empty for the organisation
	Version    string
	State      State
	Spec       ResourceSpec
	Module     bundle.Module
	Problems   []Problem
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// EnvironmentVersion is a stored version of an environment template.
type EnvironmentVersion struct {
	ID          EnvironmentVersionID
	TemplateID  EnvironmentTemplateID
	Template    string // its name
	DisplayName string
	ProjectID   string // the owner; empty for the organisation
	Version     string
	State       State
	Spec        EnvironmentSpec
	Problems    []Problem
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

var (
	versionPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)
)

// VersionRule says what a version must look like.
const VersionRule = "use 1 to 63 letters, digits, dots and dashes, like v1 or 1.2.0"
