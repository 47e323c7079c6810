package views

// StaticList is the page of static resources.
type StaticList struct {
	Page
	Text   string // of the filter
	Rows   []StaticRow
	Any    bool   // there are some, whether they match or not
	NewURL string // "" when the reader may not make one
}

// StaticRow is one static resource.
type StaticRow struct {
	Name, Description string
	URL               string
	Variables         int
	Owner             string // who shares it, when it is not the project's own
	Shared            string // with whom it is shared, in words
	Updated           Moment
}

// StaticPage is a static resource of somebody else, which can be looked at. Sensitive values are never part of it.
type StaticPage struct {
	Page
	Static  StaticRow
	Entries []StaticEntry
	Sharing *Sharing // nil unless it is the project's own
}

// StaticEntry is one known value.
type StaticEntry struct {
	Name, Type, Value, Description string
	Sensitive                      bool
}

// StaticEditor is the page on which a static resource is made or changed.
type StaticEditor struct {
	Page
	New               bool
	Static            StaticRow
	Form              Form
	Name, Description Field
	Variables         Rows
	Sharing           *Sharing
	Danger            *Danger
}
