package explain_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/explain"
)

const (
	pullReason = "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref registry.example.com/shop:1: registry.example.com/shop:1: not found"
	elbReason  = "Task failed ELB health checks in (target-group " + groupARN + ")"
	brokeOff   = "ECS deployment circuit breaker: tasks failed to start."
	failed     = "(service shop-1a2b-80) (deployment ecs-svc/2) deployment failed: tasks failed to start."
)

// three are three tasks that failed alike.
func (c *cloud) three(code, reason string, container func() object) []object {
	var out []object
	for n := range 3 {
		out = append(out, c.task(n, "ecs-svc/2", code, reason, container()))
	}
	return out
}

// explained is what is found after the service's creation failed.
func explained(t *testing.T, c *cloud, arrange func()) []explain.Finding {
	t.Helper()
	e := c.explainer(time.Hour)
	e.Cluster(clusterARN)
	e.Started(address, "")
	c.set(arrange)
	e.Ended(address, true)
	return e.Explain(t.Context())
}

func TestExplainsImage(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	found := explained(t, c, func() {
		c.services = []object{c.service("FAILED", brokeOff, failed)}
		c.tasks = c.three("TaskFailedToStart", pullReason, func() object { return object{"reason": pullReason} })
	})
	require.Len(t, found, 1)
	require.Equal(t, address, found[0].Address)
	require.Equal(t, "The image shop:1 could not be pulled (CannotPullContainerError).", found[0].Summary)
	require.Contains(t, found[0].Detail, pullReason)
	require.Contains(t, found[0].Detail, "It happened 3 times in a row.")
	require.Contains(t, found[0].Detail, "ECS: "+failed)
	require.Contains(t, found[0].Try, "Make sure that this tag was pushed to the registry.")
	require.Zero(t, c.asked["GetLogEvents"], "no container ever ran")
}

func TestExplainsExit(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	found := explained(t, c, func() {
		c.services = []object{c.service("FAILED", brokeOff, failed)}
		c.tasks = c.three("EssentialContainerExited", "Essential container in task exited", func() object { return object{"exitCode": 3} })
		for i := range 30 {
			c.log = append(c.log, fmt.Sprintf("line %d", i))
		}
		c.log = append(c.log, "\x1b[31mpanic: DATABASE_URL\x1b[0m is not\x07 set", strings.Repeat("x", 5000))
	})
	require.Len(t, found, 1)
	require.Equal(t, "The container app exits by itself with code 3.", found[0].Summary)
	require.Contains(t, found[0].Detail, "Last lines of container app (/ecs/shop-1a2b, app/app/00000000000000000000000000000002):")
	require.Contains(t, found[0].Detail, "  panic: DATABASE_URL is not set")
	require.Less(t, len(found[0].Detail), 2000)
	require.NotContains(t, found[0].Detail, "line 10\n", "the last twenty lines only")
}

func TestExplainsPort(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	found := explained(t, c, func() {
		c.services = []object{c.service("FAILED", brokeOff, failed,
			"(service shop-1a2b-80) (port 8081) is unhealthy in (target-group "+groupARN+") due to (reason Health checks failed)")}
		c.tasks = c.three("ServiceSchedulerInitiated", elbReason, func() object { return object{"exitCode": 0} })
		c.log = []string{"listening on port 80"}
	})
	require.Len(t, found, 1)
	require.Equal(t, "The application runs, but does not answer the load balancer's health check on port 8081.", found[0].Summary)
	require.Contains(t, found[0].Detail, "asks each task for /up on port 8081 over HTTP, and wants a status of 200-399")
	require.Contains(t, found[0].Detail, "Target 10.0.1.7:8081 is unhealthy: Health checks failed (Target.FailedHealthChecks)")
	require.Contains(t, found[0].Detail, "  listening on port 80")
	require.Contains(t, found[0].Detail, "is unhealthy in")
}

// A revision that was rolled back is gone from the service, which looks well again.
func TestExplainsRollback(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	e := c.explainer(time.Hour)
	e.Started(address, serviceARN)
	c.set(func() {
		s := c.service("COMPLETED", "ECS deployment ecs-svc/1 completed.", "(service shop-1a2b-80) rolling back to deployment ecs-svc/1.", failed)
		s["deployments"].([]object)[0]["id"] = "ecs-svc/1"
		s["deployments"].([]object)[0]["createdAt"] = c.now() - 3600
		s["createdAt"] = c.now() - 3600
		c.services = []object{s}
		c.tasks = append(c.three("EssentialContainerExited", "Essential container in task exited", func() object { return object{"exitCode": 1} }),
			c.task(9, "ecs-svc/1", "TaskFailedToStart", pullReason, object{}))
	})
	e.Ended(address, false)
	found := e.Explain(t.Context())
	require.Len(t, found, 1)
	require.Equal(t, "The container app exits by itself with code 1. The earlier revision was put back and still runs.", found[0].Summary)
	require.Contains(t, found[0].Detail, "rolling back to deployment")
}

