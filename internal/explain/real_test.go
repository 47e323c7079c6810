package explain_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/awsapi"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/berthdev/berth/sandbox"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

// soon is how long a step may go on with a service that cannot start. The provider alone waits ten minutes.
const soon = 2 * time.Minute

// stage is a sandbox with a network, in which the shipped application is deployed.
type stage struct {
	t       *testing.T
	url     string
	local   *runner.Local
	tool    runner.Tool
	key     []byte
	network map[string]runner.Output
}

func newStage(t *testing.T) *stage {
	t.Helper()
	bin, mirror := tofutest.Tools(t)
	dir := t.TempDir()
	rc := filepath.Join(dir, "tofurc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror), 0o600))
	local, err := runner.New(runner.Config{Dir: filepath.Join(dir, "steps"), LockDir: filepath.Join(dir, "locks"), CacheDir: filepath.Join(dir, "cache")})
	require.NoError(t, err)
	key := sha256.Sum256([]byte(t.Name()))
	s := &stage{t: t, url: startSandbox(t), local: local, key: key[:],
		tool: runner.Tool{Kind: runner.ToolTofu, Path: bin, Version: "1.12.6", CLIConfig: rc}}
	res, _ := s.deploy(t, s.url, "vpc", "net", map[string]any{})
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	s.network, err = local.Outputs("step_net", 1, s.key)
	require.NoError(t, err)
	return s
}

func startSandbox(t *testing.T) string {
	t.Helper()
	s, err := sandbox.New(sandbox.Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Offline: true})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return s.URL()
}

// deploy runs one step of a shipped module to its end.
func (s *stage) deploy(t *testing.T, endpoint, module, env string, inputs map[string]any) (*runner.Result, []runner.Record) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "templates", "ecs", module))
	require.NoError(t, err)
	inputs["name"], inputs["region"] = env, "us-east-1"
	if module == "aws-ecs" {
		for _, output := range []string{"vpc_id", "public_subnet_ids", "private_subnet_ids"} {
			inputs[output] = s.network[output].Value
		}
	}
	variables := map[string]json.RawMessage{}
	for k, v := range inputs {
		variables[k], err = json.Marshal(v)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	h, err := s.local.Start(ctx, runner.Spec{
		StepID: "step_" + env, RunID: "run_" + env, EnvironmentID: "env_" + env, ResourceID: "res_" + env, Attempt: 1, UniqueName: env,
		Action: runner.ActionApply, Bundle: runner.Bundle{Path: path, Digest: module}, Tool: s.tool, DataKey: s.key, Variables: variables,
		Sandbox:  &runner.Sandbox{Endpoint: endpoint, Region: "us-east-1", AccessKey: "sandbox", SecretKey: "sandbox-secret-key"},
		Timeouts: runner.Timeouts{Step: 4 * time.Minute, Grace: 2 * time.Second},
	})
	require.NoError(t, err)
	var recs []runner.Record
	for r, err := range h.Records(ctx, 0) {
		require.NoError(t, err)
		recs = append(recs, r)
	}
	require.Equal(t, runner.KindResult, recs[len(recs)-1].Kind)
	return recs[len(recs)-1].Result, recs
}

// pushExiting puts an image into the sandbox's registry that says why it ends and ends with code 3.
func (s *stage) pushExiting(t *testing.T) string {
	t.Helper()
	access := awsapi.Access{Keys: aws.Credentials{AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}, Region: "us-east-1", Endpoint: s.url}
	call := func(operation string, body any, out any) {
		answer, err := access.Send(t.Context(), "ecr", &awsapi.Call{Target: "AmazonEC2ContainerRegistry_V20150921." + operation, Body: body})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(answer.Body, out))
	}
	var made struct {
		Repository struct{ RepositoryURI string }
	}
	call("CreateRepository", map[string]any{"repositoryName": "exiting"}, &made)
	var signIn struct {
		AuthorizationData []struct{ AuthorizationToken string }
	}
	call("GetAuthorizationToken", map[string]any{}, &signIn)
	plain, err := base64.StdEncoding.DecodeString(signIn.AuthorizationData[0].AuthorizationToken)
	require.NoError(t, err)
	user, password, _ := strings.Cut(string(plain), ":")

	image, err := sample.Image("amd64")
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.Config.Cmd = []string{"print=starting", "err=DATABASE_URL is not set", "exit=3"}
	image, err = mutate.ConfigFile(image, config)
	require.NoError(t, err)
	ref, err := name.ParseReference(made.Repository.RepositoryURI+":v1", name.Insecure)
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image, remote.WithContext(t.Context()), remote.WithAuth(&authn.Basic{Username: user, Password: password})))
	return ref.String()
}

