package template

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template/bundle"
)

// DiffKind says what became of a thing between two versions.
type DiffKind string

// The kinds of difference.
const (
	DiffAdded   DiffKind = "added"
	DiffRemoved DiffKind = "removed"
	DiffChanged DiffKind = "changed"
)

// FieldDiff is one property that differs. Values that must not be shown are
// written as "(hidden)".
type FieldDiff struct {
	Field  string `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// ItemDiff is one thing with a name that differs.
type ItemDiff struct {
	Name   string      `json:"name"`
	Change DiffKind    `json:"change"`
	Fields []FieldDiff `json:"fields,omitempty"`
}

// InputDiff and ResourceDiff are items: an input of the form, and a resource of
// an environment template.
type (
	InputDiff    = ItemDiff
	ResourceDiff = ItemDiff
)

// Comparison is what differs between two versions of a template. Those who may
// not read template source see the inputs alone; SourceHidden says so.
type Comparison struct {
	Template     string         `json:"template"`
	From         string         `json:"from"`
	To           string         `json:"to"`
	Inputs       []InputDiff    `json:"inputs"`
	Outputs      []ItemDiff     `json:"outputs,omitempty"`
	Resources    []ResourceDiff `json:"resources,omitempty"`
	Variables    []ItemDiff     `json:"variables,omitempty"`
	Contexts     []ItemDiff     `json:"contexts,omitempty"`
	Settings     []FieldDiff    `json:"settings,omitempty"`
	Files        []FileDiff     `json:"files,omitempty"`
	SourceHidden bool           `json:"sourceHidden,omitempty"`
	// Truncated says that there are more files than are shown.
	Truncated bool `json:"truncated,omitempty"`
}

// Same reports whether nothing differs.
func (c *Comparison) Same() bool {
	return len(c.Inputs)+len(c.Outputs)+len(c.Resources)+len(c.Variables)+len(c.Contexts)+len(c.Settings)+len(c.Files) == 0
}

// CompareResource tells what differs between two versions of a resource template
// that a project may use.
func (s *Service) CompareResource(ctx context.Context, projectID, name, from, to string) (*Comparison, error) {
	out, keys, err := s.comparison(ctx, resourceKind(), projectID, name, from, to)
	if err != nil {
		return nil, err
	}
	versions, err := listResourceVersionsByID(ctx, s.db, []ResourceVersionID{ResourceVersionID(keys[0].id), ResourceVersionID(keys[1].id)})
	if err != nil {
		return nil, fmt.Errorf("reading resource templates: %w", err)
	}
	if err := s.openResources(versions); err != nil {
		return nil, err
	}
	before, after := versions[ResourceVersionID(keys[0].id)], versions[ResourceVersionID(keys[1].id)]
	if before == nil || after == nil {
		return nil, ErrNoVersion
	}
	out.Inputs = diffItems(inputItems(s.alone(before).Inputs()), inputItems(s.alone(after).Inputs()))
	if out.SourceHidden {
		return out, nil
	}
	out.Outputs = diffItems(outputItems("", before.Module), outputItems("", after.Module))
	out.Variables = diffItems(variableItems(before.Spec.Variables), variableItems(after.Spec.Variables))
	out.Contexts = diffItems(contextItems(before.Spec.Contexts), contextItems(after.Spec.Contexts))
	out.Settings = diffFields(before.settings(), after.settings())
	files := newFileComparer(s.bundles)
	err = files.compare(ctx, "", before.Spec.Bundle.Digest, after.Spec.Bundle.Digest)
	out.Files, out.Truncated = files.diffs, files.truncated
	return out, err
}

// alone compiles a resource template as the only one of an environment template, to
// see which inputs it offers by itself.
func (s *Service) alone(v *ResourceVersion) *Compiled {
	const id = "alone"
	spec := EnvironmentSpec{Resources: []Resource{{Name: "resource", Kind: KindResourceTemplate, Template: v.Template, VersionID: id}}}
	return s.compiler.Compile(&EnvironmentVersion{Spec: spec}, map[ResourceVersionID]*ResourceVersion{id: v})
}

// CompareEnvironment tells what differs between two versions of an environment
// template that a project may use.
func (s *Service) CompareEnvironment(ctx context.Context, projectID, name, from, to string) (*Comparison, error) {
	out, keys, err := s.comparison(ctx, environmentKind(), projectID, name, from, to)
	if err != nil {
		return nil, err
	}
	before, err := s.load(ctx, projectID, EnvironmentVersionID(keys[0].id))
	if err != nil {
		return nil, err
	}
	after, err := s.load(ctx, projectID, EnvironmentVersionID(keys[1].id))
	if err != nil {
		return nil, err
	}
	out.Inputs = diffItems(inputItems(before.Inputs()), inputItems(after.Inputs()))
	if out.SourceHidden {
		return out, nil
	}
	outputs := func(c *Compiled) items {
		all := items{}
		for _, r := range c.Resources {
			if r.Version != nil {
				maps.Copy(all, outputItems(r.Name+".", r.Version.Module))
			}
		}
		return all
	}
	out.Outputs = diffItems(outputs(before), outputs(after))
	out.Resources = diffItems(before.resourceItems(), after.resourceItems())
	out.Variables = diffItems(variableItems(before.Version.Spec.Variables), variableItems(after.Version.Spec.Variables))
	out.Contexts = diffItems(contextItems(before.Version.Spec.Contexts), contextItems(after.Version.Spec.Contexts))
	out.Settings = diffFields(before.Version.settings(), after.Version.settings())
	files := newFileComparer(s.bundles)
	files.text("", "readme.md", before.Version.Spec.Readme, after.Version.Spec.Readme)
	digests := [2]map[string]string{before.digests(), after.digests()}
	names := slices.Concat(slices.Collect(maps.Keys(digests[0])), slices.Collect(maps.Keys(digests[1])))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := files.compare(ctx, name, digests[0][name], digests[1][name]); err != nil {
			return nil, err
		}
	}
	out.Files, out.Truncated = files.diffs, files.truncated
	return out, nil
}

// comparison finds the two versions. Those who may not read source do not learn of
// drafts either.
func (s *Service) comparison(ctx context.Context, k kind, projectID, name, from, to string) (*Comparison, [2]versionKey, error) {
	var found [2]versionKey
	if err := s.audit.Authorize(ctx, authz.TemplateRead, projectID, k.object(name)); err != nil {
		return nil, found, err
	}
	hidden := !authz.From(ctx).Can(authz.TemplateSourceRead, projectID)
	keys, err := listVersionKeys(ctx, s.db, k, projectID, []string{name})
	if err != nil {
		return nil, found, fmt.Errorf("looking up template: %w", err)
	}
	for i, version := range []string{from, to} {
		key, ok := pick(keys, projectID, name, version)
		if !ok || hidden && key.state == Draft {
			field := [...]string{"from", "to"}[i]
			return nil, found, withField(ErrNoVersion.With("There is no version %q of a %s %q here.", version, k.word, name), field)
		}
		found[i] = key
	}
	return &Comparison{Template: name, From: found[0].version, To: found[1].version, SourceHidden: hidden}, found, nil
}

// digests are the bundles of the resources.
func (c *Compiled) digests() map[string]string {
	out := map[string]string{}
	for _, r := range c.Resources {
		if r.Version != nil {
			out[r.Name] = r.Version.Spec.Bundle.Digest
		}
	}
	return out
}

// items are things by name, each with its properties.
type items map[string]map[string]property

// property is a value to compare and how it may be shown.
type property struct{ value, shown string }

func asIs(s string) property { return property{s, s} }

// jsonProperty is the JSON text of a value, and nothing for an empty one.
func jsonProperty(v any) property {
	raw, err := json.Marshal(v)
	if text := string(raw); err == nil && !slices.Contains([]string{"null", `""`, "false", "[]", "{}", "0"}, text) {
		return asIs(strings.Trim(text, `"`))
	}
	return property{}
}

