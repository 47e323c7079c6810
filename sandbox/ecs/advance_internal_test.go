package ecs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests drive the decisions alone; no task runs.

func newServiceOf(desired int, revision string, now time.Time) *service {
	v := &service{
		Name: "web", Status: active, Desired: desired, TaskDefinition: revision,
		Limits: limits{Maximum: 200, Minimum: 100, Breaker: breaker{Enable: true, Rollback: true}},
	}
	v.deploy(now)
	return v
}

func runningTask(id string, d *deployment) task {
	return task{ID: id, Deployment: d.ID, Status: statusRunning, Desired: statusRunning}
}

func failedTask(id string, d *deployment) task {
	return task{ID: id, Deployment: d.ID, Status: statusStopping, Desired: statusStopped, Failed: true}
}

func TestAdvanceStartsWhatIsMissing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newServiceOf(3, "web:1", now)
	require.Equal(t, 3, advance(v, nil, now).start)
	require.Equal(t, 2, advance(v, []task{runningTask("a", v.primary())}, now).start)
	require.Equal(t, rolloutInProgress, v.primary().Rollout)
}

func TestAdvanceKeepsTheMinimumWhileRolling(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newServiceOf(2, "web:1", now)
	old := []task{runningTask("a", v.primary()), runningTask("b", v.primary())}
	advance(v, old, now)
	require.Equal(t, rolloutCompleted, v.primary().Rollout)

	v.TaskDefinition = "web:2"
	v.deploy(now)
	first := advance(v, old, now)
	require.Equal(t, 2, first.start)
	require.Empty(t, first.stop, "nothing stops before something new runs")
	one := append(old, runningTask("c", v.primary()))
	require.Len(t, advance(v, one, now).stop, 1)
}

func TestAdvanceRespectsTheMaximum(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newServiceOf(2, "web:1", now)
	v.Limits.Maximum, v.Limits.Minimum = 100, 50
	old := []task{runningTask("a", v.primary()), runningTask("b", v.primary())}
	advance(v, old, now)
	v.TaskDefinition = "web:2"
	v.deploy(now)
	o := advance(v, old, now)
	require.Zero(t, o.start, "two run already and no more than two may")
	require.Len(t, o.stop, 1)
}

func TestAdvanceBreaksTheCircuitAtTheThreshold(t *testing.T) {
	t.Parallel()
	tests := map[int]int{1: 3, 4: 3, 10: 5, 1000: 200}
	for desired, want := range tests {
		require.Equal(t, want, threshold(desired), "desired %d", desired)
	}
	now := time.Now()
	v := newServiceOf(1, "web:1", now)
	for i, id := range []string{"a", "b", "c"} {
		require.Equal(t, rolloutInProgress, v.primary().Rollout, "after %d failures", i)
		require.Equal(t, []string{id}, advance(v, []task{failedTask(id, v.primary())}, now).seen)
	}
	require.Equal(t, rolloutFailed, v.primary().Rollout)
	require.True(t, v.givenUp())
	require.Zero(t, advance(v, nil, now.Add(time.Hour)).start, "a failed deployment starts nothing")
}

func TestAdvanceRollsBackToWhatWorked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newServiceOf(1, "web:1", now)
	good := runningTask("good", v.primary())
	advance(v, []task{good}, now)
	v.TaskDefinition = "web:2"
	v.deploy(now)
	for _, id := range []string{"a", "b", "c"} {
		advance(v, []task{good, failedTask(id, v.primary())}, now)
	}
	require.Equal(t, "web:1", v.TaskDefinition)
	require.False(t, v.givenUp())
	advance(v, []task{good}, now)
	require.True(t, v.stable([]task{good}))
	require.Equal(t, rolloutCompleted, v.primary().Rollout)
}

func TestAdvanceDrainsADeletedService(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newServiceOf(1, "web:1", now)
	a := runningTask("a", v.primary())
	v.Status, v.Desired = draining, 0
	require.Len(t, advance(v, []task{a}, now).stop, 1)
	require.Equal(t, draining, v.Status)
	a.Status, a.Desired = statusStopped, statusStopped
	advance(v, []task{a}, now)
	require.Equal(t, inactive, v.Status)
}
