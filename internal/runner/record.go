package runner

import (
	"encoding/json"
	"time"
)

// Record is one line of a step's records file. Exactly one of the pointer fields is set, the one Kind names.
// Records are appended and never changed; readers keep End of the last record they took over and go on there.
type Record struct {
	Seq  int64      `json:"seq"` // 1, 2, 3, ...
	Time time.Time  `json:"time"`
	Kind RecordKind `json:"kind"`

	Started    *Started      `json:"started,omitempty"`
	Phase      *PhaseChange  `json:"phase,omitempty"`
	Object     *ObjectEvent  `json:"object,omitempty"`
	Journal    *JournalEntry `json:"journal,omitempty"`
	State      *StateVersion `json:"state,omitempty"`
	Diagnostic *Diagnostic   `json:"diagnostic,omitempty"`
	Plan       *PlanSummary  `json:"plan,omitempty"`
	Repair     *RepairEvent  `json:"repair,omitempty"`
	Notice     *Notice       `json:"notice,omitempty"`
	Sealed     *SealedFile   `json:"sealed,omitempty"`
	Result     *Result       `json:"result,omitempty"`

	// End is the offset in the records file just after this record.
	End int64 `json:"-"`
}

// RecordKind names the field of a Record that is set.
type RecordKind string

const (
	KindStarted    RecordKind = "started"
	KindPhase      RecordKind = "phase"
	KindObject     RecordKind = "object"
	KindJournal    RecordKind = "journal"
	KindState      RecordKind = "state"
	KindDiagnostic RecordKind = "diagnostic"
	KindPlan       RecordKind = "plan"
	KindRepair     RecordKind = "repair"
	KindNotice     RecordKind = "notice"
	KindSealed     RecordKind = "sealed"
	KindResult     RecordKind = "result" // always the last one
)

// Started is the first record.
type Started struct {
	StepID  string `json:"step_id"`
	Attempt int    `json:"attempt"`
	Action  Action `json:"action"`
	PID     int    `json:"pid"`
	Tool    string `json:"tool"` // "tofu 1.12.6"
	// Containment is how the tool's processes are kept hold of: "cgroup" or "subreaper". Whether the data directory is
	// hidden is told by a notice "isolation", when the tool is first to run in it.
	Containment string `json:"containment"`
	Bundle      string `json:"bundle"` // digest
}

// Phase is a part of a step's work that pages show.
type Phase string

const (
	PhaseFetch  Phase = "fetch"
	PhaseInit   Phase = "init"
	PhaseRepair Phase = "repair" // only when a journal has to be reconciled
	PhasePlan   Phase = "plan"
	PhaseApply  Phase = "apply"
	PhaseOutput Phase = "output"
)

// PhaseChange says that a phase began or ended.
type PhaseChange struct {
	Phase  Phase       `json:"phase"`
	Status PhaseStatus `json:"status"`
	// LogOffset is the length of the log when the change happened, so that a page can show a phase's part of it.
	LogOffset int64 `json:"log_offset"`
	// Millis is how long the phase took, when it ended.
	Millis int64 `json:"ms,omitempty"`
}

// PhaseStatus of a PhaseChange.
type PhaseStatus string

const (
	PhaseStarted   PhaseStatus = "started"
	PhaseSucceeded PhaseStatus = "succeeded"
	PhaseFailed    PhaseStatus = "failed"
	PhaseCanceled  PhaseStatus = "canceled"
)

// ObjectEvent reports progress of one object (a resource instance in OpenTofu's words) of the module.
type ObjectEvent struct {
	Address string       `json:"address"`
	Type    string       `json:"type"`
	Name    string       `json:"name"`
	Action  ObjectAction `json:"action"`
	Status  ObjectStatus `json:"status"`
	ID      string       `json:"id,omitempty"`
	Millis  int64        `json:"ms,omitempty"`
	// Diagnostic tells why, when Status is errored and the tool said so.
	Diagnostic *Diagnostic `json:"diagnostic,omitempty"`
}

// ObjectAction is what happens to an object.
type ObjectAction string

const (
	ObjectCreate  ObjectAction = "create"
	ObjectRead    ObjectAction = "read"
	ObjectUpdate  ObjectAction = "update"
	ObjectReplace ObjectAction = "replace"
	ObjectDelete  ObjectAction = "delete"
	ObjectImport  ObjectAction = "import"
	ObjectForget  ObjectAction = "forget"
	ObjectMove    ObjectAction = "move"
	ObjectNoop    ObjectAction = "noop"
)

// ObjectStatus of an ObjectEvent.
type ObjectStatus string

const (
	ObjectPlanned  ObjectStatus = "planned"
	ObjectStarted  ObjectStatus = "started"
	ObjectFinished ObjectStatus = "finished"
	ObjectErrored  ObjectStatus = "errored"
	ObjectDrifted  ObjectStatus = "drifted" // found changed outside
)

// JournalEntry is one durable fact about an object: it is on disk before anything else happens with it. The caller
// keeps all entries of a resource, in order, and passes to the next attempt those written since the last attempt that
// ended with Result.Reconciled.
type JournalEntry struct {
	Attempt int          `json:"attempt"`
	Seq     int64        `json:"seq"` // of the record, so (Attempt, Seq) orders entries
	Op      JournalOp    `json:"op"`
	Action  ObjectAction `json:"action"`
	Address string       `json:"address"`
	Type    string       `json:"type"`
	ID      string       `json:"id,omitempty"`
	// SealedID holds the id instead of ID when the id contains a known secret.
	SealedID []byte `json:"sealed_id,omitempty"`
	// PriorID is, for the start of a creation, the id of the object that the state held under the address then: the
	// one being replaced.
	PriorID string `json:"prior_id,omitempty"`
	// Provider is the short name of the provider, "aws".
	Provider string `json:"provider,omitempty"`
}

