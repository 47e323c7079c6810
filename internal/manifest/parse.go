package manifest

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/manifest/rafay"
)

// Parse reads a file of documents, YAML or JSON, strictly: a field that does not
// exist, a value of the wrong type or a key given twice is an error, and all of
// them are told at once, each with its place. Documents of the formats that
// package rafay reads become Berth's own; what it has to say of them are notices.
// file is the name used in messages. A file that says how templates are tested has
// none.
func Parse(file string, text []byte) ([]*Document, []Notice, error) {
	if path.Base(file) == TestFile {
		return nil, nil, nil
	}
	found := &issues{file: file}
	if len(text) > MaxFileSize {
		found.add(0, 0, "the file is larger than %d MB; split it", MaxFileSize>>20)
		return nil, nil, found.err()
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		found.add(0, 0, "the file is no text in UTF-8")
		return nil, nil, found.err()
	}
	var trees []*node
	if body := string(text); looksLikeJSON(file, body) {
		trees = readJSON(body, found)
		if len(found.list) > 0 && !strings.HasSuffix(strings.ToLower(file), ".json") {
			// A map in YAML's flow style begins like JSON.
			again := &issues{file: file}
			if other := readYAML(body, again); len(again.list) == 0 {
				trees, found = other, again
			}
		}
	} else {
		trees = readYAML(strings.ReplaceAll(body, "\r\n", "\n"), found)
	}
	r := &reader{issues: found}
	for _, t := range trees {
		r.document(t)
	}
	if line, what, ok := rafay.Placeholder(text); ok && len(trees) == 0 && len(found.list) > 0 {
		found.add(line, 1, "there stands %s: %s", what, rafay.PlaceholderAdvice())
	}
	if err := found.err(); err != nil {
		return nil, r.notices, err
	}
	return r.docs, r.notices, nil
}

type reader struct {
	*issues
	docs    []*Document
	notices []Notice
}

func (r *reader) document(tree *node) {
	if tree.kind != mapNode {
		r.at(tree, "a document must be a map with apiVersion, kind, metadata and spec; here stands %s", tree.describe())
		return
	}
	version := tree.get("apiVersion")
	if version == nil || version.kind != scalarNode {
		r.at(tree, "apiVersion is required; use %s", APIVersion)
		return
	}
	if foreign(version.text) {
		r.translated(tree)
		return
	}
	if version.text != APIVersion {
		r.at(version, "the apiVersion %q is not known; use %s", short(version.text), APIVersion)
		return
	}
	if d := r.own(tree); d != nil {
		r.docs = append(r.docs, d)
	}
}

// own reads a document of Berth's format.
func (r *reader) own(tree *node) *Document {
	kindNode := tree.get("kind")
	if kindNode == nil || kindNode.kind != scalarNode {
		r.at(tree, "kind is required; use %s", KindNames())
		return nil
	}
	kind, ok := ParseKind(kindNode.text)
	if !ok {
		r.at(kindNode, "the kind %q is not known; use %s", short(kindNode.text), KindNames())
		return nil
	}
	doc := &Document{Kind: kind, File: r.file, Line: tree.line, Spec: kind.newSpec(), tree: tree}
	d := decoder{r.issues}
	before := len(r.list)
	var meta, spec *node
	for _, p := range tree.pairs {
		switch p.key {
		case "apiVersion", "kind":
		case "metadata":
			meta = p.value
		case "spec":
			spec = p.value
		default:
			r.add(p.line, p.col, "unknown field %s%s", short(p.key), suggest(p.key, fieldsOf(reflect.TypeFor[Manifest]())))
		}
	}
	if meta == nil || meta.kind == nullNode {
		r.at(tree, "metadata.name is required")
	} else {
		d.decode(meta, reflect.ValueOf(&doc.Metadata).Elem(), "metadata", nil)
	}
	if spec == nil || spec.kind == nullNode {
		spec = &node{kind: mapNode, line: tree.line, col: tree.col}
	}
	d.decode(spec, reflect.ValueOf(doc.Spec).Elem(), "spec", nil)
	doc.Name, doc.Project = doc.Metadata.Name, doc.Metadata.Project
	if len(r.list) > before {
		return nil
	}
	r.check(doc)
	return doc
}

// check finds what types alone do not tell.
func (r *reader) check(d *Document) {
	say := func(path, format string, args ...any) {
		n := d.tree.nearest(path)
		r.add(n.line, n.col, "%s %s", path, fmt.Sprintf(format, args...))
	}
	switch s := d.Spec.(type) {
	case *ProjectSpec:
		if d.Project != "" {
			say("metadata.project", "has no meaning for a project; remove it")
		}
	case *ConfigContextSpec:
		for i, f := range s.Files {
			at := fmt.Sprintf("spec.files[%d]", i)
			if f.MountPath == "" && f.Name == "" {
				say(at, "needs a mountPath: where a step finds the file")
			}
			if f.Data != nil && f.Content != nil {
				say(at, "has both data and content; give one of them")
			}
			if _, err := f.bytes(); err != nil {
				say(at+".data", "is no base64; write plain text as content")
			}
		}
	case *ResourceTemplateSpec:
		r.checkSource(s.Source, say)
		if o := s.ProviderOptions; o.OpenTofu != nil && o.Terraform != nil {
			say("spec.providerOptions", "has settings for both programs; keep those of the provider that is used")
		} else if o.Terraform != nil && s.Provider != "terraform" {
			say("spec.providerOptions.terraform", "is for the provider terraform")
		} else if o.OpenTofu != nil && s.Provider == "terraform" {
			say("spec.providerOptions.openTofu", "is for the provider opentofu")
		}
	}
}

func (r *reader) checkSource(s SourceSpec, say func(path, format string, args ...any)) {
	given := 0
	for _, one := range []string{s.Folder, s.Repository, s.Upload} {
		if one != "" {
			given++
		}
	}
	if given != 1 {
		say("spec.source", "must name one of folder, repository and upload")
		return
	}
	if s.Repository == "" && (s.Revision != "" || s.Commit != "") {
		say("spec.source", "has a revision or commit, which only a repository has")
	}
	if s.Folder != "" && s.Path != "" {
		say("spec.source.path", "is for a repository or an upload; name the module in folder")
	}
}

// KindNames lists the kinds in words, for messages.
func KindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return joinOr(names)
}
