package vendor_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
)

// steps runs bundles through the runner.
type steps struct {
	t     *testing.T
	local *runner.Local
	chain tofu.Toolchain
	key   []byte
}

func newSteps(t *testing.T) *steps {
	t.Helper()
	chain, err := realTools(t).Ensure(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	l, err := runner.New(runner.Config{Dir: filepath.Join(dir, "steps"), LockDir: filepath.Join(dir, "locks"), CacheDir: filepath.Join(dir, "cache")})
	require.NoError(t, err)
	return &steps{t: t, local: l, chain: chain, key: []byte(strings.Repeat("k", 32))}
}

func (s *steps) spec(b *bundle.Bundle) runner.Spec {
	s.t.Helper()
	archive := filepath.Join(s.t.TempDir(), "bundle.tar.zst")
	require.NoError(s.t, os.WriteFile(archive, b.Archive(), 0o600))
	config := filepath.Join(s.t.TempDir(), "tofurc")
	require.NoError(s.t, s.chain.Providers.CLIConfig().WriteFile(config))
	return runner.Spec{
		StepID: "step_1", RunID: "run_1", EnvironmentID: "env_1", ResourceID: "res_1", Attempt: 1, Action: runner.ActionApply,
		Bundle: runner.Bundle{Path: archive, Digest: b.Digest, Dir: b.Dir}, DataKey: s.key,
		Tool:     runner.Tool{Kind: runner.ToolTofu, Path: s.chain.Tofu.Path, Version: s.chain.Tofu.Version, CLIConfig: config},
		Timeouts: runner.Timeouts{Step: time.Minute, Grace: 10 * time.Second},
	}
}

// run carries a step out and returns its result, an output and the notices.
func (s *steps) run(spec runner.Spec, output string) (*runner.Result, string, []string) {
	s.t.Helper()
	h, err := s.local.Start(s.t.Context(), spec)
	require.NoError(s.t, err)
	res, err := h.Wait(s.t.Context())
	require.NoError(s.t, err)
	var notices []string
	for r, err := range h.Records(s.t.Context(), 0) {
		require.NoError(s.t, err)
		if r.Notice != nil {
			notices = append(notices, r.Notice.Code)
		}
	}
	if res.Status != runner.StatusSucceeded {
		return res, "", notices
	}
	outs, err := s.local.Outputs(spec.StepID, spec.Attempt, s.key)
	require.NoError(s.t, err)
	return res, string(outs[output].Value), notices
}

func TestRealStepUsesTheVendoredModule(t *testing.T) {
	t.Parallel()
	v, _ := confined(t)
	repo := gitRepo(t, map[string]string{
		"sub/main.tf":   "variable \"word\" {}\nmodule \"inner\" {\n  source = \"../inner\"\n  word   = var.word\n}\noutput \"o\" {\n  value = module.inner.o\n}\n",
		"inner/main.tf": "variable \"word\" {}\nresource \"terraform_data\" \"x\" {\n  input = \"from git: ${var.word}\"\n}\noutput \"o\" {\n  value = terraform_data.x.output\n}\n",
	}, nil)
	b := pack(t, "app", map[string]string{
		"app/main.tf": "variable \"word\" {}\nmodule \"l\" {\n  source = \"../lib\"\n  word   = var.word\n}\noutput \"o\" {\n  value = module.l.o\n}\n",
		"lib/main.tf": "variable \"word\" {}\nmodule \"g\" {\n  source = \"git::file://" + repo + "//sub?ref=v1\"\n  word   = var.word\n}\noutput \"o\" {\n  value = module.g.o\n}\n",
	})
	res := run(t, v, vendor.Request{Bundle: b, AllowFileGit: true})
	require.Empty(t, res.Problems, errorsOf(res))
	require.NoError(t, os.RemoveAll(repo))

	s := newSteps(t)
	spec := s.spec(res.Bundle)
	spec.Variables = map[string]json.RawMessage{"word": json.RawMessage(`"hello"`)}
	got, out, _ := s.run(spec, "o")
	require.Equal(t, runner.StatusSucceeded, got.Status, "%+v", got)
	require.Equal(t, `"from git: hello"`, out)
	require.Equal(t, 2, got.ToolStarts)
	spec.StepID = "step_2"
	got, out, _ = s.run(spec, "o")
	require.Equal(t, runner.StatusSucceeded, got.Status, "%+v", got)
	require.Equal(t, `"from git: hello"`, out)
	require.Equal(t, 1, got.ToolStarts, "the initialised directory is used again")

	// The same code without vendoring needs the repository.
	spec = s.spec(b)
	spec.StepID = "step_3"
	got, _, _ = s.run(spec, "o")
	require.Equal(t, "init_failed", got.Code)
}

// aSandbox is as much of AWS as a provider needs to tell who it is.
func aSandbox(t *testing.T) *runner.Sandbox {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if form.Get("Action") != "GetCallerIdentity" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><UserId>x</UserId><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(srv.Close)
	return &runner.Sandbox{Endpoint: srv.URL, Region: "eu-west-1", AccessKey: "test", SecretKey: "test"}
}

func TestRealStepUsesTheLockFile(t *testing.T) {
	t.Parallel()
	v, _ := confined(t)
	repo := gitRepo(t, map[string]string{
		"main.tf": "data \"aws_caller_identity\" \"me\" {}\noutput \"account\" {\n  value = data.aws_caller_identity.me.account_id\n}\n",
	}, nil)
	files := map[string]string{"main.tf": strings.Split(awsCode, "resource")[0] +
		"module \"g\" {\n  source = \"git::file://" + repo + "\"\n}\noutput \"account\" {\n  value = module.g.account\n}\n"}
	res := run(t, v, vendor.Request{Bundle: pack(t, ".", files), AllowFileGit: true})
	require.Empty(t, res.Problems, errorsOf(res))
	require.NoError(t, os.RemoveAll(repo))

	s := newSteps(t)
	spec := s.spec(res.Bundle)
	spec.Sandbox = aSandbox(t)
	got, account, notices := s.run(spec, "account")
	require.Equal(t, runner.StatusSucceeded, got.Status, "%+v", got)
	require.Equal(t, `"000000000000"`, account)
	require.NotContains(t, notices, "lock_relaxed")

	// A later Berth builds another version. What was recorded without checksums gives way, what was released does not.
	old := unpacked(t, res.Bundle)
	old[tofu.LockFileName] = "provider \"registry.opentofu.org/hashicorp/aws\" {\n  version = \"4.8.0\"\n}\n"
	spec = s.spec(replaced(t, res.Bundle, old))
	spec.StepID, spec.Sandbox = "step_2", aSandbox(t)
	got, account, notices = s.run(spec, "account")
	require.Equal(t, runner.StatusSucceeded, got.Status, "%+v", got)
	require.Equal(t, `"000000000000"`, account)
	require.Contains(t, notices, "lock_relaxed")

	old[tofu.LockFileName] = "provider \"registry.opentofu.org/hashicorp/aws\" {\n  version = \"4.10.0\"\n  hashes  = [\"h1:jrUTBQws8CLDmbHIIENT/sgHARrimuQDZrbs/I8tNp8=\"]\n}\n"
	spec = s.spec(replaced(t, res.Bundle, old))
	spec.StepID, spec.Sandbox = "step_3", aSandbox(t)
	got, _, notices = s.run(spec, "account")
	require.Equal(t, "init_failed", got.Code)
	require.NotContains(t, notices, "lock_relaxed")
}

// replaced is a bundle with other content in files it has.
func replaced(t *testing.T, b *bundle.Bundle, files map[string]string) *bundle.Bundle {
	t.Helper()
	out, err := b.With(t.Context(), os.DirFS(write(t, files)), []string{tofu.LockFileName}, bundle.DefaultLimits())
	require.NoError(t, err)
	return out
}
