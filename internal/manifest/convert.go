package manifest

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
)

// The functions of this file write objects of the domain as specifications and back. What they write has one form
// only: whatever equals its default is left out, so that two specifications can be compared.

func text(s string) *Text {
	t := Text(s)
	return &t
}

func str(t *Text) string {
	if t == nil {
		return ""
	}
	return string(*t)
}

// typed leaves the default out.
func typed[T ~string](t T, standard T) T {
	if t == standard {
		return ""
	}
	return t
}

func entryValue(sensitive bool, value string) *Text {
	if sensitive {
		return nil
	}
	return text(value)
}

func contextSpec(c configcontext.Context) *ConfigContextSpec {
	out := &ConfigContextSpec{}
	for _, e := range c.Env {
		out.Envs = append(out.Envs, EnvEntry{Key: e.Key, Value: entryValue(e.Sensitive, e.Value), Options: EntryOptions{e.Description, e.Sensitive}})
	}
	for _, f := range c.Files {
		entry := FileEntry{MountPath: f.MountPath, Options: EntryOptions{f.Description, f.Sensitive}}
		if !f.Sensitive {
			entry.set(f.Content)
		}
		out.Files = append(out.Files, entry)
	}
	for _, v := range c.Variables {
		out.Variables = append(out.Variables, ValueEntry{
			Name: v.Name, ValueType: typed(template.ValueType(v.ValueType), template.Text), Value: entryValue(v.Sensitive, v.Value),
			Options: EntryOptions{v.Description, v.Sensitive},
		})
	}
	if b := c.Sandbox; b != nil {
		out.Sandbox = &SandboxSpec{Endpoint: b.Endpoint, Region: b.Region, AccessKey: Text(b.AccessKey)}
	}
	return out
}

// set writes content as text where it is text.
func (f *FileEntry) set(content []byte) {
	f.Data, f.Content = nil, nil
	unprintable := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
	if s := string(content); utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		f.Content = text(s)
		return
	}
	f.Data = text(base64.StdEncoding.EncodeToString(content))
}

func (f FileEntry) path() string { return cmp.Or(f.MountPath, f.Name) }

func (f FileEntry) bytes() ([]byte, error) {
	if f.Content != nil {
		return []byte(*f.Content), nil
	}
	clean := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, str(f.Data))
	return base64.StdEncoding.DecodeString(clean)
}

func (s *ConfigContextSpec) input(description string) (configcontext.Input, error) {
	in := configcontext.Input{Description: description}
	for _, e := range s.Envs {
		in.Env = append(in.Env, configcontext.Env{Key: e.Key, Value: str(e.Value), Sensitive: e.Options.Sensitive, Description: e.Options.Description})
	}
	for _, f := range s.Files {
		content, err := f.bytes()
		if err != nil {
			return in, err
		}
		in.Files = append(in.Files, configcontext.File{MountPath: f.path(), Content: content, Sensitive: f.Options.Sensitive, Description: f.Options.Description})
	}
	for _, v := range s.Variables {
		in.Variables = append(in.Variables, configcontext.Variable{
			Name: v.Name, ValueType: string(v.ValueType), Value: str(v.Value), Sensitive: v.Options.Sensitive, Description: v.Options.Description,
		})
	}
	if b := s.Sandbox; b != nil {
		in.Sandbox = &configcontext.Sandbox{Endpoint: b.Endpoint, Region: b.Region, AccessKey: string(b.AccessKey), SecretKey: string(b.SecretKey)}
	}
	return in, nil
}

func staticSpec(r staticresource.Static) *StaticResourceSpec {
	out := &StaticResourceSpec{}
	for _, v := range r.Variables {
		out.Variables = append(out.Variables, ValueEntry{
			Name: v.Name, ValueType: typed(template.ValueType(v.ValueType), template.Text), Value: entryValue(v.Sensitive, v.Value),
			Options: EntryOptions{v.Description, v.Sensitive},
		})
	}
	return out
}

