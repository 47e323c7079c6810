package views

// RepositoryList is the page of git repositories.
type RepositoryList struct {
	Page
	Text   string // of the filter
	Rows   []RepositoryRow
	Any    bool   // there are some, whether they match or not
	NewURL string // "" when the reader may not add one
}

// RepositoryRow is one repository.
type RepositoryRow struct {
	Name, Description string
	URL               string // of its page
	Address           string
	SignIn            string // how Berth signs in, in words
	Revision          string // the default, "" for the remote's HEAD
	Owner             string // "the organisation", when it is not the project's own
	Updated           Moment
}

// RepositoryPage is a repository that the reader may not change.
type RepositoryPage struct {
	Page
	Repository RepositoryRow
	HasSecret  bool
	TestURL    string // POST
	Verdict    *Verdict
}

// RepositoryEditor is the page on which a repository is added or changed.
type RepositoryEditor struct {
	Page
	New                    bool
	Repository             RepositoryRow
	Form                   Form
	Name, Description      Field
	Address, Revision      Field
	Auth                   Field // "none", "password" or "ssh"
	Username               Field
	Token, Key, Passphrase Secret
	KnownHosts, CACert     Field
	Verdict                *Verdict
	Danger                 *Danger
}

// Verdict is what came of a connection test.
type Verdict struct {
	OK              bool
	Message, Advice string
	DefaultBranch   string
	Commit          string
	Branches, Tags  []string
}

// Secret is a field whose value is never shown again.
type Secret struct {
	Field
	// Stored says that there is a value; leaving the field empty keeps it.
	Stored bool
	// Kept is what was typed but is not saved yet, sealed.
	Kept string
	// Long is for texts of several lines.
	Long bool
}
