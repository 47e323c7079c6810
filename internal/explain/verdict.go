package explain

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// kind is a kind of failure.
type kind string

const (
	kindNone    kind = ""
	kindPull    kind = "pull"    // the image
	kindExit    kind = "exit"    // a container ended by itself
	kindMemory  kind = "memory"  // a container needed too much
	kindHealth  kind = "health"  // the load balancer got no good answer
	kindCheck   kind = "check"   // the container's own health check
	kindPrepare kind = "prepare" // secrets, log group, network of a task
	kindStart   kind = "start"   // a container that cannot be started
	kindPlace   kind = "place"   // no task can be made at all
)

// failure is how one task failed.
type failure struct {
	task      *task
	kind      kind
	container *container // whose fault it was, where that is known
}

// same says whether two tasks failed for the same reason.
func (f failure) same(other failure) bool {
	if f.kind != other.kind || (f.container == nil) != (other.container == nil) {
		return false
	}
	if f.container == nil {
		return true
	}
	return f.container.Name == other.container.Name && exitOf(f.container) == exitOf(other.container)
}

func exitOf(c *container) int {
	if c.ExitCode == nil {
		return -1
	}
	return *c.ExitCode
}

// verdict is what became of the deployments of a service since a step began.
type verdict struct {
	gaveUp     bool // ECS itself calls the deployment failed
	rolledBack bool // ECS has put the earlier revision back
	completed  bool
	desired    int
	failures   []failure // the last first
	events     []string  // that tell of the failure, the last first
	place      string    // why no task can be made
	places     int
}

// threshold is how many failures in a row ECS's own circuit breaker takes for a failed deployment.
func (v *verdict) threshold() int { return min(200, max(3, (v.desired+1)/2)) }

// repeated counts how many of the last failures are the same.
func (v *verdict) repeated() int {
	n := 0
	for _, f := range v.failures {
		if !f.same(v.failures[0]) {
			break
		}
		n++
	}
	return n
}

// failed says whether the application does not start. With over the step has ended with an error, and a single failure
// is enough; without, waiting on must be useless.
func (v *verdict) failed(over bool) bool {
	switch {
	case v.gaveUp:
		return true
	case v.completed:
		return false
	case over:
		return len(v.failures) > 0 || v.places > 0
	default:
		return v.repeated() >= v.threshold() || len(v.failures) == 0 && v.places >= v.threshold()
	}
}

var (
	failedDeployment = regexp.MustCompile(`\(deployment (\S+)\) deployment failed`)
	cannotPlace      = regexp.MustCompile(`was unable to place a task\. Reason: (.*)`)
	telling          = regexp.MustCompile(`deployment failed|failed to start|is unhealthy|failed (ELB|container) health checks|unable to|rolling back|stopped\. Reason`)
)

const rollingBack = "rolling back to deployment"

// judge reads what ECS tells. since is in ECS's own time: whatever is older belongs to earlier steps.
func judge(s *service, tasks []task, since time.Time) verdict {
	v := verdict{desired: s.Desired}
	old := map[string]bool{}
	for _, d := range s.Deployments {
		back := strings.Contains(d.Reason, rollingBack)
		v.rolledBack = v.rolledBack || back
		if back || d.Created.Before(since) {
			old[d.ID] = true
			continue
		}
		v.gaveUp = v.gaveUp || d.Rollout == "FAILED"
		v.completed = v.completed || d.Rollout == "COMPLETED"
	}
	for _, e := range s.Events {
		if e.Created.Before(since) {
			continue
		}
		v.read(e.Message, old)
	}
	for i := range tasks {
		t := &tasks[i]
		if t.Created.Before(since) || old[t.StartedBy] {
			continue
		}
		if f := failureOf(t); f.kind != kindNone {
			v.failures = append(v.failures, f)
		}
	}
	return v
}

// read takes a line of the service's events into account.
func (v *verdict) read(message string, old map[string]bool) {
	if telling.MatchString(message) {
		v.events = append(v.events, message)
	}
	// A deployment that was rolled back is soon gone from the service; only the event remains.
	if m := failedDeployment.FindStringSubmatch(message); m != nil && !old[m[1]] {
		v.gaveUp = true
	}
	v.rolledBack = v.rolledBack || strings.Contains(message, rollingBack)
	if strings.Contains(message, "unable to consistently start tasks successfully") {
		v.gaveUp = true
	}
	if m := cannotPlace.FindStringSubmatch(message); m != nil {
		v.places++
		if v.place == "" {
			v.place = m[1]
		}
	}
}

// failureOf tells whether a stopped task failed, and how. Tasks that were stopped because they were not needed, or by
// somebody, did not.
func failureOf(t *task) failure {
	reason := t.StoppedReason
	for i := range t.Containers {
		c := &t.Containers[i]
		switch {
		case strings.Contains(c.Reason, "CannotPull"):
			return failure{t, kindPull, c}
		case strings.Contains(c.Reason, "OutOfMemory"):
			return failure{t, kindMemory, c}
		case strings.Contains(c.Reason, "CannotStartContainer") || strings.Contains(c.Reason, "CannotCreateContainer"):
			return failure{t, kindStart, c}
		}
	}
	switch {
	case strings.Contains(reason, "CannotPull"):
		return failure{t, kindPull, onlyContainer(t)}
	case strings.Contains(reason, "OutOfMemory"):
		return failure{t, kindMemory, onlyContainer(t)}
	case strings.Contains(reason, "ResourceInitializationError"):
		return failure{t, kindPrepare, nil}
	case strings.Contains(reason, "failed ELB health checks"):
		return failure{t, kindHealth, nil}
	case strings.Contains(reason, "failed container health checks"):
		return failure{t, kindCheck, nil}
	case t.StopCode == "EssentialContainerExited" || strings.HasPrefix(reason, "Essential container in task exited"):
		return failure{t, kindExit, exited(t)}
	case t.StopCode == "TaskFailedToStart":
		return failure{t, kindStart, onlyContainer(t)}
	default:
		return failure{}
	}
}

// exited is the container that ended, the one with an error before the others.
func exited(t *task) *container {
	var found *container
	for i := range t.Containers {
		c := &t.Containers[i]
		if c.ExitCode != nil && (found == nil || *found.ExitCode == 0 && *c.ExitCode != 0) {
			found = c
		}
	}
	return found
}

func onlyContainer(t *task) *container {
	if len(t.Containers) == 1 {
		return &t.Containers[0]
	}
	return nil
}

// line tells of the task's end.
func (f failure) line() string {
	text := fmt.Sprintf("Task %s stopped: %s", f.task.id(), strings.TrimSpace(f.task.StoppedReason))
	if c := f.container; c != nil && c.Reason != "" && !strings.Contains(text, c.Reason) {
		text += " (" + c.Reason + ")"
	}
	return text
}
