package web

import (
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/web/views"
)

// headline says in one sentence what is true of the run now. It holds no running clock: the page counts beside it.
func (f runFacts) headline() string {
	switch f.Status {
	case run.StatusQueued:
		if f.CancelRequested {
			return "Canceling before anything has started"
		}
		if !f.ready {
			return kindWord(f.Kind) + " waits until OpenTofu is ready"
		}
		return "Waiting for a free worker"
	case run.StatusRunning:
		return f.running()
	case run.StatusSucceeded:
		return f.succeeded()
	case run.StatusFailed:
		if st := f.failedStep(); st != nil {
			return kindWord(f.Kind) + " failed at " + st.Resource
		}
		return kindWord(f.Kind) + " failed"
	case run.StatusCanceled:
		return kindWord(f.Kind) + " was canceled"
	}
	return kindWord(f.Kind)
}

func (f runFacts) failedStep() *run.Step {
	for i := range f.Steps {
		if f.Steps[i].Status == run.StepFailed {
			return &f.Steps[i]
		}
	}
	return nil
}

func (f runFacts) succeeded() string {
	switch f.Kind {
	case run.KindDeploy:
		return "Deployed in " + took(f.StartedAt, f.FinishedAt, f.now)
	case run.KindDestroy:
		return "Destroyed in " + took(f.StartedAt, f.FinishedAt, f.now)
	case run.KindPlan:
		total := run.Step{Action: run.ActionPlan}
		for _, st := range f.Steps {
			total.Added, total.Changed, total.Destroyed = total.Added+st.Added, total.Changed+st.Changed, total.Destroyed+st.Destroyed
		}
		return "A deploy would have " + resultSentence(&total)
	}
	return kindWord(f.Kind) + " succeeded"
}

// left is how much longer an object usually takes; negative when it is late.
func (f runFacts) left(o *run.Object) time.Duration {
	return usualTime(o.Type) - f.now.Sub(o.StartedAt)
}

// running names what is being worked on: the object that is likely to take longest yet, else the phase.
func (f runFacts) running() string {
	if f.CancelRequested {
		return "Stopping as soon as that is safe"
	}
	var busy []*run.Step
	for i := range f.Steps {
		if f.Steps[i].Status == run.StepRunning {
			busy = append(busy, &f.Steps[i])
		}
	}
	if len(busy) == 0 {
		return "Starting the next step"
	}
	var longest *run.Object
	others := 0
	for _, st := range busy {
		objects := changes(f.progress[st.ID].Objects)
		for i := range objects {
			o := &objects[i]
			if runner.ObjectStatus(o.Status) != runner.ObjectStarted {
				continue
			}
			others++
			if longest == nil || f.left(o) > f.left(longest) {
				longest = o
			}
		}
	}
	if longest == nil {
		if len(busy) > 1 {
			return fmt.Sprintf("%s, and %s", phaseSentence(busy[0]), lowerFirst(phaseSentence(busy[1])))
		}
		return phaseSentence(busy[0])
	}
	text := objectVerb(longest.Action).Look().Label + " " + theObject(longest.Type)
	if others > 1 {
		text += " and " + views.Count(others-1, "other object", "other objects")
	}
	return text
}
