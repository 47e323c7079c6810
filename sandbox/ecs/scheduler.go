package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/sandbox/core"
)

// tick is how often the scheduler looks when nothing wakes it: pauses after
// failures end without a change of the store.
const tick = 250 * time.Millisecond

// stoppedKept is how long a stopped task can still be described.
const stoppedKept = time.Hour

// keepers are the running keepers of tasks, by task id.
type keepers struct {
	mu   sync.Mutex
	byID map[string]*keeper
}

// Run schedules services and keeps tasks until ctx ends. Containers are left
// running: whoever stops the sandbox for good shuts the data plane down.
func (s *Service) Run(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return err
	}
	changed, stop := s.env.Store.Watch()
	defer stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for {
			if err := s.sweep(ctx, group); err != nil {
				s.env.Logger.Error("scheduling tasks", "error", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-changed:
			case <-ticker.C:
			}
		}
	})
	return group.Wait()
}

// recover compares the records with what really runs after a restart: tasks
// that were on their way up start over, and containers nobody knows are removed.
func (s *Service) recover(ctx context.Context) error {
	running, err := s.deps.Plane.Runtime().List(ctx)
	if err != nil {
		return err
	}
	known, err := core.Read(s.env.Store, func(tx *core.Tx) (map[string]bool, error) {
		out := map[string]bool{}
		for _, t := range s.tasks.All(tx) {
			for _, c := range t.Containers {
				if t.Status != statusStopped && c.RuntimeID != "" {
					out[c.RuntimeID] = true
				}
			}
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	for _, c := range running {
		if !known[c.ID] {
			if err := s.deps.Plane.Runtime().Remove(ctx, c.ID); err != nil {
				s.env.Logger.Warn("removing an unknown container", "container", c.ID, "error", err)
			}
		}
	}
	return nil
}

// sweep looks at everything once.
func (s *Service) sweep(ctx context.Context, group *errgroup.Group) error {
	var tasks []task
	var services []service
	err := s.env.Store.View(func(tx *core.Tx) error {
		tasks, services = s.tasks.All(tx), s.services.All(tx)
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Status != statusStopped {
			s.keep(ctx, group, t)
		}
	}
	var errs []error
	for _, v := range services {
		if v.Status != inactive {
			errs = append(errs, s.reconcile(v.Region, v.key()))
		}
	}
	return errors.Join(append(errs, s.prune(tasks))...)
}

// keep makes sure a task has a keeper, and passes on that it is to stop.
func (s *Service) keep(ctx context.Context, group *errgroup.Group, t task) {
	s.keepers.mu.Lock()
	defer s.keepers.mu.Unlock()
	if s.keepers.byID == nil {
		s.keepers.byID = map[string]*keeper{}
	}
	k, ok := s.keepers.byID[t.ID]
	if !ok {
		k = newKeeper(s, t)
		s.keepers.byID[t.ID] = k
		group.Go(func() error {
			k.run(ctx)
			s.keepers.mu.Lock()
			delete(s.keepers.byID, t.ID)
			s.keepers.mu.Unlock()
			return nil
		})
	}
	if t.Desired == statusStopped {
		k.askToStop()
	}
}

// reconcile moves one service a step on.
func (s *Service) reconcile(region, key string) error {
	if due, err := s.due(region, key); err != nil || !due {
		return err
	}
	return s.env.Store.Update(func(tx *core.Tx) error {
		v, ok := s.services.Get(tx, region, key)
		if !ok {
			return nil
		}
		now := s.env.Clock.Now()
		o := advance(&v, s.tasksOfService(tx, v), now)
		s.carryOut(tx, &v, o, now)
		s.services.Put(tx, region, key, v)
		return nil
	})
}

// due tries the step on a copy: most of the time there is nothing to do, and
// nothing is then written.
func (s *Service) due(region, key string) (bool, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (bool, error) {
		v, ok := s.services.Get(tx, region, key)
		if !ok {
			return false, nil
		}
		before, err := json.Marshal(v)
		if err != nil {
			return false, err
		}
		o := advance(&v, s.tasksOfService(tx, v), s.env.Clock.Now())
		after, err := json.Marshal(v)
		return o.start > 0 || len(o.stop) > 0 || len(o.seen) > 0 || !bytes.Equal(before, after), err
	})
}

func (s *Service) carryOut(tx *core.Tx, v *service, o order, now time.Time) {
	for _, id := range o.seen {
		if t, ok := s.tasks.Get(tx, v.Region, id); ok {
			t.Accounted = true
			s.tasks.Put(tx, v.Region, id, t)
		}
	}
	var stopped []string
	for _, order := range o.stop {
		t, ok := s.tasks.Get(tx, v.Region, order.taskID)
		if !ok {
			continue
		}
		t.stop("ServiceSchedulerInitiated", order.reason)
		s.tasks.Put(tx, v.Region, t.ID, t)
		stopped = append(stopped, t.ID)
	}
	if len(stopped) > 0 {
		v.say(now, "has stopped %d running tasks: %s.", len(stopped), names(stopped))
	}
	if o.start > 0 {
		s.startTasks(tx, v, o.start, now)
	}
}

func (s *Service) startTasks(tx *core.Tx, v *service, n int, now time.Time) {
	d := v.primary()
	var started []string
	for range n {
		t, err := s.startOne(tx, v, *d)
		if err != nil {
			d.Failed++
			d.NotBefore = now.Add(pause(d.Failed))
			v.say(now, "was unable to place a task. Reason: %v.", err)
			break
		}
		started = append(started, t.ID)
	}
	if len(started) > 0 {
		v.say(now, "has started %d tasks: %s.", len(started), names(started))
	}
}

func (s *Service) startOne(tx *core.Tx, v *service, d deployment) (task, error) {
	rev, err := s.revision(tx, v.Region, d.TaskDefinition)
	if err != nil {
		return task{}, err
	}
	base := task{
		Region: v.Region, Cluster: v.Cluster, Service: v.Name, Deployment: d.ID, Group: "service:" + v.Name, StartedBy: d.ID,
		LoadBalancers: d.Placement.LoadBalancers, Attempt: d.Failed, Tags: core.Tags{},
	}
	if v.Grace != nil {
		base.Grace = *v.Grace
	}
	switch v.Propagate {
	case "SERVICE":
		base.Tags = v.Tags.With(nil, nil)
	case "TASK_DEFINITION":
		base.Tags = rev.Tags.With(nil, nil)
	}
	if v.ManagedTags {
		base.Tags = base.Tags.With(core.Tags{"aws:ecs:clusterName": v.Cluster, "aws:ecs:serviceName": v.Name}, nil)
	}
	return s.newTask(tx, base, rev.Definition, d.Placement.Network)
}

// prune forgets tasks that stopped long ago.
func (s *Service) prune(tasks []task) error {
	var old []task
	for _, t := range tasks {
		if t.Status == statusStopped && s.env.Clock.Now().Sub(t.Stopped) > stoppedKept {
			old = append(old, t)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return s.env.Store.Update(func(tx *core.Tx) error {
		for _, t := range old {
			s.tasks.Delete(tx, t.Region, t.ID)
		}
		return nil
	})
}

// tell adds an event to a task's service, and to the sandbox's own.
func (s *Service) tell(t task, message string) {
	now := s.env.Clock.Now()
	s.env.Events.Add(core.Event{Time: now, Service: "ecs", Resource: t.arn(), Message: message})
	if t.Service == "" {
		return
	}
	err := s.env.Store.Update(func(tx *core.Tx) error {
		v, ok := s.services.Get(tx, t.Region, serviceKey(t.Cluster, t.Service))
		if ok {
			v.say(now, "%s", message)
			s.services.Put(tx, v.Region, v.key(), v)
		}
		return nil
	})
	if err != nil {
		s.env.Logger.Error("recording an event", "task", t.ID, "error", err)
	}
}

// Reset ends every container; the keepers find their records gone and follow.
func (s *Service) Reset(ctx context.Context) error {
	containers, err := s.deps.Plane.Runtime().List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		errs = append(errs, s.deps.Plane.Runtime().Remove(ctx, c.ID), s.deps.Plane.HideTask(c.TaskID))
	}
	return errors.Join(errs...)
}

// FaultHooks offers to kill a task's containers: the arguments are cluster and
// task, or cluster and service for all of its tasks.
func (s *Service) FaultHooks() map[string]core.FaultHook {
	return map[string]core.FaultHook{"kill-task": s.killTask}
}

func (s *Service) killTask(ctx context.Context, args map[string]string) (any, error) {
	var victims []task
	err := s.env.Store.View(func(tx *core.Tx) error {
		for _, t := range s.tasks.All(tx) {
			named := lastPart(args["task"]) == t.ID || args["task"] == "" && args["service"] != "" && lastPart(args["service"]) == t.Service
			if named && (args["cluster"] == "" || lastPart(args["cluster"]) == t.Cluster) && t.Status == statusRunning {
				victims = append(victims, t)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(victims) == 0 {
		return nil, core.Errorf("InvalidFault", "No running task fits: name a task, or a service, and its cluster.")
	}
	var killed []string
	for _, t := range victims {
		for _, c := range t.Containers {
			if c.RuntimeID == "" {
				continue
			}
			if err := s.deps.Plane.Runtime().Stop(ctx, c.RuntimeID, 0); err != nil {
				return nil, err
			}
		}
		killed = append(killed, t.arn())
	}
	return map[string]string{"killed": strings.Join(killed, " ")}, nil
}
