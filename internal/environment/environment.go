// Package environment keeps environments: named instances of an environment template version with input values, and
// what their owners do with them: create, edit, deploy, plan, destroy, delete.
//
// It must not know how a run is carried out (package run), nor HTTP or HTML. An environment's status is never stored:
// it follows from its newest deploy or destroy run, so the two cannot disagree.
package environment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
)

// ID identifies an environment.
type ID string

// Status answers whether an environment is up.
type Status string

// The statuses of an environment. Failed covers a deploy or destroy that failed or was canceled.
const (
	StatusDraft      Status = "draft"
	StatusQueued     Status = "queued"
	StatusDeploying  Status = "deploying"
	StatusDeployed   Status = "deployed"
	StatusFailed     Status = "failed"
	StatusDestroying Status = "destroying"
	StatusDestroyed  Status = "destroyed"
)

// Statuses lists every status.
var statuses = []Status{
	StatusDraft, StatusQueued, StatusDeploying, StatusDeployed, StatusFailed, StatusDestroying, StatusDestroyed,
}

// Busy reports whether a run is going on.
func (s Status) Busy() bool {
	return s == StatusQueued || s == StatusDeploying || s == StatusDestroying
}

// Environment is one instance of an environment template version.
type Environment struct {
	ID          ID
	ProjectID   string
	ProjectName string
	Name        string
	UniqueName  string // the name with a random ending, valid for every cloud name made from it
	Template    TemplateRef
	OwnerID     string
	OwnerEmail  string
	Status      Status
	StatusSince time.Time
	Endpoint    string // the address to open, empty while there is none
	Revision    int    // grows with every edit; the entity tag of the API
	LastRun     *RunRef
	Inputs      []template.Value // empty in lists
	// DeployedInputs are those of the newest deploy run, to show what has changed since. Empty in lists.
	DeployedInputs    []template.Value
	DeployedVersionID string
	// Hidden names the sensitive ones of Inputs, whose values Get leaves out. Nil in lists.
	Hidden map[string]bool
	// FollowLatest says that each deploy uses the version of the template that was activated last.
	FollowLatest bool
	Sandbox      bool // its resources are made in the sandbox
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DeployedAt   time.Time // when a deploy last succeeded, zero if never
}

// TemplateRef names the environment template version an environment is made from.
type TemplateRef struct {
	ID        string
	Name      string
	VersionID string
	Version   string
}

// RunRef is an environment's newest deploy or destroy run.
type RunRef struct {
	ID              run.ID
	Number          int
	Kind            run.Kind
	Status          run.Status
	CancelRequested bool
	CreatedAt       time.Time
	StartedAt       time.Time
	FinishedAt      time.Time
}

// statusOf derives an environment's status from its newest deploy or destroy run. The query in store.go (statusSQL)
// says the same for filters; a test holds the two together.
func statusOf(r *RunRef) Status {
	if r == nil {
		return StatusDraft
	}
	destroy := r.Kind == run.KindDestroy
	switch r.Status {
	case run.StatusQueued:
		return StatusQueued
	case run.StatusRunning:
		if destroy {
			return StatusDestroying
		}
		return StatusDeploying
	case run.StatusSucceeded:
		if destroy {
			return StatusDestroyed
		}
		return StatusDeployed
	case run.StatusFailed, run.StatusCanceled:
		return StatusFailed
	}
	return StatusFailed
}

// Errors of this package. Their codes are part of the API.
var (
	ErrNotFound       = fault.New(fault.NotFound, "environment_not_found", "There is no environment with this name in the project.")
	ErrNameTaken      = fault.New(fault.Conflict, "environment_name_taken", "An environment with this name exists in the project already. Choose another name.")
	ErrStale          = fault.New(fault.Conflict, "revision_conflict", "Somebody else changed this environment meanwhile. Reload it and make your change again.")
	ErrBusy           = fault.New(fault.Conflict, "environment_busy", "A run of this environment is going on. Wait for it to end, or cancel it.")
	ErrNothing        = fault.New(fault.Conflict, "environment_not_deployed", "This environment was never deployed, so there is nothing to destroy. A draft can be deleted.")
	ErrKeyReused      = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key came with another request before. Use a new key for a new request.")
	ErrKeySpent       = fault.New(fault.Conflict, "idempotency_key_spent", "This request was carried out before, and what it made has been deleted since. Use a new key to make it again.")
	ErrInUse          = fault.New(fault.Conflict, "environment_in_use", "Other environments use the outputs of this one. Destroy them first.")
	ErrCycle          = fault.New(fault.Conflict, "environment_cycle", "Environments would need each other.")
	ErrLatest         = fault.New(fault.Invalid, "latest_version_unfit", "The latest version of the template does not take the inputs of this environment.")
	ErrUpstreamOutput = fault.New(fault.Conflict, "upstream_output_missing", "An environment that this one uses lacks an output.")
	ErrExists         = fault.New(fault.Conflict, "environment_not_destroyed", "This environment may still have resources. Destroy it first; it can be deleted once that is proven.")
)

// errRepeatedMeanwhile never leaves the package: Create then returns what the other request made.
var errRepeatedMeanwhile = errors.New("the same request is being carried out already")

const maxName = 40

// reservedName stands where an environment's name does in the addresses of pages.
const reservedName = "new"

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// checkName returns an error that names the field and the fix.
func checkName(name string) error {
	switch {
	case name == "":
		return fault.InvalidField("name", "Enter a name, for example ecs-1.")
	case len(name) > maxName:
		return fault.InvalidField("name", fmt.Sprintf("Name must be at most %d characters long; this one has %d.", maxName, len(name)))
	case name == reservedName:
		return fault.InvalidField("name", fmt.Sprintf("%s is the address of the page that makes environments; choose another name.", name))
	case !nameRule.MatchString(name):
		return fault.InvalidField("name", fmt.Sprintf("Name must start with a lower-case letter and have only lower-case letters, digits and hyphens; you entered %q.", name))
	}
	return nil
}

const (
	maxUniqueName = 24
	suffixLength  = 5
	suffixLetters = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// uniqueName shortens name and adds a random ending, so that two projects can both have an ecs-1. At most 24
// characters leaves room for endings within the shortest limit of AWS, 32 for a load balancer.
func uniqueName(name string, letter func(n int) int) string {
	head := strings.TrimRight(name[:min(len(name), maxUniqueName-suffixLength-1)], "-")
	var tail strings.Builder
	for range suffixLength {
		tail.WriteByte(suffixLetters[letter(len(suffixLetters))])
	}
	return head + "-" + tail.String()
}

func newUniqueName(name string) string { return uniqueName(name, rand.IntN) }
