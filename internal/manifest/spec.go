package manifest

import (
	"github.com/berthdev/berth/internal/template"
)

// Text is a value that is kept as it is written: 1.10 is "1.10", 080 is "080".
type Text string

// Metadata names an object.
type Metadata struct {
	Name        string          `json:"name" required:"true" doc:"Name of the object; it never changes."`
	Project     string          `json:"project,omitempty" doc:"Name of its project. The project the document is applied in when left out."`
	DisplayName string          `json:"displayName,omitempty" doc:"Name for people. Left as it is when not given."`
	Description string          `json:"description,omitempty" doc:"What it is for. Left as it is when not given."`
	Labels      map[string]Text `json:"labels,omitempty" doc:"Words of your own. Kept with templates only."`
	Annotations map[string]Text `json:"annotations,omitempty" doc:"Notes of your own. Kept with templates only."`
}

// Ref names another object.
type Ref struct {
	Name string `json:"name" required:"true" doc:"Its name."`
}

// Sharing says which projects may use something.
type Sharing struct {
	Enabled  bool  `json:"enabled" doc:"Whether other projects may use it."`
	Projects []Ref `json:"projects,omitempty" doc:"Names of projects, or * for all."`
}

// ProjectSpec describes a project. Its description is in the metadata.
type ProjectSpec struct {
	SharingDelegated *bool `json:"sharingDelegated,omitempty" doc:"Whether the project's admins may share what it owns. Left as it is when not given."`
}

// RepositorySpec describes a git repository that template code is read from.
type RepositorySpec struct {
	Type        string            `json:"type,omitempty" enum:"Git" doc:"The only type there is."`
	Endpoint    string            `json:"endpoint" required:"true" doc:"Its address: https://host/path, or ssh://git@host/path, or git@host:path."`
	Revision    Text              `json:"revision,omitempty" doc:"Branch, tag or commit to use where a template names none; the repository's own default branch when left out."`
	Credentials Credentials       `json:"credentials,omitzero" doc:"How to sign in."`
	Options     RepositoryOptions `json:"options,omitzero" doc:"What to trust."`
}

// Credentials are how to sign in to a repository. Secrets are written and never read.
type Credentials struct {
	Type       string `json:"type,omitempty" enum:"none,password,ssh" doc:"Follows from what is given when left out."`
	Username   string `json:"username,omitempty" doc:"Name of the user."`
	Password   Text   `json:"password,omitempty" doc:"Password or token. Left out, the stored one stays."`
	PrivateKey string `json:"privateKey,omitempty" doc:"SSH key in PEM form. Left out, the stored one stays."`
	Passphrase Text   `json:"passphrase,omitempty" doc:"Opens the SSH key."`
}

// RepositoryOptions say what to trust.
type RepositoryOptions struct {
	CACert     string `json:"caCert,omitempty" doc:"Certificates (PEM) of whoever signed the server's."`
	KnownHosts string `json:"knownHosts,omitempty" doc:"Lines of a known_hosts file with the server's SSH keys."`
}

// ConfigContextSpec describes a config context.
type ConfigContextSpec struct {
	Envs      []EnvEntry   `json:"envs,omitempty" doc:"Environment variables of the steps."`
	Files     []FileEntry  `json:"files,omitempty" doc:"Files of the steps."`
	Variables []ValueEntry `json:"variables,omitempty" doc:"Input variables, given to every module that has one of the name."`
	Sandbox   *SandboxSpec `json:"sandbox,omitempty" doc:"Points everything that uses the context at an AWS look-alike."`
	Sharing   *Sharing     `json:"sharing,omitempty" doc:"Which projects' templates may use it. Left as it is when not given."`
}

// EntryOptions describe a value that is stored.
type EntryOptions struct {
	Description string `json:"description,omitempty" doc:"What it is for."`
	Sensitive   bool   `json:"sensitive,omitempty" doc:"Kept encrypted and never shown again. Exports leave the value out; applied without a value, the stored one stays."`
}

// EnvEntry is an environment variable.
type EnvEntry struct {
	Key     string       `json:"key" required:"true" doc:"Name of the environment variable."`
	Value   *Text        `json:"value,omitempty" doc:"Its value."`
	Options EntryOptions `json:"options,omitzero" doc:"What else there is to say of it."`
}

// FileEntry is a file. One of Data and Content is given.
type FileEntry struct {
	Name      string       `json:"name,omitempty" doc:"The path, where mountPath is left out."`
	MountPath string       `json:"mountPath,omitempty" doc:"Where a step finds it: below the module's folder (certs/ca.pem), or below the home folder (~/.aws/config)."`
	Data      *Text        `json:"data,omitempty" doc:"Content in base64."`
	Content   *Text        `json:"content,omitempty" doc:"Content as text."`
	Options   EntryOptions `json:"options,omitzero" doc:"What else there is to say of it."`
}