func diffItems(before, after items) []ItemDiff {
	names := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(names)
	out := []ItemDiff{}
	for _, name := range slices.Compact(names) {
		old, had := before[name]
		now, has := after[name]
		d := ItemDiff{Name: name, Change: DiffChanged, Fields: diffFields(old, now)}
		switch {
		case !had:
			d.Change = DiffAdded
		case !has:
			d.Change = DiffRemoved
		case len(d.Fields) == 0:
			continue
		}
		out = append(out, d)
	}
	return out
}

func diffFields(before, after map[string]property) []FieldDiff {
	names := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(names)
	var out []FieldDiff
	for _, name := range slices.Compact(names) {
		if old, now := before[name], after[name]; old.value != now.value {
			out = append(out, FieldDiff{Field: name, Before: old.shown, After: now.shown})
		}
	}
	return out
}

func inputItems(inputs []Input) items {
	out := items{}
	for _, in := range inputs {
		fields := map[string]property{
			"type": asIs(typeText(in.Type)), "label": asIs(in.Label), "description": asIs(in.Description),
			"default": asIs(string(in.Default)), "defaultExpression": asIs(in.DefaultExpression),
			"required": jsonProperty(in.Required), "sensitive": jsonProperty(in.Sensitive), "immutable": jsonProperty(in.Immutable),
			"choices": jsonProperty(in.Choices), "limits": jsonProperty(in.Limits), "group": asIs(string(in.Group)),
			"resources": asIs(strings.Join(in.ResourceNames, ", ")),
		}
		if in.Sensitive {
			fields["default"], fields["defaultExpression"], fields["choices"] = property{}, property{}, property{}
		}
		out[in.Name] = fields
	}
	return out
}

