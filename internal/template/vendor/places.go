package vendor

import (
	"io/fs"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/berthdev/berth/internal/literal"
	"github.com/berthdev/berth/internal/template/bundle"
)

// The tool does not say where the need for a provider comes from, so it is looked up.

var providerBlocks = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"}, {Type: "provider", LabelNames: []string{"name"}},
	{Type: "resource", LabelNames: []string{"type", "name"}}, {Type: "data", LabelNames: []string{"type", "name"}},
}}

// providerPlace finds where a provider is required: in required_providers, else where it is first used. The zero value
// means that neither was found.
func (w *workspace) providerPlace(walk bundle.Walk, name string) bundle.Pos {
	parts := strings.Split(name, "/")
	local := parts[len(parts)-1]
	var used bundle.Pos
	for _, dir := range walk.Dirs() {
		entries, err := fs.ReadDir(w.tree.FS(), dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if ext := path.Ext(e.Name()); e.IsDir() || (ext != ".tf" && ext != ".tofu") {
				continue
			}
			src, err := w.tree.ReadFile(path.Join(dir, e.Name()))
			if err != nil || literal.TooDeep(src) {
				continue
			}
			file := bundle.Relative(w.req.Bundle.Dir, path.Join(dir, e.Name()))
			required, first := findProvider(src, file, local)
			if required > 0 {
				return bundle.Pos{File: file, Line: required}
			}
			if first > 0 && used.Line == 0 {
				used = bundle.Pos{File: file, Line: first}
			}
		}
	}
	return used
}

// findProvider returns the lines on which one file requires a provider and first uses it.
func findProvider(src []byte, file, name string) (required, used int) {
	parsed, _ := hclsyntax.ParseConfig(src, file, hcl.InitialPos)
	if parsed == nil || parsed.Body == nil {
		return 0, 0
	}
	content, _, _ := parsed.Body.PartialContent(providerBlocks)
	for _, b := range content.Blocks {
		if b.Type != "terraform" {
			kind, _, _ := strings.Cut(b.Labels[0], "_")
			if kind == name && used == 0 {
				used = b.DefRange.Start.Line
			}
			continue
		}
		inner, _, _ := b.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "required_providers"}}})
		for _, r := range inner.Blocks {
			attrs, _ := r.Body.JustAttributes()
			for key, a := range attrs {
				// The local name may be another one; the source ends in the provider's.
				if key == name || strings.HasSuffix(strings.TrimRight(string(a.Expr.Range().SliceBytes(src)), "\" }\n"), "/"+name) {
					required = a.Range.Start.Line
				}
			}
		}
	}
	return required, used
}
