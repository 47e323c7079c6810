package web_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

const resourcesPath = "/p/demo/resource-templates"

const networkTF = `variable "cidr" {
  type        = string
  description = "Addresses of the network"
  validation {
    condition     = length(var.cidr) > 3
    error_message = "Too short."
  }
}
variable "size" {
  type    = number
  default = 2
}
variable "password" {
  type      = string
  default   = ""
  sensitive = true
}
output "id" {
  value = ""
}
`

// repositoryOf makes a git repository with files, and returns a function that commits others.
func repositoryOf(t *testing.T) (dir string, commit func(files map[string]string)) {
	t.Helper()
	dir = t.TempDir()
	git := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	git("init", "-q", "-b", "main")
	return dir, func(files map[string]string) {
		for name, text := range files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		git("add", "-A")
		git("commit", "-q", "-m", "Change")
	}
}

// withRepository is the administrator of a new server, which knows a repository.
func withRepository(t *testing.T) (*visitor, func(files map[string]string)) {
	t.Helper()
	s := apptest.Start(t, apptest.Options{})
	dir, commit := repositoryOf(t)
	v := signedIn(t, s, apptest.Admin)
	v.get(repositoriesPath + "/new")
	v.submit("Add repository", url.Values{"name": {"infra"}, "url": {"file://" + dir}, "auth": {"none"}})
	require.Equal(t, repositoriesPath+"/infra", v.path(), v.text("main"))
	return v, commit
}

// TestPublishResourceTemplate reads a repository, sees what is wrong with file and line before anything is saved,
// corrects the code, sets values and rules, and publishes, all without script.
func TestPublishResourceTemplate(t *testing.T) {
	t.Parallel()
	v, commit := withRepository(t)
	commit(map[string]string{"net/main.tf": networkTF + "\nvariable \"broken\" {\n  type = strin\n}\n"})
	v.get(resourcesPath)
	v.follow("main a", "New Resource Template")
	typed := url.Values{"name": {"network"}, "description": {"A network"}, "source": {"repository"}, "repository": {"infra"}, "revision": {"main"}, "path": {"net"}}
	v.submit("Read", typed)
	require.Equal(t, http.StatusOK, v.status, v.text("main"))
	require.Contains(t, v.text("#problems"), "1 error")
	link := v.doc.Find("#problems a")
	require.Equal(t, "main.tf:23", text(link))
	require.Contains(t, v.text(`[id="`+link.AttrOr("href", "#")[1:]+`"]`), "type = strin")
	require.Contains(t, v.text("#read"), "Addresses of the network")
	require.Contains(t, v.text("#read"), "Too short.")
	require.Equal(t, "network", v.value("name"))
	require.Equal(t, "cidr", v.value("variables.0.name"))
	require.Equal(t, "password", v.value("variables.2.name"))
	v.submit("Publish", nil)
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text("#resource-template [role=alert]"), "Nothing is published")
	require.Contains(t, v.text("#problems"), "main.tf:23")
	v.get(resourcesPath + "/network")
	require.Equal(t, http.StatusNotFound, v.status, "neither reading nor what was refused is saved")

	commit(map[string]string{"net/main.tf": networkTF})
	v.get(resourcesPath + "/new")
	v.submit("Read", typed)
	require.Contains(t, v.text("#problems"), "Nothing is wrong")
	v.submit("Publish", url.Values{
		"variables.0.valueType": {"text"}, "variables.0.value": {"10.0.0.0/16"}, "variables.0.override": {"restricted"}, "variables.0.choices": {"Small=10.0.0.0/24\nLarge=10.0.0.0/16"},
		"variables.1.valueType": {"json"}, "variables.1.value": {"\"many\""},
		"variables.2.valueType": {"text"}, "variables.2.value": {"canary-password"},
	})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("variables.1.value"), "number", v.text("main"))
	require.Equal(t, "10.0.0.0/16", v.value("variables.0.value"))
	require.Contains(t, v.text("#rows-variables"), "Entered, hidden; not saved yet")
	html, err := v.doc.Html()
	require.NoError(t, err)
	require.NotContains(t, html, "canary-password")
	v.submit("Publish", url.Values{"variables.1.value": {"3"}, "variables.1.override": {"notallowed"}})
	require.Equal(t, resourcesPath+"/network/versions/v1", v.path(), v.text("main"))
	require.Contains(t, v.text("main"), "network v1 is published")
	require.Contains(t, v.text("main"), "One of 2")
	require.Contains(t, v.text("main"), "Set, hidden")
	html, err = v.doc.Html()
	require.NoError(t, err)
	require.NotContains(t, html, "canary-password")
	v.get(resourcesPath + "?q=netw")
	require.Contains(t, v.text("main table"), "Active")
}

