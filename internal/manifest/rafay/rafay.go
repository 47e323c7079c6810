// Package rafay reads documents written for Rafay Environment Manager and
// writes them as documents of Berth: plain maps in, plain maps out. Whatever
// has no counterpart is named in a notice, with the document and the field.
//
// It must not know the domain: no service, no database, and no file is opened.
// What it writes is checked again by whoever takes the documents.
package rafay

import (
	"fmt"
	"strings"
)

// Severity says how much a notice matters.
type Severity string

// Info: nothing is lost. Warning: something is not taken over, be it a field or a
// document of a kind that Berth does not have. Error: the document must be changed
// before it can be translated.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Notice is one thing that whoever loads a document should know. It never holds
// a value of the document that could be secret.
type Notice struct {
	Severity Severity `json:"severity"`
	// Kind and Name are those of the document as it was written.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Field is the place in the document, such as spec.hooks.onInit[0].
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// String writes the notice in one line, without its severity.
func (n Notice) String() string {
	s := strings.TrimSpace(n.Kind + " " + n.Name)
	for _, part := range []string{n.Field, n.Message} {
		if s != "" && part != "" {
			s += ": "
		}
		s += part
	}
	return s
}

// The apiVersions with kinds that this package knows.
const (
	environmentAPI = "eaas.envmgmt.io/v1"
	gitopsAPI      = "gitops.k8smgmt.io/v3"
	integrationAPI = "integrations.k8smgmt.io/v3"
	berthAPI       = "berth.dev/v1"
)

// Speaks tells whether documents of an apiVersion are for this package: those
// of Rafay's API groups in any version, so that even those which have no
// counterpart get a clear answer.
func Speaks(apiVersion string) bool {
	group, _, _ := strings.Cut(strings.TrimSpace(apiVersion), "/")
	group = strings.ToLower(group)
	return strings.HasSuffix(group, ".envmgmt.io") || strings.HasSuffix(group, ".k8smgmt.io")
}

// Translate writes a document as zero or more documents of berth.dev/v1. Those
// that others refer to come first. The document given is not changed. With a
// notice of severity Error there is no document.
func Translate(doc map[string]any) (out []map[string]any, notices []Notice) {
	d := &document{}
	fields, err := normalise(doc)
	if err != nil {
		d.kind, d.name = identity(doc)
		d.fail("", "%v", err)
		return nil, d.notices
	}
	d.kind, d.name = identity(fields)
	root := d.open(fields)
	if !d.checkPlaceholders(fields) {
		return nil, d.notices
	}
	out = d.translate(root)
	d.finish()
	if d.failed {
		return nil, d.notices
	}
	return out, d.notices
}

// identity reads what a document calls itself, as far as it does.
func identity(fields map[string]any) (kind, name string) {
	kind, _ = fields["kind"].(string)
	if meta, ok := fields["metadata"].(map[string]any); ok {
		name, _ = scalar(meta["name"])
	}
	return kind, name
}

func (d *document) translate(root *object) []map[string]any {
	api, kind := root.text("apiVersion"), strings.ToLower(root.text("kind"))
	switch api {
	case environmentAPI:
		switch kind {
		case "resourcetemplate":
			return d.resourceTemplate(root)
		case "environmenttemplate":
			return d.environmentTemplate(root)
		case "environment":
			return d.environment(root)
		case "configcontext":
			return d.configContext(root)
		case "resource":
			return d.staticResource(root)
		case "workflowhandler", "driver":
			return d.skip(root, Warning, "Berth has no workflow handlers; the document is left out")
		}
	case integrationAPI:
		switch kind {
		case "repository":
			return d.repository(root)
		case "secretsealer":
			return d.skip(root, Warning, "Berth encrypts secrets itself and needs no sealer; the document is left out, and values that were sealed with it must be given again")
		}
	case gitopsAPI:
		switch kind {
		case "agent":
			return d.skip(root, Info, "Berth has a runner built in; the document is not needed and left out")
		case "pipeline":
			return d.skip(root, Warning, "Berth has no pipelines; the document is left out. To keep Berth in step with a repository, run berth apply from its pipeline")
		}
	default:
		return d.unknownAPI(root, api)
	}
	if kind == "" {
		d.fail("kind", "is required: say what the document is, for example EnvironmentTemplate")
		root.ignoreRest()
		return nil
	}
	return d.skip(root, Warning, fmt.Sprintf("documents of the kind %s in %s have no counterpart in Berth; the document is left out", root.text("kind"), api))
}

// unknownAPI answers for API groups and versions that are not read. Another
// version of a group that is read may well mean something else by its fields.
func (d *document) unknownAPI(root *object, api string) []map[string]any {
	group, version, _ := strings.Cut(api, "/")
	for _, known := range []string{environmentAPI, gitopsAPI, integrationAPI} {
		if g, _, _ := strings.Cut(known, "/"); strings.EqualFold(g, group) {
			d.fail("apiVersion", "the version %q of %s is not known; %s is read", version, g, known)
			root.ignoreRest()
			return nil
		}
	}
	if !Speaks(api) {
		d.fail("apiVersion", "is %q; documents of %s, %s and %s are read", api, environmentAPI, gitopsAPI, integrationAPI)
		root.ignoreRest()
		return nil
	}
	return d.skip(root, Warning, fmt.Sprintf("documents of %s have no counterpart in Berth; the document is left out", api))
}

// skip reports a document that becomes nothing.
func (d *document) skip(root *object, severity Severity, why string) []map[string]any {
	root.ignoreRest()
	d.notice(severity, "kind", "%s", why)
	return nil
}

// made puts a document of Berth together.
func made(kind string, metadata, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": berthAPI, "kind": kind, "metadata": metadata, "spec": spec}
}
