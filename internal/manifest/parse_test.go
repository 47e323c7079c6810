package manifest_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/templates"
)

const head = "apiVersion: berth.dev/v1\nkind: EnvironmentTemplate\nmetadata: {name: app}\n"

func TestEveryErrorOfAFileIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	_, _, err := manifest.Parse("app.yaml", []byte(head+`spec:
  version: v1
  resorces: []
  allowFreeVariables: "yes"
  variables:
    - name: size
      options: {override: {type: restrictd}}
      value: [1, 2]
    - valueType: text
  moduleInputs: offered
  moduleInputs: hidden
---
apiVersion: v1
kind: Pod
---
apiVersion: berth.dev/v1
kind: Thing
---
- 1
`))
	f, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Equal(t, "bad_manifest", f.Code)
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Path+": "+field.Message)
	}
	require.Equal(t, []string{
		`app.yaml:6:3: unknown field spec.resorces; did you mean resources?`,
		`app.yaml:7:23: spec.allowFreeVariables must be true or false, without quotation marks`,
		`app.yaml:10:34: spec.variables[0].options.override.type cannot be "restrictd"; use allowed, notallowed or restricted`,
		`app.yaml:11:14: spec.variables[0].value must be plain text; here stands a list; write lists and maps as JSON text with valueType json`,
		`app.yaml:12:7: spec.variables[1].name is required`,
		`app.yaml:14:3: "moduleInputs" is given twice; it stands in line 13 too`,
		`app.yaml:16:13: the apiVersion "v1" is not known; use berth.dev/v1`,
		`app.yaml:20:7: the kind "Thing" is not known; use Project, Repository, ConfigContext, StaticResource, ResourceTemplate, EnvironmentTemplate or Environment`,
		`app.yaml:22:1: a document must be a map with apiVersion, kind, metadata and spec; here stands a list`,
	}, got)
	require.Equal(t, strings.Join(got, "\n"), f.Message)
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, text, want string }{
		"no YAML":         {"a.yaml", "a: [1", "a.yaml:1:"},
		"tab":             {"a.yaml", "a:\n\tb: 1", "a.yaml:2:1"},
		"no apiVersion":   {"a.yaml", "kind: Project", "apiVersion is required"},
		"no kind":         {"a.yaml", "apiVersion: berth.dev/v1", "a.yaml:1:1: kind is required"},
		"no metadata":     {"a.yaml", "apiVersion: berth.dev/v1\nkind: Project", "metadata.name is required"},
		"no spec":         {"a.yaml", head, "spec.version is required"},
		"unknown alias":   {"a.yaml", head + "spec: *x", "there is no anchor of this name above"},
		"unknown tag":     {"a.yaml", head + "spec: !x {version: v1}", "this tag has no meaning here"},
		"wrong top field": {"a.yaml", head + "sepc: {version: v1}", "unknown field sepc; did you mean spec?"},
		"no text":         {"a.yaml", "\xff\xfe", "no text in UTF-8"},
		"too large":       {"a.yaml", strings.Repeat("#\n", manifest.MaxFileSize), "larger than 4 MB"},
		"bad JSON":        {"a.json", "{\n \"apiVersion\": \"berth.dev/v1\",,\n}", "a.json:2:30: this is no valid JSON"},
		"cut JSON":        {"a.json", "{\n \"apiVersion\":", "this is no valid JSON"},
		"JSON twice":      {"a.json", `{"apiVersion":"berth.dev/v1","kind":"Project","metadata":{"name":"a","name":"b"}}`, `a.json:1:70: "name" is given twice`},
		"JSON unknown":    {"-", `{"apiVersion":"berth.dev/v1","kind":"Project","metadata":{"nane":"a"}}`, "-:1:59: unknown field metadata.nane; did you mean name?"},
		"no source":       {"a.yaml", strings.Replace(head, "Environment", "Resource", 1) + "spec: {version: v1, source: {}}", "spec.source must name one of folder, repository and upload"},
		"two sources":     {"a.yaml", strings.Replace(head, "Environment", "Resource", 1) + "spec: {version: v1, source: {folder: a, upload: b}}", "spec.source must name one of"},
		"wrong program":   {"a.yaml", strings.Replace(head, "Environment", "Resource", 1) + "spec: {version: v1, source: {folder: a}, providerOptions: {terraform: {version: 1}}}", "is for the provider terraform"},
		"known elsewhere": {"a.yaml", strings.Replace(head, "Environment", "Resource", 1) + "spec: {version: v1, source: {folder: a}, repositoryOptions: {name: x}}", "use source: {repository, revision, path}"},
		"no base64":       {"a.yaml", "apiVersion: berth.dev/v1\nkind: ConfigContext\nmetadata: {name: a}\nspec:\n  files:\n    - {mountPath: x, data: '*'}", "a.yaml:6:28: spec.files[0].data is no base64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, _, err := manifest.Parse(tc.file, []byte(tc.text))
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, docs)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
}

