package e2e_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
)

// TestKilledServerAndSandbox carries one environment through the deaths of everything around it.
func TestKilledServerAndSandbox(t *testing.T) {
	t.Parallel()
	needs(t)
	s := newServer(t)
	c := s.client(t)
	run := deploying(t, c, "ecs-1", "ecs")
	unique := s.uniqueName(t, developer, "demo", "ecs-1")

	// A server killed in the middle of an apply: the next one takes over what runs, and repeats nothing.
	reach(t, c, "ecs-1", run.Number, makesLoadBalancer)
	tofu, sandbox := s.running(t, "tofu apply"), s.running(t, "sandbox --addr")
	require.Len(t, tofu, 1)
	require.Len(t, sandbox, 1)
	s.kill(t)
	require.Equal(t, tofu, s.running(t, "tofu apply"))
	require.Equal(t, sandbox, s.running(t, "sandbox --addr"))
	s.start(t)
	require.Equal(t, sandbox, s.running(t, "sandbox --addr"))
	done := settled(t, c, "ecs-1", run.Number)
	require.Equal(t, "succeeded", done.Status, "%+v", done)
	for _, step := range done.Steps {
		require.Equal(t, 1, step.Attempt, "the step %s must not be repeated", step.Resource)
	}
	require.Equal(t, "deployed", s.status(t, developer, "demo", "ecs-1"))
	for _, once := range []string{"ec2 vpc ", "ecs cluster ", "elasticloadbalancing load-balancer "} {
		n := 0
		for _, line := range s.inventory(t, unique) {
			if strings.HasPrefix(strings.ToLower(line), once) {
				n++
			}
		}
		require.Equal(t, 1, n, "%s in %v", once, s.inventory(t, unique))
	}
	log := s.must(t, developer, "env", "logs", "ecs-1", "-p", "demo")
	require.Equal(t, 2, strings.Count(log, "Apply complete!"), log)
	require.True(t, strings.Contains(log[strings.LastIndex(log, "Apply complete!"):], "Outputs:"), log)

	url := s.endpoint(t, developer, "demo", "ecs-1")
	serves(t, url)
	redeploysWithoutAFailedRequest(t, s, c, url)
	replacesAKilledContainer(t, s, url)
	startsAKilledSandboxAgain(t, s, url)

	s.must(t, developer, "env", "destroy", "ecs-1", "-p", "demo", "--wait")
	require.Empty(t, s.inventory(t, ""))
}

// serves waits until the application answers.
func serves(t *testing.T, url string) {
	t.Helper()
	status, body := 0, ""
	until(t, time.Minute, func() bool {
		status, body = get(t, url)
		return status == http.StatusOK
	}, func() string { return fmt.Sprintf("%s answers %d %s", url, status, body) })
}

func redeploysWithoutAFailedRequest(t *testing.T, s *server, c *api.Client, url string) {
	t.Helper()
	e, err := c.Environment(t.Context(), "demo", "ecs-1")
	require.NoError(t, err)
	port, count, variables := "8080", "2", `{"PORT": "8080"}`
	vars := []api.Variable{
		{Name: "container_port", ValueType: "text", Value: &port},
		{Name: "desired_count", ValueType: "text", Value: &count},
		{Name: "environment_variables", ValueType: "json", Value: &variables},
	}
	_, err = c.UpdateEnvironment(t.Context(), "demo", "ecs-1", api.UpdateEnvironment{Variables: &vars}, e.Revision)
	require.NoError(t, err)

	plan := s.must(t, developer, "env", "plan", "ecs-1", "-p", "demo")
	require.Contains(t, plan, "aws_ecs_task_definition.this")
	require.Contains(t, plan, "8080")
	require.Contains(t, plan, "desired_count")
	require.NotContains(t, plan, "aws_lb.this", "the address must stay")

	asked, failed := underLoad(t, url, func() { s.must(t, developer, "env", "deploy", "ecs-1", "-p", "demo", "--wait") })
	require.Greater(t, asked, 50)
	require.Empty(t, failed, "of %d requests", asked)
	require.Equal(t, url, s.endpoint(t, developer, "demo", "ecs-1"))
	require.Len(t, s.tasks(t), 2)
}

