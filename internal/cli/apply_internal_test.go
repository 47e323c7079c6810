package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

// workplace is a folder of documents and code, and a git repository, as an author has them.
type workplace struct {
	*terminal
	dir, repo string
}

func (w *workplace) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func (w *workplace) replace(name, before, after string) {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	text, err := os.ReadFile(path)
	require.NoError(w.t, err)
	require.Contains(w.t, string(text), before)
	require.NoError(w.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), before, after)), 0o600))
}

func (w *workplace) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.repo
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, string(out))
	return strings.TrimSpace(string(out))
}

// out is what a command printed, without what differs from one test to the next.
func (w *workplace) out(text string) string {
	text = strings.NewReplacer(w.dir+"/", "", w.repo, "REPO").Replace(text)
	return commitName.ReplaceAllString(text, "COMMIT")
}

var commitName = regexp.MustCompile(`"?\b[0-9a-f]{12,64}\b"?`)

const vpcModule = `variable "cidr" {
  type    = string
  default = "10.0.0.0/16"
}

output "id" { value = "" }
`

const webModule = `variable "vpc_id" { type = string }

variable "port" {
  type    = number
  default = 80
}

output "endpoint" { value = "" }
`

const baseDocuments = `apiVersion: berth.dev/v1
kind: Environment
metadata: {name: web-1}
spec:
  template: {name: web, version: v1}
  variables: [{name: port, value: 8080}]
---
apiVersion: berth.dev/v1
kind: Project
metadata: {name: shop, description: The shop}
---
apiVersion: berth.dev/v1
kind: Repository
metadata: {name: infra}
spec: {endpoint: "file://REPO"}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: aws}
spec:
  envs:
    - {key: AWS_REGION, value: eu-north-1}
    - {key: AWS_SECRET_ACCESS_KEY, value: canary-of-the-context, options: {sensitive: true}}
---
apiVersion: berth.dev/v1
kind: StaticResource
metadata: {name: shared}
spec: {variables: [{name: zone, value: example.com}]}
`

const templateDocuments = `{"apiVersion": "berth.dev/v1", "kind": "EnvironmentTemplate", "metadata": {"name": "web"}, "spec": {
  "version": "v1", "versionState": "active", "summary": "A web service in a network.", "contexts": [{"name": "aws"}],
  "resources": [
    {"name": "vpc", "kind": "resourcetemplate", "template": "vpc", "version": "v1"},
    {"name": "shared", "kind": "static", "static": "shared"},
    {"name": "service", "kind": "resourcetemplate", "template": "service", "version": "v1", "dependsOn": [{"name": "vpc"}]}],
  "variables": [
    {"name": "vpc_id", "valueType": "expression", "value": "$(resource[\"vpc\"].output.id)$", "options": {"override": {"type": "notallowed"}}},
    {"name": "port"}]
}}
`

