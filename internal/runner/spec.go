package runner

import (
	"encoding/json"
	"time"
)

// Action is what a step does to its resource.
type Action string

const (
	ActionApply   Action = "apply"
	ActionDestroy Action = "destroy"
	ActionPlan    Action = "plan" // changes nothing outside, the state only by repair; leaves the plan as sealed files
)

// PlanMode is the kind of plan ActionPlan makes.
type PlanMode string

const (
	PlanNormal      PlanMode = "" // what an apply would do
	PlanDestroy     PlanMode = "destroy"
	PlanRefreshOnly PlanMode = "refresh-only" // drift
)

// Backend says who keeps the state.
type Backend string

const (
	BackendSystem Backend = "system" // Berth; any backend or cloud block of the module is overridden
	BackendCustom Backend = "custom" // the module's own backend; Berth sees no state, and repair is not possible
)

// Spec is everything one attempt of one step needs. It reaches the supervisor through a pipe: never on a command line,
// in an environment or on disk in clear. It is not kept, so a later attempt gets a Spec of its own.
type Spec struct {
	StepID        string
	RunID         string
	EnvironmentID string
	ResourceID    string // names the state lock: at most one step per resource runs on a machine
	Attempt       int

	// UniqueName is the environment's unique name, which its template puts into names and tags. An object in doubt is
	// adopted by name or tag only where they hold it; without it such objects are listed.
	UniqueName string

	Action   Action
	PlanMode PlanMode // for ActionPlan

	Bundle Bundle
	Tool   Tool

	// Variables are the root module's input values. Names the module does not declare are left out, so free extra
	// variables do no harm.
	Variables map[string]json.RawMessage
	// Env and Files come from config contexts. Env cannot replace what the runner itself sets (see docs/design/runner.md).
	Env   map[string]string
	Files []File

	// Sandbox, when set, points the root module's aws providers at the sandbox.
	Sandbox *Sandbox

	Backend Backend
	// State is the newest known state, for BackendSystem. Empty means there is none yet.
	State []byte
	// SavedPlan is the plan file a plan step left (SealedPlanFile); an apply then carries out exactly this plan.
	SavedPlan []byte

	// Journal holds the entries of earlier attempts in their order, as recorded, which may or may not be in State.
	// Repair reconciles them with State before anything else is done.
	Journal []JournalEntry

	// Secrets are the values replaced by Mark in everything that is written. Sensitive Env, Files and Variables
	// must be listed here; values shorter than four characters are not masked.
	Secrets []string
	// DataKey (32 bytes) seals states, plans and outputs with AES-256-GCM. It must be the same for all attempts whose
	// journal is passed on.
	DataKey []byte

	Timeouts Timeouts
	// Fence, when set, makes the supervisor stop the step when its lease is not extended in time.
	Fence *Fence
}

// Bundle is the immutable code of a step.
type Bundle struct {
	Path   string // an unpacked directory, or a .tar.zst archive
	Digest string // names the content; initialised directories are kept under it
	Dir    string // sub-directory of the root module, slash-separated; empty means the top
}

// ToolKind tells the two command-line dialects apart.
type ToolKind string

const (
	ToolTofu      ToolKind = "tofu"
	ToolTerraform ToolKind = "terraform"
)

// Tool is the binary that does the work.
type Tool struct {
	Kind      ToolKind
	Path      string
	Version   string // "1.12.6"; decides which flags exist
	CLIConfig string // CLI configuration file (provider mirror and so on); may be empty
}

// File is a file from a config context, written below the root module's directory, or below HOME when its path starts
// with "~/".
type File struct {
	Path    string
	Content []byte
	Mode    uint32 // permission bits; zero means 0600
}

// Sandbox is the AWS look-alike that a step talks to instead of AWS.
type Sandbox struct {
	Endpoint  string // "http://127.0.0.1:4566"
	Region    string
	AccessKey string
	SecretKey string
}

// Timeouts bound a step. Zero values take the defaults.
type Timeouts struct {
	Step     time.Duration // whole step, then it is stopped; default 2 h
	Grace    time.Duration // between SIGINT and kill; default 5 min
	LockWait time.Duration // wait for the resource's lock before refusing; default none
}

// Fence is a lease that the caller extends with Handle.Extend. The supervisor sends SIGINT when half of it has gone by
// without an extension, and kills when only Margin is left.
type Fence struct {
	Granted Instant // read with Now before the lease was written to the database
	Lease   time.Duration
	Margin  time.Duration // default a tenth of Lease
}
