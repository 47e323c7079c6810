package views

// TemplateEditor makes or changes a draft version of an environment template.
type TemplateEditor struct {
	Page
	Form Form
	// New is a template that does not exist yet, NewVersion another version of one that does.
	New, NewVersion bool
	Title           string
	Updated         Moment
	Name, DisplayName, Summary,
	Description, Category, Version, Readme Field
	Icons                []Option // the names of icons, and what they show
	Icon                 string   // the name of one, or an image
	Image                string   // the image, when Icon is one
	IconError            string
	Resources, Variables Rows
	Hide, Free           Field
	Contexts             []ContextChoice
	ContextsURL          string
	Cancel               string
	Live                 TemplateLive
}

// ContextChoice is a config context to attach.
type ContextChoice struct {
	Name, Note string
	Attached   bool
}

// TemplateLive is what follows from an editor's form, and is replaced while it is filled in.
type TemplateLive struct {
	Problems  []Problem
	Graph     Graph
	Readme    string   // HTML
	Names     []Option // of the module's variables, with their type
	Templates []Option
	Nested    []Option // environments of the project
	Available []AvailableGroup
	// Inputs are the fields that a developer will see, Advanced those that are folded away.
	Inputs, Advanced []Field
	// Parts are the ids of all that is replaced.
	Parts string
}

// AvailableGroup is what expressions can use of one node.
type AvailableGroup struct {
	Node    string // empty: of every environment
	Entries []AvailableEntry
}

// AvailableEntry is one expression.
type AvailableEntry struct {
	Text      string
	Sensitive bool
}

// AuthorRow is a template in the list of those who write templates.
type AuthorRow struct {
	Name, Title, URL, Owner string
	Versions                []AuthorVersion
}

// AuthorVersion is a version as its authors see it.
type AuthorVersion struct {
	Version          string
	State            VersionState
	Errors, Warnings int
	Updated          Moment
	URL              string
	Users            []VersionUser
	// Edit leads to the editor of a draft, Copy to that of another version. The others are POSTs.
	Edit, Copy, Activate, Disable, Delete, Compare string
	Latest                                         bool
}

// TemplateAuthor is what authors see of a template beside what every reader does.
type TemplateAuthor struct {
	Own      bool // the template is the project's
	Owner    string
	Versions []AuthorVersion
	Sharing  *Sharing
	Danger   *Danger
	YAMLURL  string
	NewURL   string
}

// TemplateManifest is a version as a document.
type TemplateManifest struct {
	Page
	Name, Version, Text string
	Versions            []Option
	URL, Back           string
}
