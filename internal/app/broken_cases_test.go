package app_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// brokenModules are folders of a repository, each with something wrong in it.
func brokenModules() map[string]string {
	files := map[string]string{
		"ok/main.tf": `variable "name" {
  type = string
}
variable "size" {
  type    = number
  default = 1
}
output "id" {
  value = "x"
}
output "list" {
  value = ["x"]
}
`,
		"no-brace/main.tf":      "variable \"x\" {\n  type = string\n",
		"no-value/main.tf":      "output \"x\" {\n  value =\n}\n",
		"no-type/main.tf":       "variable \"x\" {\n  type = strin\n}\n",
		"default/main.tf":       "variable \"x\" {\n  type    = number\n  default = \"many\"\n}\n",
		"twice/main.tf":         "variable \"x\" {}\n",
		"twice/more.tf":         "\nvariable \"x\" {}\n",
		"latin/main.tf":         "variable \"x\" {\n  description = \"caf\xe9\"\n}\n",
		"no-module/main.tf":     "\nmodule \"net\" {\n  source = \"./nothing\"\n}\n",
		"outside/main.tf":       "module \"net\" {\n  source = \"../../../etc\"\n}\n",
		"absolute/main.tf":      "module \"net\" {\n  source = \"/etc\"\n}\n",
		"file-url/main.tf":      "module \"net\" {\n  source = \"file:///etc\"\n}\n",
		"expression/main.tf":    "module \"net\" {\n  source = var.where\n}\n",
		"calls-itself/main.tf":  "module \"me\" {\n  source = \"./\"\n}\n",
		"in-a-circle/main.tf":   "module \"a\" {\n  source = \"./a\"\n}\n",
		"in-a-circle/a/main.tf": "module \"b\" {\n  source = \"../b\"\n}\n",
		"in-a-circle/b/main.tf": "module \"a\" {\n  source = \"../a\"\n}\n",
		"nothing/readme.md":     "no code\n",
		"tofu/fake.json":        `{"validate_error": "Unsupported argument: There is no argument named \"sise\"."}`,
		"tofu/main.tf":          "",
		"fetch/fake.json":       `{"fetch_error": "Failed to query available provider packages"}`,
		"fetch/main.tf":         "",
		"link/main.tf":          "",
		"linked-module/main.tf": "module \"net\" {\n  source = \"./net\"\n}\n",
		"odd-name/main.tf":      "",
	}
	return files
}

const document = "apiVersion: berth.dev/v1\nkind: "

// resource is a version of a resource template, ready for use, whose code is elsewhere.
func resource(source string) string {
	return document + "ResourceTemplate\nmetadata: {name: broken}\nspec:\n  version: v1\n  versionState: active\n  source: {" + source + "}\n"
}

// environment is a version of an environment template, ready for use.
func environment(spec string) string {
	return document + "EnvironmentTemplate\nmetadata: {name: broken}\nspec:\n  version: v1\n  versionState: active\n" + spec
}

const one = "  resources: [{name: a, template: ok}]\n"