// What small texts can blow up is refused at once.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 lol\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, text := range map[string]string{
		"aliases":      laughs,
		"long aliases": "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a, ", 1000) + "*a]\n",
		"brackets":     strings.Repeat("[", 1<<18),
		"braces":       strings.Repeat("{a: ", 1<<16),
		"JSON":         "{" + strings.Repeat(`"a":{`, 1<<16),
		"dashes":       strings.Repeat("- ", 1<<18),
		"questions":    strings.Repeat("? ", 1<<19),
		"anchors":      strings.Repeat("&a ", 1<<16),
		"tags":         strings.Repeat("!a ", 1<<18),
		"colons":       strings.Repeat("a: ", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			docs, _, err := manifest.Parse("a.yaml", []byte(text))
			require.Error(t, err)
			require.Empty(t, docs)
			require.Less(t, time.Since(begun), 20*time.Second)
		})
	}
}

func TestTextStaysAsItIsWritten(t *testing.T) {
	t.Parallel()
	docs, notices, err := manifest.Parse("a.yaml", []byte(`# a comment
defaults: &d {type: notallowed}
---
apiVersion: berth.dev/v1
kind: environmenttemplate
metadata: {name: app, labels: {port: 080}}
spec:
  version: 1.10
  readme: |
    # Title

      text
  variables:
    - &v {name: a, value: 080}
    - {<<: *v, name: b}
    - {name: c, value: true}
    - {name: d, value: 1e3}
    - {name: e, value: "quoted: text"}
    - {name: f, value: ""}
    - {name: g, value: null}
    - {name: h, value: 0x1F}
    - {name: i, value: !!str 5}
    - {name: j, value: 2024-01-02}
    - {name: k, value: ~}
    - name: l
      value: >-
        one
        two
    - {name: m, options: {override: {type: Restricted, restrictedValues: [01, no, 1.0]}}}
`[len("# a comment\ndefaults: &d {type: notallowed}\n---\n"):]))
	require.NoError(t, err)
	require.Empty(t, notices)
	require.Len(t, docs, 1)
	require.Equal(t, "1.10", docs[0].Version())
	s, ok := docs[0].Spec.(*manifest.EnvironmentTemplateSpec)
	require.True(t, ok)
	require.Equal(t, "# Title\n\n  text\n", s.Readme)
	require.EqualValues(t, "080", docs[0].Metadata.Labels["port"])
	got := map[string]string{}
	for _, v := range s.Variables {
		got[v.Name] = "nothing"
		if v.Value != nil {
			got[v.Name] = string(*v.Value)
		}
	}
	require.Equal(t, map[string]string{
		"a": "080", "b": "080", "c": "true", "d": "1e3", "e": "quoted: text", "f": "", "g": "nothing", "h": "0x1F", "i": "5", "j": "2024-01-02",
		"k": "nothing", "l": "one two", "m": "nothing",
	}, got)
	o := s.Variables[12].Options.Override
	require.EqualValues(t, "restricted", o.Type)
	require.Equal(t, []manifest.Text{"01", "no", "1.0"}, o.RestrictedValues)
}

