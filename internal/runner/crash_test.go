package runner_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

func TestStepOutlivesAKilledServerAndIsAdopted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", WaitFor: gate}}})
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), serverEnv+"=1")
	order, err := json.Marshal(serverOrder{Config: b.cfg, Spec: spec})
	require.NoError(t, err)
	server.Stdin = strings.NewReader(string(order))
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()

	list, err := b.local.List(b.ctx())
	require.NoError(t, err)
	require.Equal(t, []runner.Attempt{{StepID: "step_1", Attempt: 1}}, list)
	h, err := b.local.Adopt(b.ctx(), "step_1", 1)
	require.NoError(t, err)
	t.Cleanup(func() { b.end(h, spec) })
	live, err := h.Liveness()
	require.NoError(t, err)
	require.Equal(t, runner.Running, live)
	err = b.local.Settle(b.ctx(), "step_1", 1)
	require.Equal(t, "attempt_running", fault.CodeOf(err))
	b.until(h, objectStarted("aws_vpc.main"))
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusSucceeded, res.Status)
	require.NoError(t, b.local.Settle(b.ctx(), "step_1", 1))
	_, err = b.local.Adopt(b.ctx(), "step_1", 1)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

// pidOf is the supervisor's process number.
func pidOf(t testing.TB, recs func(func(runner.Record) bool) runner.Record) int {
	t.Helper()
	return recs(func(r runner.Record) bool { return r.Started != nil }).Started.PID
}

func TestKilledSupervisorIsFoundAndSalvaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gate := filepath.Join(t.TempDir(), "gate")
	objects := []runnertest.Object{
		{Address: "aws_vpc.first", Type: "aws_vpc", ID: "vpc-1"},
		{Address: "aws_vpc.second", Type: "aws_vpc", ID: "vpc-2", WaitFor: gate}}
	spec := b.fake(runnertest.Script{Objects: objects})
	h := b.start(spec)
	pid := pidOf(t, func(want func(runner.Record) bool) runner.Record { return b.until(h, want) })
	b.until(h, objectStarted("aws_vpc.second"))
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	var got error
	for _, err := range h.Records(b.ctx(), 0) {
		got = err
	}
	require.ErrorIs(t, got, runner.ErrLost)
	live, err := h.Liveness()
	require.NoError(t, err)
	require.Equal(t, runner.Lost, live)
	// The tool lives on and holds the lock: nobody can start a second one meanwhile.
	other := spec
	other.StepID = "step_2"
	_, err = b.local.Start(b.ctx(), other)
	require.Equal(t, "resource_locked", fault.CodeOf(err))
	// It finishes what it was at, which nobody journals but its own events file.
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	require.NoError(t, h.Salvage(b.ctx(), runner.SalvageSpec{ResourceID: "res_1", DataKey: b.key}))
	res, recs := b.finish(h)
	require.Equal(t, "supervisor_lost", res.Code)
	require.False(t, res.Reconciled)
	next := b.next(spec, recs)
	var ids []string
	for _, e := range next.Journal {
		if e.Op == runner.JournalFinish {
			ids = append(ids, e.ID)
		}
	}
	require.Equal(t, []string{"vpc-1", "vpc-2"}, ids)
	require.NoError(t, h.Salvage(b.ctx(), runner.SalvageSpec{ResourceID: "res_1", DataKey: b.key}), "a second salvage does nothing")

	res, recs = b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
	require.Equal(t, map[string]runner.RepairOutcome{"aws_vpc.first": runner.RepairImported, "aws_vpc.second": runner.RepairImported}, repairs(recs))
	require.Equal(t, "fetch init repair plan apply output", phases(recs))
	require.Equal(t, 2, res.Resources)
	require.True(t, res.Reconciled)
	for _, r := range recs {
		require.False(t, r.Object != nil && r.Object.Action == runner.ObjectCreate, "nothing is made twice: %+v", r.Object)
	}
}

func TestFencedToolDiesWithItsSupervisor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", HangAfterStart: true}}})
	spec.Fence = &runner.Fence{Granted: runner.Now(), Lease: time.Hour}
	h := b.start(spec)
	pid := pidOf(t, func(want func(runner.Record) bool) runner.Record { return b.until(h, want) })
	b.until(h, objectStarted("aws_vpc.main"))
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	_, err := h.Wait(b.ctx())
	require.ErrorIs(t, err, runner.ErrLost)
	// The fake ignores SIGINT while it hangs, so this ends in time only because the kernel killed it.
	require.NoError(t, h.Salvage(b.ctx(), runner.SalvageSpec{ResourceID: "res_1", DataKey: b.key, Grace: time.Hour}))
	res, _ := b.finish(h)
	require.Equal(t, "supervisor_lost", res.Code)
}

