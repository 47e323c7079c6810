package ecs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/elbv2"
)

// keeper takes one task through its life. What it has done is in the task's
// record, so that another keeper can go on after a restart.
type keeper struct {
	s          *Service
	region, id string

	stopOnce sync.Once
	stopping chan struct{} // closed when the task is to stop
	exited   chan int      // index of a container that ended
	pumps    sync.WaitGroup

	toldUnhealthy bool
}

func newKeeper(s *Service, t task) *keeper {
	return &keeper{s: s, region: t.Region, id: t.ID, stopping: make(chan struct{}), exited: make(chan int, len(t.Containers))}
}

func (k *keeper) askToStop() { k.stopOnce.Do(func() { close(k.stopping) }) }

// run returns when the task has stopped, its record is gone, or ctx ends.
func (k *keeper) run(ctx context.Context) {
	// What runs beside the keeper ends with it.
	ctx, cancel := context.WithCancel(ctx)
	defer k.pumps.Wait()
	defer cancel()
	err := k.live(ctx)
	if ctx.Err() != nil {
		return // the sandbox stops; the task goes on
	}
	if err == nil {
		err = k.end(ctx)
	}
	if errors.Is(err, errTaskGone) {
		k.abandon(ctx)
		return
	}
	if err != nil && ctx.Err() == nil {
		k.s.env.Logger.Error("keeping a task", "task", k.id, "error", err)
	}
}

// abandon cleans up after a task whose record was reset away.
func (k *keeper) abandon(ctx context.Context) {
	containers, err := k.runtime().List(ctx)
	for _, c := range containers {
		if c.TaskID == k.id {
			err = errors.Join(err, k.runtime().Remove(ctx, c.ID))
		}
	}
	if err = errors.Join(err, k.s.deps.Plane.HideTask(k.id)); err != nil {
		k.s.env.Logger.Warn("removing a task that was reset", "task", k.id, "error", err)
	}
}

func (k *keeper) runtime() dataplane.Runtime { return k.s.deps.Plane.Runtime() }

func (k *keeper) change(f func(t *task)) (task, error) { return k.s.change(k.region, k.id, f) }

func (k *keeper) now() time.Time { return k.s.env.Clock.Now() }

// live brings the task up and watches it until it has to stop.
func (k *keeper) live(ctx context.Context) error {
	t, err := k.change(func(*task) {})
	if err != nil {
		return err
	}
	switch t.Status {
	case statusProvisioning, statusPending:
		// Started over after a restart, it may have left containers.
		if err := k.removeContainers(ctx, &t); err != nil {
			return err
		}
		up, err := k.bringUp(ctx, t)
		if err != nil || !up {
			return err
		}
	case statusActivating, statusRunning:
		if up, err := k.resume(ctx, t); err != nil || !up {
			return err
		}
	default:
		return nil
	}
	return k.watch(ctx)
}

// bringUp provisions, pulls and starts; up is false when the task must end.
func (k *keeper) bringUp(ctx context.Context, t task) (up bool, err error) {
	// A stop interrupts a slow pull.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-k.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = k.start(ctx, t)
	var problem *startProblem
	switch {
	case k.askedToStop():
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &problem):
		return false, k.fail("TaskFailedToStart", problem.reason, problem.container, problem.reason)
	case err != nil:
		return false, err
	default:
		return true, nil
	}
}

func (k *keeper) askedToStop() bool {
	select {
	case <-k.stopping:
		return true
	default:
		return false
	}
}

// startProblem is why a task cannot be started, in ECS's words.
type startProblem struct{ container, reason string }

func (p *startProblem) Error() string { return p.reason }

