package run_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/run"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// graph builds a run whose steps are named by the keys and depend on the values.
func graph(steps ...run.Step) run.Run {
	r := run.Run{ID: "run_1", Kind: run.KindDeploy}
	for _, s := range steps {
		s.Status = run.StepPending
		r.Steps = append(r.Steps, s)
	}
	return r
}

func step(id run.StepID, deps ...run.StepID) run.Step { return run.Step{ID: id, DependsOn: deps} }

func play(t *testing.T, r run.Run, events ...run.Event) (run.Run, []run.Command) {
	t.Helper()
	var cmds []run.Command
	for _, ev := range events {
		var err error
		r, cmds, err = run.Next(r, ev, at)
		require.NoError(t, err, "%T", ev)
	}
	return r, cmds
}

func statuses(r run.Run) map[run.StepID]run.StepStatus {
	m := map[run.StepID]run.StepStatus{}
	for _, s := range r.Steps {
		m[s.ID] = s.Status
	}
	return m
}

func TestNext(t *testing.T) {
	t.Parallel()
	ok := func(id run.StepID) run.Event {
		return run.StepFinished{Step: id, Attempt: 1, Outcome: run.StepSucceeded}
	}
	bad := func(id run.StepID) run.Event {
		return run.StepFinished{Step: id, Attempt: 1, Outcome: run.StepFailed, Error: "no"}
	}
	claim := func(id run.StepID) run.Event { return run.StepClaimed{Step: id, Attempt: 1} }
	diamond := []run.Step{step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")}
	type want = map[run.StepID]run.StepStatus

	for name, tc := range map[string]struct {
		steps  []run.Step
		events []run.Event
		status run.Status
		want   want
	}{
		"only roots are ready at first": {
			diamond, []run.Event{run.Created{}}, run.StatusQueued,
			want{"a": run.StepReady, "b": run.StepPending, "c": run.StepPending, "d": run.StepPending},
		},
		"a success readies all branches at once": {
			diamond, []run.Event{run.Created{}, claim("a"), ok("a")}, run.StatusRunning,
			want{"a": run.StepSucceeded, "b": run.StepReady, "c": run.StepReady, "d": run.StepPending},
		},
		"a failure skips what depends on it and lets the other branch finish": {
			diamond, []run.Event{run.Created{}, claim("a"), ok("a"), claim("b"), claim("c"), bad("b")}, run.StatusRunning,
			want{"a": run.StepSucceeded, "b": run.StepFailed, "c": run.StepRunning, "d": run.StepSkipped},
		},
		"the run fails once the other branch has ended": {
			diamond, []run.Event{run.Created{}, claim("a"), ok("a"), claim("b"), claim("c"), bad("b"), ok("c")}, run.StatusFailed,
			want{"a": run.StepSucceeded, "b": run.StepFailed, "c": run.StepSucceeded, "d": run.StepSkipped},
		},
		"a run without steps succeeds at once": {nil, []run.Event{run.Created{}}, run.StatusSucceeded, want{}},
		"cancel before a claim ends the run": {
			diamond, []run.Event{run.Created{}, run.CancelRequested{}}, run.StatusCanceled,
			want{"a": run.StepCanceled, "b": run.StepCanceled, "c": run.StepCanceled, "d": run.StepCanceled},
		},
		"cancel waits for the running step": {
			diamond, []run.Event{run.Created{}, claim("a"), run.CancelRequested{}}, run.StatusRunning,
			want{"a": run.StepRunning, "b": run.StepCanceled, "c": run.StepCanceled, "d": run.StepCanceled},
		},
		"a step that succeeds in spite of a cancel counts as done": {
			diamond, []run.Event{run.Created{}, claim("a"), run.CancelRequested{}, ok("a")}, run.StatusCanceled,
			want{"a": run.StepSucceeded, "b": run.StepCanceled, "c": run.StepCanceled, "d": run.StepCanceled},
		},
		"a lost step can be claimed again": {
			diamond, []run.Event{run.Created{}, claim("a"), run.StepLost{Step: "a", Attempt: 1}}, run.StatusRunning,
			want{"a": run.StepReady, "b": run.StepPending, "c": run.StepPending, "d": run.StepPending},
		},
		"a claim that was never started is given back": {
			diamond, []run.Event{run.Created{}, claim("a"), run.StepReturned{Step: "a", Attempt: 1}}, run.StatusRunning,
			want{"a": run.StepReady, "b": run.StepPending, "c": run.StepPending, "d": run.StepPending},
		},
		"a lost step of a canceled run is not started again": {
			[]run.Step{step("a")}, []run.Event{run.Created{}, claim("a"), run.CancelRequested{}, run.StepLost{Step: "a", Attempt: 1}}, run.StatusCanceled,
			want{"a": run.StepCanceled},
		},
		"a retry redoes what did not succeed": {
			diamond, []run.Event{run.Created{}, claim("a"), ok("a"), claim("b"), claim("c"), bad("b"), ok("c"), run.RetryRequested{}}, run.StatusQueued,
			want{"a": run.StepSucceeded, "b": run.StepReady, "c": run.StepSucceeded, "d": run.StepPending},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := play(t, graph(tc.steps...), tc.events...)
			require.Equal(t, tc.status, r.Status)
			require.Equal(t, tc.want, statuses(r))
		})
	}
}