func TestOldFailuresExplainNothing(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		c := newCloud(t)
		c.ahead = ahead
		e := c.explainer(time.Hour)
		c.set(func() {
			s := c.service("FAILED", brokeOff, failed)
			c.tasks = c.three("TaskFailedToStart", pullReason, func() object { return object{} })
			for _, o := range append(append(c.tasks, s["deployments"].([]object)...), s["events"].([]object)...) {
				o["createdAt"] = c.now() - 60
			}
			c.services = []object{s}
		})
		e.Started(address, serviceARN)
		e.Ended(address, true)
		require.Empty(t, e.Explain(t.Context()), "clock ahead by %s", ahead)
	}
}

// With clusters unknown, those with the environment's name are looked through; nothing is asked where nothing began.
func TestFindsTheCluster(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	e := c.explainer(time.Hour)
	require.Empty(t, e.Explain(t.Context()))
	require.Empty(t, c.asked)
	e.Started(address, "")
	c.set(func() {
		c.services = []object{c.service("FAILED", brokeOff)}
		c.tasks = []object{c.task(1, "ecs-svc/2", "TaskFailedToStart", pullReason, object{})}
	})
	e.Ended(address, true)
	require.Len(t, e.Explain(t.Context()), 1)
	require.Equal(t, 1, c.asked["ListServices"], "not in clusters of others")
	require.Empty(t, e.Explain(t.Context()), "told once")
}

func TestExplainsWhatNoTaskTells(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	found := explained(t, c, func() {
		c.services = []object{c.service("IN_PROGRESS", "", "(service shop-1a2b-80) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.")}
	})
	require.Len(t, found, 1)
	require.Equal(t, "ECS cannot start a task: You've reached the limit on the number of vCPUs you can run concurrently.", found[0].Summary)
}

// A watch speaks only when waiting on is useless.
func TestWatch(t *testing.T) {
	t.Parallel()
	exit := func(c *cloud, n, code int) object {
		return c.task(n, "ecs-svc/2", "EssentialContainerExited", "Essential container in task exited", object{"exitCode": code})
	}
	cases := map[string]struct {
		arrange func(c *cloud)
		speaks  bool
	}{
		"slow start":  {func(c *cloud) { c.services = []object{c.service("IN_PROGRESS", "")} }, false},
		"ECS gave up": {func(c *cloud) { c.services = []object{c.service("FAILED", brokeOff)} }, true},
		"failed twice": {func(c *cloud) {
			c.services = []object{c.service("IN_PROGRESS", "")}
			c.tasks = []object{exit(c, 1, 1), exit(c, 2, 1)}
		}, false},
		"failed thrice": {func(c *cloud) {
			c.services = []object{c.service("IN_PROGRESS", "")}
			c.tasks = []object{exit(c, 1, 1), exit(c, 2, 1), exit(c, 3, 1)}
		}, true},
		"not alike": {func(c *cloud) {
			c.services = []object{c.service("IN_PROGRESS", "")}
			c.tasks = []object{exit(c, 1, 1), exit(c, 2, 2), exit(c, 3, 1)}
		}, false},
		"well after all": {func(c *cloud) {
			c.services = []object{c.service("COMPLETED", "")}
			c.tasks = []object{exit(c, 1, 1), exit(c, 2, 1), exit(c, 3, 1)}
		}, false},
		"many wanted": {func(c *cloud) {
			s := c.service("IN_PROGRESS", "")
			s["desiredCount"] = 20
			c.services = []object{s}
			c.tasks = []object{exit(c, 1, 1), exit(c, 2, 1), exit(c, 3, 1)}
		}, false},
		"scaled down": {func(c *cloud) {
			c.services = []object{c.service("IN_PROGRESS", "")}
			for n := range 3 {
				c.tasks = append(c.tasks, c.task(n, "ecs-svc/2", "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/2)", object{"exitCode": 0}))
			}
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			e := c.explainer(time.Millisecond)
			found := make(chan explain.Finding, 100)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { e.Watch(ctx, func(f explain.Finding) { found <- f }) })
			e.Cluster(clusterARN)
			e.Started(address, "")
			c.set(func() { tc.arrange(c) })
			for range 5 {
				<-c.describe
				if tc.speaks {
					break
				}
			}
			if tc.speaks {
				f := <-found
				require.Equal(t, address, f.Address)
			}
			cancel()
			wg.Wait()
			require.Empty(t, found)
		})
	}
}
