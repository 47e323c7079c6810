package views

// Comparison is the page of what differs between two versions of a template.
type Comparison struct {
	Page
	// List and ListURL are the list that the template stands in, Name and URL the template itself.
	List, ListURL string
	Name, URL     string
	CompareURL    string // GET with from and to
	From, To      string
	Versions      []Option
	// Chosen says that two versions were compared; otherwise they are still to be chosen.
	Chosen       bool
	Error        string // why they could not be
	Groups       []DiffGroup
	Settings     []DiffField
	Files        []FileDiff
	SourceHidden bool // only the inputs are shown to this reader
	Truncated    bool // there are more files than are shown
}

// Same says that nothing differs.
func (c Comparison) Same() bool { return len(c.Groups)+len(c.Settings)+len(c.Files) == 0 }

// DiffKind says what became of a thing.
type DiffKind string

// The kinds of difference.
const (
	DiffAdded   DiffKind = "added"
	DiffRemoved DiffKind = "removed"
	DiffChanged DiffKind = "changed"
)

// DiffGroup is what differs among things of one kind.
type DiffGroup struct {
	ID, Title string
	Items     []DiffItem
}

// DiffItem is one thing with a name that differs.
type DiffItem struct {
	Name   string
	Change DiffKind
	Fields []DiffField
}

// DiffField is one property that differs.
type DiffField struct{ Name, Before, After string }

// FileDiff is one file that differs.
type FileDiff struct {
	ID       string
	Resource string // of an environment template
	Path     string
	Change   DiffKind
	Lines    []DiffLine
	Note     string // instead of lines, or after them: a binary file, a long one
	Open     bool
	// Added and Removed are lines.
	Added, Removed int
}

// DiffLine is one line of a unified difference.
type DiffLine struct {
	Kind LineKind
	// Old and New are the line's numbers before and after, "" where there is none.
	Old, New string
	Text     string
}

// LineKind says what a line of a difference is.
type LineKind string

// The kinds of line. LineHunk begins a part of the file.
const (
	LineSame    LineKind = "same"
	LineAdded   LineKind = "added"
	LineRemoved LineKind = "removed"
	LineHunk    LineKind = "hunk"
)
