package bundle

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/berthdev/berth/internal/literal"
)

// Inspect reads what the module in one folder declares. Broken code does not
// fail it: what is wrong is listed in Problems, with file and line, and the rest
// is still read. It never runs anything of the module.
func Inspect(fsys fs.FS, dir string) *Module {
	in := &inspector{module: &Module{}, sources: map[string][]byte{}, types: map[string]bool{}}
	names, err := codeFiles(fsys, dir)
	if err != nil {
		in.problem(Error, Pos{File: dir}, "the folder %q cannot be read: %v", dir, plainError(err))
		return in.module
	}
	if len(names) == 0 {
		in.problem(Error, Pos{File: dir}, "the folder %q holds no .tf or .tofu file; name the folder of the module", dir)
		return in.module
	}
	for _, name := range names {
		in.file(fsys, path.Join(dir, name), name)
	}
	in.finish()
	return in.module
}

// codeFiles lists the configuration files of a folder in a fixed order, override
// files last. A .tofu file replaces the .tf file of the same name.
func codeFiles(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var plain, override []string
	tofu := map[string]bool{}
	for _, e := range entries {
		if base, ext, ok := splitCode(e.Name()); ok && strings.HasPrefix(ext, ".tofu") {
			tofu[base+ext] = true
		}
	}
	for _, e := range entries {
		base, ext, ok := splitCode(e.Name())
		if !ok || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if strings.HasPrefix(ext, ".tf") && tofu[base+".tofu"+strings.TrimPrefix(ext, ".tf")] {
			continue
		}
		if base == "override" || strings.HasSuffix(base, "_override") {
			override = append(override, e.Name())
		} else {
			plain = append(plain, e.Name())
		}
	}
	return append(plain, override...), nil
}

func splitCode(name string) (base, ext string, ok bool) {
	for _, ext := range []string{".tf.json", ".tofu.json", ".tf", ".tofu"} {
		if base, found := strings.CutSuffix(name, ext); found {
			return base, ext, true
		}
	}
	return "", "", false
}

type inspector struct {
	module  *Module
	sources map[string][]byte
	types   map[string]bool
}

var rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "output", LabelNames: []string{"name"}},
	{Type: "module", LabelNames: []string{"name"}},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "terraform"},
}}

func (in *inspector) file(fsys fs.FS, full, name string) {
	src, err := fs.ReadFile(fsys, full)
	if err != nil {
		in.problem(Error, Pos{File: name}, "the file cannot be read: %v", plainError(err))
		return
	}
	if literal.TooDeep(src) {
		in.problem(Error, Pos{File: name}, "the code is nested too deep to be read")
		return
	}
	in.sources[name] = src
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		f, diags = hcljson.Parse(src, name)
	} else {
		f, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	}
	in.diagnose(diags)
	if f == nil || f.Body == nil {
		return
	}
	content, _, diags := f.Body.PartialContent(rootSchema)
	in.diagnose(diags)
	override := isOverride(name)
	for _, b := range content.Blocks {
		switch b.Type {
		case "variable":
			in.variable(b, override)
		case "output":
			in.output(b, override)
		case "module":
			in.call(b)
		case "resource":
			in.types[b.Labels[0]] = true
		case "terraform":
			in.settings(b)
		}
	}
}

func isOverride(name string) bool {
	base, _, _ := splitCode(name)
	return base == "override" || strings.HasSuffix(base, "_override")
}

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
}

func (in *inspector) variable(b *hcl.Block, override bool) {
	name, pos := b.Labels[0], position(b.DefRange)
	v := Variable{Name: name, Nullable: true, Type: Type{Kind: "any"}, Pos: pos}
	old, exists := in.module.Variable(name)
	if exists && !override {
		in.problem(Error, pos, "variable %q is declared twice; the other is in %s line %d", name, old.Pos.File, old.Pos.Line)
		return
	}
	if exists {
		v = *old
	}
	content, _, diags := b.Body.PartialContent(variableSchema)
	in.diagnose(diags)
	ty := cty.DynamicPseudoType
	if a := content.Attributes["type"]; a != nil {
		parsed, defaults, diags := parseType(a.Expr)
		in.diagnose(diags)
		if !diags.HasErrors() {
			ty, v.Type, v.TypeText = parsed, describeType(parsed, defaults), in.text(a.Expr)
		}
	} else if exists {
		if c, err := v.Constraint(); err == nil {
			ty = c.Type
		}
	}
	in.flags(content, &v)
	if a := content.Attributes["default"]; a != nil {
		in.defaultValue(a, ty, &v)
	}
	for _, vb := range content.Blocks {
		in.validation(vb, &v)
	}
	if exists {
		*old = v
	} else {
		in.module.Variables = append(in.module.Variables, v)
	}
}

func (in *inspector) flags(content *hcl.BodyContent, v *Variable) {
	if s, ok := in.stringAttr(content, "description"); ok {
		v.Description = s
	}
	if is, ok := in.boolAttr(content, "sensitive"); ok {
		v.Sensitive = is
	}
	if is, ok := in.boolAttr(content, "nullable"); ok {
		v.Nullable = is
	}
}

func (in *inspector) defaultValue(a *hcl.Attribute, ty cty.Type, v *Variable) {
	val, diags := a.Expr.Value(nil)
	in.diagnose(diags)
	if diags.HasErrors() {
		return
	}
	if c, err := v.Constraint(); err == nil {
		val = c.Apply(val)
	}
	converted, err := convert.Convert(val, ty)
	if err != nil {
		in.problem(Error, position(a.Range), "the default of variable %q does not fit its type: %v", v.Name, err)
		return
	}
	if converted.IsNull() && !v.Nullable {
		in.problem(Error, position(a.Range), "the default of variable %q is null, but nullable is false", v.Name)
		return
	}
	v.HasDefault, v.Default = true, marshalValue(converted)
}

var validationSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "condition"}, {Name: "error_message"}}}

func (in *inspector) validation(b *hcl.Block, v *Variable) {
	content, _, diags := b.Body.PartialContent(validationSchema)
	in.diagnose(diags)
	condition := content.Attributes["condition"]
	if condition == nil {
		in.problem(Error, position(b.DefRange), "a validation of variable %q has no condition", v.Name)
		return
	}
	message, ok := in.stringAttr(content, "error_message")
	if !ok && content.Attributes["error_message"] != nil {
		message = strings.Trim(in.text(content.Attributes["error_message"].Expr), `"`)
	}
	v.Validations = append(v.Validations, Validation{Condition: in.text(condition.Expr), Message: message})
}

var outputSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "description"}, {Name: "sensitive"}}}

func (in *inspector) output(b *hcl.Block, override bool) {
	name := b.Labels[0]
	if _, exists := in.module.Output(name); exists {
		if !override {
			in.problem(Error, position(b.DefRange), "output %q is declared twice", name)
		}
		return
	}
	content, _, diags := b.Body.PartialContent(outputSchema)
	in.diagnose(diags)
	o := Output{Name: name}
	o.Description, _ = in.stringAttr(content, "description")
	o.Sensitive, _ = in.boolAttr(content, "sensitive")
	in.module.Outputs = append(in.module.Outputs, o)
}

var callSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source"}, {Name: "version"}}}

func (in *inspector) call(b *hcl.Block) {
	content, _, diags := b.Body.PartialContent(callSchema)
	in.diagnose(diags)
	c := ModuleCall{Name: b.Labels[0], Pos: position(b.DefRange)}
	c.Source, _ = in.stringAttr(content, "source")
	c.Version, _ = in.stringAttr(content, "version")
	in.module.Calls = append(in.module.Calls, c)
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "required_providers"}, {Type: "backend", LabelNames: []string{"type"}}, {Type: "cloud"},
	},
}

func (in *inspector) settings(b *hcl.Block) {
	content, _, diags := b.Body.PartialContent(settingsSchema)
	in.diagnose(diags)
	if v, ok := in.stringAttr(content, "required_version"); ok {
		in.module.RequiredTool = append(in.module.RequiredTool, Required{Constraint: v, Pos: position(content.Attributes["required_version"].Range)})
	}
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "required_providers":
			in.providers(inner)
		case "backend":
			in.module.Backend = inner.Labels[0]
		case "cloud":
			in.module.Backend = "cloud"
		}
	}
}

func (in *inspector) providers(b *hcl.Block) {
	attrs, diags := b.Body.JustAttributes()
	in.diagnose(diags)
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		p := Provider{Name: name}
		pairs, diags := hcl.ExprMap(attrs[name].Expr)
		if diags.HasErrors() {
			// The old spelling gives the version constraint alone.
			if v, diags := attrs[name].Expr.Value(nil); !diags.HasErrors() && v.Type() == cty.String && !v.IsNull() {
				p.Version = v.AsString()
			}
			in.module.Providers = append(in.module.Providers, p)
			continue
		}
		for _, pair := range pairs {
			key := hcl.ExprAsKeyword(pair.Key)
			if key == "" {
				if v, diags := pair.Key.Value(nil); !diags.HasErrors() && v.Type() == cty.String {
					key = v.AsString()
				}
			}
			v, diags := pair.Value.Value(nil)
			if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
				continue // configuration_aliases holds references
			}
			switch key {
			case "source":
				p.Source = v.AsString()
			case "version":
				p.Version = v.AsString()
			}
		}
		in.module.Providers = append(in.module.Providers, p)
	}
}

func (in *inspector) finish() {
	m := in.module
	m.ResourceTypes = slices.Sorted(maps.Keys(in.types))
}

func (in *inspector) stringAttr(content *hcl.BodyContent, name string) (string, bool) {
	a := content.Attributes[name]
	if a == nil {
		return "", false
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (in *inspector) boolAttr(content *hcl.BodyContent, name string) (is, ok bool) {
	a := content.Attributes[name]
	if a == nil {
		return false, false
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.Bool {
		return false, false
	}
	return v.True(), true
}

// text returns an expression as written. In JSON files the quotes and the
// template marks go, so that both spellings of a file give the same text.
func (in *inspector) text(expr hcl.Expression) string {
	rng := expr.Range()
	src := in.sources[rng.Filename]
	if rng.Start.Byte < 0 || rng.End.Byte > len(src) || rng.Start.Byte > rng.End.Byte {
		return ""
	}
	text := string(rng.SliceBytes(src))
	if strings.HasSuffix(rng.Filename, ".json") {
		if v, diags := expr.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			text = v.AsString()
		}
		if inner, ok := strings.CutPrefix(text, "${"); ok && strings.HasSuffix(inner, "}") {
			text = strings.TrimSuffix(inner, "}")
		}
	}
	return text
}

func (in *inspector) diagnose(diags hcl.Diagnostics) {
	for _, d := range diags {
		severity := Warning
		if d.Severity == hcl.DiagError {
			severity = Error
		}
		pos := Pos{}
		if d.Subject != nil {
			pos = position(*d.Subject)
		}
		message := d.Summary
		if d.Detail != "" {
			message += ": " + d.Detail
		}
		in.problem(severity, pos, "%s", message)
	}
}

func (in *inspector) problem(severity Severity, pos Pos, format string, args ...any) {
	in.module.Problems = append(in.module.Problems, Problem{
		Severity: severity, Message: fmt.Sprintf(format, args...), File: pos.File, Line: pos.Line,
	})
}

func position(r hcl.Range) Pos { return Pos{File: r.Filename, Line: r.Start.Line} }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
