// Package manifest turns documents (YAML or JSON, apiVersion berth.dev/v1) into
// objects of the domain and back: it reads and checks files, applies them so that
// applying again changes nothing, shows what would change, writes what is there as
// documents that can be applied, and describes the format to editors.
//
// It goes through the domain services as anybody does: they authorise and check.
// It must not know the database, HTTP, or which templates exist.
package manifest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template/bundle"
)

// APIVersion is the format of Berth's own documents.
const APIVersion = "berth.dev/v1"

// Kind is what a document describes.
type Kind string

// The kinds.
const (
	KindProject             Kind = "Project"
	KindRepository          Kind = "Repository"
	KindConfigContext       Kind = "ConfigContext"
	KindStaticResource      Kind = "StaticResource"
	KindResourceTemplate    Kind = "ResourceTemplate"
	KindEnvironmentTemplate Kind = "EnvironmentTemplate"
	KindEnvironment         Kind = "Environment"
)

// Kinds returns every kind in the order in which documents are applied: each may
// need those before it.
func Kinds() []Kind {
	return []Kind{
		KindProject, KindRepository, KindConfigContext, KindStaticResource, KindResourceTemplate, KindEnvironmentTemplate, KindEnvironment,
	}
}

// ParseKind finds the kind that text names, in any case, in the plural, and with
// dashes between its words.
func ParseKind(text string) (Kind, bool) {
	plain := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(text))
	for _, k := range Kinds() {
		one := strings.ToLower(string(k))
		many := one + "s"
		if k == KindRepository {
			many = "repositories"
		}
		if plain == one || plain == many {
			return k, true
		}
	}
	return "", false
}

// versioned reports whether objects of the kind have versions.
func (k Kind) versioned() bool { return k == KindResourceTemplate || k == KindEnvironmentTemplate }

// rank is the place of a kind in the order of applying.
func (k Kind) rank() int { return slices.Index(Kinds(), k) }

// Manifest is a document in full, as it is written and read.
type Manifest struct {
	APIVersion string   `json:"apiVersion" doc:"The format, berth.dev/v1."`
	Kind       Kind     `json:"kind" doc:"What the document describes."`
	Metadata   Metadata `json:"metadata" doc:"Names the object."`
	Spec       any      `json:"spec" doc:"What it is."`
}

// Document is one document that was read.
type Document struct {
	Kind    Kind
	Name    string
	Project string // from the metadata; empty means the project it is applied in
	File    string
	Line    int
	// Metadata and Spec are the content. Spec is a pointer to the kind's own type, such as *ProjectSpec.
	Metadata Metadata
	Spec     any

	tree *node
}

// Version is the version that a document of a versioned kind describes.
func (d *Document) Version() string { return d.Manifest().Version() }

// Version is the version that a document of a versioned kind describes.
func (m Manifest) Version() string {
	switch s := m.Spec.(type) {
	case *ResourceTemplateSpec:
		return string(s.Version)
	case *EnvironmentTemplateSpec:
		return string(s.Version)
	}
	return ""
}

// Manifest returns the document as it would be written.
func (d *Document) Manifest() Manifest {
	return Manifest{APIVersion: APIVersion, Kind: d.Kind, Metadata: d.Metadata, Spec: d.Spec}
}

// lineOf is the line of a field, or of the nearest thing around it.
func (d *Document) lineOf(path string) int {
	if d.tree == nil {
		return d.Line
	}
	return cmp.Or(d.tree.nearest(path).line, d.Line)
}

// Position is where a field stands, or the nearest thing around it. The path may be the one by which a service calls it.
func (d *Document) Position(path string) (line, col int) {
	if d.tree == nil {
		return d.Line, 0
	}
	n := d.tree
	if path != "" {
		n = n.nearest(d.pathOf(path))
	}
	if n.line == 0 {
		return d.Line, 0
	}
	return n.line, n.col
}

// Notice is something to know about a document that was read and is no error: a
// field of a foreign format that Berth has no place for, and the like.
type Notice struct {
	File     string
	Line     int
	Severity bundle.Severity // "warning" or "info"
	Kind     string          // as it was written
	Name     string
	Field    string
	Message  string
}
