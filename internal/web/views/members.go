package views

// MemberList is the page of who may do what in a project.
type MemberList struct {
	Page
	Text string // of the filter
	Rows []MemberRow
	Add  *AddMember // nil when the reader may not change the members
}

// AddMember is the form that gives somebody a role.
type AddMember struct {
	URL          string // POST
	Holder, Role Field
	Error        string
	Open         bool // something was typed already
}

// MemberRow is a user or a group with the roles it has.
type MemberRow struct {
	Name, Email string
	Group       bool
	Roles       []MemberRole
}

// MemberRole is one role that somebody holds.
type MemberRole struct {
	Role      string
	RemoveURL string // POST, "" when the reader may not
}
