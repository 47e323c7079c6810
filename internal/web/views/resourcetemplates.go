package views

// ResourceTemplateList is the page of resource templates.
type ResourceTemplateList struct {
	Page
	Text   string // of the filter
	Rows   []ResourceTemplateRow
	Any    bool   // there are some, whether they match or not
	NewURL string // "" when the reader may not make one
}

// ResourceTemplateRow is one resource template, with its newest version.
type ResourceTemplateRow struct {
	Name, Title, Description string
	URL                      string
	Version                  string
	State                    VersionState
	Versions                 int
	Errors, Warnings         int
	Users                    int
	UsersKnown               bool   // of one that belongs to somebody else nothing is known
	Owner                    string // who shares it, when it is not the project's own
	Updated                  Moment
}

// VersionTab is a view of a version.
type VersionTab string

// The tabs of a version.
const (
	VersionOverview VersionTab = ""
	VersionCode     VersionTab = "code"
	VersionYAML     VersionTab = "yaml"
)

// ResourceTemplatePage is a resource template with one of its versions.
type ResourceTemplatePage struct {
	Page
	Name, DisplayName, Description string
	URL                            string
	Owner                          string // who shares it, when it is not the project's own
	Versions                       []VersionRow
	CompareURL                     string // "" when there is nothing to compare
	// Version is the one shown; nil for a template of somebody else.
	Version *ResourceVersion
	Tab     VersionTab
	YAML    string
	Code    CodeBrowser
	Sharing *Sharing
	Danger  *Danger
}

// ResourceVersion is one version of a resource template.
type ResourceVersion struct {
	Version     string
	State       VersionState
	URL         string
	Updated     Moment
	Reading     CodeReading
	Problems    []Problem
	Variables   []TemplateVariable
	Contexts    []Link
	Facts       []Fact
	Users       []VersionUser
	DownloadURL string
	// What the reader may do; "" for what they may not.
	EditURL, NewVersionURL     string
	StateURL                   string
	CanActivate, CanDisable    bool
	CanEnable                  bool
	DeleteURL, DeleteVersion   string
	DeleteError, DeleteBlocked string
}

// Fact is a name with a value.
type Fact struct {
	Name, Value string
	Mono        bool
	URL         string
}

// CodeReading is what was found in the code of a module.
type CodeReading struct {
	Read      bool // there is code
	Source    []Fact
	Variables []ModuleVariable
	Outputs   []ModuleOutput
	Providers []Fact
	Modules   []Fact
	Files     []Link
	FileCount int
}

// ModuleVariable is a variable that a module declares.
type ModuleVariable struct {
	Name, Type, Default, Description string
	Required, Sensitive              bool
	Validations                      []string
	URL                              string // of the line in the code
}

// ModuleOutput is an output that a module declares.
type ModuleOutput struct {
	Name, Description string
	Sensitive         bool
}

// TemplateVariable is what a template says of a variable.
type TemplateVariable struct {
	Name, Type, Value  string
	Hidden             bool // there is a value, which is sensitive
	Rule               string
	Marks              []string // required, sensitive and the like
	Label, Description string
}

// CodeBrowser shows the files of a version.
type CodeBrowser struct {
	Files []Link // the one shown has no address
	Name  string // of the file shown
	Lines []string
	Note  string // why there are no lines
}

// Excerpt is a part of a file around a place where something is wrong.
type Excerpt struct {
	ID, Name string
	Lines    []ExcerptLine
}

// ExcerptLine is one line of it.
type ExcerptLine struct {
	ID     string
	Number int
	Text   string
	Wrong  bool
}

// ResourceTemplateEditor is the page on which a version of a resource template is written.
type ResourceTemplateEditor struct {
	Page
	New        bool   // the template is new, too
	NewVersion bool   // the version is
	Back       string // where Cancel leads
	Form       Form

	Name, DisplayName, Description, Version Field
	Provider, Constraint                    Field
	SourceKind                              string // repository or upload
	Repository, Revision, Path              Field
	NewRepositoryURL                        string
	Upload                                  string // digest
	UploadText                              string // what is known of it
	Archive, Folder                         Field
	Backend                                 Field
	Config                                  Rows
	DeployTimeout, DestroyTimeout           Field
	Contexts                                Field
	Variables                               Rows
	// Reading is what was just read, and nothing of it is saved.
	Reading  *CodeReading
	Problems []Problem
	Excerpts []Excerpt
}