func TestToolKilledAfterCreatingIsRepaired(t *testing.T) {
	t.Parallel()
	for _, action := range []runner.Action{runner.ActionApply, runner.ActionDestroy} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			dying := runnertest.Script{Objects: []runnertest.Object{
				{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1"},
				{Address: "terraform_data.pure", Type: "terraform_data", ID: "1234"},
				{Address: "aws_iam_role.app", Type: "aws_iam_role", ID: "app", DieAfter: true}}}
			spec := b.fake(dying)
			res, recs := b.run(spec)
			require.Equal(t, runner.StatusFailed, res.Status)
			require.Equal(t, -1, res.Exit)
			require.False(t, res.Reconciled)
			require.Zero(t, res.StateVersion, "no state was written")

			next := b.next(spec, recs)
			dying.Objects[2].DieAfter = false
			next.Bundle, next.Action = b.bundle(dying.Files()), action
			res, recs = b.run(next)
			require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
			require.Equal(t, map[string]runner.RepairOutcome{"aws_vpc.main": runner.RepairImported,
				"terraform_data.pure": runner.RepairGone, "aws_iam_role.app": runner.RepairImported}, repairs(recs))
			require.True(t, res.Reconciled)
			if action == runner.ActionDestroy {
				require.Zero(t, res.Resources)
				var deleted []string
				for _, r := range recs {
					if r.Journal != nil && r.Journal.Op == runner.JournalFinish && r.Journal.Action == runner.ObjectDelete {
						deleted = append(deleted, r.Journal.ID)
					}
				}
				require.ElementsMatch(t, []string{"vpc-1", "app"}, deleted)
			}
			// The journal of a reconciled attempt, passed on by mistake, does no harm.
			again := b.next(next, recs)
			res, recs = b.run(again)
			require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
			require.Empty(t, repairs(recs))
		})
	}
}

func TestObjectInDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typ        string
		existsAs   string
		outcome    runner.RepairOutcome
		reconciled bool
		resources  int
	}{
		"found":       {"test_thing", "thing-7", runner.RepairAdopted, true, 1},
		"never made":  {"test_thing", "", runner.RepairGone, true, 1},
		"ambiguous":   {"test_thing", "thing-7 thing-8", runner.RepairInDoubt, false, 1},
		"nobody asks": {"other_thing", "", runner.RepairInDoubt, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			obj := runnertest.Object{Address: c.typ + ".x", Type: c.typ, ID: "new", DieDuring: true, Values: map[string]any{"exists_as": c.existsAs}}
			spec := b.fake(runnertest.Script{Objects: []runnertest.Object{obj}})
			res, recs := b.run(spec)
			require.False(t, res.Reconciled)
			require.Equal(t, runner.RepairInDoubt, res.Open[0].Outcome)
			next := b.next(spec, recs)
			obj.DieDuring = false
			next.Bundle = b.bundle(runnertest.Script{Objects: []runnertest.Object{obj}}.Files())
			res, recs = b.run(next)
			require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
			require.Equal(t, c.outcome, repairs(recs)[obj.Address])
			require.Equal(t, c.reconciled, res.Reconciled, "%+v", res)
			require.Equal(t, c.resources, res.Resources)
		})
	}
}

func TestGoneAndUnimportableObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	script := runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1", DieAfter: true}}}
	spec := b.fake(script)
	_, recs := b.run(spec)
	next := b.next(spec, recs)
	script.Objects[0].DieAfter = false
	script.ImportError = "credentials expired"
	next.Bundle = b.bundle(script.Files())
	res, recs := b.run(next)
	require.Equal(t, "repair_failed", res.Code)
	require.Equal(t, runner.PhaseRepair, res.Phase)
	require.False(t, res.Reconciled)
	require.Contains(t, res.Open[0].Reason, "credentials expired")

	next = b.next(next, recs)
	script.ImportError, script.GoneIDs = "", []string{"vpc-1"}
	next.Bundle = b.bundle(script.Files())
	res, recs = b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.Equal(t, runner.RepairGone, repairs(recs)["aws_vpc.main"])
	require.True(t, res.Reconciled)
}

func TestOlderObjectUnderTheSameAddressIsKeptForDeletion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	script := runnertest.Script{Objects: []runnertest.Object{{Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-old"}}}
	spec := b.fake(script)
	res, recs := b.run(spec)
	require.True(t, res.Reconciled)
	next := b.next(spec, recs)
	// A replacement that made its new object first and was killed before any state was written.
	next.Journal = []runner.JournalEntry{
		{Attempt: 1, Seq: 90, Op: runner.JournalStart, Action: runner.ObjectCreate, Address: "aws_vpc.main", Type: "aws_vpc", PriorID: "vpc-old"},
		{Attempt: 1, Seq: 91, Op: runner.JournalFinish, Action: runner.ObjectCreate, Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-new"},
	}
	res, recs = b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
	require.Equal(t, runner.RepairImported, repairs(recs)["aws_vpc.main"])
	state, err := b.local.ReadState("step_1", 2, res.StateVersion, b.key)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"vpc-new": false, "vpc-old": true}, idsInState(t, state))

	// When that import finds nothing, the state is as it was.
	spec.StepID, spec.Attempt, spec.State = "step_9", 1, next.State
	script.GoneIDs = []string{"vpc-new"}
	spec.Bundle, spec.Journal = b.bundle(script.Files()), next.Journal
	res, _ = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	state, err = b.local.ReadState("step_9", 1, res.StateVersion, b.key)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"vpc-old": false}, idsInState(t, state))
}

