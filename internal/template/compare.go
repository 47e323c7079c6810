package template

import "context"

// DiffKind says what became of a thing between two versions.
type DiffKind string

// The kinds of difference.
const (
	DiffAdded   DiffKind = "added"
	DiffRemoved DiffKind = "removed"
	DiffChanged DiffKind = "changed"
)

// FieldDiff is one property that differs. Values that must not be shown are
// written as "(hidden)".
type FieldDiff struct {
	Field  string `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// ItemDiff is one thing with a name that differs.
type ItemDiff struct {
	Name   string      `json:"name"`
	Change DiffKind    `json:"change"`
	Fields []FieldDiff `json:"fields,omitempty"`
}

// FileDiff is one file that differs. Resource is set when environment templates
// are compared. Unified is empty for binary files and for very large ones.
type FileDiff struct {
	Resource   string   `json:"resource,omitempty"`
	Path       string   `json:"path"`
	Change     DiffKind `json:"change"`
	Unified    string   `json:"unified,omitempty"`
	Binary     bool     `json:"binary,omitempty"`
	Truncated  bool     `json:"truncated,omitempty"`
	SizeBefore int64    `json:"sizeBefore,omitempty"`
	SizeAfter  int64    `json:"sizeAfter,omitempty"`
}

// Comparison is what differs between two versions of a template. Those who may
// not read template source see the inputs alone; SourceHidden says so.
type Comparison struct {
	Template     string      `json:"template"`
	From         string      `json:"from"`
	To           string      `json:"to"`
	Inputs       []InputDiff `json:"inputs"`
	Outputs      []ItemDiff  `json:"outputs,omitempty"`
	Resources    []ItemDiff  `json:"resources,omitempty"`
	Variables    []ItemDiff  `json:"variables,omitempty"`
	Contexts     []ItemDiff  `json:"contexts,omitempty"`
	Settings     []FieldDiff `json:"settings,omitempty"`
	Files        []FileDiff  `json:"files,omitempty"`
	SourceHidden bool        `json:"sourceHidden,omitempty"`
	// Truncated says that there are more files than are shown.
	Truncated bool `json:"truncated,omitempty"`
}

// InputDiff and ResourceDiff are items: an input of the form, and a resource of
// an environment template.
type (
	InputDiff    = ItemDiff
	ResourceDiff = ItemDiff
)

// CompareResource tells what differs between two versions of a resource template.
func (s *Service) CompareResource(ctx context.Context, projectID, name, from, to string) (*Comparison, error) {
	return nil, nil
}

// CompareEnvironment tells what differs between two versions of an environment
// template.
func (s *Service) CompareEnvironment(ctx context.Context, projectID, name, from, to string) (*Comparison, error) {
	return nil, nil
}