func (s *StaticResourceSpec) input(description string) staticresource.Input {
	in := staticresource.Input{Description: description}
	for _, v := range s.Variables {
		in.Variables = append(in.Variables, staticresource.Variable{
			Name: v.Name, ValueType: string(v.ValueType), Value: str(v.Value), Sensitive: v.Options.Sensitive, Description: v.Options.Description,
		})
	}
	return in
}

func repositorySpec(r repository.Repository) *RepositorySpec {
	return &RepositorySpec{
		Endpoint: r.URL, Revision: Text(r.DefaultRevision),
		Credentials: Credentials{Type: typed(string(r.Auth), string(repository.AuthNone)), Username: r.Username},
		Options:     RepositoryOptions{CACert: r.CACert, KnownHosts: r.KnownHosts},
	}
}

func (s *RepositorySpec) input(description string) repository.Input {
	c := s.Credentials
	return repository.Input{
		Description: description, URL: s.Endpoint, Username: c.Username, Auth: repository.Auth(c.Type),
		Secret: cmp.Or(string(c.Password), c.PrivateKey), Passphrase: string(c.Passphrase), DefaultRevision: string(s.Revision),
		KnownHosts: s.Options.KnownHosts, CACert: s.Options.CACert,
	}
}

func environmentSpec(e environment.Environment) *EnvironmentSpec {
	out := &EnvironmentSpec{Template: TemplateRef{Name: e.Template.Name}}
	if !e.FollowLatest {
		out.Template.Version = Text(e.Template.Version)
	}
	for _, v := range e.Inputs {
		hidden := e.Hidden[v.Name]
		out.Variables = append(out.Variables, InputEntry{
			Name: v.Name, ValueType: typed(v.ValueType, template.Text), Value: entryValue(hidden, v.Value), Options: InputOptions{Sensitive: hidden},
		})
	}
	return out
}

// inputs are the values, and the names of those that keep the value they have.
func (s *EnvironmentSpec) inputs() (values []template.Value, keep []string) {
	for _, v := range s.Variables {
		values = append(values, template.Value{Name: v.Name, ValueType: v.ValueType, Value: str(v.Value)})
		if v.Value == nil && v.Options.Sensitive {
			keep = append(keep, v.Name)
		}
	}
	return values, keep
}

func variableSpecs(in []template.Variable) []VariableSpec {
	var out []VariableSpec
	for _, v := range in {
		o := v.Options
		spec := VariableSpec{
			Name: v.Name, ValueType: typed(v.ValueType, template.Text), Value: (*Text)(v.Value),
			Options: VariableOptions{
				Description: o.Description, Label: o.Label, Required: o.Required, Sensitive: o.Sensitive, Immutable: o.Immutable,
				Advanced: o.Advanced, Override: overrideSpec(o.Override),
			},
		}
		for _, s := range v.Selectors {
			spec.Selectors = append(spec.Selectors, SelectorSpec(s))
		}
		out = append(out, spec)
	}
	return out
}

func overrideSpec(o template.Override) OverrideSpec {
	out := OverrideSpec{Type: typed(o.Type, template.Allowed), MultiSelect: o.MultiSelect}
	for _, v := range o.RestrictedValues {
		out.RestrictedValues = append(out.RestrictedValues, Text(v))
	}
	out.RestrictedKeyValues = textMap(o.RestrictedKeyValues)
	return out
}

func textMap(in map[string]string) map[string]Text {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]Text, len(in))
	for k, v := range in {
		out[k] = Text(v)
	}
	return out
}

func stringMap(in map[string]Text) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = string(v)
	}
	return out
}

func variables(in []VariableSpec) []template.Variable {
	var out []template.Variable
	for _, v := range in {
		o := v.Options
		t := template.Variable{Name: v.Name, ValueType: v.ValueType, Value: (*string)(v.Value), Options: template.Options{
			Description: o.Description, Label: o.Label, Required: o.Required, Sensitive: o.Sensitive, Immutable: o.Immutable, Advanced: o.Advanced,
			Override: template.Override{Type: o.Override.Type, RestrictedKeyValues: stringMap(o.Override.RestrictedKeyValues), MultiSelect: o.Override.MultiSelect},
		}}
		for _, r := range o.Override.RestrictedValues {
			t.Options.Override.RestrictedValues = append(t.Options.Override.RestrictedValues, string(r))
		}
		for _, s := range v.Selectors {
			t.Selectors = append(t.Selectors, template.Selector(s))
		}
		out = append(out, t)
	}
	return out
}

