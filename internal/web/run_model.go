package web

import (
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/web/views"
)

// runFacts is what is known of a run when a page about it is drawn.
type runFacts struct {
	run.Run
	progress map[run.StepID]run.StepProgress
	now      time.Time
	ready    bool   // whether there is an OpenTofu to run with
	base     string // address of the environment
}

func (f runFacts) url() string { return fmt.Sprintf("%s/runs/%d", f.base, f.Number) }

func (f runFacts) logURL(resource string) string { return f.url() + "?log=" + resource + "#log" }

func kindWord(k run.Kind) string {
	switch k {
	case run.KindDeploy:
		return "Deploy"
	case run.KindDestroy:
		return "Destroy"
	case run.KindPlan:
		return "Plan"
	}
	return capital(string(k))
}

func runStatus(s run.Status) views.Status {
	switch s {
	case run.StatusQueued:
		return views.Queued
	case run.StatusRunning:
		return views.Running
	case run.StatusSucceeded:
		return views.Succeeded
	case run.StatusFailed:
		return views.Failed
	case run.StatusCanceled:
		return views.Canceled
	}
	return views.Status(s)
}

func stepStatus(s run.StepStatus) views.Status {
	switch s {
	case run.StepPending:
		return views.Pending
	case run.StepReady:
		return views.Queued
	case run.StepRunning:
		return views.Running
	case run.StepSucceeded:
		return views.Succeeded
	case run.StepFailed:
		return views.Failed
	case run.StepSkipped:
		return views.Skipped
	case run.StepCanceled:
		return views.Canceled
	}
	return views.Status(s)
}

// objectStatus names what is being done to an object, or what became of it.
func objectStatus(o run.Object, stepEnded bool) views.Status {
	switch runner.ObjectStatus(o.Status) {
	case runner.ObjectFinished:
		return views.Done
	case runner.ObjectErrored:
		return views.Failed
	case runner.ObjectStarted:
		if stepEnded {
			return views.Canceled // it was cut short
		}
		return objectVerb(o.Action)
	case runner.ObjectPlanned, runner.ObjectDrifted:
	}
	if stepEnded {
		return views.Skipped
	}
	return views.Planned
}

func objectVerb(action string) views.Status {
	switch runner.ObjectAction(action) {
	case runner.ObjectCreate:
		return views.Creating
	case runner.ObjectUpdate:
		return views.Updating
	case runner.ObjectReplace:
		return views.Replacing
	case runner.ObjectDelete:
		return views.Deleting
	case runner.ObjectRead, runner.ObjectImport, runner.ObjectForget, runner.ObjectMove, runner.ObjectNoop:
	}
	return views.Running
}

// changes leaves out what is only read: a reader wants to see what is made.
func changes(objects []run.Object) []run.Object {
	var out []run.Object
	for _, o := range objects {
		if a := runner.ObjectAction(o.Action); a != runner.ObjectRead && a != runner.ObjectNoop {
			out = append(out, o)
		}
	}
	return out
}

func countDone(objects []run.Object) int {
	n := 0
	for _, o := range objects {
		if runner.ObjectStatus(o.Status) == runner.ObjectFinished {
			n++
		}
	}
	return n
}

// took is how long something has lasted, or lasts so far; "" before it began.
func took(from, to, now time.Time) string {
	if from.IsZero() {
		return ""
	}
	if to.IsZero() {
		to = now
	} else if d := to.Sub(from); d < time.Second {
		return "under 1 s"
	}
	return views.Duration(to.Sub(from))
}

// steps are the rows of the timeline.
func (f runFacts) steps() []views.Step {
	var out []views.Step
	for i := range f.Steps {
		st := &f.Steps[i]
		p := f.progress[st.ID]
		v := views.Step{
			Resource: st.Resource, Status: stepStatus(st.Status), Sentence: f.stepSentence(st), Phases: f.phases(st),
			Took: took(st.StartedAt, st.FinishedAt, f.now), Since: views.At(st.StartedAt, f.now),
			Open: st.Status == run.StepRunning || st.Status == run.StepFailed,
		}
		if st.Attempt > 0 {
			v.LogURL = f.logURL(st.Resource)
		}
		for _, o := range changes(p.Objects) {
			v.Objects = append(v.Objects, f.object(o, st.Status.Ended()))
		}
		out = append(out, v)
	}
	return out
}

