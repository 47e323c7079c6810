package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
)

// module is what the runner needs to know of a module's code.
type module struct {
	variables map[string]bool
	providers []providerBlock
	// awsNames are the local names under which the module knows the AWS provider, "aws" at least.
	awsNames map[string]bool
}

type providerBlock struct {
	name  string
	alias string
	file  string
	line  int
}

var moduleSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "provider", LabelNames: []string{"name"}},
	{Type: "terraform"},
}}

// readModule parses the code files of one directory. Files that cannot be parsed are left to the tool, which explains
// better what is wrong with them.
func readModule(dir string) (*module, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	m := &module{variables: map[string]bool{}, awsNames: map[string]bool{"aws": true}}
	parser := hclparse.NewParser()
	for _, name := range codeFiles(entries) {
		path := filepath.Join(dir, name)
		var file *hcl.File
		if strings.HasSuffix(name, ".json") {
			file, _ = parser.ParseJSONFile(path)
		} else {
			file, _ = parser.ParseHCLFile(path)
		}
		if file == nil || file.Body == nil {
			continue
		}
		content, _, _ := file.Body.PartialContent(moduleSchema)
		if content != nil {
			m.take(content.Blocks, name)
		}
	}
	return m, nil
}

// codeFiles lists the files the tool reads; a .tofu file takes the place of a .tf file of the same name.
func codeFiles(entries []fs.DirEntry) []string {
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	var out []string
	for _, e := range entries {
		n := e.Name()
		if e.IsDir() || strings.HasPrefix(n, ".") || strings.HasSuffix(n, "~") {
			continue
		}
		switch {
		case strings.HasSuffix(n, ".tofu"), strings.HasSuffix(n, ".tofu.json"):
			out = append(out, n)
		case strings.HasSuffix(n, ".tf") && !have[strings.TrimSuffix(n, ".tf")+".tofu"]:
			out = append(out, n)
		case strings.HasSuffix(n, ".tf.json") && !have[strings.TrimSuffix(n, ".tf.json")+".tofu.json"]:
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

func (m *module) take(blocks hcl.Blocks, file string) {
	for _, b := range blocks {
		switch b.Type {
		case "variable":
			m.variables[b.Labels[0]] = true
		case "provider":
			p := providerBlock{name: b.Labels[0], file: file, line: b.DefRange.Start.Line}
			attrs, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "alias"}}})
			if attrs != nil && attrs.Attributes["alias"] != nil {
				if v, d := attrs.Attributes["alias"].Expr.Value(nil); !d.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
					p.alias = v.AsString()
				}
			}
			m.providers = append(m.providers, p)
		case "terraform":
			m.takeRequired(b.Body)
		}
	}
}

// takeRequired finds local names for the AWS provider.
func (m *module) takeRequired(body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "required_providers"}}})
	if content == nil {
		return
	}
	for _, b := range content.Blocks {
		attrs, _ := b.Body.JustAttributes()
		for name, a := range attrs {
			// configuration_aliases holds references, which have no value here, so keys are read one by one.
			pairs, d := hcl.ExprMap(a.Expr)
			if d.HasErrors() {
				continue
			}
			for _, p := range pairs {
				k, kd := p.Key.Value(nil)
				v, vd := p.Value.Value(nil)
				if kd.HasErrors() || vd.HasErrors() || k.Type() != cty.String || v.Type() != cty.String || k.AsString() != "source" {
					continue
				}
				isAWS := strings.HasSuffix(strings.ToLower(v.AsString()), "hashicorp/aws")
				if isAWS {
					m.awsNames[name] = true
				} else {
					delete(m.awsNames, name)
				}
			}
		}
	}
}

// childModules lists the directories of the module calls an initialised root module has, by call path.
func childModules(root string) (map[string]string, error) {
	b, err := os.ReadFile(filepath.Join(root, ".terraform", "modules", "modules.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Modules []struct {
			Key string
			Dir string
		}
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		return nil, fmt.Errorf("reading the list of modules: %w", err)
	}
	out := map[string]string{}
	for _, m := range manifest.Modules {
		if m.Key != "" {
			out[m.Key] = filepath.Join(root, m.Dir)
		}
	}
	return out, nil
}
