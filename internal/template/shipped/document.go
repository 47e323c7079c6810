package shipped

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// APIVersion is the format of the documents.
const APIVersion = "berth.dev/v1"

// The kinds of document.
const (
	KindResourceTemplate    = "ResourceTemplate"
	KindEnvironmentTemplate = "EnvironmentTemplate"
)

// Metadata names a document.
type Metadata struct {
	Name        string            `yaml:"name"`
	DisplayName string            `yaml:"displayName"`
	Description string            `yaml:"description"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Sharing says which projects may use a template.
type Sharing struct {
	Enabled  bool      `yaml:"enabled"`
	Projects []nameRef `yaml:"projects"`
}

type nameRef struct {
	Name string `yaml:"name"`
}

// ResourceTemplate is a document of that kind.
type ResourceTemplate struct {
	APIVersion string       `yaml:"apiVersion"`
	Kind       string       `yaml:"kind"`
	Metadata   Metadata     `yaml:"metadata"`
	Spec       resourceSpec `yaml:"spec"`
}

type resourceSpec struct {
	Version         string                `yaml:"version"`
	VersionState    template.State        `yaml:"versionState"`
	Provider        template.ProviderName `yaml:"provider"`
	ProviderOptions struct {
		OpenTofu  providerOptions `yaml:"openTofu"`
		Terraform providerOptions `yaml:"terraform"`
	} `yaml:"providerOptions"`
	// Source is the module's folder, seen from the file of the document.
	Source struct {
		Folder string `yaml:"folder"`
	} `yaml:"source"`
	Variables []variable `yaml:"variables"`
	Contexts  []nameRef  `yaml:"contexts"`
	Sharing   Sharing    `yaml:"sharing"`
}

type providerOptions struct {
	Version               string               `yaml:"version"`
	BackendType           template.BackendType `yaml:"backendType"`
	BackendConfig         map[string]string    `yaml:"backendConfig"`
	TimeoutSeconds        int                  `yaml:"timeoutSeconds"`
	DestroyTimeoutSeconds int                  `yaml:"destroyTimeoutSeconds"`
}

// EnvironmentTemplate is a document of that kind.
type EnvironmentTemplate struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Metadata   Metadata        `yaml:"metadata"`
	Spec       environmentSpec `yaml:"spec"`
}

type environmentSpec struct {
	Version            string                `yaml:"version"`
	VersionState       template.State        `yaml:"versionState"`
	Icon               string                `yaml:"icon"`
	Category           string                `yaml:"category"`
	Summary            string                `yaml:"summary"`
	Readme             string                `yaml:"readme"`
	Resources          []resource            `yaml:"resources"`
	Variables          []variable            `yaml:"variables"`
	Contexts           []nameRef             `yaml:"contexts"`
	AllowFreeVariables bool                  `yaml:"allowFreeVariables"`
	ModuleInputs       template.ModuleInputs `yaml:"moduleInputs"`
	Sharing            Sharing               `yaml:"sharing"`
}

type resource struct {
	Name      string                `yaml:"name"`
	Kind      template.ResourceKind `yaml:"kind"`
	Template  string                `yaml:"template"`
	Version   string                `yaml:"version"`
	DependsOn []nameRef             `yaml:"dependsOn"`
}

type variable struct {
	Name      string             `yaml:"name"`
	ValueType template.ValueType `yaml:"valueType"`
	Value     *scalar            `yaml:"value"`
	Options   options            `yaml:"options"`
	Selectors []selector         `yaml:"selectors"`
}

type options struct {
	Description string `yaml:"description"`
	Label       string `yaml:"label"`
	Required    bool   `yaml:"required"`
	Sensitive   bool   `yaml:"sensitive"`
	Immutable   bool   `yaml:"immutable"`
	Advanced    bool   `yaml:"advanced"`
	Override    struct {
		Type                template.OverrideType `yaml:"type"`
		RestrictedValues    []scalar              `yaml:"restrictedValues"`
		RestrictedKeyValues map[string]scalar     `yaml:"restrictedKeyValues"`
	} `yaml:"override"`
}

type selector struct {
	Resource string `yaml:"resource"`
	Variable string `yaml:"variable"`
}

// scalar is the text of a plain YAML value: 80 is "80", true is "true".
type scalar string

// UnmarshalYAML takes any scalar as it is written.
func (s *scalar) UnmarshalYAML(node ast.Node) error {
	switch n := node.(type) {
	case *ast.StringNode:
		*s = scalar(n.Value)
	case *ast.LiteralNode:
		*s = scalar(n.Value.Value)
	case *ast.NullNode:
		*s = ""
	case ast.ScalarNode:
		*s = scalar(n.GetToken().Value)
	default:
		return fmt.Errorf("line %d: the value must be plain text; write lists and maps as JSON text with valueType json", node.GetToken().Position.Line)
	}
	return nil
}

// document is one parsed document; exactly one field is set.
type document struct {
	resource    *ResourceTemplate
	environment *EnvironmentTemplate
}

// parse reads the documents of a file, strictly: an unknown field is an error.
func parse(fsys fs.FS, file string) ([]document, error) {
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("reading template file: %w", err)
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, bad(file, err)
	}
	var out []document
	for _, d := range parsed.Docs {
		if d.Body == nil {
			continue
		}
		doc, err := decode(d.Body)
		if err != nil {
			return nil, bad(file, err)
		}
		out = append(out, doc)
	}
	return out, nil
}

func bad(file string, err error) error {
	return fault.Wrap(err, fault.Invalid, "bad_template_file", "%s: %s", file, strings.TrimSpace(yaml.FormatError(err, false, false)))
}

func decode(body ast.Node) (document, error) {
	var head struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	line := body.GetToken().Position.Line
	if err := yaml.NodeToValue(body, &head); err != nil {
		return document{}, err
	}
	if head.APIVersion != APIVersion {
		return document{}, fmt.Errorf("line %d: the apiVersion is %q; use %s", line, head.APIVersion, APIVersion)
	}
	switch head.Kind {
	case KindResourceTemplate:
		doc := &ResourceTemplate{}
		return document{resource: doc}, yaml.NewDecoder(bytes.NewReader(nil), yaml.Strict()).DecodeFromNode(body, doc)
	case KindEnvironmentTemplate:
		doc := &EnvironmentTemplate{}
		return document{environment: doc}, yaml.NewDecoder(bytes.NewReader(nil), yaml.Strict()).DecodeFromNode(body, doc)
	}
	return document{}, fmt.Errorf("line %d: the kind %q is unknown; use %s or %s", line, head.Kind, KindResourceTemplate, KindEnvironmentTemplate)
}

func (d *ResourceTemplate) spec() template.ResourceSpec {
	name := d.Spec.Provider
	o := d.Spec.ProviderOptions.OpenTofu
	if name == template.Terraform {
		o = d.Spec.ProviderOptions.Terraform
	}
	return template.ResourceSpec{
		Provider:  template.Provider{Name: name, Version: o.Version},
		Backend:   template.Backend{Type: o.BackendType, Config: o.BackendConfig},
		Timeouts:  template.Timeouts{Deploy: o.TimeoutSeconds, Destroy: o.DestroyTimeoutSeconds},
		Variables: variables(d.Spec.Variables),
		Contexts:  contexts(d.Spec.Contexts),
	}
}

func (d *EnvironmentTemplate) spec() template.EnvironmentSpec {
	s := d.Spec
	out := template.EnvironmentSpec{
		Variables: variables(s.Variables), Contexts: contexts(s.Contexts), AllowFreeVariables: s.AllowFreeVariables,
		ModuleInputs: s.ModuleInputs, Summary: s.Summary, Readme: s.Readme, Icon: s.Icon, Category: s.Category,
	}
	for _, r := range s.Resources {
		node := template.Resource{Name: r.Name, Kind: r.Kind, Template: r.Template, Version: r.Version}
		for _, d := range r.DependsOn {
			node.DependsOn = append(node.DependsOn, d.Name)
		}
		out.Resources = append(out.Resources, node)
	}
	return out
}

func variables(in []variable) []template.Variable {
	var out []template.Variable
	for _, v := range in {
		o := v.Options
		t := template.Variable{Name: v.Name, ValueType: v.ValueType, Value: (*string)(v.Value), Options: template.Options{
			Description: o.Description, Label: o.Label, Required: o.Required, Sensitive: o.Sensitive, Immutable: o.Immutable, Advanced: o.Advanced,
			Override: template.Override{Type: template.OverrideType(strings.ToLower(string(o.Override.Type)))},
		}}
		for _, r := range o.Override.RestrictedValues {
			t.Options.Override.RestrictedValues = append(t.Options.Override.RestrictedValues, string(r))
		}
		for label, r := range o.Override.RestrictedKeyValues {
			if t.Options.Override.RestrictedKeyValues == nil {
				t.Options.Override.RestrictedKeyValues = map[string]string{}
			}
			t.Options.Override.RestrictedKeyValues[label] = string(r)
		}
		for _, s := range v.Selectors {
			t.Selectors = append(t.Selectors, template.Selector{Resource: s.Resource, Variable: s.Variable})
		}
		out = append(out, t)
	}
	return out
}

func contexts(in []nameRef) []template.ContextRef {
	var out []template.ContextRef
	for _, c := range in {
		out = append(out, template.ContextRef{Name: c.Name})
	}
	return out
}

// folder is the module's folder in the file system of the document.
func (d *ResourceTemplate) folder(file string) (string, error) {
	if d.Spec.Source.Folder == "" {
		return "", fault.InvalidField("spec.source.folder", "is required: the module's folder, seen from the file")
	}
	p := path.Join(path.Dir(file), d.Spec.Source.Folder)
	if !fs.ValidPath(p) {
		return "", fault.InvalidField("spec.source.folder", fmt.Sprintf("%q leads out of the source", d.Spec.Source.Folder))
	}
	return p, nil
}
