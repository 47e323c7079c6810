package views

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Rows is a group of fields that repeats: the environment variables of a context, the inputs of a template. The columns
// say what each row holds; the fields of the first row are named NAME.0.COLUMN.
//
// Rows are added and removed by buttons of the form, which the server answers with the form as it is then, so that they
// work without script:
//
//	rows.Read(r.PostForm)                          // what was typed
//	if rows.Press(r.PostForm.Get(views.RowAction)) // "Add" or "Remove" was pressed:
//	    ...                                        // draw the form again, nothing is saved
//	rows.DropBlank()                               // before it is saved
//	rows.Place("envs[1].key", "is given twice")    // what the service found wrong
type Rows struct {
	Name    string // of the group: "envs"
	Item    string // one of them, in words: "environment variable"
	Columns []Column
	Rows    []Row
	Empty   string // said where there are none
	Error   string // about all of them
	Note    string // what a button did, or had no need to do
	// Fixed says that rows are neither added nor removed.
	Fixed bool
	// FocusAdd puts the focus on the button that adds, because the row that had it is gone.
	FocusAdd bool
}

// RowAction is the name of the buttons that add and remove rows.
const RowAction = "rows"

// maxRows is more than anybody fills in by hand, and little enough to draw.
const maxRows = 500

// Column is one field of every row.
type Column struct {
	Name, Label string
	Kind        CellKind
	Size        CellSize
	Options     []Option // of a CellSelect
	Initial     string   // what a new row begins with
	Mono        bool
	Placeholder string
	Help        string
	// Secret names the CellCheck that makes the value of this column one that is never shown again.
	Secret string
	// More puts the column into the part of the row that is folded away at first.
	More bool
	// List is the id of a list of suggestions, for a CellText and for the one line of a CellLong.
	List string
	// Live gives the cell an id of its own, so that an answer can replace it while the rest of the form is filled in.
	Live bool
}

// CellKind is the control of a column.
type CellKind string

// The kinds of cell.
const (
	CellText   CellKind = "text"
	CellLong   CellKind = "long" // grows with what is typed
	CellSelect CellKind = "select"
	CellCheck  CellKind = "check"
	CellFile   CellKind = "file" // an upload; nothing of it is shown again
	// CellSeveral is boxes, any number of which are ticked.
	CellSeveral CellKind = "several"
)

// CellSize is the share of a row's width that a column takes.
type CellSize string

// The sizes of a column. The zero value is an equal share.
const (
	SizeNarrow CellSize = "narrow"
	SizeWide   CellSize = "wide"
	SizeFull   CellSize = "full" // a line of its own
)

// Row is one of them.
type Row struct {
	Cells map[string]Cell // by the name of the column
	Error string          // about the row
	// Help explains what the row is about. It travels with the form; whoever reads the rows again takes it with RowHelp.
	Help string
	// Focus puts the focus on the first field of the row, because it is new.
	Focus bool
	// Number is what the row had in the form that it was read from.
	Number int
	// Open unfolds the folded part.
	Open bool
}

// Cell is what one field of a row holds.
type Cell struct {
	Value string
	Error string
	// Kept is a value that was typed but not saved yet, sealed, so that it travels with the form without being shown.
	Kept string
	// Stored says that there is a value which is not shown; leaving the field empty keeps it. Note says what it is.
	Stored bool
	Note   string
	// Values are what is ticked of a CellSeveral.
	Values []string
	// Options are those of this row, where they differ from row to row.
	Options []Option
	// Hidden says that the column means nothing for this row; what it holds is kept.
	Hidden bool
	// Lines makes a CellLong with suggestions one that takes several lines nevertheless.
	Lines bool
}

// Choices are the options of a cell.
func (c Column) Choices(cell Cell) []Option {
	if cell.Options != nil {
		return cell.Options
	}
	return c.Options
}

// Ticked says whether an option of a CellSeveral is.
func (c Cell) Ticked(value string) bool { return slices.Contains(c.Values, value) }

// Checked says whether a CellCheck of the row is ticked.
func (r Row) Checked(column string) bool { return r.Cells[column].Value == "true" }

// Get is the text of a cell.
func (r Row) Get(column string) string { return r.Cells[column].Value }

// Set changes a cell.
func (r *Row) Set(column string, change func(*Cell)) {
	if r.Cells == nil {
		r.Cells = map[string]Cell{}
	}
	c := r.Cells[column]
	change(&c)
	r.Cells[column] = c
}

// Cells makes a row's cells of pairs of a column and its text.
func Cells(pairs ...string) map[string]Cell {
	out := map[string]Cell{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = Cell{Value: pairs[i+1]}
	}
	return out
}

// Field is the form's name of a cell.
func (r Rows) Field(row int, column string) string {
	return r.Name + "." + strconv.Itoa(row) + "." + column
}

// RowHelp is the column under which a form carries Row.Help.
const RowHelp = "help"

// ID is the id of the control of a cell.
func (r Rows) ID(row int, column string) string { return "f-" + r.Field(row, column) }

// CellID is the id of a live cell as a whole.
func (r Rows) CellID(row int, column string) string {
	return "cell-" + r.Name + "-" + strconv.Itoa(row) + "-" + column
}

