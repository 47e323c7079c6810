package ecs

import (
	"slices"
	"strings"
	"time"
)

// order is what a service wants done to its tasks.
type order struct {
	start int
	stop  []stopOrder
	// seen lists stopped tasks that were accounted for.
	seen []string
}

type stopOrder struct{ taskID, reason string }

// advance decides the next move of a service: which tasks to start and stop,
// whether a deployment completed or failed. It changes only v; it is called
// again after every change and does nothing when nothing is due.
func advance(v *service, tasks []task, now time.Time) order {
	var out order
	v.account(tasks, now, &out)
	if v.Status == draining {
		v.drain(tasks, now, &out)
		return out
	}
	v.breakCircuit(now)
	v.scale(tasks, now, &out)
	v.retireOld(tasks, now, &out)
	v.conclude(tasks, now)
	return out
}

// account takes note of tasks that stopped and of those that run.
func (v *service) account(tasks []task, now time.Time, out *order) {
	for _, t := range tasks {
		d := v.deployment(t.Deployment)
		if t.running() && d != nil && d.Rollout == rolloutInProgress {
			d.Failed = 0
		}
	}
	for _, t := range tasks {
		if t.Status != statusStopped || t.Accounted {
			continue
		}
		out.seen = append(out.seen, t.ID)
		d := v.deployment(t.Deployment)
		if !t.Failed || d == nil {
			continue
		}
		d.Failed++
		d.Updated = now
		d.NotBefore = now.Add(pause(d.Failed))
		if d.Failed == troubled && !v.Limits.Breaker.Enable {
			v.say(now, "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
		}
	}
}

// troubled is after how many failures in a row ECS says so.
const troubled = 3

// pause is the wait before the next start: AWS's grows to a quarter of an hour,
// the sandbox's to half a minute.
func pause(failures int) time.Duration {
	return min(30*time.Second, 250*time.Millisecond<<min(failures, 10))
}

// threshold is how many failures in a row end a deployment, as on AWS.
func threshold(desired int) int { return min(200, max(3, (desired+1)/2)) }

// breakCircuit fails a deployment whose tasks keep failing, and rolls back.
func (v *service) breakCircuit(now time.Time) {
	d := v.primary()
	if !v.Limits.Breaker.Enable || d.Rollout != rolloutInProgress || d.Failed < threshold(v.Desired) {
		return
	}
	d.Rollout, d.Reason, d.Updated = rolloutFailed, "ECS deployment circuit breaker: tasks failed to start.", now
	v.say(now, "(deployment %s) deployment failed: tasks failed to start.", d.ID)
	if !v.Limits.Breaker.Rollback || v.Stable == nil || d.Rollback || v.Stable.ID == d.ID {
		return
	}
	back := *v.Stable
	v.Deployments = slices.DeleteFunc(v.Deployments, func(o deployment) bool { return o.ID == back.ID })
	back.Rollout, back.Rollback, back.Failed, back.Updated, back.NotBefore = rolloutInProgress, true, 0, now, time.Time{}
	back.Reason = "ECS deployment circuit breaker: rolling back to deploymentId " + back.ID + "."
	v.Deployments = slices.Insert(v.Deployments, 0, back)
	v.TaskDefinition, v.Placement = back.TaskDefinition, back.Placement
	v.say(now, "rolling back to deployment %s.", back.ID)
}

// scale brings the primary deployment to the desired count, within the limits.
func (v *service) scale(tasks []task, now time.Time, out *order) {
	d := v.primary()
	var own []task
	total := 0
	for _, t := range tasks {
		if t.Desired != statusRunning {
			continue
		}
		total++
		if t.Deployment == d.ID {
			own = append(own, t)
		}
	}
	if extra := len(own) - v.Desired; extra > 0 {
		// Tasks that do not run yet go first, then the youngest.
		slices.SortStableFunc(own, func(a, b task) int {
			if a.running() != b.running() {
				if a.running() {
					return 1
				}
				return -1
			}
			return b.Created.Compare(a.Created)
		})
		for _, t := range own[:extra] {
			out.stop = append(out.stop, stopOrder{t.ID, "Scaling activity initiated by (deployment " + d.ID + ")"})
		}
		return
	}
	if d.Rollout == rolloutFailed || now.Before(d.NotBefore) {
		return
	}
	most := v.Desired * v.Limits.Maximum / 100
	out.start = max(0, min(v.Desired-len(own), most-total))
}

// retireOld stops tasks of earlier deployments as far as enough keep running.
func (v *service) retireOld(tasks []task, now time.Time, out *order) {
	d := v.primary()
	running := count(tasks, task.running)
	least := (v.Desired*v.Limits.Minimum + 99) / 100
	for _, t := range tasks {
		if t.Deployment == d.ID || t.Desired != statusRunning {
			continue
		}
		if t.running() {
			if running-1 < least {
				continue
			}
			running--
		}
		out.stop = append(out.stop, stopOrder{t.ID, "Scaling activity initiated by (deployment " + d.ID + ")"})
	}
	v.Deployments = slices.DeleteFunc(v.Deployments, func(o deployment) bool {
		return o.ID != d.ID && !slices.ContainsFunc(tasks, func(t task) bool { return t.Deployment == o.ID && t.Status != statusStopped })
	})
}

// conclude completes the deployment and tells of the steady state.
func (v *service) conclude(tasks []task, now time.Time) {
	if !v.stable(tasks) {
		v.Steady = false
		return
	}
	d := v.primary()
	if d.Rollout == rolloutInProgress {
		d.Rollout, d.Reason, d.Updated = rolloutCompleted, "ECS deployment "+d.ID+" completed.", now
		v.say(now, "(deployment %s) deployment completed.", d.ID)
		done := *d
		v.Stable = &done
	}
	if !v.Steady {
		v.Steady = true
		v.say(now, "has reached a steady state.")
	}
}

// drain stops every task of a service that is deleted.
func (v *service) drain(tasks []task, now time.Time, out *order) {
	left := 0
	for _, t := range tasks {
		if t.Status == statusStopped {
			continue
		}
		left++
		if t.Desired == statusRunning {
			out.stop = append(out.stop, stopOrder{t.ID, "Scaling activity initiated by service deletion"})
		}
	}
	if left == 0 {
		v.Status = inactive
		v.Deployments = nil
	}
}

// names lists tasks for an event: (task a) (task b).
func names(ids []string) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("(task " + id + ")")
	}
	return b.String()
}