func (f runFacts) object(o run.Object, stepEnded bool) views.Object {
	v := views.Object{
		Label: plainType(o.Type), Address: o.Address, ID: o.ObjectID, Status: objectStatus(o, stepEnded),
		Elapsed: took(o.StartedAt, o.FinishedAt, f.now), Since: views.At(o.StartedAt, f.now),
	}
	if v.Status.Busy() {
		v.Percent = approach(f.now.Sub(o.StartedAt), usualTime(o.Type))
	}
	return v
}

// usualTime is how long a cloud commonly takes to make or change an object of a type. It only shapes bars and picks the object
// worth naming: how long a step usually takes is measured.
func usualTime(objectType string) time.Duration {
	switch objectType {
	case "aws_eks_cluster", "aws_rds_cluster", "aws_elasticache_cluster":
		return 10 * time.Minute
	case "aws_db_instance", "aws_cloudfront_distribution":
		return 5 * time.Minute
	case "aws_nat_gateway", "aws_ecs_service":
		return 90 * time.Second
	case "aws_lb", "aws_alb":
		return time.Minute
	case "aws_vpc", "aws_ecs_cluster", "aws_internet_gateway":
		return 10 * time.Second
	}
	return 2 * time.Second
}

// shareDone is how much of the objects' usual time is behind them, from 0 to 1.
func (f runFacts) shareDone(objects []run.Object) float64 {
	done, total := 0.0, 0.0
	for _, o := range objects {
		usual := usualTime(o.Type).Seconds()
		total += usual
		switch runner.ObjectStatus(o.Status) {
		case runner.ObjectFinished:
			done += usual
		case runner.ObjectStarted:
			done += usual * float64(approach(f.now.Sub(o.StartedAt), usualTime(o.Type))) / 100
		case runner.ObjectPlanned, runner.ObjectErrored, runner.ObjectDrifted:
		}
	}
	if total == 0 {
		return 0
	}
	return done / total
}

// approach is a percentage that grows ever more slowly towards 95, so that a bar never stands at its end while work goes on.
func approach(elapsed, usual time.Duration) int {
	if usual <= 0 || elapsed <= 0 {
		return 0
	}
	x := float64(elapsed) / float64(usual)
	if x < 0.9 {
		return int(x * 100)
	}
	return min(95, 90+int(5*(1-0.9/x)))
}

func (f runFacts) stepSentence(st *run.Step) string {
	objects := changes(f.progress[st.ID].Objects)
	done := countDone(objects)
	switch st.Status {
	case run.StepRunning:
		if st.Phase == string(runner.PhaseApply) && len(objects) > 0 {
			return fmt.Sprintf("%s %d of %s", f.verb(st), min(done+1, len(objects)), views.Count(len(objects), "object", "objects"))
		}
		return phaseSentence(st)
	case run.StepSucceeded:
		return resultSentence(st)
	case run.StepFailed:
		if done > 0 {
			return fmt.Sprintf("%d of %s done", done, views.Count(len(objects), "object", "objects"))
		}
	case run.StepPending, run.StepReady, run.StepSkipped, run.StepCanceled:
	}
	return ""
}

func (f runFacts) verb(st *run.Step) string {
	if st.Action == run.ActionDestroy {
		return "Deleting"
	}
	if st.Changed > 0 || st.Destroyed > 0 {
		return "Changing"
	}
	return "Creating"
}

// resultSentence says what a step that succeeded did.
func resultSentence(st *run.Step) string {
	text := ""
	add := func(n int, word string) {
		if n == 0 {
			return
		}
		if text != "" {
			text += ", "
		}
		text += views.Number(n) + " " + word
	}
	if st.Action == run.ActionPlan {
		add(st.Added, "to create")
		add(st.Changed, "to change")
		add(st.Destroyed, "to delete")
	} else {
		add(st.Added, "created")
		add(st.Changed, "changed")
		add(st.Destroyed, "deleted")
	}
	if text == "" {
		return "nothing to change"
	}
	return text
}