func (k *keeper) start(ctx context.Context, t task) error {
	d, containers, err := k.definition(t)
	if err != nil {
		return err
	}
	if err := k.address(ctx, t, containers); err != nil {
		return err
	}
	if t, err = k.change(func(t *task) { t.Status, t.PullStarted = statusPending, k.now() }); err != nil {
		return err
	}
	if err := k.checkLogGroups(t, containers); err != nil {
		return err
	}
	for i, c := range containers {
		image, err := k.runtime().EnsureImage(ctx, c.Image, dataplane.PullAuth{})
		if err != nil {
			return &startProblem{c.Name, "CannotPullContainerError: pull image manifest has been retried 1 time(s): " + err.Error()}
		}
		if image.Note != "" {
			k.s.tell(t, fmt.Sprintf("(task %s) %s", t.ID, image.Note))
			k.s.env.Notes.Set("ecs", "image "+c.Image, image.Note)
		}
		if t, err = k.change(func(t *task) { t.Containers[i].Digest = image.Digest }); err != nil {
			return err
		}
	}
	if t, err = k.change(func(t *task) { t.PullStopped = k.now() }); err != nil {
		return err
	}
	for _, i := range startOrder(containers) {
		if err := k.startContainer(ctx, d, t, containers[i], i); err != nil {
			return err
		}
	}
	_, err = k.change(func(t *task) { t.Status, t.Launched = statusActivating, k.now() })
	return err
}

func (k *keeper) definition(t task) (definition, []container, error) {
	rev, err := core.Read(k.s.env.Store, func(tx *core.Tx) (revision, error) { return k.s.revision(tx, t.Region, t.Definition) })
	if err != nil {
		return definition{}, nil, err
	}
	containers, err := rev.Definition.containers()
	if err != nil {
		return definition{}, nil, err
	}
	return rev.Definition, t.Overrides.apply(containers), nil
}

// address gives the task its public address, when it is to have one.
func (k *keeper) address(ctx context.Context, t task, containers []container) error {
	if !t.AssignPublicIP {
		return nil
	}
	var ports []int
	for _, c := range containers {
		for _, p := range c.Ports {
			ports = append(ports, p.ContainerPort)
		}
	}
	a, err := k.s.deps.Plane.ExposeTask(ctx, t.ID, ports)
	if err != nil {
		return &startProblem{reason: "ResourceInitializationError: the sandbox has no public address for the task: " + err.Error()}
	}
	return k.s.env.Store.Update(func(tx *core.Tx) error {
		t, ok := k.s.tasks.Get(tx, k.region, k.id)
		if !ok {
			return errTaskGone
		}
		t.PublicIP = a.IP
		k.s.tasks.Put(tx, k.region, k.id, t)
		return k.s.deps.Network.SetInterfacePublicIP(tx, k.region, t.Interface, a.IP)
	})
}

func (k *keeper) startContainer(ctx context.Context, d definition, t task, c container, i int) error {
	running, err := k.runtime().Start(ctx, containerSpec(t, d, c))
	var start *dataplane.StartError
	switch {
	case errors.As(err, &start):
		return &startProblem{c.Name, "CannotStartContainerError: " + start.Error()}
	case err != nil && ctx.Err() == nil:
		return &startProblem{c.Name, "CannotCreateContainerError: " + err.Error()}
	case err != nil:
		return err
	}
	t, err = k.change(func(t *task) {
		t.Containers[i].RuntimeID, t.Containers[i].Status = running.ID, statusRunning
	})
	if err != nil {
		return err
	}
	k.follow(ctx, t, c, i)
	return nil
}

// resume finds a task's containers again after a restart of the sandbox.
// up is false when they are gone.
func (k *keeper) resume(ctx context.Context, t task) (up bool, err error) {
	_, containers, err := k.definition(t)
	if err != nil {
		return false, err
	}
	list, err := k.runtime().List(ctx)
	if err != nil {
		return false, err
	}
	alive := map[string]bool{}
	for _, c := range list {
		alive[c.ID] = true
	}
	for i, c := range t.Containers {
		if c.RuntimeID != "" && !alive[c.RuntimeID] {
			return false, k.fail("TaskFailedToStart", "The sandbox was restarted and the task's containers are gone", c.Name, "")
		}
		k.follow(ctx, t, containers[i], i)
	}
	return true, k.address(ctx, t, containers)
}

