package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// stopTimeout is how long a container may take to end after SIGTERM when its
// definition says nothing. AWS gives 30 seconds.
const stopTimeout = 10 * time.Second

// end takes a task down: no more requests, then no more containers, then no
// more network.
func (k *keeper) end(ctx context.Context) error {
	t, err := k.change(func(t *task) {
		t.Desired = statusStopped
		if t.Stopping.IsZero() {
			t.Stopping = k.now()
		}
		t.Status = statusDeactivating
	})
	if err != nil {
		return err
	}
	if err := k.drain(ctx, t); err != nil {
		return err
	}
	if t, err = k.change(func(t *task) { t.Status = statusStopping }); err != nil {
		return err
	}
	if err := k.stopContainers(ctx, t); err != nil {
		return err
	}
	if t, err = k.change(func(t *task) { t.Status, t.ExecutionStopped = statusDeprovisioning, k.now() }); err != nil {
		return err
	}
	if err := k.removeContainers(ctx, &t); err != nil {
		return err
	}
	if err := k.s.deps.Plane.HideTask(t.ID); err != nil {
		k.s.env.Logger.Warn("freeing a task's address", "task", t.ID, "error", err)
	}
	return k.s.env.Store.Update(func(tx *core.Tx) error {
		t, ok := k.s.tasks.Get(tx, k.region, k.id)
		if !ok {
			return errTaskGone
		}
		t.Status, t.Stopped = statusStopped, k.now()
		for i := range t.Containers {
			t.Containers[i].Status = statusStopped
		}
		k.s.tasks.Put(tx, k.region, k.id, t)
		return k.s.deps.Network.DeleteInterface(tx, k.region, t.Interface)
	})
}

// drain takes the task's targets out and waits until the load balancer has let
// go of them, so that no request is lost.
func (k *keeper) drain(ctx context.Context, t task) error {
	targets := k.targets(t)
	for _, target := range targets {
		if err := k.s.deps.Balancers.Deregister(target); err != nil {
			return err
		}
		if !t.Launched.IsZero() {
			k.s.tell(t, fmt.Sprintf("deregistered 1 targets in (target-group %s)", target.TargetGroup))
		}
	}
	if t.Failed || len(targets) == 0 {
		return nil // nothing answers there anyway
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for _, target := range targets {
		for {
			if _, known := k.s.deps.Balancers.Health(target.TargetGroup, target.IP, target.Port); !known {
				break
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// stopContainers stops what runs, dependents first.
func (k *keeper) stopContainers(ctx context.Context, t task) error {
	_, containers, err := k.definition(t)
	if err != nil {
		return err
	}
	order := startOrder(containers)
	slices.Reverse(order)
	var errs []error
	for _, i := range order {
		id := t.Containers[i].RuntimeID
		if id == "" {
			continue
		}
		timeout := stopTimeout
		if n := containers[i].StopTimeout; n != nil {
			timeout = time.Duration(*n) * time.Second
		}
		errs = append(errs, k.runtime().Stop(ctx, id, timeout))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return k.takeExits(ctx, t)
}

// takeExits waits until the end of each container and its last output are
// recorded; both are on their way once it has stopped.
func (k *keeper) takeExits(ctx context.Context, t task) error {
	done := make(chan struct{})
	go func() {
		k.pumps.Wait()
		close(done)
	}()
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		k.s.env.Logger.Warn("a container's output did not end", "task", t.ID)
	case <-ctx.Done():
		return ctx.Err()
	}
	// A keeper that resumed a stopping task never followed its containers.
	for i, c := range t.Containers {
		if c.RuntimeID == "" || c.ExitCode != nil {
			continue
		}
		exit, err := k.runtime().Wait(ctx, c.RuntimeID)
		if err != nil {
			continue
		}
		if _, err := k.change(func(t *task) {
			if t.Containers[i].ExitCode == nil {
				t.Containers[i].ExitCode, t.Containers[i].Status = &exit.Code, statusStopped
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// removeContainers removes whatever the data plane has of the task.
func (k *keeper) removeContainers(ctx context.Context, t *task) error {
	list, err := k.runtime().List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		if c.TaskID == t.ID {
			errs = append(errs, k.runtime().Remove(ctx, c.ID))
		}
	}
	return errors.Join(errs...)
}