// newWorkplace starts a server, and signs in the administrator with documents of everything a project has.
func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	s := apptest.Start(t, apptest.Options{})
	w := &workplace{terminal: signedIn(t, s, apptest.Admin), dir: t.TempDir(), repo: t.TempDir()}
	w.env["BERTH_PROJECT"] = "shop"
	w.git("init", "-q", "-b", "main")
	require.NoError(t, os.MkdirAll(filepath.Join(w.repo, "modules/vpc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(w.repo, "README"), []byte("first"), 0o600))
	w.git("add", "-A")
	w.git("commit", "-q", "-m", "first")
	vpc := runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.vpc", Type: "fake_thing", ID: "vpc-1"}}, Outputs: map[string]json.RawMessage{"id": json.RawMessage(`"vpc-1"`)}}
	web := runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.web", Type: "fake_thing", ID: "web-1"}}, Outputs: map[string]json.RawMessage{"endpoint": json.RawMessage(`"http://127.0.0.1:9/"`)}}
	for name, text := range vpc.Files() {
		require.NoError(t, os.WriteFile(filepath.Join(w.repo, "modules/vpc", name), []byte(text), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(w.repo, "modules/vpc/main.tf"), []byte(vpcModule), 0o600))
	w.git("add", "-A")
	w.git("commit", "-q", "-m", "second")
	w.write("base.yaml", strings.Replace(baseDocuments, "REPO", w.repo, 1))
	w.write("templates/web.json", templateDocuments)
	w.write("templates/vpc.yml", `apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: vpc}
spec: {version: v1, versionState: active, source: {repository: infra, revision: main, path: modules/vpc}}
`)
	w.write("templates/service.yaml", `apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: service}
spec: {version: v1, versionState: draft, source: {folder: service}}
`)
	for name, text := range web.Files() {
		w.write("templates/service/"+name, text)
	}
	w.write("templates/service/main.tf", webModule)
	w.write("templates/service/notes.yaml", "this: belongs to the module\n")
	w.write(".hidden/x.yaml", "a: [\n")
	return w
}

func TestAProjectFromFiles(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	dry := w.do(exitOK, "", "apply", "-f", w.dir, "--dry-run")
	golden(t, "apply-dry-run", w.out(dry.out))
	w.do(exitNotFound, "", "get", "rt")

	// A draft cannot be used by an active version.
	refused := w.do(exitInvalid, "", "apply", "-f", w.dir)
	golden(t, "apply-refused", w.out(refused.out+refused.err))
	w.replace("templates/service.yaml", "draft", "active")
	golden(t, "apply-again", w.out(w.do(exitOK, "", "apply", "-f", w.dir).out))
	unchanged := w.do(exitOK, "", "apply", "-f", w.dir)
	golden(t, "apply-unchanged", w.out(unchanged.out))
	require.Empty(t, unchanged.err, "code that the server has is not sent again")

	deployed := w.do(exitOK, "", "apply", "-f", w.dir, "--deploy", "--wait")
	require.Contains(t, deployed.err, "environment/web-1 is deployed.")
	require.NotContains(t, w.do(exitOK, "", "apply", "-f", w.dir, "--deploy").err, "Run", "what is deployed and unchanged stays")

	w.replace("base.yaml", "8080", "8081")
	w.replace("base.yaml", "eu-north-1", "eu-west-1")
	w.replace("base.yaml", "canary-of-the-context", "canary-of-another")
	golden(t, "apply-differences", w.out(w.do(exitOK, "", "apply", "-f", w.dir, "--dry-run").out))
	require.Contains(t, w.do(exitOK, "", "apply", "-f", w.dir, "--dry-run").out, "configcontext/aws configured", "a dry run changes nothing")
	golden(t, "apply-configured", w.out(w.do(exitOK, "", "apply", "-f", w.dir).out))

	for _, kind := range []string{"repo", "ctx", "statics", "rt", "EnvironmentTemplates", "env", "project"} {
		golden(t, "get-"+strings.ToLower(kind), w.do(exitOK, "", "get", kind).out)
	}
	require.Equal(t, "resourcetemplate/service\nresourcetemplate/vpc\n", own(w.do(exitOK, "", "get", "rt", "-o", "name").out))
	golden(t, "get-document", w.out(w.do(exitOK, "", "get", "et", "web", "-o", "yaml").out))
	golden(t, "describe-rt", w.out(w.do(exitOK, "", "describe", "rt", "vpc").out))
	golden(t, "describe-et", w.out(w.do(exitOK, "", "describe", "et", "web").out))
	golden(t, "describe-ctx", w.out(w.do(exitOK, "", "describe", "context", "aws").out))
	require.Contains(t, w.do(exitOK, "", "describe", "env", "web-1").out, "Resource:")

	w.exportAndApply()
	w.deleteAll()
}

// own leaves out what the organisation shares with every project.
func own(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "/a\n") && !strings.HasSuffix(line, "/b\n") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// exportAndApply proves that what was exported is what there is.
func (w *workplace) exportAndApply() {
	w.t.Helper()
	to := filepath.Join(w.dir, "exported")
	golden(w.t, "export", w.out(w.do(exitOK, "", "export", "--all", "--dir", to).out))
	require.FileExists(w.t, filepath.Join(to, "code/service-v1/main.tf"))
	again := w.do(exitOK, "", "apply", "-f", to).out
	require.Equal(w.t, 8, strings.Count(again, " unchanged\n"), again)
	golden(w.t, "export-rt", w.out(w.do(exitOK, "", "export", "rt", "vpc").out))
	require.Equal(w.t, 2, strings.Count(w.do(exitOK, w.do(exitOK, "", "export", "rt").out, "apply", "-f", "-").out, " unchanged\n"))
	require.Contains(w.t, w.do(exitOK, w.do(exitOK, "", "export", "et", "web", "-o", "json").out, "apply", "-f", "-").out, "web v1 unchanged")
	// In another project, the folder makes everything there is but secrets.
	require.NoError(w.t, os.RemoveAll(to))
	w.do(exitOK, "", "export", "--all", "--portable", "--dir", to)
	w.do(exitOK, "", "project", "create", "copy")
	path := filepath.Join(to, "configcontext-aws.yaml")
	text, err := os.ReadFile(path)
	require.NoError(w.t, err)
	require.NotContains(w.t, string(text), "canary")
	require.NoError(w.t, os.WriteFile(path, []byte(strings.Replace(string(text), "- key: AWS_SECRET_ACCESS_KEY\n", "- key: AWS_SECRET_ACCESS_KEY\n      value: other\n", 1)), 0o600))
	copied := w.do(exitOK, "", "apply", "-f", to, "-p", "copy").out
	require.Equal(w.t, 7, strings.Count(copied, " created\n"), copied)
	w.do(exitOK, "", "delete", "-f", to, "--yes", "-p", "copy")
	require.NoError(w.t, os.RemoveAll(to))
}

func (w *workplace) deleteAll() {
	w.t.Helper()
	require.Contains(w.t, w.do(exitInvalid, "", "delete", "rt", "vpc").err, "--yes")
	used := w.do(exitConflict, "", "delete", "rt", "vpc", "--version", "v1", "--yes")
	require.Contains(w.t, used.err, "web", "its users are named")
	w.do(exitConflict, "", "delete", "env", "web-1", "--yes")
	w.do(exitOK, "", "env", "destroy", "web-1", "--wait")
	golden(w.t, "delete", w.out(w.do(exitOK, "", "delete", "-f", w.dir, "--yes").out))
	w.do(exitNotFound, "", "get", "rt", "vpc", "-p", "demo")
}

func TestWhatIsWrongIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.do(exitOK, "", "project", "create", "shop")
	bad := strings.Replace(templateDocuments, `"summary"`, `"sumary"`, 1)
	w.write("templates/web.json", bad)
	w.write("templates/more.yaml", "apiVersion: berth.dev/v1\nkind: Pod\n")
	got := w.do(exitInvalid, "", "apply", "-f", w.dir)
	golden(t, "apply-unreadable", w.out(got.err))
	w.do(exitNotFound, "", "get", "repo", "infra")
	w.write("templates/web.json", templateDocuments)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "templates/more.yaml")))

	// What cannot be applied stops only what needs it.
	w.write("templates/service/main.tf", "variable \"port\" {\n  type = strin\n}\n")
	w.write("more.yaml", "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: lost}\nspec: {version: v1, source: {folder: nowhere}}\n")
	got = w.do(exitInvalid, "", "apply", "-f", w.dir)
	golden(t, "apply-failures", w.out(got.out+got.err))
	golden(t, "describe-draft", w.out(w.do(exitOK, "", "describe", "rt", "service").out))
	var out api.Applied
	require.NoError(t, json.Unmarshal([]byte(w.do(exitInvalid, "", "apply", "-f", w.dir, "-o", "json").out), &out))
	require.Len(t, out.Results, 9)

	w.env["BERTH_PROJECT"] = ""
	require.Contains(t, w.do(exitInvalid, "", "apply", "-f", w.dir).err, "names no project")
	w.do(exitInvalid, "", "apply", "-f", filepath.Join(w.dir, "nothing"))
	w.do(exitInvalid, "", "apply")
	w.do(exitInvalid, "", "get", "pods", "-p", "shop")
	w.do(exitInvalid, "", "export", "--all", "rt", "-p", "shop")
}

func TestForeignDocumentsAreTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.do(exitOK, "", "project", "create", "shop")
	w.write("foreign/a.yaml", `apiVersion: eaas.envmgmt.io/v1
kind: ConfigContext
metadata: {name: from-elsewhere, project: shop}
spec:
  envs:
    - {key: A, value: b}
---
apiVersion: eaas.envmgmt.io/v1
kind: Something
metadata: {name: unknown, project: shop}
spec: {}
`)
	got := w.do(exitOK, "", "apply", "-f", filepath.Join(w.dir, "foreign"))
	golden(t, "apply-foreign", w.out(got.out))
}

func TestTemplateCommands(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.do(exitInvalid, "", "apply", "-f", w.dir)
	require.Equal(t, "resourcetemplate/service v1 is active.\n", w.do(exitOK, "", "template", "activate", "service", "v1", "--kind", "rt").out)
	w.replace("templates/service.yaml", "version: v1, versionState: draft", "version: v2, versionState: active")
	w.replace("templates/service/main.tf", "default = 80", "default = 81")
	w.do(exitOK, "", "apply", "-f", filepath.Join(w.dir, "templates/service.yaml"))
	golden(t, "template-compare", w.out(w.do(exitOK, "", "template", "compare", "service", "v1", "v2", "--kind", "rt").out))
	w.do(exitOK, "", "template", "disable", "service", "v1", "--kind", "rt")
	require.Equal(t, "resourcetemplate/service is shared with nobody.\n", w.do(exitOK, "", "template", "share", "service", "--kind", "rt").out)
	require.Equal(t, "resourcetemplate/service is shared with demo.\n", w.do(exitOK, "", "template", "share", "service", "--kind", "rt", "--with", "demo").out)
	require.Equal(t, "resourcetemplate/service is shared with all projects.\n", w.do(exitOK, "", "template", "share", "service", "--kind", "rt", "--everyone").out)
	require.Equal(t, "The admins of project shop may share what it owns.\n", w.do(exitOK, "", "project", "sharing", "shop", "--delegate", "on").out)
	golden(t, "repository-test", w.out(w.do(exitOK, "", "repository", "test", "infra").out))
	require.NoError(t, os.RemoveAll(w.repo))
	w.do(exitInvalid, "", "repo", "test", "infra")
}

