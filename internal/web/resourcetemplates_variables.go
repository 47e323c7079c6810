package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// noValue is the value type of a variable that the template gives no value.
const noValue = ""

// variableRows are the variables of a template: a value, and what a developer may do about it.
func variableRows() views.Rows {
	types := append([]views.Option{{Value: noValue, Label: "No value"}}, valueTypes()...)
	return views.Rows{
		Name: "variables", Item: "variable", Empty: "Read the source to see the variables of the module, or add those that you know.",
		Columns: []views.Column{
			{Name: "name", Label: "Variable", Kind: views.CellText, Mono: true},
			{Name: "valueType", Label: "Type", Kind: views.CellSelect, Size: views.SizeNarrow, Options: types},
			{Name: "value", Label: "Value", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive"},
			{Name: "override", Label: "May be changed", Kind: views.CellSelect, Options: []views.Option{
				{Value: string(template.Allowed), Label: "Allowed"}, {Value: string(template.NotAllowed), Label: "Not allowed"}, {Value: string(template.Restricted), Label: "Restricted"},
			}, Initial: string(template.Allowed)},
			{Name: "choices", Label: "Allowed values", Kind: views.CellLong, Size: views.SizeFull, More: true, Placeholder: "One a line: value, or label=value", Help: "For Restricted. With label=value the developer sees the label."},
			{Name: "label", Label: "Label", Kind: views.CellText, More: true},
			{Name: "description", Label: "Description", Kind: views.CellText, Size: views.SizeWide, More: true},
			{Name: "multiSelect", Label: "Several", Kind: views.CellCheck, More: true},
			{Name: "required", Label: "Required", Kind: views.CellCheck, More: true},
			{Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck, More: true},
			{Name: "immutable", Label: "Immutable", Kind: views.CellCheck, More: true},
			{Name: "advanced", Label: "Advanced", Kind: views.CellCheck, More: true},
		},
	}
}

// givenRow is a stored variable as a row.
func givenRow(v template.Variable) views.Row {
	o := v.Options
	value, valueType := "", noValue
	if v.Value != nil || v.HasValue {
		valueType = string(cmp.Or(v.ValueType, template.Text))
	}
	if v.Value != nil {
		value = *v.Value
	}
	return views.Row{Cells: views.Cells(
		"name", v.Name, "valueType", valueType, "value", value, "override", string(cmp.Or(o.Override.Type, template.Allowed)), "choices", choicesText(o.Override),
		"label", o.Label, "description", o.Description, "multiSelect", boolText(o.Override.MultiSelect), "required", boolText(o.Required),
		"sensitive", boolText(o.Sensitive), "immutable", boolText(o.Immutable), "advanced", boolText(o.Advanced),
	)}
}

func choicesText(o template.Override) string {
	lines := slices.Clone(o.RestrictedValues)
	for _, label := range slices.Sorted(maps.Keys(o.RestrictedKeyValues)) {
		lines = append(lines, label+"="+o.RestrictedKeyValues[label])
	}
	return strings.Join(lines, "\n")
}

// addModuleRows adds a row for each variable of the module that has none, and says of each row what the module declares.
func addModuleRows(rows *views.Rows, m *bundle.Module) {
	for i := range m.Variables {
		mv := &m.Variables[i]
		n := slices.IndexFunc(rows.Rows, func(row views.Row) bool { return strings.TrimSpace(row.Get("name")) == mv.Name })
		if n < 0 {
			n = len(rows.Rows)
			rows.Rows = append(rows.Rows, givenRow(template.Variable{Name: mv.Name, Options: template.Options{Sensitive: mv.Sensitive}}))
		}
		rows.Rows[n].Help = declared(mv)
	}
	for i, row := range rows.Rows {
		if _, known := m.Variable(row.Get("name")); !known && len(m.Variables) > 0 {
			rows.Rows[i].Help = ""
		}
	}
}

// declared says what a module declares of a variable.
func declared(v *bundle.Variable) string {
	text := cmp.Or(strings.Join(strings.Fields(v.TypeText), " "), "any")
	if v.HasDefault {
		text += ", by default " + cmp.Or(moduleDefault(v), `""`)
	} else {
		text += ", without a default"
	}
	if v.Sensitive {
		text += ", sensitive"
	}
	if v.Description != "" {
		text += ". " + v.Description
	}
	return text
}

// markStoredVariables says of each sensitive value that there is one.
func markStoredVariables(v *views.ResourceTemplateEditor, stored *template.ResourceVersion) {
	if stored == nil {
		return
	}
	for i, row := range v.Variables.Rows {
		before, ok := find(stored.Spec.Variables, func(o template.Variable) bool { return o.Name == row.Get("name") })
		if c := row.Cells["value"]; ok && before.HasValue && row.Checked("sensitive") && c.Value == "" && c.Kept == "" {
			v.Variables.Rows[i].Set("value", func(c *views.Cell) { c.Stored = true })
		}
	}
}

// givenVariables are the variables of the rows in which something is said, each with the number of its row.
func givenVariables(rows views.Rows, stored *template.ResourceVersion) (out []template.Variable, numbers []int, err error) {
	var wrong fault.Fields
	for i, row := range rows.Rows {
		if nothingSaid(row) {
			continue
		}
		v := template.Variable{Name: strings.TrimSpace(row.Get("name")), ValueType: template.ValueType(row.Get("valueType"))}
		v.Options = template.Options{
			Label: row.Get("label"), Description: row.Get("description"), Required: row.Checked("required"), Sensitive: row.Checked("sensitive"),
			Immutable: row.Checked("immutable"), Advanced: row.Checked("advanced"), Override: overrideOf(row),
		}
		var before template.Variable
		if stored != nil {
			before, _ = find(stored.Spec.Variables, func(o template.Variable) bool { return o.Name == v.Name })
		}
		value := row.Get("value")
		if before.Value != nil {
			value = untouched(value, *before.Value)
		}
		switch {
		case value != "" && v.ValueType == noValue:
			v.ValueType, v.Value = template.Text, &value
		case value != "" || v.ValueType != noValue && !v.Options.Sensitive:
			v.Value = &value
		}
		checkPlain(&wrong, fmt.Sprintf("spec.variables[%d].value", len(out)), before.HasValue && !v.Options.Sensitive && v.ValueType != noValue && value == "")
		out, numbers = append(out, v), append(numbers, i)
	}
	return out, numbers, wrong.Err()
}

// nothingSaid says whether a row leaves its variable as the module has it. A tick at Sensitive alone says nothing: it is
// there because the module says so.
func nothingSaid(row views.Row) bool {
	value := row.Cells["value"]
	for _, text := range []string{row.Get("valueType"), value.Value, value.Kept, row.Get("choices"), row.Get("label"), row.Get("description")} {
		if text != "" {
			return false
		}
	}
	for _, tick := range []string{"multiSelect", "required", "immutable", "advanced"} {
		if row.Checked(tick) {
			return false
		}
	}
	if row.Checked("sensitive") && !strings.Contains(row.Help, ", sensitive") {
		return false
	}
	return row.Get("override") == "" || row.Get("override") == string(template.Allowed)
}

// overrideOf reads the rule of a row: a line of the choices is a value, or label=value.
func overrideOf(row views.Row) template.Override {
	o := template.Override{Type: template.OverrideType(row.Get("override")), MultiSelect: row.Checked("multiSelect")}
	if o.Type == template.Allowed {
		o.Type = ""
	}
	for line := range strings.SplitSeq(row.Get("choices"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		label, value, labelled := strings.Cut(line, "=")
		if !labelled {
			o.RestrictedValues = append(o.RestrictedValues, line)
			continue
		}
		if o.RestrictedKeyValues == nil {
			o.RestrictedKeyValues = map[string]string{}
		}
		o.RestrictedKeyValues[strings.TrimSpace(label)] = strings.TrimSpace(value)
	}
	return o
}