// ValueEntry is a named value that is stored.
type ValueEntry struct {
	Name      string             `json:"name" required:"true" doc:"Name of the variable."`
	ValueType template.ValueType `json:"valueType,omitempty" enum:"text,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *Text              `json:"value,omitempty" doc:"Its value."`
	Options   EntryOptions       `json:"options,omitzero" doc:"What else there is to say of it."`
}

// SandboxSpec says which look-alike steps talk to.
type SandboxSpec struct {
	Endpoint  string `json:"endpoint" required:"true" doc:"Its address, for example http://127.0.0.1:4566."`
	Region    string `json:"region,omitempty" doc:"Region of everything in it."`
	AccessKey Text   `json:"accessKey,omitempty" doc:"Access key."`
	SecretKey Text   `json:"secretKey,omitempty" doc:"Secret key. Left out, the stored one stays."`
}

// StaticResourceSpec describes a named bag of known values.
type StaticResourceSpec struct {
	Variables []ValueEntry `json:"variables,omitempty" doc:"The values, which templates use as outputs of the resource."`
	Sharing   *Sharing     `json:"sharing,omitempty" doc:"Which projects' templates may use it. Left as it is when not given."`
}

// ResourceTemplateSpec describes a version of a resource template.
type ResourceTemplateSpec struct {
	Version         Text                  `json:"version" required:"true" doc:"Name of the version, for example v1."`
	VersionState    template.State        `json:"versionState,omitempty" enum:"draft,active,disabled" doc:"A draft may change; an active version never does. A new version is a draft when left out."`
	Provider        template.ProviderName `json:"provider,omitempty" enum:"opentofu,terraform" doc:"Program that runs the module; opentofu when left out."`
	ProviderOptions ProviderOptionsSpec   `json:"providerOptions,omitzero" doc:"Settings of the program."`
	Source          SourceSpec            `json:"source" required:"true" doc:"Where the module's code is: folder, repository or upload."`
	Variables       []VariableSpec        `json:"variables,omitempty" doc:"Values for the module's variables, and rules for them."`
	Contexts        []Ref                 `json:"contexts,omitempty" doc:"Config contexts that steps of the resource get."`
	Sharing         *Sharing              `json:"sharing,omitempty" doc:"Which projects may use the template. Left as it is when not given."`
}

// ProviderOptionsSpec holds the settings of the program that is used.
type ProviderOptionsSpec struct {
	OpenTofu  *ToolOptions `json:"openTofu,omitempty" doc:"For the provider opentofu."`
	Terraform *ToolOptions `json:"terraform,omitempty" doc:"For the provider terraform."`
}

// ToolOptions are the settings of OpenTofu or Terraform.
type ToolOptions struct {
	Version               Text                 `json:"version,omitempty" doc:"Version constraint, for example ~> 1.9."`
	BackendType           template.BackendType `json:"backendType,omitempty" enum:"system,custom" doc:"Who keeps the state: Berth (system) or the module's own backend (custom)."`
	BackendConfig         map[string]Text      `json:"backendConfig,omitempty" doc:"Settings of the module's own backend."`
	TimeoutSeconds        int                  `json:"timeoutSeconds,omitempty" doc:"How long a deploy may take."`
	DestroyTimeoutSeconds int                  `json:"destroyTimeoutSeconds,omitempty" doc:"How long a destroy may take."`
}

// SourceSpec says where code is. Exactly one of Folder, Repository and Upload is given.
type SourceSpec struct {
	Folder     string `json:"folder,omitempty" doc:"The module's folder, seen from the file of the document."`
	Repository string `json:"repository,omitempty" doc:"Name of a repository."`
	Revision   Text   `json:"revision,omitempty" doc:"Branch, tag or commit in the repository."`
	Path       string `json:"path,omitempty" doc:"The module's folder in the repository or upload; the top when left out."`
	Commit     Text   `json:"commit,omitempty" doc:"The commit that was read. Exports name it; given, exactly this commit is read."`
	Upload     string `json:"upload,omitempty" doc:"Digest of code that was uploaded."`
}

// EnvironmentTemplateSpec describes a version of an environment template.
type EnvironmentTemplateSpec struct {
	Version            Text                  `json:"version" required:"true" doc:"Name of the version, for example v1."`
	VersionState       template.State        `json:"versionState,omitempty" enum:"draft,active,disabled" doc:"A draft may change; an active version never does. A new version is a draft when left out."`
	Icon               string                `json:"icon,omitempty" doc:"Name of an icon, or a data: URL of an image."`
	Category           string                `json:"category,omitempty" doc:"Heading it stands under in the catalog."`
	Summary            string                `json:"summary,omitempty" doc:"What it makes, in one sentence."`
	Readme             string                `json:"readme,omitempty" doc:"Description in Markdown."`
	Resources          []ResourceNode        `json:"resources,omitempty" doc:"Its graph."`
	Variables          []VariableSpec        `json:"variables,omitempty" doc:"What the developer may set, and what the template sets."`
	Contexts           []Ref                 `json:"contexts,omitempty" doc:"Config contexts that all its resources get."`
	AllowFreeVariables bool                  `json:"allowFreeVariables,omitempty" doc:"Whether the developer may add variables the template does not name."`
	ModuleInputs       template.ModuleInputs `json:"moduleInputs,omitempty" enum:"offered,hidden" doc:"What becomes of module variables that no template mentions; offered when left out."`
	Sharing            *Sharing              `json:"sharing,omitempty" doc:"Which projects may use the template. Left as it is when not given."`
}

// ResourceNode is one node of the graph.
type ResourceNode struct {
	Name        string                `json:"name" required:"true" doc:"Name in this template."`
	Kind        template.ResourceKind `json:"kind,omitempty" enum:"resourcetemplate,static,environment" doc:"What it is; resourcetemplate when left out."`
	Template    string                `json:"template,omitempty" doc:"Name of the resource template, for the kind resourcetemplate."`
	Version     Text                  `json:"version,omitempty" doc:"Version of the resource template; the latest active one when left out."`
	Static      string                `json:"static,omitempty" doc:"Name of the static resource, for the kind static."`
	Environment string                `json:"environment,omitempty" doc:"Name of another environment of the same project, for the kind environment."`
	DependsOn   []Ref                 `json:"dependsOn,omitempty" doc:"Resources that are made before it."`
}

// VariableSpec is a value that a template gives or asks for.
type VariableSpec struct {
	Name      string             `json:"name" required:"true" doc:"Name of the variable."`
	ValueType template.ValueType `json:"valueType,omitempty" enum:"text,expression,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *Text              `json:"value,omitempty" doc:"The value. Lists and maps are written as JSON text with valueType json."`
	Options   VariableOptions    `json:"options,omitzero" doc:"What the developer sees and may do."`
	Selectors []SelectorSpec     `json:"selectors,omitempty" doc:"Module variables it sets; one of the same name in every resource when left out."`
}