func TestNextRefusesAnOldAttempt(t *testing.T) {
	t.Parallel()
	r, _ := play(t, graph(step("a")),
		run.Created{}, run.StepClaimed{Step: "a", Attempt: 1}, run.StepLost{Step: "a", Attempt: 1}, run.StepClaimed{Step: "a", Attempt: 2})
	after, cmds, err := run.Next(r, run.StepFinished{Step: "a", Attempt: 1, Outcome: run.StepSucceeded}, at)
	require.ErrorContains(t, err, "newer attempt")
	require.Empty(t, cmds)
	require.Equal(t, r, after)
}

func TestNextGivesUpOnAStepWhoseRunnerAlwaysDies(t *testing.T) {
	t.Parallel()
	r, _ := play(t, graph(step("a")), run.Created{})
	for attempt := 1; attempt <= run.MaxLosses; attempt++ {
		r, _ = play(t, r, run.StepClaimed{Step: "a", Attempt: attempt}, run.StepLost{Step: "a", Attempt: attempt})
	}
	require.Equal(t, run.StatusFailed, r.Status)
	require.Contains(t, r.Steps[0].Error, "died every time")
}

func TestNextStopsRunningStepsOnCancel(t *testing.T) {
	t.Parallel()
	_, cmds := play(t, graph(step("a"), step("b")), run.Created{}, run.StepClaimed{Step: "b", Attempt: 1}, run.CancelRequested{})
	require.Equal(t, []run.Command{run.Stop{Step: "b", Attempt: 1}}, cmds)
}

// FuzzNext throws random events at random graphs and checks what must always hold.
func FuzzNext(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed*7+1)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		rng := rand.New(rand.NewPCG(a, b))
		var steps []run.Step
		for i := range 1 + rng.IntN(6) {
			s := step(run.StepID('a' + rune(i)))
			for j := range i {
				if rng.IntN(3) == 0 {
					s.DependsOn = append(s.DependsOn, steps[j].ID)
				}
			}
			steps = append(steps, s)
		}
		r, _ := play(t, graph(steps...), run.Created{})
		for range 60 {
			next, _, err := run.Next(r, randomEvent(rng, r), at)
			if err != nil {
				require.Equal(t, r, next, "a refused event changes nothing")
				continue
			}
			requireSound(t, r, next)
			r = next
		}
	})
}

func randomEvent(rng *rand.Rand, r run.Run) run.Event {
	s := r.Steps[rng.IntN(len(r.Steps))]
	attempt := s.Attempt + rng.IntN(3) - 1
	switch rng.IntN(12) {
	case 0:
		return run.CancelRequested{}
	case 1:
		return run.RetryRequested{}
	case 2:
		return run.StepLost{Step: s.ID, Attempt: attempt}
	case 7:
		return run.StepReturned{Step: s.ID, Attempt: attempt}
	case 3, 4, 5, 6:
		return run.StepClaimed{Step: s.ID, Attempt: s.Attempt + 1}
	default:
		outcomes := []run.StepStatus{run.StepSucceeded, run.StepSucceeded, run.StepFailed, run.StepCanceled, run.StepSkipped}
		return run.StepFinished{Step: s.ID, Attempt: attempt, Outcome: outcomes[rng.IntN(len(outcomes))]}
	}
}

func requireSound(t *testing.T, before, after run.Run) {
	t.Helper()
	status := statuses(after)
	active := false
	for i, s := range after.Steps {
		active = active || !s.Status.Ended()
		require.GreaterOrEqual(t, s.Attempt, before.Steps[i].Attempt, "attempts only grow")
		if s.Status == run.StepReady || s.Status == run.StepRunning {
			for _, d := range s.DependsOn {
				require.Equal(t, run.StepSucceeded, status[d], "%s started before %s succeeded", s.ID, d)
			}
		}
		if s.Status == run.StepPending {
			require.NotEmpty(t, s.DependsOn, "a step without dependencies never waits for them")
		}
	}
	require.Equal(t, !active, after.Status.Ended(), "a run has ended exactly when all its steps have")
	require.Equal(t, after.Status.Ended(), !after.FinishedAt.IsZero())
}
