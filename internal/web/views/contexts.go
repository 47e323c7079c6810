package views

import "strings"

// ContextList is the page of config contexts.
type ContextList struct {
	Page
	Text   string // of the filter
	Rows   []ContextRow
	Any    bool   // there are contexts, whether they match or not
	NewURL string // "" when the reader may not make one
}

// ContextRow is one config context.
type ContextRow struct {
	Name, Description string
	URL               string
	Variables, Files  int
	Inputs            int
	Sandbox           bool
	Owner             string // who shares it, when it is not the project's own
	Shared            string // with whom it is shared, in words
	Updated           Moment
}

// ContextPage is a config context of somebody else, which can be looked at. Sensitive values are never part of it.
type ContextPage struct {
	Page
	Context ContextRow
	Entries []ContextEntry
	Sharing *Sharing // nil unless it is the project's own
}

// ContextEntry is one item of a config context.
type ContextEntry struct {
	Kind      string // Environment variable, File, Input variable
	Name      string
	Value     string // empty when Sensitive
	Sensitive bool
}

// ContextEditor is the page on which a config context is made or changed.
type ContextEditor struct {
	Page
	New                   bool
	Context               ContextRow
	Form                  Form
	Name, Description     Field
	Env, Files, Variables Rows
	Sandbox               string // the address of its sandbox, which is set with the command line
	Sharing               *Sharing
	Danger                *Danger
}

// Holds says how much a context holds, in words.
func (c ContextRow) Holds() string {
	var parts []string
	if c.Variables > 0 {
		parts = append(parts, Count(c.Variables, "environment variable", "environment variables"))
	}
	if c.Files > 0 {
		parts = append(parts, Count(c.Files, "file", "files"))
	}
	if c.Inputs > 0 {
		parts = append(parts, Count(c.Inputs, "input variable", "input variables"))
	}
	if len(parts) == 0 {
		return "nothing yet"
	}
	return strings.Join(parts, ", ")
}
