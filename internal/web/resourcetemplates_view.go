package web

import (
	"cmp"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// resourceVersionView is a version as its page shows it.
func resourceVersionView(sc scope, stored *template.ResourceVersion, users []template.User) *views.ResourceVersion {
	at := func(segments ...string) string {
		return resourceVersionPath(sc, stored.Template, stored.Version, segments...)
	}
	spec := stored.Spec
	fileURL := func(file string, line int) string {
		return codeURL(sc, stored.Template, stored.Version, path.Join(spec.Bundle.Dir, file), line)
	}
	if spec.Bundle.Digest == "" {
		fileURL = nil
	}
	v := &views.ResourceVersion{
		Version: stored.Version, State: views.VersionState(stored.State), URL: at(), Updated: views.At(stored.UpdatedAt, sc.Now),
		Reading: codeReading(spec.Source, spec.Bundle, &stored.Module, nil, fileURL), Problems: problemsOf(stored.Problems, fileURL),
		Facts: versionFacts(spec), Users: versionUsers(sc, users),
	}
	for _, given := range spec.Variables {
		v.Variables = append(v.Variables, templateVariable(given, &stored.Module))
	}
	for _, c := range spec.Contexts {
		v.Contexts = append(v.Contexts, views.Link{Label: c.Name, URL: views.ProjectPath(sc.Project.Slug, "contexts", c.Name)})
	}
	if spec.Bundle.Digest != "" {
		v.DownloadURL = at("download")
	}
	if sc.can(authz.TemplateWrite) {
		v.NewVersionURL = resourcePath(sc, stored.Template, "new-version") + "?" + url.Values{"from": {stored.Version}}.Encode()
		v.StateURL, v.DeleteURL, v.DeleteVersion = at("state"), at("delete"), stored.Version
		v.CanActivate, v.CanDisable, v.CanEnable = stored.State == template.Draft, stored.State == template.Active, stored.State == template.Disabled
		if stored.State == template.Draft {
			v.EditURL = at("edit")
		}
		if len(users) > 0 {
			v.DeleteBlocked = "It is used by " + usersSentence(v.Users) + ". Delete these, or let them use another version, first."
		}
	}
	return v
}

func versionFacts(spec template.ResourceSpec) []views.Fact {
	program := map[template.ProviderName]string{template.OpenTofu: "OpenTofu", template.Terraform: "Terraform"}[spec.Provider.Name]
	if spec.Provider.Version != "" {
		program += " " + spec.Provider.Version
	}
	facts := []views.Fact{{Name: "Provider", Value: program}}
	if spec.Backend.Type == template.BackendCustom {
		facts = append(facts, views.Fact{Name: "State", Value: "In the module's own backend" + configured(spec.Backend.Config)})
	} else {
		facts = append(facts, views.Fact{Name: "State", Value: "Kept by Berth, encrypted and locked"})
	}
	for _, t := range []struct {
		name    string
		seconds int
	}{{"Deploy timeout", spec.Timeouts.Deploy}, {"Destroy timeout", spec.Timeouts.Destroy}} {
		value := "the server's default"
		if t.seconds > 0 {
			value = durationOf(t.seconds)
		}
		facts = append(facts, views.Fact{Name: t.name, Value: value})
	}
	return facts
}

func configured(config map[string]string) string {
	if len(config) == 0 {
		return ""
	}
	var names []string
	for name := range config {
		names = append(names, name)
	}
	slices.Sort(names)
	return ", with " + strings.Join(names, ", ")
}

// codeReading is what was found in code. files are those of a reading; a stored version has a browser for them.
func codeReading(src template.Source, b template.BundleRef, m *bundle.Module, files []string, fileURL func(file string, line int) string) views.CodeReading {
	out := views.CodeReading{Read: b.Digest != "", Source: sourceFacts(src, b), FileCount: len(files)}
	for _, name := range files {
		out.Files = append(out.Files, views.Link{Label: name})
	}
	for i := range m.Variables {
		mv := &m.Variables[i]
		v := views.ModuleVariable{Name: mv.Name, Type: cmp.Or(mv.TypeText, "any"), Description: mv.Description, Required: !mv.HasDefault, Sensitive: mv.Sensitive, Default: moduleDefault(mv)}
		for _, rule := range mv.Validations {
			v.Validations = append(v.Validations, cmp.Or(rule.Message, rule.Condition))
		}
		if fileURL != nil && mv.Pos.File != "" {
			v.URL = fileURL(mv.Pos.File, mv.Pos.Line)
		}
		out.Variables = append(out.Variables, v)
	}
	for _, o := range m.Outputs {
		out.Outputs = append(out.Outputs, views.ModuleOutput{Name: o.Name, Description: o.Description, Sensitive: o.Sensitive})
	}
	for _, p := range m.Providers {
		out.Providers = append(out.Providers, views.Fact{Name: p.Name, Value: strings.TrimSpace(cmp.Or(p.Source, p.Name) + " " + p.Version)})
	}
	for _, c := range m.Calls {
		fact := views.Fact{Name: c.Name, Value: strings.TrimSpace(c.Source + " " + c.Version)}
		if fileURL != nil && c.Pos.File != "" {
			fact.URL = fileURL(c.Pos.File, c.Pos.Line)
		}
		out.Modules = append(out.Modules, fact)
	}
	return out
}

// moduleDefault is the default of a module's variable as text. One of a sensitive variable is not shown.
func moduleDefault(v *bundle.Variable) string {
	switch {
	case !v.HasDefault:
		return ""
	case v.Sensitive:
		return "hidden"
	case len(v.Default) == 0:
		return "null"
	}
	var text string
	if json.Unmarshal(v.Default, &text) == nil && text != "" {
		return text
	}
	return string(v.Default)
}

func sourceFacts(src template.Source, b template.BundleRef) []views.Fact {
	var facts []views.Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, views.Fact{Name: name, Value: value, Mono: true})
		}
	}
	add("Repository", src.Repository)
	add("Branch, tag or commit", src.Revision)
	if src.Upload != "" {
		add("Upload", short12(src.Upload))
	}
	folder := strings.Trim(src.Path, "/")
	if folder == "" || folder == "." {
		folder = "(outermost)"
	}
	if !src.Empty() {
		add("Folder", folder)
	}
	add("Commit", src.Commit)
	add("Digest", b.Digest)
	return facts
}

