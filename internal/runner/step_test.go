package runner_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

var vpcAndRole = []runnertest.Object{
	{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1"},
	{Address: "aws_iam_role.app", Type: "aws_iam_role", ID: "app"},
}

func TestApplyReportsObjectsStateAndOutputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, recs := b.run(b.fake(runnertest.Script{Objects: vpcAndRole, Outputs: map[string]json.RawMessage{"url": json.RawMessage(`"http://x"`)}}))
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.True(t, res.Reconciled)
	require.Equal(t, 2, res.Resources)
	require.Equal(t, "fetch init plan apply output", phases(recs))
	var finished []string
	for _, r := range recs {
		if r.Object != nil && r.Object.Status == runner.ObjectFinished {
			finished = append(finished, r.Object.Address+"="+r.Object.ID)
		}
	}
	require.Equal(t, []string{"aws_vpc.main=vpc-1", "aws_iam_role.app=app"}, finished)
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.JSONEq(t, `"http://x"`, string(outs["url"].Value))
}

func TestRecordsResumeExactlyOnceFromEveryOffset(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.start(b.fake(runnertest.Script{Objects: vpcAndRole}))
	_, all := b.finish(h)
	for i, from := range all {
		require.Equal(t, int64(i+1), from.Seq)
		var rest []int64
		for r, err := range h.Records(b.ctx(), from.End) {
			require.NoError(t, err)
			rest = append(rest, r.Seq)
			if r.Kind == runner.KindResult {
				break
			}
		}
		if i < len(all)-1 {
			require.Len(t, rest, len(all)-1-i)
			require.Equal(t, from.Seq+1, rest[0])
		}
		if i == len(all)-2 {
			break
		}
	}
}

func TestSecondStartOnAResourceNamesTheHolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", WaitFor: gate}}})
	h := b.start(spec)
	b.until(h, objectStarted("aws_vpc.main"))
	other := spec
	other.StepID, other.RunID = "step_2", "run_2"
	_, err := b.local.Start(b.ctx(), other)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.Equal(t, "resource_locked", fault.CodeOf(err))
	require.Contains(t, err.Error(), "run run_1, step step_1, attempt 1")
	holder, held, err := b.local.LockHolder("res_1")
	require.NoError(t, err)
	require.True(t, held)
	require.Equal(t, "step_1", holder.StepID)
	_, err = b.local.Start(b.ctx(), spec)
	require.Equal(t, "attempt_exists", fault.CodeOf(err))
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusSucceeded, res.Status)
	// A refused start leaves nothing behind, so it may be tried again.
	other.State = nil
	res, _ = b.run(other)
	require.Equal(t, runner.StatusSucceeded, res.Status)
}

func TestNextStepMayStartAsSoonAsTheResultIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: vpcAndRole})
	for i := range 15 {
		spec.StepID = fmt.Sprintf("step_%d", i)
		res, _ := b.run(spec)
		require.Equal(t, runner.StatusSucceeded, res.Status)
		require.NoError(t, b.local.Settle(b.ctx(), spec.StepID, 1))
	}
}

func TestManyStartsInitialiseOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	witness := filepath.Join(t.TempDir(), "witness")
	spec := b.fake(runnertest.Script{Objects: vpcAndRole, Witness: witness})
	var wg sync.WaitGroup
	results := make([]*runner.Result, 4)
	for i := range results {
		one := spec
		one.StepID = "step_" + string(rune('a'+i))
		one.ResourceID = "res_" + string(rune('a'+i))
		h := b.start(one)
		wg.Go(func() { results[i], _ = h.Wait(b.ctx()) })
	}
	wg.Wait()
	for _, r := range results {
		require.NotNil(t, r)
		require.Equal(t, runner.StatusSucceeded, r.Status, "%+v", r)
	}
	inits := 0
	for _, l := range lines(t, witness) {
		if strings.HasPrefix(l, "init") {
			inits++
		}
	}
	require.Equal(t, 1, inits)
}

func TestDamagedWarmDirectoryIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: vpcAndRole, Providers: map[string]string{"aws/plugin": "a provider"}})
	res, _ := b.run(spec)
	require.Equal(t, 2, res.ToolStarts)
	var plugin string
	require.NoError(t, filepath.WalkDir(b.cfg.CacheDir, func(path string, d fs.DirEntry, err error) error {
		if d.Name() == "plugin" {
			plugin = path
		}
		return err
	}))
	require.NotEmpty(t, plugin)
	st, err := os.Stat(plugin)
	require.NoError(t, err)
	// Same size, same modification time, other content.
	require.NoError(t, os.WriteFile(plugin, []byte("a pr0vider"), 0o600))
	require.NoError(t, os.Chtimes(plugin, st.ModTime(), st.ModTime()))
	spec.StepID = "step_2"
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.Equal(t, 2, res.ToolStarts)
	require.Contains(t, notices(recs), "warm_rebuilt")
	data, err := os.ReadFile(plugin)
	require.NoError(t, err)
	require.Equal(t, "a provider", string(data))
	spec.StepID = "step_3"
	res, _ = b.run(spec)
	require.Equal(t, 1, res.ToolStarts)
}

func notices(recs []runner.Record) []string {
	var out []string
	for _, r := range recs {
		if r.Notice != nil {
			out = append(out, r.Notice.Code)
		}
	}
	return out
}

func TestSecretsNeverReachTheDiskInClear(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := `p"ss<w>rd-canary-7391`
	spec := b.fake(runnertest.Script{
		Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-" + secret, Values: map[string]any{"password": secret}},
			{Address: "aws_vpc.bad", Type: "aws_vpc", Error: "cannot use " + secret}},
		Outputs: map[string]json.RawMessage{"p": mustJSON(t, secret)},
		Print:   []string{"plain ${var.password}", "basic " + base64.StdEncoding.EncodeToString([]byte("user:"+secret))},
	}, "password")
	// The script itself is the bundle, which knows the secret only for this test; a template never does.
	spec.Secrets = []string{secret}
	spec.Variables = map[string]json.RawMessage{"password": mustJSON(t, secret)}
	spec.Env = map[string]string{"APP_PASSWORD": secret}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusFailed, res.Status)
	require.NotContains(t, res.Message, secret)
	require.Contains(t, b.log("step_1", 1), "plain "+runner.Mark)
	dir := b.dir("step_1", 1)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "work" {
				return fs.SkipDir // what the tool itself is given; wiped when the attempt is settled
			}
			return nil
		}
		data, err := os.ReadFile(path)
		for _, form := range []string{"canary-7391", "Y2FuYXJ5LTczOTE", "NhbmFyeS03Mzkx", "jYW5hcnktNzM5M"} {
			require.False(t, bytes.Contains(data, []byte(form)), "%s holds %s", path, form)
		}
		return err
	}))
	// The id is still known to the next attempt, which imports under it.
	next := b.next(spec, recs)
	require.NotEmpty(t, next.Journal)
	for _, e := range next.Journal {
		require.NotContains(t, e.ID, "canary")
	}
	require.NoError(t, b.local.Settle(b.ctx(), "step_1", 1))
	require.NoDirExists(t, dir)
	require.NoError(t, b.local.Settle(b.ctx(), "step_1", 1), "settling twice is no error")
}

func mustJSON(t testing.TB, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

func TestEnvironmentIsScrubbed(t *testing.T) {
	b := setup(t) // not parallel: it sets a variable of the process
	t.Setenv("BERTH_TEST_LEAK", "leaked")
	witness := filepath.Join(t.TempDir(), "env")
	b.cfg.Env = map[string]string{"HTTPS_PROXY": "http://proxy", "GOOD": "no"}
	var err error
	b.local, err = runner.New(b.cfg)
	require.NoError(t, err)
	files := runnertest.Script{}.Files()
	spec := b.spec(envTool(t, witness), files)
	spec.Env = map[string]string{"GOOD": "yes", "PATH": "/evil", "TF_HTTP_ADDRESS": "http://evil", "TF_CLI_ARGS": "-evil"}
	spec.Files = []runner.File{{Path: "~/.netrc", Content: []byte("machine x"), Mode: 0o640}, {Path: "conf/a.txt", Content: []byte("a")}}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	env := strings.Join(lines(t, witness), "\n")
	require.NotContains(t, env, "leaked")
	require.NotContains(t, env, "evil")
	require.Contains(t, env, "GOOD=yes")
	require.NotContains(t, env, "GOOD=no")
	require.Contains(t, env, "HTTPS_PROXY=http://proxy")
	require.Contains(t, env, "HOME="+b.dir("step_1", 1))
	require.Contains(t, notices(recs), "env_ignored")
	st, err := os.Stat(filepath.Join(b.dir("step_1", 1), "work", "home", ".netrc"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), st.Mode().Perm())
	require.FileExists(t, filepath.Join(b.dir("step_1", 1), "work", "module", "conf", "a.txt"))
	spec.StepID, spec.Files = "step_2", []runner.File{{Path: "../../records.jsonl", Content: []byte("x")}}
	res, _ = b.run(spec)
	require.Equal(t, "file_invalid", res.Code)
}

// envTool is a tool that notes its environment and does nothing.
func envTool(t testing.TB, witness string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tofu")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nenv > "+witness+"\n"), 0o700))
	return path
}

