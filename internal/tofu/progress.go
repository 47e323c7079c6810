package tofu

import (
	"fmt"
	"time"
)

// Stage is what is being done to a tool.
type Stage string

const (
	StageLooking         Stage = "looking"
	StageWaiting         Stage = "waiting"
	StageDownloading     Stage = "downloading"
	StageFetchingModules Stage = "downloading modules"
	StageCompiling       Stage = "compiling"
	StageLinking         Stage = "linking"
	StageVerifying       Stage = "verifying"
	StageInstalling      Stage = "installing"
	StageReady           Stage = "ready"
	StageFailed          Stage = "failed"
)

// Unit tells what Done and Total count.
type Unit string

const (
	UnitPackages Unit = "packages"
	UnitModules  Unit = "modules"
	UnitBytes    Unit = "bytes"
)

// Progress is one report about one tool.
type Progress struct {
	// Tool is "tofu" or the name of a provider, as "terraform-provider-aws".
	Tool  string `json:"tool"`
	Stage Stage  `json:"stage"`
	// Done and Total count Unit; Total is 0 when it is not known.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	Unit  Unit  `json:"unit,omitempty"`
	// Started is when work on this tool began, StageStarted when this stage did.
	Started      time.Time `json:"started"`
	StageStarted time.Time `json:"stage_started"`
	// Detail is one line for people: the package being compiled, who is waited for.
	Detail string `json:"detail,omitempty"`
}

// Reporter receives progress. It is called from one goroutine at a time and must not block.
type Reporter func(Progress)

// Fraction returns how far the stage is, from 0 to 1, and whether that is known.
func (p Progress) Fraction() (float64, bool) {
	if p.Stage == StageReady {
		return 1, true
	}
	if p.Total <= 0 {
		return 0, false
	}
	return min(1, float64(p.Done)/float64(p.Total)), true
}

// Elapsed returns how long the work on the tool has taken so far.
func (p Progress) Elapsed(now time.Time) time.Duration {
	if p.Started.IsZero() {
		return 0
	}
	return now.Sub(p.Started).Round(time.Second)
}

// String is the line a terminal shows.
func (p Progress) String() string {
	s := p.Tool + ": " + string(p.Stage)
	switch {
	case p.Unit == UnitBytes && p.Total > 0:
		s += fmt.Sprintf(" %d of %d MB", p.Done>>20, p.Total>>20)
	case p.Unit == UnitBytes:
		s += fmt.Sprintf(" %d MB", p.Done>>20)
	case p.Total > 0:
		s += fmt.Sprintf(", %d of %d %s", p.Done, p.Total, p.Unit)
	case p.Done > 0:
		s += fmt.Sprintf(", %d %s", p.Done, p.Unit)
	}
	if p.Detail != "" {
		s += " (" + p.Detail + ")"
	}
	return s
}

// tracker turns steps of one tool's work into reports. It is used by one goroutine.
type tracker struct {
	current Progress
	report  Reporter
	now     func() time.Time
}

func newTracker(tool string, report Reporter) *tracker {
	t := &tracker{report: report, now: time.Now}
	t.current = Progress{Tool: tool, Started: t.now()}
	return t
}

// stage begins a stage; its counters start anew.
func (t *tracker) stage(stage Stage, unit Unit, total int64, detail string) {
	t.current.Stage, t.current.Unit, t.current.Total, t.current.Done = stage, unit, total, 0
	t.current.StageStarted, t.current.Detail = t.now(), detail
	t.send()
}

func (t *tracker) advance(done int64, detail string) {
	t.current.Done, t.current.Detail = done, detail
	t.send()
}

func (t *tracker) send() {
	if t.report != nil {
		t.report(t.current)
	}
}

// waiting reports what the process that holds the lock is doing.
func (t *tracker) waiting(h holder) {
	detail := "another process is at it"
	if h.PID != 0 {
		detail = fmt.Sprintf("process %d is at it, %s", h.PID, h.Progress)
	}
	if t.current.Stage != StageWaiting {
		t.stage(StageWaiting, h.Progress.Unit, h.Progress.Total, detail)
	}
	t.current.Done, t.current.Total, t.current.Unit, t.current.Detail = h.Progress.Done, h.Progress.Total, h.Progress.Unit, detail
	t.send()
}

// announce lets those who wait for the lock see the reports as well, at most once a second.
func (t *tracker) announce(lock *buildLock) {
	report, last := t.report, time.Time{}
	t.report = func(p Progress) {
		if now := t.now(); now.Sub(last) >= time.Second || p.Stage == StageLinking {
			last = now
			lock.announce(p)
		}
		if report != nil {
			report(p)
		}
	}
}
