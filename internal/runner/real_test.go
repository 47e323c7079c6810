package runner_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/tofu/tofutest"
)

const trivial = `
terraform {
  backend "s3" { bucket = "never-used" }
}
variable "word" { type = string }
resource "terraform_data" "a" {
  input = var.word
  provisioner "local-exec" { command = "echo it says ${var.word}" }
}
output "word" { value = terraform_data.a.output }
`

func TestRealApplyThenWarmDestroy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.spec(realTofu(t), map[string]string{"main.tf": trivial})
	spec.Variables = map[string]json.RawMessage{"word": json.RawMessage(`"hello"`), "free": json.RawMessage(`1`)}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	require.Equal(t, "fetch init plan apply output", phases(recs))
	require.True(t, res.Reconciled)
	require.Equal(t, 1, res.Resources)
	require.Equal(t, 2, res.ToolStarts)
	require.Contains(t, b.log("step_1", 1), "it says hello")
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.JSONEq(t, `"hello"`, string(outs["word"].Value))
	state, err := b.local.ReadState("step_1", 1, res.StateVersion, b.key)
	require.NoError(t, err)

	spec.Attempt, spec.StepID, spec.Action, spec.State = 1, "step_2", runner.ActionDestroy, state
	res, recs = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_2", 1))
	require.Equal(t, "fetch init plan apply", phases(recs))
	require.Zero(t, res.Resources)
	require.Equal(t, 1, res.ToolStarts, "a warm start runs no init")
}

func TestRealToolKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Killed from inside, while the second object is being made.
	code := func(what string) map[string]string {
		return map[string]string{"main.tf": `
resource "terraform_data" "first" {}
resource "terraform_data" "second" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "` + what + `" }
}`}
	}
	spec := b.spec(realTofu(t), code("kill -9 $PPID"))
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusFailed, res.Status)
	require.Equal(t, -1, res.Exit)
	require.False(t, res.Reconciled)
	next := b.next(spec, recs)
	require.NotEmpty(t, next.Journal)
	next.Bundle = b.bundle(code("true"))
	res, recs = b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
	require.Equal(t, runner.RepairGone, repairs(recs)["terraform_data.first"])
	require.Equal(t, 2, res.Resources)
	require.True(t, res.Reconciled)
}

func TestRealLeftoverProcessIsStopped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	spec := b.spec(realTofu(t), map[string]string{"main.tf": `
resource "terraform_data" "a" {
  provisioner "local-exec" { command = "setsid sleep 300 >/dev/null 2>&1 & echo $! > ` + pidFile + `" }
}`})
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.Contains(t, notices(recs), "leftover_stopped")
	pid, err := strconv.Atoi(lines(t, pidFile)[0])
	require.NoError(t, err)
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	_, held, err := b.local.LockHolder("res_1")
	require.NoError(t, err)
	require.False(t, held)
}

func TestRealDataDirectoryIsHidden(t *testing.T) {
	t.Parallel()
	tofu := realTofu(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "berth.db")
	require.NoError(t, os.WriteFile(secret, []byte("everything"), 0o600))
	b := setupIn(t, dir)
	b.cfg.Hide = []string{dir}
	var err error
	b.local, err = runner.New(b.cfg)
	require.NoError(t, err)
	spec := b.spec(tofu, map[string]string{"main.tf": `
resource "terraform_data" "a" {
  provisioner "local-exec" { command = "cat ` + secret + ` || echo cannot see it; umount ` + dir + `; cat ` + secret + `; cat /proc/` + strconv.Itoa(os.Getpid()) + `/root` + secret + `; cat /proc/$PPID/root` + secret + `; echo x > made-here" }
}
output "o" { value = fileexists("` + secret + `") }`})
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	isolation := ""
	for _, r := range recs {
		if r.Notice != nil && r.Notice.Code == "isolation" {
			isolation = r.Notice.Message
		}
	}
	if !strings.HasPrefix(isolation, "mount namespace") {
		t.Skipf("this machine permits no mount namespace: %s", isolation)
	}
	require.Contains(t, b.log("step_1", 1), "cannot see it")
	require.NotContains(t, b.log("step_1", 1), "everything")
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.Equal(t, "false", string(outs["o"].Value))
	require.FileExists(t, filepath.Join(b.dir("step_1", 1), "work", "module", "made-here"))
	spec.StepID = "step_2"
	res, _ = b.run(spec)
	require.Equal(t, 1, res.ToolStarts)
}

func TestRealPlanIsRedacted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.spec(realTofu(t), map[string]string{"main.tf": `
variable "token" {
  type      = string
  sensitive = true
}
resource "terraform_data" "a" { input = { t = var.token, plain = "seen" } }
output "t" {
  value     = var.token
  sensitive = true
}`})
	spec.Action = runner.ActionPlan
	spec.Variables = map[string]json.RawMessage{"token": json.RawMessage(`"never-listed-as-secret"`)}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	require.True(t, res.Changes)
	plan, err := b.local.ReadSealed("step_1", 1, runner.SealedPlanJSON, b.key)
	require.NoError(t, err)
	require.NotContains(t, string(plan), "never-listed-as-secret")
	require.Contains(t, string(plan), "seen")
	raw, err := b.local.ReadSealed("step_1", 1, runner.SealedPlanFile, b.key)
	require.NoError(t, err)
	var sum *runner.PlanSummary
	for _, r := range recs {
		if r.Plan != nil {
			sum = r.Plan
		}
	}
	require.Equal(t, 1, sum.Add)
	spec.StepID, spec.Action, spec.SavedPlan = "step_2", runner.ActionApply, raw
	res, recs = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_2", 1))
	require.Equal(t, 1, res.Resources)
	require.Equal(t, "fetch init apply output", phases(recs))
}