func TestJSONIsReadLikeYAML(t *testing.T) {
	t.Parallel()
	text := `[{"apiVersion": "berth.dev/v1", "kind": "Environment", "metadata": {"name": "a"}, "spec": {"template": {"name": "t", "version": 1.10},
 "variables": [{"name": "n", "value": 80}, {"name": "s", "value": "x"}]}}]
{"apiVersion": "berth.dev/v1", "kind": "PROJECT", "metadata": {"name": "p"}}`
	docs, _, err := manifest.Parse("a.json", []byte(text))
	require.NoError(t, err)
	require.Len(t, docs, 2)
	s, ok := docs[0].Spec.(*manifest.EnvironmentSpec)
	require.True(t, ok)
	require.EqualValues(t, "1.10", s.Template.Version)
	require.EqualValues(t, "80", *s.Variables[0].Value)
	require.Equal(t, manifest.KindProject, docs[1].Kind)
	require.Equal(t, 3, docs[1].Line)
}

func TestForeignDocumentsAreTranslated(t *testing.T) {
	t.Parallel()
	docs, notices, err := manifest.Parse("r.yaml", []byte(`apiVersion: eaas.envmgmt.io/v1
kind: Environment
metadata: {name: one, project: demo}
spec:
  template: {name: shop, version: v1}
  agents: [{name: a}]
  variables:
    - {name: container_port, valueType: text, value: 80}
---
apiVersion: gitops.k8smgmt.io/v3
kind: Pipeline
metadata: {name: p}
spec: {}
`))
	require.NoError(t, err)
	require.Len(t, docs, 1)
	require.Equal(t, manifest.KindEnvironment, docs[0].Kind)
	require.NotEmpty(t, notices)
	require.Equal(t, "Pipeline", notices[len(notices)-1].Kind)
	require.Equal(t, 11, notices[len(notices)-1].Line)
	_, _, err = manifest.Parse("r.yaml", []byte("apiVersion: eaas.envmgmt.io/v1\nkind: Environment\nmetadata:\n  name: {{ .name }}\nspec: {}\n"))
	require.ErrorContains(t, err, "was not filled in")
}

func TestParseKind(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]manifest.Kind{
		"environment-templates": manifest.KindEnvironmentTemplate, "ConfigContext": manifest.KindConfigContext, "repositories": manifest.KindRepository,
		"STATICRESOURCE": manifest.KindStaticResource,
	} {
		k, ok := manifest.ParseKind(text)
		require.True(t, ok, text)
		require.Equal(t, want, k)
	}
	_, ok := manifest.ParseKind("pods")
	require.False(t, ok)
}

// FuzzParse holds that reading never fails in another way than with an error, and that what was read and is written can
// be read again as the same.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"ecs/template.yaml", "sample/template.yaml"} {
		text, err := fs.ReadFile(templates.Files, name)
		require.NoError(f, err)
		f.Add(string(text))
	}
	for _, text := range []string{
		head + "spec: {version: v1, readme: \"a\\n b \\n\"}", `{"apiVersion": "berth.dev/v1"}`, "a: &a [*a]", "- - -", "? a\n: b", "<<: {a: b}",
		"apiVersion: berth.dev/v1\nkind: ConfigContext\nmetadata: {name: a}\nspec: {envs: [{key: A, value: yes}], files: [{mountPath: x, content: ' a\n'}]}",
		"apiVersion: eaas.envmgmt.io/v1\nkind: ConfigContext\nmetadata: {name: a}\nspec: {envs: [{key: A, value: 1}]}",
		"apiVersion: berth.dev/v1\nkind: Project\nmetadata: {name: a, labels: {'~': 'null', \"1\": \"\\u2028\"}}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, _, err := manifest.Parse("f.yaml", []byte(text))
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			return
		}
		for _, d := range docs {
			written := d.Manifest().YAML()
			again, _, err := manifest.Parse("g.yaml", written)
			require.NoError(t, err, string(written))
			require.Len(t, again, 1)
			require.Equal(t, string(written), string(again[0].Manifest().YAML()))
		}
	})
}

func TestFilesOfTestsHoldNoDocuments(t *testing.T) {
	t.Parallel()
	docs, notices, err := manifest.Parse("templates/"+manifest.TestFile, []byte("cases: [{name: defaults}]\n"))
	require.NoError(t, err)
	require.Empty(t, docs)
	require.Empty(t, notices)
}
