package views

// EnvironmentList is the page of all environments of a project.
type EnvironmentList struct {
	Page
	Filter    EnvironmentFilter
	Owners    []string // for the filter
	Templates []string // for the filter
	Rows      []EnvironmentRow
	Total     int  // how many match the filter, or Uncounted
	Any       bool // whether the project has any environment at all
	NextURL   string
	PrevURL   string
	CanCreate bool
	// MissingRole names the role that would allow creating, when CanCreate is false.
	MissingRole string
	Catalog     []TemplateCard // shown when there is no environment yet
}

// Uncounted stands for a total that nobody has counted: there is another page.
const Uncounted = -1

// EnvironmentFilter is what the address says should be shown.
type EnvironmentFilter struct {
	Text, Status, Owner, Template string
}

// Active says whether anything is filtered out.
func (f EnvironmentFilter) Active() bool {
	return f.Text+f.Status+f.Owner+f.Template != ""
}

// EnvironmentRow is one environment in the list.
type EnvironmentRow struct {
	ID              string
	Name            string
	Status          Status
	Since           Moment // since when it has this status
	Template        string
	Version         string
	UpdateAvailable string // the newer version, or ""
	Owner           string
	Endpoint        string
	Expires         Moment
	Activity        Moment
	CanDeploy       bool
	CanDestroy      bool
}

// EnvironmentHeader is the head of every page of one environment.
type EnvironmentHeader struct {
	Project         string
	Name            string
	Status          Status
	Since           Moment
	Template        string
	Version         string
	UpdateAvailable string
	Follows         bool // each deploy uses the latest version
	Owner           string
	Expires         Moment
	// Action is the primary action; Enabled is false with a reason when it cannot be pressed now.
	Action  *Action
	Preview *Action // shows what a deploy would change
	Destroy *Action
	Delete  *Action // removes a draft or a destroyed environment
	Cancel  *Action // while a run is going on
	Sandbox bool
}

// Action is something the user can do with a press. Label is the exact button text, e.g. "Deploy".
type Action struct {
	Label   string
	URL     string // POST goes here
	Blocked string // why it cannot be pressed, "" when it can
}

// Endpoint is the card that answers "is it up, and where".
type Endpoint struct {
	URL     string
	Answers bool
	Since   Moment
	Checked bool // whether anything has been checked yet
	// CheckURL gives the state after a look; the page asks for it once it is there. Empty when that has just been done.
	CheckURL string
	Detail   string
}

// EnvironmentPage is one environment. Which tab is shown decides which of the fields below are filled.
type EnvironmentPage struct {
	Page
	Header    EnvironmentHeader
	Tab       Tab
	Endpoint  *Endpoint
	Run       *RunSummary // the latest run, while it is going on or when it failed
	Graph     Graph
	Resources []Resource
	Inputs    InputTab
	Runs      []RunRow
	Settings  EnvironmentSettings
}

// Tab is a part of the environment's page with an address of its own.
type Tab string

// Tabs of an environment.
const (
	TabOverview  Tab = ""
	TabResources Tab = "resources"
	TabInputs    Tab = "inputs"
	TabActivity  Tab = "activity"
	TabSettings  Tab = "settings"
)

// Resource is one node of the environment with what it made.
type Resource struct {
	Name     string
	Kind     string // e.g. "opentofu"
	Status   Status
	Template string
	Version  string
	Outputs  []Output
	Objects  []Object
	Took     string
	Problem  string // one sentence, when it failed
	RunURL   string
	Open     bool // drawn expanded, e.g. because the address names it
}

// Output is one output value of a resource.
type Output struct {
	Name      string
	Value     string // for display; JSON for anything but text
	Link      string // set when the value is an address that can be opened
	Sensitive bool
	RevealURL string // for a sensitive value that this user may see
}

// Object is one thing inside a resource, e.g. a load balancer.
type Object struct {
	Label      string // plain words, "Load balancer"
	Address    string // aws_lb.this
	ID         string
	Status     Status
	Elapsed    string
	Since      Moment // start, while it runs
	Usually    string
	ConsoleURL string
	Percent    int // 0-100 against the usual time
}

// InputTab is the tab Input Variables.
type InputTab struct {
	SaveURL  string
	LiveURL  string // checks what is typed
	CanEdit  bool
	Blocked  string // why not, when CanEdit is false
	AllowAny bool   // the template allows variables beyond its own
	Values   []InputValue
	New      []VariableRow // rows being added, kept when saving was refused
	Version  string        // sent back to notice that somebody else saved meanwhile
	Error    string        // about the whole form
}

// InputValue is one variable of an environment.
type InputValue struct {
	Name        string
	Description string
	Type        string // Text, Expression, JSON, HCL, Number, ...
	Value       string
	Origin      string // "Environment", "Template", "Context aws-sandbox", "Module default"
	Instead     string // what would count without the environment's own value
	Hidden      bool   // there is a value, and it is not shown
	Wide        bool   // the field needs the whole width while editing
	Raw         bool   // edited as text, whatever its type
	Sensitive   bool
	Changed     bool // since the last deploy
	Editable    bool
	EditURL     string
	RemoveURL   string // POST; only for values set on the environment
	Editing     bool
	Field       Field // when Editing
}

// VariableRow is a free variable in the form.
type VariableRow struct {
	Name, Type, Value                string
	NameError, TypeError, ValueError string
}

// EnvironmentSettings is the tab Settings.
type EnvironmentSettings struct {
	ID           string
	UniqueName   string
	Created      Moment
	CreatedBy    string
	Contexts     []string
	Objects      int    // how many objects a destroy removes
	ConfirmError string // the name was typed wrongly
	// Version is the version it has; VersionURL changes whether it follows the latest, "" for those who may not.
	Version, VersionURL string
	Follows             bool
}

// RunSummary is the strip on the environment's page about its latest run.
type RunSummary struct {
	URL      string
	Number   int
	Status   Status
	Headline string
	Percent  int
	Elapsed  string
	Started  Moment
	Usually  string
	Cause    *Cause
}

// NewEnvironment is the page that creates an environment.
type NewEnvironment struct {
	Page
	ActionURL string // POST; with then=reload the form comes again for another template or version
	LiveURL   string // checks what is typed
	Name      Field
	Template  Field // Options are the templates
	Version   Field // Options are the versions
	Inputs    []Field
	Advanced  []Field
	// AdvancedOpen shows the advanced inputs: one of them was just worked on.
	AdvancedOpen bool
	Summary      NewSummary
	Error        string // about the whole form
	Missing      string // says which contexts a deploy would not find
	Allowed      bool
	MissingRole  string
}

// NewSummary says what would be created.
type NewSummary struct {
	Description string
	Icon        string
	Image       string // a picture to show instead
	Creates     []string
	Usually     string
	Expiry      string
	Cost        string
}

// Base is the address of the list without filters.
func (v EnvironmentList) Base() string { return ProjectPath(v.Project.Slug, "environments") }

// DeployLabel is what deploying is called for this environment's status.
func (r EnvironmentRow) DeployLabel() string { return DeployLabel(r.Status) }

// DeployLabel is what the primary action is called: a first deploy, another one, or one after a failure.
func DeployLabel(s Status) string {
	switch s {
	case Failed, Unreachable:
		return "Retry"
	case Deployed, Drifted:
		return "Redeploy"
	}
	return "Deploy"
}
