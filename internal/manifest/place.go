package manifest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/berthdev/berth/internal/fault"
)

// place makes the error of a service one of the document: with the names of its
// fields, and where they stand.
func (d *Document) place(f *fault.Error) *fault.Error {
	c := *f
	c.Fields = nil
	lines := []string{}
	for _, field := range f.Fields {
		path := d.pathOf(field.Path)
		line := d.lineOf(path)
		c.Fields = append(c.Fields, fault.Field{Path: path, Message: field.Message})
		text := field.Message
		if path != "" && !strings.HasPrefix(text, path+":") {
			text = path + ": " + text
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s %s: %s", d.File, line, d.Kind, d.Name, text))
	}
	if len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("%s:%d: %s %s: %s", d.File, d.Line, d.Kind, d.Name, f.Message))
	}
	c.Message = strings.Join(lines, "\n")
	return &c
}

// inModule matches a place in a module's code, which is no field of the document.
var inModule = regexp.MustCompile(`\.[a-z0-9]+:\d+$`)

// entryName matches what config contexts say of an entry by its name: env.AWS_REGION.
var entryName = regexp.MustCompile(`^(env|file|variable)\.(.+)$`)

// pathOf is the field of the document that a service calls by another name.
func (d *Document) pathOf(path string) string {
	if inModule.MatchString(path) || strings.HasPrefix(path, "metadata.") {
		return path
	}
	switch path {
	case "name", "displayName", "description":
		return "metadata." + path
	case "project":
		return "metadata.project"
	case "version":
		if d.Kind == KindEnvironment {
			return "spec.template.version"
		}
		return "spec.version"
	case "template":
		return "spec.template.name"
	case "state":
		return "spec.versionState"
	}
	rest := strings.TrimPrefix(path, "spec.")
	switch d.Kind {
	case KindConfigContext, KindStaticResource:
		rest = d.entryPath(rest)
	case KindRepository:
		rest = repositoryPath(rest)
	case KindResourceTemplate:
		rest = d.toolPath(rest)
	case KindEnvironment:
		rest = d.inputPath(rest)
	case KindProject, KindEnvironmentTemplate:
	}
	if strings.HasPrefix(rest, "projects") {
		rest = "sharing." + rest
	}
	return "spec." + rest
}

// entryPath writes env[0].key, and env.NAME, as envs[0].key.
func (d *Document) entryPath(path string) string {
	if m := entryName.FindStringSubmatch(path); m != nil {
		list := map[string]string{"env": "envs", "file": "files", "variable": "variables"}[m[1]]
		if d.tree != nil {
			for i, item := range d.tree.nearest("spec." + list).items {
				for _, p := range item.pairs {
					if (p.key == "key" || p.key == "name" || p.key == "mountPath") && p.value.text == m[2] {
						return fmt.Sprintf("%s[%d].value", list, i)
					}
				}
			}
		}
		return list
	}
	if rest, ok := strings.CutPrefix(path, "env["); ok {
		return "envs[" + rest
	}
	return path
}

func repositoryPath(path string) string {
	switch path {
	case "url":
		return "endpoint"
	case "username", "passphrase":
		return "credentials." + path
	case "auth":
		return "credentials.type"
	case "secret":
		return "credentials"
	case "defaultRevision", "default_revision":
		return "revision"
	case "knownHosts", "caCert":
		return "options." + path
	}
	return path
}

func (d *Document) toolPath(path string) string {
	s, ok := d.Spec.(*ResourceTemplateSpec)
	tool := "providerOptions.openTofu."
	if ok && s.Provider == "terraform" {
		tool = "providerOptions.terraform."
	}
	switch path {
	case "provider.name":
		return "provider"
	case "provider.version":
		return tool + "version"
	case "backend.type":
		return tool + "backendType"
	case "backend.config":
		return tool + "backendConfig"
	case "timeouts":
		return tool + "timeoutSeconds"
	case "bundle":
		return "source"
	}
	return path
}

// inputPath finds the entry of an input that is called by its name alone.
func (d *Document) inputPath(path string) string {
	name := strings.TrimPrefix(path, "variables.")
	name, _, _ = strings.Cut(name, ".")
	name, _, _ = strings.Cut(name, "[")
	s, ok := d.Spec.(*EnvironmentSpec)
	if !ok {
		return path
	}
	for i, v := range s.Variables {
		if v.Name == name {
			return fmt.Sprintf("variables[%d].value", i)
		}
	}
	if strings.HasPrefix(path, "variables") {
		return path
	}
	return "variables." + path
}