// anonymous stands before the sandbox and hides who asks. The sandbox then answers a waiter as AWS does: a service that
// gave up is ACTIVE, and the provider waits on for ten minutes.
func anonymous(t *testing.T, sandboxURL string) string {
	t.Helper()
	to, err := url.Parse(sandboxURL)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header.Set("User-Agent", "anonymous")
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// waited is how long the step went on after it began to make the service.
func waited(t *testing.T, recs []runner.Record) time.Duration {
	t.Helper()
	for _, r := range recs {
		if o := r.Object; o != nil && o.Address == "aws_ecs_service.this" && o.Status == runner.ObjectStarted {
			d := recs[len(recs)-1].Time.Sub(r.Time)
			t.Logf("failed %s after the service was begun", d.Round(time.Second))
			return d
		}
	}
	require.FailNow(t, "the service was never begun")
	return 0
}

// TestRealFailures deploys the shipped template with the real provider in ways that cannot succeed.
func TestRealFailures(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	exiting := s.pushExiting(t)
	for env, test := range map[string]struct {
		inputs  map[string]any
		watched bool
		summary string
		detail  []string
	}{
		"wrong-image": {map[string]any{"image_location": "public.ecr.aws/nope/nope:latest"}, false,
			"The image public.ecr.aws/nope/nope:latest could not be pulled (CannotPullContainerError).",
			[]string{"CannotPullContainerError: ", "deployment failed: tasks failed to start"}},
		"exits": {map[string]any{"image_location": exiting}, false, "The container app exits by itself with code 3.",
			[]string{"Essential container in task exited", "  starting", "  DATABASE_URL is not set"}},
		"wrong-port": {map[string]any{"container_port": 8081}, false,
			"The application runs, but does not answer the load balancer's health check on port 8081.",
			[]string{"Task failed ELB health checks in (target-group ", "listening on port 80", "asks each task for / on port 8081"}},
		"endless-wait": {map[string]any{"image_location": "public.ecr.aws/nope/nope:latest"}, true,
			"The image public.ecr.aws/nope/nope:latest could not be pulled (CannotPullContainerError).", []string{"CannotPullContainerError: "}},
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			endpoint := s.url
			if test.watched {
				endpoint = anonymous(t, s.url)
			}
			res, recs := s.deploy(t, endpoint, "aws-ecs", env, test.inputs)
			require.Equal(t, runner.StatusFailed, res.Status, "%+v", res)
			require.Equal(t, test.summary, res.Message)
			require.Less(t, waited(t, recs), soon)
			if test.watched { // elsewhere the provider may be first to see it
				require.Equal(t, "application_failed", res.Code, "%+v", res)
			}
			var found []*runner.Diagnostic
			for _, r := range recs {
				if r.Diagnostic != nil && r.Diagnostic.Source == runner.SourceApplication {
					found = append(found, r.Diagnostic)
				}
			}
			require.Len(t, found, 1)
			require.Equal(t, test.summary, found[0].Summary)
			require.Equal(t, "aws_ecs_service.this", found[0].Address)
			require.NotEmpty(t, found[0].Try)
			for _, text := range test.detail {
				require.Contains(t, found[0].Detail, text)
			}
		})
	}
}