func TestStopFinishesTheObjectAndSavesTheState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{
		{Address: "aws_vpc.first", Type: "aws_vpc", ID: "vpc-1", WaitFor: gate},
		{Address: "aws_vpc.second", Type: "aws_vpc", ID: "vpc-2"}}})
	h := b.start(spec)
	b.until(h, objectStarted("aws_vpc.first"))
	require.NoError(t, h.Stop(b.ctx()))
	require.NoError(t, h.Stop(b.ctx()))
	b.untilLogged("step_1", "Interrupt received")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusCanceled, res.Status, "%+v", res)
	require.Equal(t, 1, res.Resources)
	require.True(t, res.Reconciled, "the tool ended in order")
	require.Equal(t, 1, strings.Count(b.log("step_1", 1), "Interrupt received"), "a second signal would make it drop everything")
}

func TestGraceEndsAToolThatDoesNotStop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", HangAfterStart: true}}})
	spec.Timeouts.Grace = 50 * time.Millisecond
	h := b.start(spec)
	b.until(h, objectStarted("aws_vpc.main"))
	require.NoError(t, h.Stop(b.ctx()))
	res, recs := b.finish(h)
	require.Equal(t, runner.StatusCanceled, res.Status)
	require.False(t, res.Reconciled)
	require.Equal(t, "aws_vpc.main", res.Open[0].Address)
	require.Contains(t, notices(recs), "grace_over")
}

func TestKillEndsTheToolAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", HangAfterStart: true}}})
	h := b.start(spec)
	b.until(h, objectStarted("aws_vpc.main"))
	require.NoError(t, h.Kill(b.ctx()))
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusCanceled, res.Status)
	require.Equal(t, -1, res.Exit)
	require.False(t, res.Reconciled)
	require.Equal(t, runner.Attempt{StepID: "step_1", Attempt: 1}, h.Attempt())
}

func TestStepTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", HangAfterStart: true}}})
	spec.Timeouts = runner.Timeouts{Step: 300 * time.Millisecond, Grace: 50 * time.Millisecond}
	res, _ := b.run(spec)
	require.Equal(t, runner.StatusTimedOut, res.Status)
}

func TestFenceStopsAStepWhoseLeaseIsNotExtended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", WaitFor: gate}}})
	lease := 2 * time.Second
	spec.Fence = &runner.Fence{Granted: runner.Now(), Lease: lease, Margin: 500 * time.Millisecond}
	began := runner.Now()
	h := b.start(spec)
	b.until(h, objectStarted("aws_vpc.main"))
	granted := runner.Now()
	require.NoError(t, h.Extend(b.ctx(), granted))
	require.NoError(t, h.Extend(b.ctx(), granted.Add(time.Hour)), "a lease from the future is not believed")
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusFenced, res.Status)
	require.False(t, res.Reconciled)
	ended := runner.Now()
	require.GreaterOrEqual(t, ended.Sub(granted), lease-600*time.Millisecond)
	require.Less(t, ended.Sub(granted), lease, "it must be over before anybody else can claim")
	require.Greater(t, ended.Sub(began), lease/2)
}

func TestFailuresSayWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script runnertest.Script
		code   string
		text   string
		phase  runner.Phase
	}{
		"init":  {runnertest.Script{InitError: "no such provider"}, "init_failed", "no such provider", runner.PhaseInit},
		"plan":  {runnertest.Script{PlanError: "bad value"}, "plan_failed", "bad value", runner.PhasePlan},
		"apply": {runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", Error: "quota"}}}, "apply_failed", "aws_vpc.main: quota", runner.PhaseApply},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			res, recs := b.run(b.fake(c.script))
			require.Equal(t, runner.StatusFailed, res.Status)
			require.Equal(t, c.code, res.Code)
			require.Equal(t, c.text, res.Message)
			require.Equal(t, c.phase, res.Phase)
			require.True(t, res.Reconciled, "an orderly failure leaves nothing open: %+v", res)
			var diag *runner.Diagnostic
			for _, r := range recs {
				if r.Diagnostic != nil {
					diag = r.Diagnostic
				}
			}
			require.NotNil(t, diag)
			require.Equal(t, "main.tf", diag.File)
			require.Equal(t, 7, diag.Line)
		})
	}
}

func TestPlanChangesNothingAndCanBeApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", Values: map[string]any{"cidr_block": "10.0.0.0/16"}}}})
	spec.Action = runner.ActionPlan
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.True(t, res.Changes)
	require.Zero(t, res.StateVersion)
	require.Equal(t, "fetch init plan", phases(recs))
	plan, err := b.local.ReadSealed("step_1", 1, runner.SealedPlanJSON, b.key)
	require.NoError(t, err)
	require.Contains(t, string(plan), "10.0.0.0/16")
	raw, err := b.local.ReadSealed("step_1", 1, runner.SealedPlanFile, b.key)
	require.NoError(t, err)
	spec.StepID, spec.Action, spec.SavedPlan = "step_2", runner.ActionApply, raw
	res, _ = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.Equal(t, 1, res.Resources)
	_, err = b.local.ReadSealed("step_1", 1, runner.SealedPlanJSON, make([]byte, 32))
	require.ErrorContains(t, err, "wrong data key")
}

func TestToolThatPrintsEventsInsteadOfText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: append(vpcAndRole[:1:1], runnertest.Object{Address: "aws_vpc.bad", Type: "aws_vpc", Error: "quota of canary-secret"})})
	spec.Tool.Kind, spec.Tool.Version, spec.Secrets = runner.ToolTerraform, "1.9.8", []string{"canary-secret"}
	res, recs := b.run(spec)
	require.Equal(t, "apply_failed", res.Code)
	require.Equal(t, "aws_vpc.bad: quota of "+runner.Mark, res.Message)
	require.Equal(t, "fetch init plan apply", phases(recs))
	require.Equal(t, 1, res.Resources)
	log := b.log("step_1", 1)
	require.Contains(t, log, "aws_vpc.main: create complete\n")
	require.Contains(t, log, "Error: quota of "+runner.Mark+"\n\n  on main.tf line 7, in aws_vpc.bad\n")
	require.NotContains(t, log, `"@message"`)
}

func TestErroredStateIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, recs := b.run(b.fake(runnertest.Script{Objects: vpcAndRole, NoBackendAtEnd: true}))
	require.Equal(t, 2, res.Resources)
	var sources []string
	for _, r := range recs {
		if r.State != nil {
			sources = append(sources, r.State.Source)
		}
	}
	require.Equal(t, []string{"errored"}, sources)
}

func TestLogIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	spec := b.fake(runnertest.Script{Print: []string{"first line"}, Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", WaitFor: gate}}})
	h := b.start(spec)
	log, err := b.local.OpenLog(b.ctx(), "step_1", 1, 0, true)
	require.NoError(t, err)
	defer log.Close()
	got := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(log)
		got <- string(data)
	}()
	b.until(h, objectStarted("aws_vpc.main"))
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	b.finish(h)
	text := <-got
	require.Equal(t, b.log("step_1", 1), text)
	require.Contains(t, text, "first line\n")
	tail, err := b.local.OpenLog(b.ctx(), "step_1", 1, int64(len(text)-4), false)
	require.NoError(t, err)
	defer tail.Close()
	data, err := io.ReadAll(tail)
	require.NoError(t, err)
	require.Equal(t, text[len(text)-4:], string(data))
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.start(b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", HangAfterStart: true}}}))
	b.until(h, objectStarted("aws_vpc.main"))
	ctx, cancel := context.WithCancel(b.ctx())
	cancel()
	_, err := h.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestStateWithAnotherProviderIsInitialisedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: vpcAndRole})
	spec.State = []byte(`{"version":4,"serial":3,"lineage":"l","outputs":{},"resources":[{"mode":"managed","type":"null_resource","name":"old",
		"provider":"provider[\"registry.opentofu.org/hashicorp/null\"]","instances":[{"attributes":{"id":"1"}}]}]}`)
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.Contains(t, notices(recs), "cold_init")
	require.Equal(t, 3, res.ToolStarts)
	// The shared directory was not touched by it.
	spec.StepID, spec.State = "step_2", nil
	res, recs = b.run(spec)
	require.Equal(t, 1, res.ToolStarts)
	require.NotContains(t, notices(recs), "warm_rebuilt")
}