// idsInState maps ids to whether they are deposed.
func idsInState(t testing.TB, state []byte) map[string]bool {
	t.Helper()
	var doc struct {
		Resources []struct {
			Instances []struct {
				Deposed    string
				Attributes struct{ ID string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(state, &doc))
	out := map[string]bool{}
	for _, r := range doc.Resources {
		for _, i := range r.Instances {
			out[i.Attributes.ID] = i.Deposed != ""
		}
	}
	return out
}

func TestImportIDsOfSeveralParts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	witness := filepath.Join(t.TempDir(), "witness")
	script := runnertest.Script{Witness: witness, Objects: []runnertest.Object{
		{Address: "aws_ecs_cluster.c", Type: "aws_ecs_cluster", ID: "arn:aws:ecs:eu-west-1:1:cluster/web"},
		{Address: "aws_route.r", Type: "aws_route", ID: "r-rtb-1080289494", Values: map[string]any{"route_table_id": "rtb-1", "destination_cidr_block": "0.0.0.0/0"}},
		{Address: "aws_ecs_service.s", Type: "aws_ecs_service", ID: "arn:aws:ecs:eu-west-1:1:service/web/api", DieAfter: true},
	}}
	spec := b.fake(script)
	_, recs := b.run(spec)
	next := b.next(spec, recs)
	script.Objects[2].DieAfter = false
	next.Bundle = b.bundle(script.Files())
	res, _ := b.run(next)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 2))
	var imported []string
	for _, l := range lines(t, witness) {
		if f := strings.Fields(l); f[0] == "import" {
			imported = append(imported, strings.Join(f[len(f)-2:], " "))
		}
	}
	require.ElementsMatch(t, []string{"aws_ecs_cluster.c web", "aws_route.r rtb-1_0.0.0.0/0", "aws_ecs_service.s web/api"}, imported)
}

func TestNeverStartedAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, os.MkdirAll(filepath.Join(b.dir("step_1", 1), "work"), 0o700))
	h, err := b.local.Adopt(b.ctx(), "step_1", 1)
	require.NoError(t, err)
	for _, err := range h.Records(b.ctx(), 0) {
		require.True(t, errors.Is(err, runner.ErrLost))
	}
	require.NoError(t, h.Salvage(b.ctx(), runner.SalvageSpec{ResourceID: "res_1", DataKey: b.key}))
	res, err := h.Wait(b.ctx())
	require.NoError(t, err)
	require.Equal(t, "never_started", res.Code)
	require.NoError(t, b.local.Settle(b.ctx(), "step_1", 1))
}

func TestEarlyFailureKeepsTheJournalOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{InitError: "no network"})
	spec.Journal = []runner.JournalEntry{{Attempt: 1, Seq: 5, Op: runner.JournalFinish, Action: runner.ObjectCreate, Address: "aws_vpc.main", Type: "aws_vpc", ID: "vpc-1"}}
	spec.Attempt = 2
	res, _ := b.run(spec)
	require.Equal(t, "init_failed", res.Code)
	require.False(t, res.Reconciled)
	require.Equal(t, "vpc-1", res.Open[0].ID)

	spec.StepID, spec.State = "step_2", []byte(`{"encrypted_data":"x"}`)
	res, _ = b.run(spec)
	require.Equal(t, "state_unreadable", res.Code)
	require.False(t, res.Reconciled)
}

func TestDestroyWithSomethingInDoubtIsNotReconciled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{{Address: "other_thing.x", Type: "other_thing", ID: "1"}}})
	spec.Action = runner.ActionDestroy
	spec.Journal = []runner.JournalEntry{{Attempt: 1, Seq: 5, Op: runner.JournalStart, Action: runner.ObjectCreate, Address: "other_thing.x", Type: "other_thing"}}
	spec.Attempt = 2
	res, _ := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v", res)
	require.False(t, res.Reconciled, "nobody may call it destroyed")
	require.Equal(t, "other_thing.x", res.Open[0].Address)
}

func TestPruneRemovesUnusedWarmDirectories(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.fake(runnertest.Script{Objects: vpcAndRole})
	b.run(spec)
	require.NoError(t, b.local.Prune(b.ctx(), time.Hour))
	spec.StepID = "step_2"
	res, _ := b.run(spec)
	require.Equal(t, 1, res.ToolStarts)
	require.NoError(t, b.local.Prune(b.ctx(), 0))
	spec.StepID = "step_3"
	res, _ = b.run(spec)
	require.Equal(t, 2, res.ToolStarts)
}
