package views

// FieldKind says which control a field gets.
type FieldKind string

// Kinds of fields.
const (
	FieldText     FieldKind = "text"
	FieldNumber   FieldKind = "number"
	FieldBool     FieldKind = "bool"
	FieldSelect   FieldKind = "select"
	FieldRadio    FieldKind = "radio"
	FieldSeveral  FieldKind = "several" // boxes, any number of which are ticked
	FieldLong     FieldKind = "long"    // several lines
	FieldSecret   FieldKind = "secret"
	FieldEmail    FieldKind = "email"
	FieldPassword FieldKind = "password"
	FieldList     FieldKind = "list"
	FieldMap      FieldKind = "map"
	FieldObject   FieldKind = "object"
)

// SwitchedOff is what a switch inside a structure sends when it is off, so that it can be told from a choice of "No".
const SwitchedOff = "off"

// Field is one form control with its label, help and error.
type Field struct {
	Label        string
	Name         string // the form's field name
	Kind         FieldKind
	Value        string
	Values       []string // of a field that takes several
	Placeholder  string
	Help         string
	Error        string
	Required     bool
	Pattern      string
	PatternHelp  string // said when the pattern does not match
	MaxLength    int
	Options      []Option
	Autofocus    bool
	Autocomplete string
	Mono         bool
	Default      string // shown as "Default: ..." when the value differs
	Origin       string // where the default comes from
	Off          string // what a switch sends when it is off; "false" when empty
	Bare         bool   // the label is for screen readers alone

	Fields []Field // attributes of an object
	Folded []Field // its optional ones, folded away
	Open   bool    // whether they are shown
	Rows   []FieldRow
	AddTo  string // what Add adds to, like "Rule"
	// FocusAdd leads to the button Add: a row has just been removed.
	FocusAdd bool
	RowsURL  string // POST with row=... gives the page with rows added or removed; set on the outermost field
}

// FieldRow is one row of a list or a map.
type FieldRow struct {
	Number string // stays the same while other rows come and go
	Title  string
	Key    *Field // of a map
	Value  Field
}

// Option is one choice of a select.
type Option struct {
	Value, Label string
}

// ID is the id of the control; labels, help and errors refer to it.
func (f Field) ID() string { return "f-" + f.Name }

// BlockID is the id of the field with all that belongs to it.
func (f Field) BlockID() string { return f.ID() + "-block" }

// Structured reports whether the field consists of others.
func (f Field) Structured() bool {
	return f.Kind == FieldList || f.Kind == FieldMap || f.Kind == FieldObject
}

// Wide reports whether the field needs more room than half a page.
func (f Field) Wide() bool { return f.Structured() || f.Kind == FieldSeveral || f.Kind == FieldLong }

// Chosen reports whether an option is ticked.
func (f Field) Chosen(value string) bool {
	for _, v := range f.Values {
		if v == value {
			return true
		}
	}
	return false
}

// EachField visits the fields and all that they consist of.
func EachField(fields []Field, visit func(*Field)) {
	for i := range fields {
		fields[i].each(visit)
	}
}

func (f *Field) each(visit func(*Field)) {
	visit(f)
	EachField(f.Fields, visit)
	EachField(f.Folded, visit)
	for i := range f.Rows {
		if f.Rows[i].Key != nil {
			visit(f.Rows[i].Key)
		}
		f.Rows[i].Value.each(visit)
	}
}

// AnyError reports whether a field, or a part of one, has an error.
func AnyError(fields []Field) bool {
	wrong := false
	EachField(fields, func(f *Field) { wrong = wrong || f.Error != "" })
	return wrong
}