func refs(in []template.ContextRef) []Ref {
	var out []Ref
	for _, c := range in {
		out = append(out, Ref{c.Name})
	}
	return out
}

func contexts(in []Ref) []template.ContextRef {
	var out []template.ContextRef
	for _, c := range in {
		out = append(out, template.ContextRef{Name: c.Name})
	}
	return out
}

func resourceSpec(v *template.ResourceVersion) *ResourceTemplateSpec {
	s := v.Spec
	tool := ToolOptions{
		Version: Text(s.Provider.Version), BackendType: typed(s.Backend.Type, template.BackendSystem), BackendConfig: textMap(s.Backend.Config),
		TimeoutSeconds: s.Timeouts.Deploy, DestroyTimeoutSeconds: s.Timeouts.Destroy,
	}
	out := &ResourceTemplateSpec{
		Version: Text(v.Version), VersionState: v.State, Provider: typed(s.Provider.Name, template.OpenTofu), Source: sourceSpec(s),
		Variables: variableSpecs(s.Variables), Contexts: refs(s.Contexts),
	}
	out.ProviderOptions.set(s.Provider.Name, tool)
	return out
}

func (o *ProviderOptionsSpec) set(name template.ProviderName, tool ToolOptions) {
	o.OpenTofu, o.Terraform = nil, nil
	if tool.Version == "" && tool.BackendType == "" && len(tool.BackendConfig) == 0 && tool.TimeoutSeconds == 0 && tool.DestroyTimeoutSeconds == 0 {
		return
	}
	if name == template.Terraform {
		o.Terraform = &tool
	} else {
		o.OpenTofu = &tool
	}
}

// tool are the settings of whichever program is used.
func (o ProviderOptionsSpec) tool() ToolOptions {
	switch {
	case o.Terraform != nil:
		return *o.Terraform
	case o.OpenTofu != nil:
		return *o.OpenTofu
	}
	return ToolOptions{}
}

// sourceSpec names the bundle itself for a version that was made without a source.
func sourceSpec(s template.ResourceSpec) SourceSpec {
	from := s.Source
	switch {
	case from.Repository != "":
		return SourceSpec{Repository: from.Repository, Revision: Text(from.Revision), Path: folder(from.Path), Commit: Text(from.Commit)}
	case from.Upload != "":
		return SourceSpec{Upload: from.Upload, Path: folder(from.Path)}
	}
	return SourceSpec{Upload: s.Bundle.Digest, Path: folder(s.Bundle.Dir)}
}

// folder leaves out the top.
func folder(path string) string { return typed(strings.Trim(path, "/"), ".") }

func (s *ResourceTemplateSpec) domain() template.ResourceSpec {
	o := s.ProviderOptions.tool()
	return template.ResourceSpec{
		Provider:  template.Provider{Name: s.Provider, Version: string(o.Version)},
		Backend:   template.Backend{Type: o.BackendType, Config: stringMap(o.BackendConfig)},
		Timeouts:  template.Timeouts{Deploy: o.TimeoutSeconds, Destroy: o.DestroyTimeoutSeconds},
		Variables: variables(s.Variables),
		Contexts:  contexts(s.Contexts),
		Source: template.Source{
			Repository: s.Source.Repository, Revision: string(s.Source.Revision), Path: s.Source.Path, Commit: string(s.Source.Commit), Upload: s.Source.Upload,
		},
	}
}

