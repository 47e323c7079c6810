package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// manifests goes the way of a platform team on the command line: a git repository, a folder of documents, one command, and
// an application runs in a project that did not exist. While it does, the walkthrough deploys an environment of the same
// name in the project demo.
func manifests(t *testing.T, s *server) {
	code := t.TempDir()
	require.NoError(t, os.CopyFS(code, os.DirFS("../templates/ecs")))
	commit(t, code)
	folder := t.TempDir()
	for name, text := range platform {
		text = strings.NewReplacer("CODE", "file://"+code, "SANDBOX", "http://"+s.sandbox).Replace(text)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	apply := func(more ...string) string {
		t.Helper()
		return s.must(t, admin, append([]string{"apply", "-f", folder}, more...)...)
	}
	require.Contains(t, apply("-p", "demo", "-f", folder, "--dry-run"), "created")
	require.Equal(t, 5, s.cli(t, admin, "env", "list", "-p", "shop").code, "a dry run makes nothing")

	out := apply("-p", "demo", "--deploy", "--wait")
	require.Equal(t, 8, strings.Count(out, "created"), out)
	s.must(t, admin, "project", "grant", "shop", "--user", developer, "--role", "environment_template_user")
	require.Equal(t, "deployed", s.status(t, developer, "shop", "ecs-1"))
	status, body := get(t, s.endpoint(t, developer, "shop", "ecs-1"))
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "Amazon ECS")

	// With the repository gone all is as it was, and can be destroyed; the test of which this is a part does that.
	require.NoError(t, os.RemoveAll(code))
	out = apply("-p", "shop", "--deploy", "--wait")
	require.Equal(t, 8, strings.Count(out, "unchanged"), out)
	exported := s.must(t, admin, "export", "configcontext", "sandbox", "-p", "shop")
	require.Contains(t, exported, "us-east-1")
	require.NotContains(t, exported, "secret-of-shop")
	require.Contains(t, s.must(t, admin, "describe", "environment", "ecs-1", "-p", "shop"), "ecs-1")
}

// commit makes a git repository of a folder.
func commit(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "Add the modules"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// platform is what a platform team keeps beside its code, in files of any names and order.
var platform = map[string]string{ //nolint:gochecknoglobals // constant
	"a-environment.yaml": `apiVersion: berth.dev/v1
kind: Environment
metadata: {name: ecs-1, project: shop}
spec:
  template: {name: web}
  variables: [{name: container_port, value: 80}]
`,
	"b-template.yaml": `apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: web, project: shop, displayName: Web service}
spec:
  version: v1
  versionState: active
  category: Containers
  contexts: [{name: sandbox}]
  moduleInputs: hidden
  resources:
    - {name: company, kind: static, static: company}
    - {name: net, template: network, version: v1}
    - {name: aws-ecs, template: service, version: v1, dependsOn: [{name: net}]}
  variables:
    - {name: image_location, value: "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"}
    - {name: container_port, options: {required: true, description: Where the application listens.}}
    - {name: region, valueType: expression, value: "$(resource['company'].output.region)$", options: {override: {type: notallowed}}}
    - {name: name, valueType: expression, value: "$(environment.uniqueName)$", options: {override: {type: notallowed}}}
    - {name: vpc_id, valueType: expression, value: "$(resource['net'].output.vpc_id)$", options: {override: {type: notallowed}}}
    - {name: public_subnet_ids, valueType: expression, value: "$(resource['net'].output.public_subnet_ids)$", options: {override: {type: notallowed}}}
    - {name: private_subnet_ids, valueType: expression, value: "$(resource['net'].output.private_subnet_ids)$", options: {override: {type: notallowed}}}
`,
	"c-resources.yaml": `apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: network, project: shop}
spec: {version: v1, versionState: active, source: {repository: infra, revision: main, path: vpc}}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: service, project: shop}
spec: {version: v1, versionState: active, source: {repository: infra, path: aws-ecs}}
`,
	"d-rest.yaml": `apiVersion: berth.dev/v1
kind: StaticResource
metadata: {name: company, project: shop}
spec: {variables: [{name: region, value: us-east-1}]}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: sandbox, project: shop}
spec: {sandbox: {endpoint: "SANDBOX", region: us-east-1, accessKey: sandbox, secretKey: secret-of-shop}}
---
apiVersion: berth.dev/v1
kind: Repository
metadata: {name: infra, project: shop}
spec: {endpoint: "CODE"}
---
apiVersion: berth.dev/v1
kind: Project
metadata: {name: shop, description: Where the platform team tries things.}
`,
}