func outputItems(prefix string, m bundle.Module) items {
	out := items{}
	for _, o := range m.Outputs {
		out[prefix+o.Name] = map[string]property{"description": asIs(o.Description), "sensitive": jsonProperty(o.Sensitive)}
	}
	return out
}

func variableItems(variables []Variable) items {
	out := items{}
	for _, v := range variables {
		fields := map[string]property{"valueType": asIs(string(v.ValueType)), "selectors": jsonProperty(v.Selectors)}
		if v.Value != nil {
			fields["value"] = asIs(*v.Value)
			if v.Options.Sensitive {
				fields["value"] = property{*v.Value, audit.Hidden}
			}
		}
		addFields(fields, v.Options)
		out[v.Name] = fields
	}
	return out
}

// addFields adds the properties of a structure, as they are named in JSON.
func addFields(fields map[string]property, v any) {
	var parts map[string]json.RawMessage
	if raw, err := json.Marshal(v); err == nil && json.Unmarshal(raw, &parts) == nil {
		for name, part := range parts {
			fields[name] = jsonProperty(part)
		}
	}
}

func contextItems(refs []ContextRef) items {
	out := items{}
	for _, r := range refs {
		out[r.Name] = nil
	}
	return out
}

// resourceItems are the nodes with the versions that they mean.
func (c *Compiled) resourceItems() items {
	out := items{}
	for _, r := range c.Version.Spec.Resources {
		fields := map[string]property{}
		addFields(fields, r)
		delete(fields, "name")
		delete(fields, "versionId")
		if node, ok := c.Resource(r.Name); ok && node.Version != nil {
			fields["version"] = asIs(node.Version.Version)
		}
		out[r.Name] = fields
	}
	return out
}

func (v *ResourceVersion) settings() map[string]property {
	s := v.Spec
	config, err := json.Marshal(s.Backend.Config)
	out := map[string]property{
		"provider": asIs(string(s.Provider.Name)), "providerVersion": asIs(s.Provider.Version), "backend": asIs(string(s.Backend.Type)),
	}
	if err == nil && len(s.Backend.Config) > 0 {
		// It may hold credentials of the place where state is kept.
		out["backendConfig"] = property{string(config), audit.Hidden}
	}
	addFields(out, s.Source)
	addFields(out, s.Timeouts)
	return out
}

func (v *EnvironmentVersion) settings() map[string]property {
	s := v.Spec
	s.Resources, s.Variables, s.Contexts, s.Readme = nil, nil, nil, ""
	out := map[string]property{}
	addFields(out, s)
	delete(out, "resources")
	if icon, ok := out["icon"]; ok && len(icon.shown) > auditedText {
		out["icon"] = property{icon.value, fmt.Sprintf("an image of %d bytes", len(icon.value))}
	}
	return out
}

// typeText writes a type as module code does.
func typeText(t bundle.Type) string {
	switch t.Kind {
	case "list", "set", "map":
		if t.Element != nil {
			return t.Kind + "(" + typeText(*t.Element) + ")"
		}
	case "tuple":
		parts := make([]string, len(t.Items))
		for i, item := range t.Items {
			parts[i] = typeText(item)
		}
		return "tuple([" + strings.Join(parts, ", ") + "])"
	case "object":
		parts := make([]string, len(t.Attributes))
		for i, a := range t.Attributes {
			text := typeText(a.Type)
			switch {
			case a.Optional && a.Default != nil:
				text = "optional(" + text + ", " + string(a.Default) + ")"
			case a.Optional:
				text = "optional(" + text + ")"
			}
			parts[i] = a.Name + " = " + text
		}
		return "object({ " + strings.Join(parts, ", ") + " })"
	}
	return t.Kind
}