func environmentTemplateSpec(v *template.EnvironmentVersion) *EnvironmentTemplateSpec {
	s := v.Spec
	out := &EnvironmentTemplateSpec{
		Version: Text(v.Version), VersionState: v.State, Icon: s.Icon, Category: s.Category, Summary: s.Summary, Readme: s.Readme,
		Variables: variableSpecs(s.Variables), Contexts: refs(s.Contexts), AllowFreeVariables: s.AllowFreeVariables,
		ModuleInputs: typed(s.ModuleInputs, template.OfferModuleInputs),
	}
	for _, r := range s.Resources {
		node := ResourceNode{
			Name: r.Name, Kind: typed(r.Kind, template.KindResourceTemplate), Template: r.Template, Version: Text(r.Version), Static: r.Static, Environment: r.Environment,
		}
		for _, d := range r.DependsOn {
			node.DependsOn = append(node.DependsOn, Ref{d})
		}
		out.Resources = append(out.Resources, node)
	}
	return out
}

func (s *EnvironmentTemplateSpec) domain() template.EnvironmentSpec {
	out := template.EnvironmentSpec{
		Variables: variables(s.Variables), Contexts: contexts(s.Contexts), AllowFreeVariables: s.AllowFreeVariables,
		ModuleInputs: s.ModuleInputs, Summary: s.Summary, Readme: s.Readme, Icon: s.Icon, Category: s.Category,
	}
	for _, r := range s.Resources {
		node := template.Resource{
			Name: r.Name, Kind: cmp.Or(r.Kind, template.KindResourceTemplate), Template: r.Template, Version: string(r.Version),
			Static: r.Static, Environment: r.Environment,
		}
		for _, d := range r.DependsOn {
			node.DependsOn = append(node.DependsOn, d.Name)
		}
		out.Resources = append(out.Resources, node)
	}
	return out
}

// normal brings the specification of a document into the one form that is compared.
func normal(spec any) any {
	switch s := spec.(type) {
	case *RepositorySpec:
		c := *s
		c.Type = ""
		return &c
	case *ConfigContextSpec:
		in, err := s.input("")
		if err != nil { // Parse has refused it
			return s
		}
		out := contextSpec(configcontext.Context{Env: in.Env, Files: in.Files, Variables: in.Variables, Sandbox: in.Sandbox})
		out.Sharing = s.Sharing
		return out
	case *StaticResourceSpec:
		in := s.input("")
		out := staticSpec(staticresource.Static{Variables: in.Variables})
		out.Sharing = s.Sharing
		return out
	case *ResourceTemplateSpec:
		d := s.domain()
		out := resourceSpec(&template.ResourceVersion{Version: string(s.Version), State: s.VersionState, Spec: d})
		out.Source, out.Sharing = s.Source, s.Sharing
		out.Source.Path = folder(s.Source.Path)
		return out
	case *EnvironmentTemplateSpec:
		out := environmentTemplateSpec(&template.EnvironmentVersion{Version: string(s.Version), State: s.VersionState, Spec: s.domain()})
		out.Sharing = s.Sharing
		return out
	case *EnvironmentSpec:
		c := *s
		c.Variables = slices.Clone(s.Variables)
		for i := range c.Variables {
			v := &c.Variables[i]
			v.ValueType = typed(v.ValueType, template.Text)
			if v.Value == nil && !v.Options.Sensitive {
				v.Value = text("")
			}
		}
		return &c
	}
	return spec
}

// concealed is a copy of a specification without the values that are sensitive, as it is stored and compared.
func concealed(spec any) any {
	switch s := spec.(type) {
	case *ResourceTemplateSpec:
		c := *s
		c.Variables = withoutSecrets(s.Variables)
		return &c
	case *EnvironmentTemplateSpec:
		c := *s
		c.Variables = withoutSecrets(s.Variables)
		return &c
	case *RepositorySpec:
		c := *s
		c.Credentials.Password, c.Credentials.PrivateKey, c.Credentials.Passphrase = "", "", ""
		return &c
	case *EnvironmentSpec: // which of them are sensitive is the template's to say
		c := *s
		c.Variables = slices.Clone(s.Variables)
		for i := range c.Variables {
			c.Variables[i].Value = nil
		}
		return &c
	}
	return spec
}

func withoutSecrets(in []VariableSpec) []VariableSpec {
	out := slices.Clone(in)
	for i := range out {
		if out[i].Options.Sensitive {
			out[i].Value = nil
		}
	}
	return out
}