func TestSchemasAndCompletion(t *testing.T) {
	t.Parallel()
	c := newTerminal(t)
	require.Contains(t, c.do(exitOK, "", "schema", "rt").out, `"$schema": "https://json-schema.org/draft/2020-12/schema"`)
	dir := t.TempDir()
	require.Equal(t, 8, strings.Count(c.do(exitOK, "", "schema", "--all", "--dir", dir).out, ".schema.json\n"))
	require.Contains(t, c.do(exitOK, "", "__complete", "get", "res").out, "resourcetemplate\n")
	c.do(exitInvalid, "", "schema", "pod")
	c.do(exitInvalid, "", "schema")
	for _, name := range []string{"apply", "get", "describe", "delete", "export", "schema", "template"} {
		golden(t, "help-"+name, c.do(exitOK, "", name, "--help").out)
	}
}

func TestCodeIsPackedWithWhatItCalls(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.do(exitOK, "", "project", "create", "shop")
	const document = "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: NAME}\nspec: {version: v1, source: {folder: FOLDER}}\n"
	w.write("tree/docs/app.yaml", strings.NewReplacer("NAME", "app", "FOLDER", "../modules/app").Replace(document))
	w.write("tree/modules/app/main.tf", "module \"x\" {\n  source = \"../common\"\n}\n")
	w.write("tree/modules/common/main.tf", "output \"x\" { value = 1 }\n")
	w.write("tree/modules/unused/main.tf", "output \"x\" { value = 1 }\n")
	require.Contains(t, w.do(exitInvalid, "", "apply", "-f", filepath.Join(w.dir, "tree")).out, "without git those below its own")
	w.write("tree/.git/HEAD", "ref: refs/heads/main\n")
	got := w.do(exitOK, "", "apply", "-f", filepath.Join(w.dir, "tree"))
	require.Equal(t, "resourcetemplate/app v1 created\n", got.out)
	require.Contains(t, got.err, ": 2 files\n", "what is not called stays")
	to := filepath.Join(w.dir, "out")
	w.do(exitOK, "", "export", "rt", "app", "--dir", to)
	require.FileExists(t, filepath.Join(to, "code/app-v1/common/main.tf"))
	require.Equal(t, "resourcetemplate/app v1 unchanged\n", w.do(exitOK, "", "apply", "-f", to).out)

	// A module of somebody else's must not reach for other files of whoever applies it.
	w.write("secret/main.tf", "output \"key\" { value = \"canary\" }\n")
	w.write("shared/bad.yaml", strings.NewReplacer("NAME", "bad", "FOLDER", "bad").Replace(document))
	w.write("shared/bad/main.tf", "module \"x\" {\n  source = \"../../secret\"\n}\n")
	got = w.do(exitOK, "", "apply", "-f", filepath.Join(w.dir, "shared"))
	require.Contains(t, got.out, "lies outside the source")
	require.Contains(t, got.err, ": 1 file\n")
	w.write("shared/bad/main.tf", "output \"x\" { value = 1 }\n")
	require.NoError(t, os.Symlink(filepath.Join(w.dir, "secret/main.tf"), filepath.Join(w.dir, "shared/bad/more.tf")))
	require.Contains(t, w.do(exitInvalid, "", "apply", "-f", filepath.Join(w.dir, "shared")).out, "resourcetemplate/bad v1 failed\n")

	// From standard input, folders are seen from where the command runs; a git work tree is one source.
	w.git("commit", "-q", "--allow-empty", "-m", "x")
	require.NoError(t, os.WriteFile(filepath.Join(w.repo, "vpc.yaml"), []byte(strings.NewReplacer("NAME", "local", "FOLDER", "modules/vpc").Replace(document)), 0o600))
	require.Contains(t, w.do(exitOK, "", "apply", "-f", filepath.Join(w.repo, "vpc.yaml")).out, "resourcetemplate/local v1 created")
}

func TestEnvironmentsAreDeployedAfterThoseTheyNeed(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.replace("templates/service.yaml", "draft", "active")
	w.do(exitOK, "", "apply", "-f", w.dir)
	w.write("later/a.yaml", `apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: above}
spec:
  version: v1
  versionState: active
  resources:
    - {name: below, kind: environment, environment: web-1}
    - {name: service, template: service, version: v1}
  variables: [{name: vpc_id, valueType: expression, value: '$(resource["below"].resource["vpc"].output.id)$'}]
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: above-1}
spec: {template: {name: above, version: v1}}
`)
	got := w.do(exitOK, "", "apply", "-f", filepath.Join(w.dir, "later"), "-f", w.dir, "--deploy", "--wait")
	require.Less(t, strings.Index(got.err, "environment/web-1 is deployed."), strings.Index(got.err, "environment/above-1 is deployed."), got.err)
	require.Contains(t, w.do(exitOK, "", "get", "env").out, "above-1   deployed")
}
