package httpapi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

const (
	foreignVPC = `variable "aws_region" {
  type = string
}
variable "vpc_name" {
  type = string
}
output "vpc_id" {
  value = ""
}
output "public_subnets" {
  value = []
}
`
	foreignECS = `variable "region" {
  type = string
}
variable "vpc_id" {
  type = string
}
variable "public_subnet_id" {
  type = list(string)
}
variable "name" {
  type = string
}
variable "container_name" {
  type = string
}
variable "image_location" {
  type = string
}
variable "container_port" {
  type = number
}
output "endpoint" {
  value = ""
}
`
)

// foreignRepository makes the repository that the documents of the container example name.
func foreignRepository(t *testing.T, dir string) {
	t.Helper()
	write := func(module, code string, s runnertest.Script) {
		folder := filepath.Join(dir, "terraform", "aws", "101-caas-ecs", "terraform", module)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		files := s.Files()
		files["main.tf"] = code
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
		}
	}
	outputs := func(list map[string]string) map[string]json.RawMessage {
		out := map[string]json.RawMessage{}
		for name, value := range list {
			out[name] = json.RawMessage(value)
		}
		return out
	}
	write("vpc", foreignVPC, runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_vpc.this", Type: "fake_vpc", ID: "vpc-1"}},
		Outputs: outputs(map[string]string{"vpc_id": `"vpc-1"`, "public_subnets": `["subnet-1", "subnet-2"]`}),
	})
	write("ecs", foreignECS, runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_service.this", Type: "fake_service", ID: "svc-1"}},
		Outputs: outputs(map[string]string{"endpoint": `"${var.vpc_id}"`}),
	})
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "Add two modules"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

func TestRafayDocumentsBecomeDraftsUntilTheirCodeCanBeFetched(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	text, err := os.ReadFile("../manifest/rafay/testdata/101-caas-ecs.yaml")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "infra")
	documents := strings.NewReplacer(
		"https://git.example.com/platform/infra.git", "file://"+dir,
		"  credentials: {username: robot, password: canary-git-token}\n", "",
		"project: shop", "project: "+apptest.Project,
	).Replace(string(text))
	apply := func(dry bool) map[string]api.ApplyResult {
		out, err := c.Apply(t.Context(), apptest.Project, api.Apply{DryRun: dry, Documents: []api.DocumentFile{{File: "ecs.yaml", Text: documents}}})
		require.NoError(t, err)
		results := map[string]api.ApplyResult{}
		for _, r := range out.Results {
			require.Nil(t, r.Error, "%s %s: %v", r.Kind, r.Name, r.Error)
			results[r.Name] = r
		}
		return results
	}
	const vpc, ecs, whole = "101-caas-ecs-aws-vpc-rs-tmpl-shop", "101-caas-ecs-aws-ecs-rs-tmpl-shop", "caas-ecs-env-tmpl-shop"
	changes := func(results map[string]api.ApplyResult) []string {
		return []string{results[vpc].Change, results[ecs].Change, results[whole].Change, results["ecs-1"].Change}
	}
	state := func(kind, name string) string {
		m, err := c.Manifest(t.Context(), apptest.Project, kind, name, "v1")
		require.NoError(t, err)
		var doc struct{ Spec struct{ VersionState string } }
		require.NoError(t, json.Unmarshal(m.Document, &doc))
		return doc.Spec.VersionState
	}

	// Nothing can be fetched: drafts, each with what is wrong, and no environment.
	for _, dry := range []bool{true, false} {
		got := apply(dry)
		require.Equal(t, []string{"created", "created", "created", "unchanged"}, changes(got), "dry run: %v", dry)
		for _, name := range []string{vpc, ecs, whole} {
			require.Len(t, got[name].Warnings, 1, name)
			require.Contains(t, got[name].Warnings[0], "saved as a draft: ", name)
			require.NotEmpty(t, got[name].Problems, name)
		}
		require.Contains(t, got[vpc].Warnings[0], "spec.source.repository: ")
		require.Contains(t, got["ecs-1"].Warnings[0], "choose an active version")
	}
	for kind, name := range map[string]string{"ResourceTemplate": vpc, "EnvironmentTemplate": whole} {
		require.Equal(t, "draft", state(kind, name))
	}
	_, err = c.Environment(t.Context(), apptest.Project, "ecs-1")
	require.Error(t, err)
	require.Equal(t, []string{"unchanged", "unchanged", "unchanged", "unchanged"}, changes(apply(false)))

	// With the repository there, the same documents make all of it, and it can be deployed.
	require.NoError(t, os.MkdirAll(dir, 0o755))
	foreignRepository(t, dir)
	for _, dry := range []bool{true, false} {
		got := apply(dry)
		require.Equal(t, []string{"configured", "configured", "configured", "created"}, changes(got), "dry run: %v %v", dry, got)
		require.Empty(t, got[vpc].Warnings)
	}
	for kind, name := range map[string]string{"ResourceTemplate": vpc, "EnvironmentTemplate": whole} {
		require.Equal(t, "active", state(kind, name))
	}
	require.Equal(t, []string{"unchanged", "unchanged", "unchanged", "unchanged"}, changes(apply(false)))
	run, err := c.Start(t.Context(), apptest.Project, "ecs-1", "deploy")
	require.NoError(t, err)
	run, err = c.WatchRun(t.Context(), apptest.Project, "ecs-1", run.Number, func(api.Run) {})
	require.NoError(t, err)
	require.Equal(t, "succeeded", run.Status, "%+v", run)
	outputs, err := c.Outputs(t.Context(), apptest.Project, "ecs-1")
	require.NoError(t, err)
	raw, err := json.Marshal(outputs)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"endpoint":{"value":"vpc-1"`)
	// What is gone afterwards is not missed.
	require.NoError(t, os.RemoveAll(dir))
	require.Equal(t, []string{"unchanged", "unchanged", "unchanged", "unchanged"}, changes(apply(false)))
}
