// Package run carries out changes to environments: a run is a graph of steps, one per resource, and this
// package decides what starts when, hands steps to runners, takes over what they report, and keeps each
// resource's state, outputs, journal and logs.
//
// It must not know what an environment means to its owner (names, forms, expiry): package environment
// creates runs and reads their result. It must not know HTTP or HTML.
package run

import (
	"slices"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
)

// ID identifies a run, StepID a step, ResourceID a resource of an environment.
type (
	ID         string
	StepID     string
	ResourceID string
)

// Kind says what a run does to its environment.
type Kind string

// The kinds of run.
const (
	KindDeploy  Kind = "deploy"
	KindDestroy Kind = "destroy"
	KindPlan    Kind = "plan"
)

// Status is where a run stands.
type Status string

// A run is queued until its first step is claimed, then running until every step has ended.
const (
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCanceled  Status = "canceled"
)

// Ended reports whether nothing more will happen to a run in this status unless somebody retries it.
func (s Status) Ended() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCanceled
}

// StepStatus is where a step stands.
type StepStatus string

// A step is pending until the steps it depends on have succeeded, ready until a runner claims it.
const (
	StepPending   StepStatus = "pending"
	StepReady     StepStatus = "ready"
	StepRunning   StepStatus = "running"
	StepSucceeded StepStatus = "succeeded"
	StepFailed    StepStatus = "failed"
	StepSkipped   StepStatus = "skipped"
	StepCanceled  StepStatus = "canceled"
)

// Ended reports whether the step will not change unless the run is retried.
func (s StepStatus) Ended() bool {
	switch s {
	case StepSucceeded, StepFailed, StepSkipped, StepCanceled:
		return true
	case StepPending, StepReady, StepRunning:
		return false
	}
	return false
}

// Action is what a step does to its resource.
type Action string

// The actions of a step.
const (
	ActionApply   Action = "apply"
	ActionDestroy Action = "destroy"
	ActionPlan    Action = "plan"
)

// MaxLosses bounds how often a step's runner may be lost. A template whose code kills its own runner would otherwise be
// tried for ever.
const MaxLosses = 5

// Run is one execution against an environment.
type Run struct {
	ID              ID
	EnvironmentID   string
	ProjectID       string
	Number          int // counts from 1 within the environment
	Kind            Kind
	Status          Status
	CancelRequested bool
	CreatedBy       string // user id
	CreatedByEmail  string
	CreatedAt       time.Time
	StartedAt       time.Time // zero until the first step is claimed
	FinishedAt      time.Time // zero until every step has ended
	Steps           []Step
}

// Step is one resource inside a run.
type Step struct {
	ID         StepID
	RunID      ID
	ResourceID ResourceID
	Resource   string // the resource's name in its environment
	Action     Action
	Status     StepStatus
	Phase      string // the phase of the current attempt, empty before it starts
	Attempt    int    // counts claims, from 1
	Losses     int    // counts attempts whose runner died, since the run was created or retried
	DependsOn  []StepID
	Error      string // one sentence a user can act on; set when failed
	// Diagnostics are the errors and warnings of the current attempt, secrets replaced: first why the application does not
	// start, then what the tool itself says.
	Diagnostics []Diagnostic
	Tool        string // the binary that ran it, "tofu 1.12.6"
	Added       int    // objects created by the current attempt
	Changed     int
	Destroyed   int
	StartedAt   time.Time
	FinishedAt  time.Time

	leaseOwner string
	leaseUntil time.Time
	readOffset int64
	granted    runner.Instant // when the claim was made, by the boot clock of the machine that made it
	touched    bool           // this process has seen it change an object
	lost       bool           // its supervisor died without a result
}

// SourceApplication is the Source of a Diagnostic that tells why the application does not start, in its own terms.
const SourceApplication = runner.SourceApplication

// Diagnostic is an error or warning.
type Diagnostic struct {
	Source   string   `json:"source,omitempty"` // empty for the tool itself
	Severity string   `json:"severity"`         // error or warning
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Address  string   `json:"address,omitempty"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Try      []string `json:"try,omitempty"` // what a user can do about it
}

// Object is one object of a module and its progress in a step.
type Object struct {
	Address    string
	Type       string
	Action     string // create, read, update, replace, delete, ...
	Status     string // planned, started, finished, errored
	ObjectID   string
	StartedAt  time.Time
	FinishedAt time.Time
}

// PhaseStart says when an attempt of a step entered a phase.
type PhaseStart struct {
	Phase string
	At    time.Time
}

// Errors of this package. Their codes are part of the API.
var (
	ErrNotFound       = fault.New(fault.NotFound, "run_not_found", "There is no such run.")
	ErrActive         = fault.New(fault.Conflict, "run_active", "Another run of this environment is still going on. Wait for it to end, or cancel it.")
	ErrNotCancelable  = fault.New(fault.Conflict, "run_not_cancelable", "This run has already ended, so there is nothing to cancel.")
	ErrNotRetryable   = fault.New(fault.Conflict, "run_not_retryable", "Only a failed or canceled run can be retried. Deploy the environment to start a new one.")
	errStale          = fault.New(fault.Conflict, "attempt_stale", "A newer attempt of this step has taken over.")
	errUnexpectedStep = fault.New(fault.Conflict, "step_unexpected", "The step is not in a state in which this can happen.")
)

func (r *Run) step(id StepID) *Step {
	for i := range r.Steps {
		if r.Steps[i].ID == id {
			return &r.Steps[i]
		}
	}
	return nil
}

func (r Run) clone() Run {
	r.Steps = slices.Clone(r.Steps)
	return r
}
