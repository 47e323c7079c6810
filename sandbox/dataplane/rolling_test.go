package dataplane_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

// TestRollingUpdate replaces the container behind a load balancer, as a service
// does, while clients ask without pause: none may see a failure.
func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	health := make(chan dataplane.TargetHealth, 100)
	cfg := config(t.TempDir())
	cfg.HealthChanged = func(_ string, h dataplane.TargetHealth) { health <- h }
	p, err := dataplane.Open(t.Context(), cfg)
	require.NoError(t, err)
	_, err = p.Runtime().EnsureImage(t.Context(), sample.Ref, dataplane.PullAuth{})
	require.NoError(t, err)
	_, err = p.CreateLoadBalancer(t.Context(), "lb")
	require.NoError(t, err)
	p.SetTargetGroup(dataplane.TargetGroup{ID: "tg", Protocol: "HTTP", DeregistrationDelay: 10 * time.Second})
	require.NoError(t, p.SetLoadBalancer(t.Context(), dataplane.LoadBalancer{ID: "lb", Kind: dataplane.KindApplication, Listeners: []dataplane.Listener{{
		ID: "http", Port: 18098, Protocol: "HTTP", Default: dataplane.Action{Forward: []dataplane.WeightedGroup{{TargetGroupID: "tg", Weight: 1}}}}}}))
	until := func(task string, state dataplane.HealthState) {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for {
			select {
			case h := <-health:
				if h.Target.TaskID == task && h.State == state {
					return
				}
			case <-timeout:
				t.Fatalf("%s did not become %s: %+v", task, state, p.TargetHealth("tg"))
			}
		}
	}
	run := func(i int) (dataplane.Container, dataplane.Target) {
		t.Helper()
		c, err := p.Runtime().Start(t.Context(), dataplane.ContainerSpec{TaskID: fmt.Sprintf("v%d", i), Name: "web", Image: sample.Ref})
		require.NoError(t, err)
		target := dataplane.Target{ID: fmt.Sprintf("10.0.1.%d", i), Port: 80, TaskID: c.TaskID}
		p.RegisterTargets("tg", target)
		until(c.TaskID, dataplane.HealthHealthy)
		return c, target
	}
	old, oldTarget := run(1)
	addr, _ := p.ListenerAddress("lb", "http")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var served atomic.Int64
	for range 2 {
		wg.Go(func() { keepAsking(ctx, t, addr, &served) })
	}
	for i := 2; i <= 3; i++ {
		next, nextTarget := run(i)
		p.DeregisterTargets("tg", oldTarget)
		until(old.TaskID, dataplane.HealthUnused)
		require.NoError(t, p.Runtime().Stop(t.Context(), old.ID, 5*time.Second))
		require.NoError(t, p.Runtime().Remove(t.Context(), old.ID))
		old, oldTarget = next, nextTarget
	}
	cancel()
	wg.Wait()
	require.Positive(t, served.Load())
	require.NoError(t, p.Shutdown(context.Background()))
}

func keepAsking(ctx context.Context, t *testing.T, addr string, served *atomic.Int64) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	for ctx.Err() == nil {
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Errorf("request failed: %v", err)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %s from %s", resp.Status, resp.Header.Get("X-Task"))
			return
		}
		served.Add(1)
	}
}