func phaseSentence(st *run.Step) string {
	switch runner.Phase(st.Phase) {
	case runner.PhaseFetch:
		return "Getting the code of " + st.Resource
	case runner.PhaseInit:
		return "Preparing OpenTofu for " + st.Resource
	case runner.PhaseRepair:
		return "Repairing what an interrupted attempt left of " + st.Resource
	case runner.PhasePlan:
		if st.Action == run.ActionDestroy {
			return "Finding out what there is to delete of " + st.Resource
		}
		return "Finding out what " + st.Resource + " needs"
	case runner.PhaseApply:
		if st.Action == run.ActionDestroy {
			return "Deleting " + st.Resource
		}
		return "Applying " + st.Resource
	case runner.PhaseOutput:
		if st.Action == run.ActionApply {
			return "Checking that " + st.Resource + " works"
		}
		return "Finishing " + st.Resource
	}
	return "Starting " + st.Resource
}

var phaseOrder = []runner.Phase{runner.PhaseFetch, runner.PhaseInit, runner.PhaseRepair, runner.PhasePlan, runner.PhaseApply, runner.PhaseOutput}

// phases are those a step goes through, with what became of each. Repair is among them only when it happened.
func (f runFacts) phases(st *run.Step) []views.Phase {
	started := map[runner.Phase]time.Time{}
	var order []runner.Phase
	for _, p := range f.progress[st.ID].Phases {
		started[runner.Phase(p.Phase)] = p.At
		order = append(order, runner.Phase(p.Phase))
	}
	var out []views.Phase
	for _, name := range phaseOrder {
		begun, ok := started[name]
		if !ok && (name == runner.PhaseRepair || name == runner.PhaseApply && st.Action == run.ActionPlan || name == runner.PhaseOutput && st.Action != run.ActionApply) {
			continue
		}
		v := views.Phase{Name: capital(string(name)), Status: views.Pending}
		switch i := slices.Index(order, name); {
		case !ok && st.Status.Ended():
			v.Status = views.Skipped
		case !ok:
		case i < len(order)-1:
			v.Status, v.Took = views.Succeeded, took(begun, started[order[i+1]], f.now)
		default:
			v.Status, v.Took = stepStatus(st.Status), took(begun, st.FinishedAt, f.now)
			if v.Status == views.Running {
				v.Took = ""
			}
		}
		out = append(out, v)
	}
	return out
}

// estimate is how far the run is against how long its steps usually take. Steps that wait for each other add up; the
// longest chain counts.
func (f runFacts) estimate() views.Progress {
	v := views.Progress{Elapsed: took(f.StartedAt, f.FinishedAt, f.now)}
	if f.Status.Ended() {
		v.Percent = 100
		return v
	}
	usual, known := f.usual()
	elapsed := f.now.Sub(f.StartedAt)
	if f.StartedAt.IsZero() {
		elapsed = 0
	}
	if known {
		v.Usually = views.Duration(usual)
		v.Late = elapsed > usual+usual/2
		v.Percent = approach(elapsed, usual)
		return v
	}
	done, total := 0.0, 0.0
	for i := range f.Steps {
		total++
		switch st := &f.Steps[i]; {
		case st.Status.Ended():
			done++
		case st.Status == run.StepRunning:
			if objects := changes(f.progress[st.ID].Objects); len(objects) > 0 {
				done += 0.1 + 0.85*f.shareDone(objects)
			}
		}
	}
	if total > 0 {
		v.Percent = min(95, int(100*done/total))
	}
	return v
}

// usual is the length of the longest chain of steps, by how long each usually takes; false when one is not known.
func (f runFacts) usual() (time.Duration, bool) {
	if len(f.Steps) == 0 {
		return 0, false
	}
	end := map[run.StepID]time.Duration{}
	var longest time.Duration
	// Steps are stored in an order in which most dependencies come first; as many rounds as steps settle any order.
	for range f.Steps {
		for i := range f.Steps {
			st := &f.Steps[i]
			d := f.progress[st.ID].Usual
			if d <= 0 {
				return 0, false
			}
			start := time.Duration(0)
			for _, dep := range st.DependsOn {
				start = max(start, end[dep])
			}
			end[st.ID] = start + d
			longest = max(longest, end[st.ID])
		}
	}
	return longest, true
}
