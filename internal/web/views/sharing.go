package views

// Sharing is the part of a page that says with which projects a thing is shared, and changes it.
type Sharing struct {
	URL string // POST
	// What is the thing, Means what another project can do with it, in one sentence.
	What, Means string
	// Allowed says that the reader may change it; Refusal says what that takes otherwise.
	Allowed bool
	Refusal string
	Mode    ShareMode
	// Projects are those the reader may see, and those that it is shared with already.
	Projects []SharedProject
	// Others takes names of projects that the reader cannot see; nil when they see all.
	Others *Field
	Error  string
}

// ShareMode is with whom a thing is shared.
type ShareMode string

// With nobody, with chosen projects, with all.
const (
	ShareNone ShareMode = "none"
	ShareSome ShareMode = "some"
	ShareAll  ShareMode = "all"
)

// SharedProject is a project to share with.
type SharedProject struct {
	ID, Name, Description string
	Shared                bool
}

// ProjectSharing is the page on which an Organisation Admin lets the admins of a project share what it owns.
type ProjectSharing struct {
	Page
	URL       string
	Delegated bool
	Allowed   bool
	Refusal   string
}
