package ecs

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

const (
	// settling is how long a task without a load balancer must live to count as
	// running, so that a command which ends at once is never taken for a service.
	settling = time.Second
	// secondChance is how long a task may take whose predecessors never became
	// healthy. The first one had the whole grace period; AWS gives it to each,
	// the sandbox does not let a wrong port wait for that.
	secondChance = 4 * time.Second
)

// look checks the task's targets once. It makes an activating task running,
// and ends one that is not healthy; done is true when the task is to end.
//
// A task behind a load balancer stays ACTIVATING until its target was healthy
// once. AWS lets it run before that; here a service that is stable has answered.
func (k *keeper) look() (done bool, err error) {
	t, err := core.Read(k.s.env.Store, func(tx *core.Tx) (task, error) {
		t, ok := k.s.tasks.Get(tx, k.region, k.id)
		if !ok {
			return t, errTaskGone
		}
		return t, nil
	})
	if err != nil {
		return false, err
	}
	healthy := true
	for _, target := range k.targets(t) {
		h, known := k.s.deps.Balancers.Health(target.TargetGroup, target.IP, target.Port)
		if !known || h.State != dataplane.HealthState("healthy") {
			healthy = false
		}
		if known && k.tooLate(t, h) {
			return true, k.unhealthy(t, target.TargetGroup, target.Port, h)
		}
	}
	if t.Status != statusActivating || !healthy {
		return false, nil
	}
	if len(t.LoadBalancers) == 0 && k.now().Sub(t.Launched) < settling {
		return false, nil
	}
	_, err = k.change(func(t *task) { t.Status, t.Started = statusRunning, k.now() })
	return false, err
}

// tooLate decides whether an unhealthy target costs the task its life.
func (k *keeper) tooLate(t task, h dataplane.TargetHealth) bool {
	age := k.now().Sub(t.Launched)
	switch {
	case h.State == dataplane.HealthState("unhealthy"):
		return age >= time.Duration(t.Grace)*time.Second || t.Attempt > 0 && age >= secondChance
	case t.Status == statusActivating && t.Attempt > 0:
		return h.Failures > 0 && age >= secondChance
	default:
		return false
	}
}

func (k *keeper) unhealthy(t task, group string, port int, h dataplane.TargetHealth) error {
	// While a target is new, its state says so before it tells the last result.
	_, reason, initial := strings.Cut(h.Description, "Last check: ")
	if !initial {
		reason = h.Description
	}
	if reason == "" {
		reason = "Health checks failed"
	}
	k.s.tell(t, fmt.Sprintf("(task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s)", t.ID, port, group, reason))
	return k.fail("ServiceSchedulerInitiated", fmt.Sprintf("Task failed ELB health checks in (target-group %s)", group), "",
		fmt.Sprintf("Task failed ELB health checks in (target-group %s): port %d, %s", group, port, reason))
}