// brokenDocuments are refused. Each has a name of its own, which is that of its file, too.
func brokenDocuments() map[string]string {
	const two = "  resources: [{name: a, template: ok}, {name: b, template: ok, dependsOn: [{name: a}]}]\n"
	out := map[string]string{
		"module folder above":         resource("repository: code, path: ../ok"),
		"module folder inside above":  resource("repository: code, path: ok/../../ok"),
		"module folder missing":       resource("repository: code, path: nowhere"),
		"branch missing":              resource("repository: code, revision: release, path: ok"),
		"commit missing":              resource("repository: code, commit: 0123456789012345678901234567890123456789, path: ok"),
		"branch like an option":       resource("repository: code, revision: --upload-pack=x, path: ok"),
		"repository missing":          resource("repository: cod, path: ok"),
		"repository gone":             resource("repository: gone, path: ok"),
		"repository unreachable":      resource("repository: unreachable, path: ok"),
		"repository asks for a login": resource("repository: locked, path: ok"),
		"folder of 5001 files":        resource("repository: many"),
		"repository of 200 MB":        resource("repository: large, path: ok"),
		"upload missing":              resource("upload: \"" + strings.Repeat("0", 64) + "\""),
		"two sources":                 resource("repository: code, upload: \"" + strings.Repeat("0", 64) + "\""),
		"no source":                   resource(""),
		"folder not uploaded":         resource("folder: x"),
		"unknown module variable":     resource("repository: code, path: ok") + "  variables: [{name: sise, value: 1}]\n",
		"value of another type":       resource("repository: code, path: ok") + "  variables: [{name: size, value: many}]\n",
		"value that is no JSON":       resource("repository: code, path: ok") + "  variables: [{name: size, valueType: json, value: \"{\"}]\n",
		"unknown provider":            strings.Replace(resource("repository: code, path: ok"), "  source", "  provider: pulumi\n  source", 1),
		"no version constraint":       strings.Replace(resource("repository: code, path: ok"), "  source", "  providerOptions: {openTofu: {version: newest}}\n  source", 1),
		"unknown project in sharing":  resource("repository: code, path: ok") + "  sharing: {enabled: true, projects: [{name: nothing}]}\n",

		"cycle":                    environment("  resources: [{name: a, template: ok, dependsOn: [{name: b}]}, {name: b, template: ok, dependsOn: [{name: a}]}]\n"),
		"cycle of expressions":     environment(two + "  variables: [{name: x, valueType: expression, value: \"$(resource['b'].output.id)$\", selectors: [{resource: a, variable: name}]}]\n"),
		"depends on itself":        environment("  resources: [{name: a, template: ok, dependsOn: [{name: a}]}]\n"),
		"unknown dependency":       environment("  resources: [{name: a, template: ok, dependsOn: [{name: c}]}]\n"),
		"no resources":             environment("  resources: []\n"),
		"resource twice":           environment("  resources: [{name: a, template: ok}, {name: a, template: ok}]\n"),
		"unknown template":         environment("  resources: [{name: a, template: okk}]\n"),
		"unknown template version": environment("  resources: [{name: a, template: ok, version: v9}]\n"),
		"unknown static":           environment("  resources: [{name: a, kind: static, static: nothing}]\n"),
		"unknown resource kind":    environment("  resources: [{name: a, kind: container, template: ok}]\n"),
		"unknown variable":         environment(one + "  variables: [{name: sise, value: 1}]\n"),
		"unknown selector":         environment(one + "  variables: [{name: x, value: 1, selectors: [{resource: c, variable: name}]}]\n"),
		"variable twice":           environment(one + "  variables: [{name: name, value: a}, {name: name, value: b}]\n"),
		"type error":               environment(one + "  variables: [{name: size, value: many}]\n"),
		"output no module has":     environment(two + "  variables: [{name: x, valueType: expression, value: \"$(resource['a'].output.ip)$\", selectors: [{resource: b, variable: name}]}]\n"),
		"unknown resource":         environment(two + "  variables: [{name: x, valueType: expression, value: \"$(resource['c'].output.id)$\", selectors: [{resource: b, variable: name}]}]\n"),
		"expression of a list":     environment(two + "  variables: [{name: x, valueType: expression, value: \"$([1, 2])$\", selectors: [{resource: b, variable: size}]}]\n"),
		"expression that ends":     environment(one + "  variables: [{name: name, valueType: expression, value: \"$(environment.name + )$\"}]\n"),
		"expression of nothing":    environment(one + "  variables: [{name: name, valueType: expression, value: \"$(enviroment.name)$\"}]\n"),
		"no expression":            environment(one + "  variables: [{name: name, valueType: expression, value: plain}]\n"),
		"input nobody gives":       environment(one + "  variables: [{name: name, options: {override: {type: notallowed}}}]\n"),
		"hidden input":             environment(one + "  moduleInputs: hidden\n"),
		"no choices":               environment(one + "  variables: [{name: name, options: {override: {type: restricted}}}]\n"),
		"default is no choice":     environment(one + "  variables: [{name: name, value: c, options: {override: {type: restricted, restrictedValues: [a, b]}}}]\n"),
		"choice of another type":   environment(one + "  variables: [{name: size, options: {override: {type: restricted, restrictedValues: [1, many]}}}]\n"),
		"unknown rule":             environment(one + "  variables: [{name: size, options: {override: {type: sometimes}}}]\n"),

		"unknown field":   strings.Replace(environment(one), "versionState", "versionStat", 1),
		"unknown kind":    "apiVersion: berth.dev/v1\nkind: Pod\nmetadata: {name: x}\n",
		"other format":    "apiVersion: v1\nkind: Project\nmetadata: {name: x}\n",
		"no format":       "kind: Project\nmetadata: {name: x}\n",
		"no name":         document + "Project\nmetadata: {}\n",
		"no map":          "- a\n- b\n",
		"key twice":       environment(one + one),
		"wrong kind":      environment("  resources: everything\n"),
		"long name":       strings.Replace(environment(one), "broken", strings.Repeat("long-", 60), 1),
		"odd name":        strings.Replace(environment(one), "broken", "\"../x\"", 1),
		"long version":    strings.Replace(environment(one), "version: v1", "version: "+strings.Repeat("1", 300), 1),
		"odd version":     strings.Replace(environment(one), "version: v1", "version: \"a/b\"", 1),
		"no text":         document + "Project\nmetadata: {name: x, description: \"\\u0000\"}\n",
		"open quote":      document + "Project\nmetadata: {name: \"x}\n",
		"tab":             document + "Project\nmetadata:\n\tname: x\n",
		"bomb of aliases": aliases(),
		"deep":            document + "Project\nmetadata: " + strings.Repeat("[", 5000) + "\n",
		"other project":   document + "ConfigContext\nmetadata: {name: x, project: nothing}\nspec: {}\n",
		"file above":      document + "ConfigContext\nmetadata: {name: broken}\nspec: {files: [{mountPath: ../../etc/passwd, content: x}]}\n",
		"file elsewhere":  document + "ConfigContext\nmetadata: {name: broken}\nspec: {files: [{mountPath: /etc/passwd, content: x}]}\n",
		"env twice":       document + "ConfigContext\nmetadata: {name: broken}\nspec: {envs: [{key: A, value: b}, {key: A, value: c}]}\n",
		"odd address":     document + "Repository\nmetadata: {name: broken}\nspec: {endpoint: \"ext::sh -c id\"}\n",
		"static no JSON":  document + "StaticResource\nmetadata: {name: broken}\nspec: {variables: [{name: a, valueType: json, value: \"[1,\"}]}\n",

		"environment of nothing":   document + "Environment\nmetadata: {name: broken}\nspec: {template: {name: nothing}}\n",
		"environment with no name": document + "Environment\nmetadata: {name: Not_A_Name}\nspec: {template: {name: pair}}\n",
		"environment, wrong type":  document + "Environment\nmetadata: {name: broken}\nspec: {template: {name: pair}, variables: [{name: port, value: many}, {name: token, value: x}]}\n",
		"environment, not allowed": document + "Environment\nmetadata: {name: broken}\nspec: {template: {name: pair}, variables: [{name: a_id, value: x}]}\n",
	}
	for name := range brokenModules() {
		folder, _, _ := strings.Cut(name, "/")
		if folder != "ok" {
			out["module "+folder] = resource("repository: code, path: " + folder)
		}
	}
	return out
}