// TestDraftOfResourceTemplate saves a draft that cannot be read, follows its branch, makes another version, compares,
// browses and deletes.
func TestDraftOfResourceTemplate(t *testing.T) {
	t.Parallel()
	v, commit := withRepository(t)
	commit(map[string]string{"main.tf": networkTF})
	v.get(resourcesPath + "/new")
	v.submit("Save draft", url.Values{"name": {"Bad Name"}, "source": {"repository"}, "repository": {"infra"}, "deployTimeout": {"soon"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("deployTimeout"), "whole number of seconds")
	v.submit("Save draft", url.Values{"deployTimeout": {"60"}})
	require.NotEmpty(t, v.errorAt("name"))
	v.submit("Save draft", url.Values{"name": {"net"}, "revision": {"nowhere"}})
	require.Equal(t, resourcesPath+"/net/versions/v1", v.path(), v.text("main"))
	require.Contains(t, v.text("#problems"), "nowhere")
	v.submit("Activate", nil)
	require.Contains(t, v.text("main [role=alert]"), "cannot become active")
	v.get(resourcesPath + "/net/versions/v1/edit")
	v.submit("Read", nil)
	require.Contains(t, v.errorAt("revision"), "nowhere")
	v.submit("Save draft", url.Values{"revision": {"main"}, "variables.0.name": {"cidr"}, "variables.0.valueType": {"text"}, "variables.0.value": {"10.0.0.0/8"}})
	require.Equal(t, resourcesPath+"/net/versions/v1", v.path(), v.text("main"))
	require.Contains(t, v.text("#problems"), "Nothing is wrong")
	v.submit("Activate", nil)
	require.Contains(t, v.text("main"), "net v1 is active")
	v.get(resourcesPath + "/net/versions/v1/edit")
	require.Equal(t, http.StatusConflict, v.status)

	commit(map[string]string{"main.tf": networkTF + "output \"more\" {\n  value = \"x\"\n}\n"})
	v.get(resourcesPath + "/net")
	v.follow("main a", "New version")
	require.Equal(t, "v2", v.value("version"))
	require.Equal(t, "10.0.0.0/8", v.value("variables.0.value"))
	v.submit("Save draft", url.Values{"version": {"v1"}})
	require.Contains(t, v.errorAt("version"), "already is a version v1")
	v.submit("Save draft", url.Values{"version": {"v2"}, "variables.0.value": {"10.1.0.0/16"}})
	require.Equal(t, resourcesPath+"/net/versions/v2", v.path(), v.text("main"))
	v.follow("main a", "Compare versions")
	require.Contains(t, v.text("#comparison"), "10.1.0.0/16")
	require.Equal(t, `added: output "more" {`, text(v.doc.Find(".code-added .code-text").First()))

	v.get(resourcesPath + "/net/versions/v2/code")
	require.Equal(t, `variable "cidr" {`, text(v.doc.Find("#L1 .code-text")))
	v.get(resourcesPath + "/net/versions/v2/code?file=..%2F..%2Fsecret")
	require.Equal(t, http.StatusNotFound, v.status)
	v.get(resourcesPath + "/net/versions/v2/yaml")
	require.Contains(t, v.text("main pre"), "kind: ResourceTemplate")
	v.get(resourcesPath + "/net/versions/v2/download")
	require.Equal(t, "application/zip", v.header.Get("Content-Type"))

	v.get(resourcesPath + "/net/versions/v2")
	v.submit("Delete this version", url.Values{"confirm": {"v1"}})
	require.Contains(t, v.text("#delete-version-name-error"), "Type v2")
	v.submit("Delete this version", url.Values{"confirm": {"v2"}})
	require.Equal(t, resourcesPath+"/net", v.path(), v.text("main"))
	v.submit("Disable", nil)
	require.Contains(t, v.text("main"), "net v1 is disabled")
	v.submit("Delete resource template", url.Values{"confirm": {"net"}})
	require.Equal(t, resourcesPath, v.path(), v.text("main"))
}

// TestUploadResourceTemplate uploads an archive, chooses one of its folders and publishes it.
func TestUploadResourceTemplate(t *testing.T) {
	t.Parallel()
	v := signedIn(t, apptest.Start(t, apptest.Options{}), apptest.Admin)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, code := range map[string]string{"modules/net/main.tf": networkTF, "modules/db/main.tf": "output \"url\" {\n  value = \"\"\n}\n"} {
		f, err := z.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte(code))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	form := url.Values{"name": {"db"}, "version": {"v1"}, "source": {"upload"}, "provider": {"opentofu"}, "backend": {"system"}, "do": {"upload"}}
	v.upload(resourcesPath, form, "archive", "bad.zip", []byte("no archive"))
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.NotEmpty(t, v.errorAt("archive"))
	require.Equal(t, "db", v.value("name"))
	v.upload(resourcesPath, form, "archive", "modules.zip", b.Bytes())
	require.Equal(t, http.StatusOK, v.status, v.text("main"))
	require.Contains(t, text(v.doc.Find(`[name="folder"]`)), "modules/net")
	v.submit("Publish", url.Values{"folder": {"modules/db"}, "source": {"upload"}, "backend": {"system"}})
	require.Equal(t, resourcesPath+"/db/versions/v1", v.path(), v.text("main"))
	require.Contains(t, v.text("#read"), "url")
	v.get(resourcesPath + "/new")
	v.submit("Publish", url.Values{"name": {"db"}, "source": {"upload"}, "backend": {"system"}})
	require.Contains(t, v.errorAt("archive"), "Choose the archive")
}