// VariableOptions describe a variable to a developer.
type VariableOptions struct {
	Description string       `json:"description,omitempty" doc:"What it is for."`
	Label       string       `json:"label,omitempty" doc:"Name for people."`
	Required    bool         `json:"required,omitempty" doc:"A deploy needs a value."`
	Sensitive   bool         `json:"sensitive,omitempty" doc:"The value is kept encrypted and never shown again."`
	Immutable   bool         `json:"immutable,omitempty" doc:"The value may not change after the first deploy."`
	Advanced    bool         `json:"advanced,omitempty" doc:"Folded away in the form."`
	Override    OverrideSpec `json:"override,omitzero" doc:"Whether the developer may set it."`
}

// OverrideSpec is the rule for a developer's own value.
type OverrideSpec struct {
	Type                template.OverrideType `json:"type,omitempty" enum:"allowed,notallowed,restricted" doc:"allowed when left out."`
	RestrictedValues    []Text                `json:"restrictedValues,omitempty" doc:"The values to choose from."`
	RestrictedKeyValues map[string]Text       `json:"restrictedKeyValues,omitempty" doc:"The values to choose from, by the label that is shown."`
	MultiSelect         bool                  `json:"multiSelect,omitempty" doc:"The value is a list of any of them."`
}

// SelectorSpec names module variables that a variable sets.
type SelectorSpec struct {
	Resource string `json:"resource,omitempty" doc:"Name of a resource; every one that has the variable when left out."`
	Variable string `json:"variable,omitempty" doc:"Name of the module's variable; the same when left out."`
}

// EnvironmentSpec describes an environment.
type EnvironmentSpec struct {
	Template  TemplateRef  `json:"template" required:"true" doc:"The environment template it is made from."`
	Variables []InputEntry `json:"variables,omitempty" doc:"Values of the inputs; what is left out has the default of the template."`
}

// TemplateRef names a version of an environment template.
type TemplateRef struct {
	Name    string `json:"name" required:"true" doc:"Name of the template."`
	Version Text   `json:"version,omitempty" doc:"Its version. Left out, each deploy uses the version that was activated last."`
}

// InputEntry is the value of an input.
type InputEntry struct {
	Name      string             `json:"name" required:"true" doc:"Name of the input variable."`
	ValueType template.ValueType `json:"valueType,omitempty" enum:"text,expression,json,hcl" doc:"How the value is to be read; text when left out."`
	Value     *Text              `json:"value,omitempty" doc:"Its value."`
	Options   InputOptions       `json:"options,omitzero" doc:"What else there is to say of it."`
}

// InputOptions are what an export says of an input.
type InputOptions struct {
	Sensitive bool `json:"sensitive,omitempty" doc:"The template marks it as sensitive. Exports leave the value out; applied without a value, the stored one stays."`
}

// newSpec returns an empty specification of the kind.
func (k Kind) newSpec() any {
	switch k {
	case KindProject:
		return &ProjectSpec{}
	case KindRepository:
		return &RepositorySpec{}
	case KindConfigContext:
		return &ConfigContextSpec{}
	case KindStaticResource:
		return &StaticResourceSpec{}
	case KindResourceTemplate:
		return &ResourceTemplateSpec{}
	case KindEnvironmentTemplate:
		return &EnvironmentTemplateSpec{}
	case KindEnvironment:
		return &EnvironmentSpec{}
	}
	return nil
}