// JournalOp is what happened.
type JournalOp string

const (
	JournalStart   JournalOp = "start"   // the provider was called; something may exist
	JournalFinish  JournalOp = "finish"  // done, and ID is what exists (or no longer exists, for a delete)
	JournalError   JournalOp = "error"   // the provider reported an error; OpenTofu keeps what it knows in the state
	JournalSettled JournalOp = "settled" // repair made state and journal agree about this object
)

// StateVersion says that a state was stored in the attempt's directory, sealed.
type StateVersion struct {
	Version   int    `json:"version"` // 1, 2, 3, ... within the attempt
	Serial    uint64 `json:"serial"`
	Lineage   string `json:"lineage"`
	Digest    string `json:"digest"` // hex SHA-256 of the clear state
	Resources int    `json:"resources"`
	Bytes     int    `json:"bytes"`
	// Source is how the state came: "backend" as usual, "errored" from an errored.tfstate, "salvaged" after the
	// supervisor died, "repair" when repair set an object aside or back.
	Source string `json:"source"`
}

// Severity of a Diagnostic.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// SourceApplication marks a Diagnostic that tells why the application does not start. It comes from the cloud it runs in,
// not from the tool.
const SourceApplication = "application"

// Diagnostic is an error or warning, masked.
type Diagnostic struct {
	Source   string   `json:"source,omitempty"` // empty for the tool itself
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Address  string   `json:"address,omitempty"`
	File     string   `json:"file,omitempty"` // relative to the root module
	Line     int      `json:"line,omitempty"`
	Snippet  string   `json:"snippet,omitempty"`
	// Try is what a user can do about it.
	Try []string `json:"try,omitempty"`
}

// PlanSummary counts changes. The first is sent when the plan is made, a second with Applied set when it was done.
type PlanSummary struct {
	Add     int  `json:"add"`
	Change  int  `json:"change"`
	Remove  int  `json:"remove"`
	Import  int  `json:"import,omitempty"`
	Forget  int  `json:"forget,omitempty"`
	Applied bool `json:"applied,omitempty"`
}

// RepairEvent says what repair did with one object of the journal.
type RepairEvent struct {
	Address string        `json:"address"`
	Type    string        `json:"type"`
	ID      string        `json:"id,omitempty"`
	Outcome RepairOutcome `json:"outcome"`
	Reason  string        `json:"reason,omitempty"`
}

// RepairOutcome is what became of a journal entry.
type RepairOutcome string

const (
	RepairImported RepairOutcome = "imported" // taken into the state
	RepairAdopted  RepairOutcome = "adopted"  // was in doubt, found by name or tag and taken into the state
	RepairGone     RepairOutcome = "gone"     // does not exist any more, or never did
	RepairInDoubt  RepairOutcome = "in_doubt" // may exist; nobody could tell
	RepairFailed   RepairOutcome = "failed"   // exists, but could not be taken into the state
)

// Notice is something worth telling that is no diagnostic of the tool: a left-over process was stopped, a warm
// directory was rebuilt.
type Notice struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Names of sealed files (see Local.ReadSealed).
const (
	SealedOutputs  = "outputs"   // JSON object: name to Output
	SealedPlanJSON = "plan-json" // `show -json` of the plan
	SealedPlanFile = "plan-file" // the tool's own plan file, for Spec.SavedPlan
)

// SealedFile says that a file was stored in the attempt's directory, encrypted with Spec.DataKey.
type SealedFile struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Output is one output value of the root module.
type Output struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive bool            `json:"sensitive"`
}

// Status is how a step ended.
type Status string

const (
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCanceled  Status = "canceled" // stopped by the caller
	StatusTimedOut  Status = "timed_out"
	StatusFenced    Status = "fenced" // its lease ran out
)

// Result is the last record.
type Result struct {
	Status  Status `json:"status"`
	Code    string `json:"code,omitempty"`    // stable: "init_failed", "apply_failed", ...
	Message string `json:"message,omitempty"` // for people, masked
	// Phase is where it failed or was stopped.
	Phase Phase `json:"phase,omitempty"`

	// StateVersion is the newest StateVersion of the attempt, 0 when it stored none.
	StateVersion int `json:"state_version"`
	// Resources counts managed objects in the newest state. A destroyed resource has none.
	Resources int `json:"resources"`
	// Reconciled says that the newest state holds everything the journal knows, this attempt's entries and those of
	// earlier ones, so they need not be passed on. While it is false an environment must not be called destroyed.
	Reconciled bool `json:"reconciled"`
	// Open lists what stands between journal and state: in doubt, or failed to import.
	Open []RepairEvent `json:"open,omitempty"`
	// Changes says whether a plan found something to do.
	Changes bool `json:"changes,omitempty"`
	// Exit is the exit code of the last tool process, -1 when it was killed.
	Exit int `json:"exit"`
	// ToolStarts counts tool processes, for benchmarks and tests.
	ToolStarts int `json:"tool_starts"`
}