// underLoad asks an address all the time while f runs.
func underLoad(t *testing.T, url string, f func()) (asked int, failed []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			asked++
			resp, err := client.Get(url) //nolint:noctx // a request that has begun is let to its end
			switch {
			case err != nil:
				failed = append(failed, err.Error())
			default:
				_, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK {
					failed = append(failed, fmt.Sprint(resp.Status, err))
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	f()
	stop()
	<-ended
	return asked, failed
}

// tasks are the running applications.
func (s *server) tasks(t *testing.T) []process {
	t.Helper()
	return s.descendants(t, "/berth-sample")
}

func replacesAKilledContainer(t *testing.T, s *server, url string) {
	t.Helper()
	before := s.tasks(t)
	require.NotEmpty(t, before)
	for _, p := range before {
		require.NoError(t, syscall.Kill(p.pid, syscall.SIGKILL))
	}
	until(t, time.Minute, func() bool { return len(s.tasks(t)) == len(before) }, func() string {
		return fmt.Sprintf("%d of %d containers run", len(s.tasks(t)), len(before))
	})
	for _, p := range s.tasks(t) {
		require.NotContains(t, before, p)
	}
	serves(t, url)
}

func startsAKilledSandboxAgain(t *testing.T, s *server, url string) {
	t.Helper()
	tasks, sandbox := s.tasks(t), s.running(t, "sandbox --addr")
	require.Len(t, sandbox, 1)
	require.NoError(t, syscall.Kill(sandbox[0].pid, syscall.SIGKILL))
	require.True(t, sandbox[0].gone(10*time.Second))
	serves(t, url)
	s.awaitReady(t)
	require.NotEqual(t, sandbox, s.running(t, "sandbox --addr"))
	for _, p := range tasks {
		require.False(t, p.gone(time.Millisecond), "the containers run on")
	}
}

// TestKilledSteps kills supervisors and OpenTofu at random moments. Whatever they had made, destroy finds it.
func TestKilledSteps(t *testing.T) {
	t.Parallel()
	needs(t)
	s := newServer(t)
	c := s.client(t)
	t.Run("all", func(t *testing.T) {
		for seed := range uint64(6) {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				killStep(t, s, c, seed)
			})
		}
	})
	if !t.Failed() {
		require.Empty(t, s.inventory(t, ""), "nothing may be left when all is destroyed")
	}
}

func killStep(t *testing.T, s *server, c *api.Client, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // to repeat a failure
	name := fmt.Sprintf("killed-%d", seed)
	run := deploying(t, c, name, "ecs")
	begun, victims := 1+random.IntN(20), []string{"tofu apply", "berth-step-supervisor"}
	if kind := random.IntN(3); kind < 2 {
		victims = victims[kind : kind+1]
	}
	at := reach(t, c, name, run.Number, func(r api.Run) bool { return objects(r, "started")+objects(r, "finished") >= begun })
	killed := 0
	for _, step := range at.Steps {
		if step.Status != "running" {
			continue
		}
		for _, word := range victims {
			for _, p := range s.running(t, step.ID) {
				if strings.Contains(p.line, word) && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
		}
	}
	t.Logf("killed %d of %v after %d objects", killed, victims, begun)
	done := settled(t, c, name, run.Number)
	t.Logf("the run is %s: %s", done.Status, done.Cause)
	if done.Status == "succeeded" {
		serves(t, s.endpoint(t, developer, "demo", name))
	} else {
		require.Equal(t, "failed", s.status(t, developer, "demo", name))
	}
	unique := s.uniqueName(t, developer, "demo", name)
	if r := s.cli(t, developer, "env", "destroy", name, "-p", "demo", "--wait"); r.code != 0 {
		t.Fatalf("destroy ended with %d: %s\n%s\nleft: %v", r.code, r.errors, s.must(t, developer, "env", "show", name, "-p", "demo"), s.inventory(t, unique))
	}
	require.Equal(t, "destroyed", s.status(t, developer, "demo", name))
	require.Empty(t, s.inventory(t, unique))
}
