package httpapi_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/template/bundle"
)

const moduleText = `variable "size" {
  type        = number
  description = "How big"
}

variable "name" {
  default   = "x"
  sensitive = true
}

output "id" { value = "id-${var.size}" }
`

// moduleArchive is a zip file with a module, and moduleDigest what its upload is called.
var moduleArchive, moduleDigest = packModule(moduleText)

func packModule(text string) (archive, digest string) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("main.tf")
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	b, err := bundle.Pack(context.Background(), fstest.MapFS{"main.tf": {Data: []byte(text), Mode: 0o644}}, ".", bundle.DefaultLimits())
	if err != nil {
		panic(err)
	}
	return out.String(), b.Digest
}

const authored = `apiVersion: berth.dev/v1
kind: Repository
metadata: {name: nowhere}
spec: {endpoint: "https://127.0.0.1:1/nowhere.git"}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: own}
spec: {envs: [{key: A, value: b}]}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: own}
spec: {version: v1, versionState: active, source: {folder: module}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: own}
spec: {version: v1, versionState: active, resources: [{name: one, template: own, version: v1}]}
`

// author makes objects of the project's own.
func author(t *testing.T, c *api.Client) {
	t.Helper()
	up, err := c.Upload(t.Context(), apptest.Project, strings.NewReader(moduleArchive))
	require.NoError(t, err)
	require.Equal(t, moduleDigest, up.Digest, "whoever packs the same files finds them under the same name")
	out, err := c.Apply(t.Context(), apptest.Project, api.Apply{
		Documents: []api.DocumentFile{{File: "own.yaml", Text: authored}}, Folders: map[string]string{"own.yaml#module": up.Digest},
	})
	require.NoError(t, err)
	for _, r := range out.Results {
		require.Nil(t, r.Error, "%+v", r.Error)
	}
}

func TestSourcesAreUploadedAndRead(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	_, err := c.Uploaded(t.Context(), apptest.Project, moduleDigest)
	require.Equal(t, http.StatusNotFound, asError(t, err).Status)
	up, err := c.Upload(t.Context(), apptest.Project, strings.NewReader(moduleArchive))
	require.NoError(t, err)
	require.Equal(t, api.Upload{Digest: moduleDigest, Files: 1, Size: int64(len(moduleText)), Folders: []string{"."}}, up)
	again, err := c.Uploaded(t.Context(), apptest.Project, moduleDigest)
	require.NoError(t, err)
	require.Equal(t, up, again)

	r, err := c.ReadSource(t.Context(), apptest.Project, api.ReadSource{Source: api.Source{Upload: up.Digest}})
	require.NoError(t, err)
	require.Equal(t, []api.ModuleVariable{
		{Name: "size", Type: "number", Description: "How big", Required: true, File: "main.tf", Line: 1},
		{Name: "name", Sensitive: true, File: "main.tf", Line: 6},
	}, withoutType(r.Variables))
	require.Equal(t, []api.ModuleOutput{{Name: "id"}}, r.Outputs)
	require.Contains(t, r.Files, "main.tf")

	broken, digest := packModule("variable \"a\" {\n  type = strin\n}\n")
	_, err = c.Upload(t.Context(), apptest.Project, strings.NewReader(broken))
	require.NoError(t, err)
	r, err = c.ReadSource(t.Context(), apptest.Project, api.ReadSource{Source: api.Source{Upload: digest}})
	require.NoError(t, err)
	require.NotEmpty(t, r.Problems)
	require.Equal(t, "main.tf", r.Problems[0].File)
	require.Equal(t, 2, r.Problems[0].Line)

	r, err = c.ReadSource(t.Context(), apptest.Project, api.ReadSource{Source: api.Source{Repository: "nope"}})
	require.NoError(t, err)
	require.Contains(t, r.Problems[0].Message, `"nope"`)

	_, err = c.Upload(t.Context(), apptest.Project, strings.NewReader("no archive"))
	require.Equal(t, "bad_template_source", asError(t, err).Code)
	_, err = c.Upload(t.Context(), apptest.Project, io.LimitReader(zeros{}, 60<<20))
	require.Equal(t, "bad_template_source", asError(t, err).Code)
	_, err = s.Client(apptest.Developer).Upload(t.Context(), apptest.Project, strings.NewReader(moduleArchive))
	require.Equal(t, http.StatusForbidden, asError(t, err).Status)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func withoutType(list []api.ModuleVariable) []api.ModuleVariable {
	for i := range list {
		if !list[i].Required {
			list[i].Type = ""
		}
	}
	return list
}

func asError(t *testing.T, err error) *api.Error {
	t.Helper()
	var refused *api.Error
	require.ErrorAs(t, err, &refused)
	return refused
}

func TestVersionsAreComparedDisabledAndDownloaded(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	author(t, c)
	text, _ := packModule(moduleText + "\noutput \"more\" { value = 1 }\n")
	up, err := c.Upload(t.Context(), apptest.Project, strings.NewReader(text))
	require.NoError(t, err)
	out, err := c.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{{File: "v2.yaml", Text: "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: own}\nspec: {version: v2, source: {upload: " + up.Digest + "}}\n"}}})
	require.NoError(t, err)
	require.Nil(t, out.Results[0].Error)

	d, err := c.Compare(t.Context(), apptest.Project, api.ResourceTemplates, "own", "v1", "v2")
	require.NoError(t, err)
	require.Equal(t, []api.ItemDiff{{Name: "more", Change: "added", Fields: d.Outputs[0].Fields}}, d.Outputs)
	require.Contains(t, d.Files[0].Unified, "+output \"more\"")
	same, err := c.Compare(t.Context(), apptest.Project, api.EnvironmentTemplates, "own", "v1", "v1")
	require.NoError(t, err)
	require.Empty(t, same.Resources)

	users, err := c.Users(t.Context(), apptest.Project, api.ResourceTemplates, "own")
	require.NoError(t, err)
	require.Equal(t, "v1", users[0].Version)
	require.Equal(t, []api.VersionUser{{Kind: "environment_template", Project: "demo", Name: "own", Version: "v1"}}, users[0].Users)

	require.NoError(t, c.SetState(t.Context(), apptest.Project, api.ResourceTemplates, "own", "v2", "active"))
	require.NoError(t, c.SetState(t.Context(), apptest.Project, api.EnvironmentTemplates, "own", "v1", "disabled"))
	list, err := c.Manifests(t.Context(), apptest.Project, "environment-templates")
	require.NoError(t, err)
	states := map[string]string{}
	for _, i := range list {
		for _, v := range i.Versions {
			states[i.Name+" "+v.Version] = v.State
		}
	}
	require.Equal(t, "disabled", states["own v1"])
	require.Equal(t, http.StatusUnprocessableEntity, asError(t, c.SetState(t.Context(), apptest.Project, api.ResourceTemplates, "own", "v2", "draft")).Status)

	body, err := c.DownloadSource(t.Context(), apptest.Project, "own", "v1")
	require.NoError(t, err)
	defer body.Close()
	z, err := zstd.NewReader(body)
	require.NoError(t, err)
	defer z.Close()
	files := tar.NewReader(z)
	head, err := files.Next()
	require.NoError(t, err)
	require.Equal(t, "main.tf", head.Name)
	got, err := io.ReadAll(files)
	require.NoError(t, err)
	require.Equal(t, moduleText, string(got))
}