// follow waits for a container's end and carries its output to the logs.
func (k *keeper) follow(ctx context.Context, t task, c container, i int) {
	id := t.Containers[i].RuntimeID
	if id == "" || t.Containers[i].Status == statusStopped {
		return
	}
	k.pumps.Go(func() { k.pump(ctx, t, c, i) })
	k.pumps.Go(func() {
		exit, err := k.runtime().Wait(ctx, id)
		if ctx.Err() != nil {
			return
		}
		_, err = k.change(func(t *task) {
			v := &t.Containers[i]
			v.Status, v.Reason = statusStopped, exit.Reason
			if err == nil {
				v.ExitCode = &exit.Code
			}
			if exit.OOMKilled {
				v.Reason = "OutOfMemoryError: Container killed due to memory usage"
			}
		})
		if err == nil {
			k.exited <- i
		}
	})
}

// watch registers targets and waits for what ends the task. It returns nil
// when the task is to be stopped.
func (k *keeper) watch(ctx context.Context) error {
	t, err := k.change(func(*task) {})
	if err != nil {
		return err
	}
	if err := k.register(t); err != nil {
		return err
	}
	look := time.NewTicker(150 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.stopping:
			return nil
		case i := <-k.exited:
			if done, err := k.containerEnded(i); done || err != nil {
				return err
			}
		case <-look.C:
			if done, err := k.look(); done || err != nil {
				return err
			}
		}
	}
}

func (k *keeper) targets(t task) []elbv2.Task {
	var out []elbv2.Task
	for _, lb := range t.LoadBalancers {
		out = append(out, elbv2.Task{TargetGroup: lb.TargetGroupARN, IP: t.IP, Port: lb.ContainerPort, TaskID: t.ID, Interface: t.Interface})
	}
	return out
}

func (k *keeper) register(t task) error {
	for _, target := range k.targets(t) {
		if err := k.s.deps.Balancers.Register(target); err != nil {
			return k.fail("TaskFailedToStart", fmt.Sprintf("The task cannot be registered in (target-group %s): %v", target.TargetGroup, err), "", "")
		}
		if t.Status == statusActivating {
			k.s.tell(t, fmt.Sprintf("registered 1 targets in (target-group %s)", target.TargetGroup))
		}
	}
	return nil
}

// containerEnded ends the task when the container was an essential one.
func (k *keeper) containerEnded(i int) (done bool, err error) {
	t, err := k.change(func(*task) {})
	if err != nil || !t.Containers[i].Essential {
		return false, err
	}
	c := t.Containers[i]
	message := fmt.Sprintf("Essential container in task exited. (container %s)", c.Name)
	if c.ExitCode != nil {
		message = fmt.Sprintf("Essential container in task exited: container %s ended with exit code %d", c.Name, *c.ExitCode)
	}
	if c.Reason != "" {
		message += " (" + c.Reason + ")"
	}
	return true, k.fail("EssentialContainerExited", "Essential container in task exited", "", message)
}

// fail stops the task for a reason of its own and tells its service.
func (k *keeper) fail(code, reason, container, message string) error {
	t, err := k.change(func(t *task) {
		t.stop(code, reason)
		if t.StopCode != code {
			return // somebody else stopped it first
		}
		t.Failed = true
		for i := range t.Containers {
			if t.Containers[i].Name == container {
				t.Containers[i].Reason = reason
			}
		}
	})
	if err != nil || !t.Failed {
		return err
	}
	if message == "" {
		message = reason
	}
	verb := "stopped"
	if code == "TaskFailedToStart" {
		verb = "failed to start"
	}
	k.s.tell(t, fmt.Sprintf("(task %s) %s. Reason: %s", t.ID, verb, message))
	return nil
}