// LiveCells are the ids of all live cells.
func (r Rows) LiveCells() []string {
	var out []string
	for i := range r.Rows {
		for _, c := range r.Columns {
			if c.Live {
				out = append(out, r.CellID(i, c.Name))
			}
		}
	}
	return out
}

// Label names a row for those who do not see where it stands: "Environment variable 2".
func (r Rows) Label(row int) string { return Sentence(r.Item) + " " + strconv.Itoa(row+1) }

// Sentence begins a text with a capital letter.
func Sentence(text string) string {
	if text == "" {
		return ""
	}
	first := []rune(text)[:1]
	return strings.ToUpper(string(first)) + text[len(string(first)):]
}

// IsSecret says whether the value in this column of a row is one that is never shown again.
func (r Rows) IsSecret(row Row, c Column) bool { return c.Secret != "" && row.Checked(c.Secret) }

// Unfolded says whether the folded part of a row is open: something in it is wrong.
func (r Rows) Unfolded(row Row) bool {
	return row.Open || slices.ContainsFunc(r.Columns, func(c Column) bool { return c.More && row.Cells[c.Name].Error != "" })
}

// Visible are the columns that are always seen, Folded the others.
func (r Rows) Visible() []Column { return r.columns(false) }

// Folded are the columns of the folded part.
func (r Rows) Folded() []Column { return r.columns(true) }

func (r Rows) columns(more bool) []Column {
	var out []Column
	for _, c := range r.Columns {
		if c.More == more {
			out = append(out, c)
		}
	}
	return out
}

// Read takes the rows that a form holds, in the order of their numbers.
func (r *Rows) Read(form url.Values) {
	found := map[int]bool{}
	for name := range form {
		rest, ok := strings.CutPrefix(name, r.Name+".")
		number, column, isCell := strings.Cut(rest, ".")
		n, err := strconv.Atoi(number)
		if ok && isCell && err == nil && n >= 0 && column != "" {
			found[n] = true
		}
	}
	numbers := make([]int, 0, len(found))
	for n := range found {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	r.Rows = nil
	for _, n := range numbers[:min(len(numbers), maxRows)] {
		row := Row{Cells: map[string]Cell{}, Number: n}
		for _, c := range r.Columns {
			name := r.Field(n, c.Name)
			cell := Cell{Kept: form.Get(name + ".kept")}
			if all := form[name]; len(all) > 0 { // a checkbox comes after the hidden field that stands for its absence
				cell.Value = strings.ReplaceAll(all[len(all)-1], "\r\n", "\n")
				if c.Kind == CellSeveral {
					cell.Value, cell.Values = "", slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == "" })
				}
			}
			row.Cells[c.Name] = cell
		}
		r.Rows = append(r.Rows, row)
	}
}

// Press does what the button does whose value this is, and says whether it is one of these rows.
func (r *Rows) Press(value string) bool {
	rest, ok := strings.CutPrefix(value, r.Name+".")
	if !ok {
		return false
	}
	if rest == "add" {
		r.Add()
		return true
	}
	number, ok := strings.CutPrefix(rest, "remove.")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return false
	}
	if n >= 0 && n < len(r.Rows) {
		r.Rows, r.FocusAdd = slices.Delete(r.Rows, n, n+1), true
	}
	return true
}

// Add appends an empty row.
func (r *Rows) Add() {
	if len(r.Rows) >= maxRows {
		r.Error = fmt.Sprintf("There can be at most %d here.", maxRows)
		return
	}
	row := Row{Cells: map[string]Cell{}, Focus: true}
	for _, c := range r.Columns {
		row.Cells[c.Name] = Cell{Value: c.Initial}
	}
	r.Rows = append(r.Rows, row)
}

// DropBlank takes out the rows in which nothing was filled in.
func (r *Rows) DropBlank() {
	r.Rows = slices.DeleteFunc(r.Rows, func(row Row) bool {
		for _, c := range r.Columns {
			if c.Kind == CellSelect || c.Kind == CellCheck {
				continue
			}
			if cell := row.Cells[c.Name]; cell.Value != "" || cell.Kept != "" {
				return false
			}
		}
		return true
	})
}

// Place puts an error beside the cell that a path leads to: envs[1].key. It says whether there is such a cell.
func (r *Rows) Place(path, message string) bool {
	rest, ok := strings.CutPrefix(path, r.Name)
	if !ok {
		return false
	}
	if rest == "" {
		r.Error = join(r.Error, message)
		return true
	}
	number, column, _ := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	n, err := strconv.Atoi(number)
	if !strings.HasPrefix(rest, "[") || err != nil || n < 0 || n >= len(r.Rows) {
		return false
	}
	column = strings.TrimPrefix(column, ".")
	i := slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == column })
	if i < 0 {
		r.Rows[n].Error = join(r.Rows[n].Error, message)
		return true
	}
	r.Rows[n].Set(column, func(c *Cell) { c.Error = join(c.Error, message) })
	return true
}

func join(a, b string) string { return strings.TrimSpace(a + " " + b) }

// Invalid says whether anything about the rows is wrong.
func (r Rows) Invalid() bool {
	if r.Error != "" {
		return true
	}
	for _, row := range r.Rows {
		if row.Error != "" {
			return true
		}
		for _, c := range row.Cells {
			if c.Error != "" {
				return true
			}
		}
	}
	return false
}