func TestObjectsAreSharedByName(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	author(t, c)
	_, err := c.CreateProject(t.Context(), api.CreateProject{Name: "other"})
	require.NoError(t, err)
	for _, kind := range []string{"resource-templates", "environment-templates", "config-contexts"} {
		got, err := c.Sharing(t.Context(), apptest.Project, kind, "own")
		require.NoError(t, err)
		require.Empty(t, got.Projects)
		for _, with := range [][]string{{"other"}, {"*"}, {}} {
			_, err = c.SetSharing(t.Context(), apptest.Project, kind, "own", api.ObjectSharing{Projects: with})
			require.NoError(t, err)
			got, err = c.Sharing(t.Context(), apptest.Project, kind, "own")
			require.NoError(t, err)
			require.Equal(t, with, got.Projects)
		}
	}
	_, err = c.SetSharing(t.Context(), apptest.Project, "config-contexts", "own", api.ObjectSharing{Projects: []string{"nope"}})
	require.Contains(t, asError(t, err).Detail, `"nope"`)
	_, err = c.Sharing(t.Context(), apptest.Project, "environments", "own")
	require.Contains(t, asError(t, err).Detail, "not shared")

	_, err = c.CreateUser(t.Context(), api.CreateUser{Email: "lead@example.com", Password: apptest.Password})
	require.NoError(t, err)
	require.NoError(t, c.Grant(t.Context(), apptest.Project, api.Grant{Role: "project_admin", User: "lead@example.com"}))
	lead := s.Client("lead@example.com")
	share := func() error {
		_, err := lead.SetSharing(t.Context(), apptest.Project, "resource-templates", "own", api.ObjectSharing{Projects: []string{"other"}})
		return err
	}
	require.Equal(t, http.StatusForbidden, asError(t, share()).Status)
	p, err := c.DelegateSharing(t.Context(), apptest.Project, true)
	require.NoError(t, err)
	require.True(t, p.SharingDelegated)
	require.NoError(t, share())
	members, err := lead.Members(t.Context(), apptest.Project)
	require.NoError(t, err)
	require.Contains(t, names(members), "lead@example.com project_admin")
	users, err := c.AllUsers(t.Context())
	require.NoError(t, err)
	require.Len(t, users, 3)
}

func names(list []api.Member) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.User+m.Group+" "+m.Role)
	}
	return out
}

func TestContextsAndRepositories(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	author(t, c)
	got, err := c.Context(t.Context(), apptest.Project, "own")
	require.NoError(t, err)
	require.Equal(t, "A", got.Env[0].Name)
	require.NoError(t, c.DeleteContext(t.Context(), apptest.Project, "own"))
	_, err = c.Context(t.Context(), apptest.Project, "own")
	require.Equal(t, http.StatusNotFound, asError(t, err).Status)
	v, err := c.TestRepository(t.Context(), apptest.Project, "nowhere")
	require.NoError(t, err)
	require.False(t, v.OK)
	require.NotEmpty(t, v.Message)
}

func TestDocumentsWithoutAProject(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	out, err := c.Apply(t.Context(), "", api.Apply{Documents: []api.DocumentFile{{File: "a.yaml", Text: `apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: there, project: fresh}
spec: {envs: [{key: A, value: b}]}
---
apiVersion: berth.dev/v1
kind: Project
metadata: {name: fresh}
spec: {}
`}}})
	require.NoError(t, err)
	require.Len(t, out.Results, 2)
	for _, r := range out.Results {
		require.Nil(t, r.Error)
		require.Equal(t, "created", r.Change)
	}
	_, err = c.Context(t.Context(), "fresh", "there")
	require.NoError(t, err)
}
