package manifest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/templates"
)

const serviceModule = `
variable "vpc_id" { type = string }
variable "replicas" { type = number }
variable "instance_size" { type = string }
output "endpoint" { value = "" }
`

// examples are the complete documents of the reference.
func examples(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/manifests.md")
	require.NoError(t, err)
	var out []string
	for i, part := range strings.Split(string(text), "```") {
		if body, ok := strings.CutPrefix(part, "yaml\n"); i%2 == 1 && ok {
			out = append(out, body)
		}
	}
	require.Len(t, out, len(manifest.Kinds()), "one example of each kind")
	return strings.Join(out, "---\n")
}

func TestTheExamplesOfTheReferenceWork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		files := fstest.MapFS{"service/main.tf": {Data: []byte(serviceModule)}}
		text := examples(t)
		for _, want := range []manifest.Change{manifest.Created, manifest.Unchanged} {
			dry := f.apply(t, text, manifest.Options{Files: files, DryRun: true})
			real := f.apply(t, text, manifest.Options{Files: files})
			require.Len(t, real, len(manifest.Kinds()))
			for i, r := range real {
				require.Nil(t, r.Error, "%v", r.Error)
				require.Equal(t, want, r.Change, "%s: %v", r.Name, r.Diff)
				require.Nil(t, dry[i].Error, "%v", dry[i].Error)
				require.Equal(t, want, dry[i].Change, "%s: %v", r.Name, dry[i].Diff)
				require.Empty(t, r.Problems, r.Name)
				require.Empty(t, r.Warnings, r.Name)
			}
		}
	})
}

func TestDocumentsFitTheirSchemas(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiled := map[string]*jsonschema.Schema{}
	for name, raw := range manifest.Schemas() {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		require.NoError(t, err)
		require.NoError(t, compiler.AddResource("http://localhost/"+name, doc))
		compiled[name], err = compiler.Compile("http://localhost/" + name)
		require.NoError(t, err, name)
	}
	texts := map[string]string{"docs": examples(t)}
	for _, name := range []string{"ecs/template.yaml", "sample/template.yaml"} {
		text, err := fs.ReadFile(templates.Files, name)
		require.NoError(t, err)
		texts[name] = string(text)
	}
	for name, text := range texts {
		dec := yaml.NewDecoder(strings.NewReader(text))
		for {
			var v any
			if dec.Decode(&v) != nil {
				break
			}
			raw, err := json.Marshal(v)
			require.NoError(t, err)
			instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			require.NoError(t, err)
			kind, _ := v.(map[string]any)["kind"].(string)
			require.NoError(t, compiled[kind].Validate(instance), name)
			require.NoError(t, compiled[manifest.AnyKind].Validate(instance), name)
			v.(map[string]any)["spec"].(map[string]any)["resorces"] = 1
			raw, err = json.Marshal(v)
			require.NoError(t, err)
			instance, err = jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			require.NoError(t, err)
			require.Error(t, compiled[kind].Validate(instance), name)
			require.Error(t, compiled[manifest.AnyKind].Validate(instance), name)
		}
	}
}

// Whatever an editor shows about a field is there.
func TestSchemasDescribeEveryField(t *testing.T) {
	t.Parallel()
	var check func(path string, v any)
	check = func(path string, v any) {
		s, ok := v.(map[string]any)
		if !ok {
			return
		}
		properties, _ := s["properties"].(map[string]any)
		for name, p := range properties {
			require.NotEmpty(t, p.(map[string]any)["description"], "%s.%s needs a doc tag", path, name)
			check(path+"."+name, p)
		}
		check(path+"[]", s["items"])
	}
	for _, k := range manifest.Kinds() {
		var s any
		require.NoError(t, json.Unmarshal(manifest.Schemas()[string(k)], &s))
		check(string(k), s)
	}
}
