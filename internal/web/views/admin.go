package views

// SignIn is the page to sign in.
type SignIn struct {
	Page
	ActionURL string
	Email     string
	// AskPassword is false on the first step, where only the e-mail is asked for.
	AskPassword bool
	Error       string
	Next        string // where to go afterwards
	EmailError  string
	Notice      string // e.g. "Your session ended. Sign in to go on; what you typed is kept."
	Kept        string // a form that was sent when the session had ended
}

// Resume shows a form that was sent when the session had ended, to be sent again.
type Resume struct {
	Page
	ActionURL string
	Email     string
	Fields    []Option // Label is the name
}

// Setup is the page that makes the first administrator.
type Setup struct {
	Page
	ActionURL             string
	Name, Email, Password Field
	Token                 *Field // the one-time token from the server's log, when one is asked for
	Error                 string
}

// ProjectChoice is the page to choose a project.
type ProjectChoice struct {
	Page
	IsAdmin bool
}

// ErrorPage is what is shown instead of a page.
type ErrorPage struct {
	Page
	Status    int
	Heading   string
	Text      string
	Missing   string // the role that is missing, for 403
	Ask       []string
	Reference string // for 500
	Actions   []Link
}

// Link is a label with an address.
type Link struct {
	Label, URL string
}

// ToolchainPage shows the preparation in full.
type ToolchainPage struct {
	Page
	State Toolchain
}

// AuditList is the page of what was done by whom.
type AuditList struct {
	Page
	Filter    AuditFilter
	Actions   []string
	Rows      []AuditRow
	NextURL   string
	PrevURL   string
	ExportURL string
}

// AuditFilter is what the address says should be shown.
type AuditFilter struct {
	Text, Actor, Action string
}

// AuditRow is one entry of the audit log.
type AuditRow struct {
	ID      string
	At      Moment
	Actor   string
	Action  string
	Target  string
	From    string // address
	Refused bool
	Before  string
	After   string
}

// Catalog is the page of environment templates.
type Catalog struct {
	Page
	Cards      []TemplateCard // those that match
	Total      int            // how many there are
	Base       string         // the address without search
	Text       string         // searched for
	Category   string         // the only one shown, "" for all
	Categories []string
	CanCreate  bool
	// Author says that the reader writes templates: Rows are those with versions in every state, NewURL makes one.
	Author bool
	Rows   []AuthorRow
	NewURL string
}

// TemplateCard is one template in the catalog.
type TemplateCard struct {
	Name     string
	Title    string
	Icon     string
	Image    string // the address of a picture to show instead, a data: URL
	Summary  string
	Category string
	Usually  string
	Version  string
	URL      string
	NewURL   string
	InUse    int
}

// TemplatePage is one environment template.
type TemplatePage struct {
	Page
	Card        TemplateCard
	Readme      string // sanitised HTML
	Versions    []TemplateVersion
	Graph       Graph
	Inputs      []TemplateInput
	Outputs     []TemplateOutput
	CanCreate   bool
	MissingRole string
	// Author is what authors see, and those who share; nil for others. Unpublished says that there is nothing to see for
	// developers yet.
	Author      *TemplateAuthor
	Unpublished bool
	// Missing says which contexts a deploy would not find; empty when it finds all.
	Missing string
}

// TemplateVersion is one version of a template.
type TemplateVersion struct {
	Version      string
	State        string // draft, active, disabled
	Published    Moment
	By           string
	Environments int
	NewURL       string
	Latest       bool
}

// TemplateInput is one variable a template asks for.
type TemplateInput struct {
	Name, Description, Type, Default string
	Rule                             string // Allowed, Not allowed, One of ...
	Required, Sensitive              bool
	Resource                         string
	Origin                           string // where the default comes from
}

// TemplateOutput is one output a template gives.
type TemplateOutput struct {
	Resource, Name, Description string
}

// Palette is what the command palette offers for a text.
type Palette struct {
	Query  string
	Groups []PaletteGroup
}

// PaletteGroup is a heading with its entries.
type PaletteGroup struct {
	Name  string
	Items []PaletteItem
}

// PaletteItem is one entry of the palette.
type PaletteItem struct {
	Label, URL, Icon, Hint string
	Status                 Status
}