func short12(digest string) string { return digest[:min(len(digest), 12)] }

func templateVariable(given template.Variable, m *bundle.Module) views.TemplateVariable {
	v := views.TemplateVariable{Name: given.Name, Type: typeLabel(string(cmp.Or(given.ValueType, template.Text))), Hidden: given.HasValue, Label: given.Options.Label, Description: given.Options.Description, Rule: overrideWords(given.Options.Override)}
	if given.Value != nil {
		v.Value = *given.Value
		if v.Value == "" {
			v.Value = `""`
		}
	} else if !given.HasValue {
		v.Type = ""
	}
	if mv, ok := m.Variable(given.Name); ok && v.Description == "" {
		v.Description = mv.Description
	}
	for _, mark := range []struct {
		on   bool
		word string
	}{{given.Options.Required, "required"}, {given.Options.Sensitive, "sensitive"}, {given.Options.Immutable, "immutable"}, {given.Options.Advanced, "advanced"}} {
		if mark.on {
			v.Marks = append(v.Marks, mark.word)
		}
	}
	return v
}

func overrideWords(o template.Override) string {
	switch o.Type {
	case template.NotAllowed:
		return "Not allowed"
	case template.Restricted:
		n := len(o.RestrictedValues) + len(o.RestrictedKeyValues)
		if o.MultiSelect {
			return "Any of " + num(n)
		}
		return "One of " + num(n)
	case template.Allowed:
	}
	return "Allowed"
}