// TestRealAWSProviderAgainstASandbox plans and applies with the unmodified provider; the sandbox is only as much of
// AWS as that needs.
func TestRealAWSProviderAgainstASandbox(t *testing.T) {
	t.Parallel()
	tofu, mirror := tofutest.Tools(t)
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		switch form.Get("Action") {
		case "GetCallerIdentity":
			_, _ = io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><UserId>x</UserId><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	// Sockets have short paths only, and data directories may have long ones.
	b := setupIn(t, filepath.Join(t.TempDir(), strings.Repeat("long-", 20)))
	rc := filepath.Join(t.TempDir(), "tofurc")
	require.NoError(t, os.WriteFile(rc, []byte("provider_installation {\n  filesystem_mirror {\n    path = \""+mirror+"\"\n  }\n}\n"), 0o600))
	spec := b.spec(tofu, map[string]string{"main.tf": `
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
provider "aws" { region = "us-east-1" }
provider "aws" {
  alias   = "other"
  region  = "us-west-2"
  profile = "does-not-exist"
}
data "aws_caller_identity" "main" {}
data "aws_caller_identity" "other" { provider = aws.other }
output "accounts" { value = "${data.aws_caller_identity.main.account_id} ${data.aws_caller_identity.other.account_id}" }
`})
	spec.Tool.CLIConfig = rc
	spec.Sandbox = &runner.Sandbox{Endpoint: srv.URL, Region: "eu-west-1", AccessKey: "test", SecretKey: "test"}
	res, _ := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.Equal(t, `"000000000000 000000000000"`, string(outs["accounts"].Value))
	require.Positive(t, calls.Load())
	spec.StepID = "step_2"
	began := time.Now()
	res, _ = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status)
	require.Equal(t, 1, res.ToolStarts, "the provider is linked, not installed again")
	t.Logf("warm step with the provider: %s", time.Since(began))
}

func TestRealToolOutlivesItsSupervisorInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	code := func(what string) map[string]string {
		return map[string]string{"main.tf": `
resource "terraform_data" "first" { input = "kept" }
resource "terraform_data" "second" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "` + what + `" }
}`}
	}
	spec := b.spec(realTofu(t), code("sleep 300"))
	h := b.start(spec)
	pid := pidOf(t, func(want func(runner.Record) bool) runner.Record { return b.until(h, want) })
	b.until(h, objectStarted("terraform_data.second"))
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	_, err := h.Wait(b.ctx())
	require.ErrorIs(t, err, runner.ErrLost)
	require.NoError(t, h.Salvage(b.ctx(), runner.SalvageSpec{ResourceID: "res_1", DataKey: b.key}))
	res, recs := b.finish(h)
	require.Equal(t, "supervisor_lost", res.Code)
	// The tool was asked to end, could not reach its backend, and left its state in a file, which was kept.
	require.Equal(t, 1, res.StateVersion)
	next := b.next(spec, recs)
	require.Contains(t, string(next.State), "kept")
	next.Bundle = b.bundle(code("true"))
	res, _ = b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
	require.True(t, res.Reconciled, "%+v", res)
	require.Equal(t, 2, res.Resources)
}

func TestRealCustomBackendInASubfolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := filepath.Join(t.TempDir(), "own.tfstate")
	spec := b.spec(realTofu(t), map[string]string{
		"envs/app/main.tf": `
terraform {
  backend "local" { path = "` + state + `" }
}
variable "n" { type = number }
module "inner" {
  source = "../../modules/inner"
  word   = "w${var.n}"
}
output "o" { value = module.inner.out }`,
		"modules/inner/main.tf": `
variable "word" {}
resource "terraform_data" "x" { input = var.word }
output "out" { value = terraform_data.x.output }`,
	})
	spec.Bundle.Dir, spec.Backend = "envs/app", runner.BackendCustom
	spec.Variables = map[string]json.RawMessage{"n": json.RawMessage(`3`)}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	require.Equal(t, 4, res.ToolStarts, "init twice, apply, output")
	require.True(t, res.Reconciled)
	require.Zero(t, res.StateVersion)
	require.FileExists(t, state)
	require.Equal(t, "fetch init plan apply output", phases(recs))
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.Equal(t, `"w3"`, string(outs["o"].Value))
	require.Equal(t, `"string"`, string(outs["o"].Type))

	// With the state held by Berth the same code needs one start, and its backend block is not used.
	spec.StepID, spec.Backend = "step_2", runner.BackendSystem
	_, _ = b.run(spec)
	spec.StepID = "step_3"
	res, _ = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_3", 1))
	require.Equal(t, 1, res.ToolStarts)
	require.Equal(t, 1, res.Resources)
}
