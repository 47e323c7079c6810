package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

const contextDocument = `apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: aws}
spec:
  envs:
    - {key: AWS_REGION, value: eu-central-1}
    - {key: AWS_SECRET_ACCESS_KEY, value: canary-of-the-context, options: {sensitive: true}}
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: made}
spec:
  template: {name: pair, version: v1}
  variables:
    - {name: port, value: 81}
    - {name: token, value: canary-of-the-input}
`

func TestDocumentsAreAppliedExportedAndDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, databaseURL string) {
		s := apptest.Start(t, apptest.Options{DatabaseURL: databaseURL})
		c := s.Client(apptest.Admin)
		changes := func(text string, dry bool) []string {
			out, err := c.Apply(t.Context(), apptest.Project, api.Apply{DryRun: dry, Documents: []api.DocumentFile{{File: "a.yaml", Text: text}}})
			require.NoError(t, err)
			raw, err := json.Marshal(out)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "canary")
			var list []string
			for _, r := range out.Results {
				require.Nil(t, r.Error)
				list = append(list, r.Change)
			}
			return list
		}
		require.Equal(t, []string{"created", "created"}, changes(contextDocument, true))
		_, err := c.Environment(t.Context(), apptest.Project, "made")
		require.Error(t, err)
		require.Equal(t, []string{"created", "created"}, changes(contextDocument, false))
		require.Equal(t, []string{"unchanged", "unchanged"}, changes(contextDocument, false))
		require.Equal(t, []string{"configured", "configured"}, changes(strings.NewReplacer("eu-central-1", "eu-west-1", "of-the-input", "of-more").Replace(contextDocument), false))

		for kind, name := range map[string]string{"config-contexts": "aws", "Environment": "made"} {
			m, err := c.Manifest(t.Context(), apptest.Project, kind, name, "")
			require.NoError(t, err)
			require.NotContains(t, m.Text, "canary")
			require.NotContains(t, string(m.Document), "canary")
			require.Equal(t, []string{"unchanged"}, changes(m.Text, false))
			require.Equal(t, []string{"unchanged"}, changes(string(m.Document), false))
			list, err := c.Manifests(t.Context(), apptest.Project, kind)
			require.NoError(t, err)
			found := false
			for _, i := range list {
				found = found || i.Name == name && i.Own
			}
			require.True(t, found)
			require.NoError(t, c.DeleteManifest(t.Context(), apptest.Project, kind, name, ""))
			_, err = c.Manifest(t.Context(), apptest.Project, kind, name, "")
			var refused *api.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusNotFound, refused.Status)
		}
	})
}

func TestWhatIsWrongWithDocuments(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	_, err := c.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{
		{File: "a.yaml", Text: strings.Replace(contextDocument, "envs", "enws", 1)}, {File: "b.yaml", Text: contextDocument}, {File: "c.yaml", Text: "a: [\n"},
	}})
	var refused *api.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "bad_manifest", refused.Code)
	require.Len(t, refused.Fields, 2)
	require.Equal(t, "a.yaml:5:3", refused.Fields[0].Location)
	require.Contains(t, refused.Fields[0].Message, "did you mean envs?")
	require.Contains(t, refused.Fields[1].Location, "c.yaml:")
	_, err = c.Manifest(t.Context(), apptest.Project, "context", "aws", "")
	require.ErrorContains(t, err, "There is no kind")

	// A developer may apply an environment, and is told about the rest.
	dev := s.Client(apptest.Developer)
	out, err := dev.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{{File: "a.yaml", Text: contextDocument}}})
	require.NoError(t, err)
	require.Equal(t, "failed", out.Results[0].Change)
	require.Equal(t, http.StatusForbidden, out.Results[0].Error.Status)
	require.Contains(t, out.Results[0].Error.Detail, "a.yaml:1: ConfigContext aws: ")
	require.Equal(t, "created", out.Results[1].Change)

	// The code of a folder has to be uploaded.
	template := "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: x}\nspec: {version: v1, source: {folder: x}}\n"
	out, err = c.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{{File: "a.yaml", Text: template}}})
	require.NoError(t, err)
	require.Contains(t, out.Results[0].Error.Detail, "was not uploaded")
}

func TestApplyTakesMoreThanOtherOperations(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	big := api.Apply{Documents: []api.DocumentFile{{File: "a.yaml", Text: "# " + strings.Repeat("x", 3<<20) + "\n" + contextDocument}}}
	out, err := c.Apply(t.Context(), apptest.Project, big)
	require.NoError(t, err)
	require.Len(t, out.Results, 2)
	big.Documents[0].Text = strings.Repeat("x", 17<<20)
	_, err = c.Apply(t.Context(), apptest.Project, big)
	require.ErrorContains(t, err, "at most 16 MiB")
}

func TestEditorsGetSchemasWithoutSigningIn(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := &api.Client{URL: s.URL}
	for _, kind := range []string{"Manifest", "EnvironmentTemplate", "config-contexts"} {
		raw, err := c.Schema(t.Context(), kind)
		require.NoError(t, err)
		require.Contains(t, string(raw), "https://json-schema.org/draft/2020-12/schema")
	}
	_, err := c.Schema(t.Context(), "Pod")
	require.ErrorContains(t, err, "There is no kind")
	a := call(t, c, http.MethodGet, "/schemas/Project", "")
	require.Equal(t, "application/schema+json", a.header.Get("Content-Type"))
}
