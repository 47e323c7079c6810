package views

// RunRow is one run in a list.
type RunRow struct {
	URL            string
	Number         int
	Environment    string
	EnvironmentURL string
	Kind           string // Deploy, Destroy, Plan
	Status         Status
	Headline       string
	By             string
	Started        Moment
	Took           string
}

// RunPage is one run.
type RunPage struct {
	Page
	Environment    string
	EnvironmentURL string
	Number         int
	Kind           string
	Status         Status
	By             string
	Started        Moment
	Took           string // when ended
	Headline       string
	Progress       Progress
	Cause          *Cause
	Steps          []Step
	Log            Log
	PlanURL        string
	Cancel, Retry  *Action
}

// Progress is the overall bar.
type Progress struct {
	Percent int
	Elapsed string
	Usually string // "3 min 10 s", "" when there was no earlier run
	Late    bool   // longer than usual
}

// Step is one resource inside a run.
type Step struct {
	Resource string
	Status   Status
	Sentence string // "Creating 4 of 18 objects"
	Took     string
	Since    Moment
	Phases   []Phase
	Objects  []Object
	LogURL   string
	Open     bool
}

// Phase is one phase of a step: fetch, init, plan, apply, output.
type Phase struct {
	Name   string
	Status Status
	Took   string
}

// Cause says what went wrong, where, how that is known, and what to do.
type Cause struct {
	What     string
	Where    string // step and object
	WhereURL string // to the log line
	Evidence []string
	Try      []string
	Action   *Action
}

// Log is the log panel. Lines holds what is shown first; the rest arrives by events.
type Log struct {
	Steps       []LogStep // one tab each
	Current     string
	Lines       []LogLine
	EarlierURL  string // htmx GET for lines before the first one
	RawURL      string
	DownloadURL string
	Live        bool
}

// LogStep is a choice of log.
type LogStep struct {
	Name, URL string
	Current   bool
}

// LogLine is a line as tofu printed it.
type LogLine struct {
	Number int
	Text   string
	Level  string // "", "warn", "error", "good"
}

// PlanPage shows what a run would change.
type PlanPage struct {
	Page
	Environment    string
	EnvironmentURL string
	RunURL         string
	Number         int
	Status         Status
	Create         int
	Update         int
	Replace        int
	Destroy        int
	Changes        []Change
	RawURL         string
	Approve        *Action
	Reject         *Action
}

// Change is what happens to one object.
type Change struct {
	Resource   string
	Address    string
	Label      string
	Kind       ChangeKind
	Why        string // why it is replaced
	DataLoss   bool
	Attributes []AttributeChange
}

// ChangeKind is what happens to an object.
type ChangeKind string

// Kinds of change.
const (
	ChangeCreate  ChangeKind = "create"
	ChangeUpdate  ChangeKind = "update"
	ChangeReplace ChangeKind = "replace"
	ChangeDestroy ChangeKind = "destroy"
)

// AttributeChange is one attribute, before and after.
type AttributeChange struct {
	Name      string
	Old, New  string
	Unknown   bool // known only after apply
	Sensitive bool
	Forces    bool // forces replacement
}

// ActivityPage lists the runs of a project.
type ActivityPage struct {
	Page
	Status, Kind, Text string
	Rows               []RunRow
	Any                bool
	NextURL, PrevURL   string
}

// Part is a piece of a sentence; a strong one is a warning.
type Part struct {
	Text   string
	Strong bool
}

// Effect says in one sentence what the plan does, with the loss of data set apart.
func (v PlanPage) Effect() []Part {
	var parts []Part
	add := func(n int, word string, strong bool) {
		if n == 0 {
			return
		}
		if len(parts) > 0 {
			parts = append(parts, Part{Text: ", "})
		}
		parts = append(parts, Part{Text: Number(n) + " " + word, Strong: strong})
	}
	lost := false
	for _, c := range v.Changes {
		lost = lost || (c.DataLoss && c.Kind == ChangeReplace)
	}
	replaced := "replaced"
	if lost {
		replaced += ": data is lost"
	}
	add(v.Create, "created", false)
	add(v.Update, "changed in place", false)
	add(v.Replace, replaced, lost)
	add(v.Destroy, "deleted", true)
	if len(parts) == 0 {
		return []Part{{Text: "Nothing to change"}}
	}
	return parts
}
