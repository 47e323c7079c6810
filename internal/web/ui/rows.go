package ui

import (
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/web/views"
)

func addAttributes(r views.Rows) templ.Attributes {
	return templ.Attributes{"class": "btn", "autofocus": r.FocusAdd}
}

func removeAttributes(r views.Rows, i int) templ.Attributes {
	what := "Remove " + r.Item + " " + num(i+1)
	return templ.Attributes{"class": "btn btn-ghost btn-icon rows-remove", "aria-label": what, "title": what}
}

// cellAttributes are what every control of a cell has, whatever its kind.
func cellAttributes(r views.Rows, i int, row views.Row, c views.Column, focus bool) templ.Attributes {
	described := r.ID(i, c.Name) + "-error"
	if c.Help != "" && i == 0 {
		described = r.ID(i, c.Name) + "-help " + described
	}
	return templ.Attributes{
		"id": r.ID(i, c.Name), "name": r.Field(i, c.Name), "autofocus": focus,
		"aria-describedby": described, "aria-invalid": truth(row.Cells[c.Name].Error != ""),
	}
}

func cellSize(c views.Column) string {
	if c.Kind == views.CellCheck && c.Size == "" {
		return "cell-tick"
	}
	if c.Size == "" {
		return ""
	}
	return "cell-" + string(c.Size)
}

// cellNote says what stands for a value that is not shown.
func cellNote(c views.Cell) string {
	switch {
	case c.Kept != "":
		return "Entered, hidden; not saved yet"
	case c.Stored && c.Note != "":
		return c.Note
	case c.Stored:
		return "Set, hidden"
	}
	return ""
}

// isSwitch says whether ticking the column hides what another one holds.
func isSwitch(r views.Rows, c views.Column) bool {
	return slices.ContainsFunc(r.Columns, func(o views.Column) bool { return o.Secret == c.Name })
}

// areaText keeps a leading line break, the first of which a browser takes for the end of the tag's line.
func areaText(text string) string {
	if strings.HasPrefix(text, "\n") {
		return "\n" + text
	}
	return text
}

// liveCell is the id of a cell that answers replace.
func liveCell(r views.Rows, i int, c views.Column) templ.Attributes {
	if !c.Live {
		return nil
	}
	return templ.Attributes{"id": r.CellID(i, c.Name), "data-live-cell": true}
}

func severalID(r views.Rows, i int, c views.Column, option int) string {
	return r.ID(i, c.Name) + "-" + num(option)
}

func hiddenValues(c views.Cell) []string {
	if c.Values != nil {
		return c.Values
	}
	if c.Value == "" {
		return nil
	}
	return []string{c.Value}
}

// oneLine says that a long text is drawn as one line, which can have suggestions.
func oneLine(c views.Column, cell views.Cell) bool {
	return c.List != "" && !cell.Lines && !strings.Contains(cell.Value, "\n")
}