// aliases is a small text that becomes large.
func aliases() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// brokenUploads are archives that are refused.
func brokenUploads(t *testing.T) map[string]io.Reader {
	t.Helper()
	entry := func(h tar.Header) io.Reader {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		require.NoError(t, w.WriteHeader(&h))
		require.NoError(t, w.Close())
		return &out
	}
	large := func(size int64) io.Reader { // a folder of 200 MB as it is sent
		var head bytes.Buffer
		require.NoError(t, tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "large.bin", Mode: 0o644, Size: size, Typeflag: tar.TypeReg}))
		return io.MultiReader(&head, io.LimitReader(zeros{}, size))
	}
	var tgz bytes.Buffer
	g := gzip.NewWriter(&tgz)
	_, err := io.Copy(g, large(64<<20))
	require.NoError(t, err)
	require.NoError(t, g.Close())
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	f, err := z.Create("bomb.bin")
	require.NoError(t, err)
	_, err = io.Copy(f, io.LimitReader(zeros{}, 64<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return map[string]io.Reader{
		"archive with a name above":     archive(t, map[string]string{"../main.tf": ""}),
		"archive with a name deep":      archive(t, map[string]string{"a/../../main.tf": ""}),
		"archive with an absolute name": archive(t, map[string]string{"/etc/main.tf": ""}),
		"archive with an odd name":      archive(t, map[string]string{"caf\xe9.tf": ""}),
		"archive with a link":           entry(tar.Header{Name: "passwd", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}),
		"archive with a hard link":      entry(tar.Header{Name: "passwd", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}),
		"archive with a device":         entry(tar.Header{Name: "null", Typeflag: tar.TypeChar}),
		"archive of 200 MB":             large(200 << 20),
		"archive that is a bomb":        &tgz,
		"archive that is a zip bomb":    &zipped,
		"archive of nothing":            archive(t, nil),
		"archive that is none":          strings.NewReader("no archive at all"),
		"archive that is empty":         strings.NewReader(""),
	}
}
