package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/ui"
	"github.com/berthdev/berth/internal/web/views"
)

const (
	expressionList = "available"
	variableList   = "module-variables"
	nestedList     = "environment-names"
)

// templateRows are the rows of an environment template. Their names and those of their columns are the paths that the
// service names in its errors.
func templateRows() (resources, variables views.Rows) {
	resources = views.Rows{
		Name: "resources", Item: "resource", Empty: "No resources yet. An environment needs at least one.",
		Columns: []views.Column{
			{Name: "name", Label: "Name", Kind: views.CellText, Mono: true, Placeholder: "vpc"},
			{Name: "was", Label: "Name before", Kind: views.CellText, Live: true},
			{Name: "kind", Label: "Kind", Kind: views.CellSelect, Options: resourceKinds(), Initial: string(template.KindResourceTemplate)},
			{Name: "template", Label: "Resource template", Kind: views.CellSelect, Live: true},
			{Name: "version", Label: "Version", Kind: views.CellSelect, Live: true},
			{Name: "static", Label: "Static resource", Kind: views.CellSelect, Live: true},
			{Name: "environment", Label: "Environment", Kind: views.CellText, List: nestedList, Live: true, Placeholder: "net-1"},
			{Name: "dependsOn", Label: "Depends on", Kind: views.CellSeveral, Size: views.SizeFull, Live: true, Placeholder: "There is no other resource."},
		},
	}
	variables = views.Rows{
		Name: "variables", Item: "variable", Empty: "No variables yet. Without any, the modules' own variables and defaults count.",
		Columns: []views.Column{
			{Name: "name", Label: "Name", Kind: views.CellText, Mono: true, List: variableList, Placeholder: "region"},
			{Name: "valueType", Label: "Value type", Kind: views.CellSelect, Options: valueTypes(), Initial: "text", Live: true},
			{Name: "value", Label: "Value or expression", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive", List: expressionList, Live: true},
			{Name: "override", Label: "May be changed", Kind: views.CellSelect, Options: overrideRules(), Live: true},
			{Name: "choices", Label: "Allowed values", Kind: views.CellLong, Size: views.SizeFull, Live: true, Placeholder: "One on each line: value, or label=value"},
			{Name: "multiSelect", Label: "Several at once", Kind: views.CellCheck, Live: true},
			{Name: "label", Label: "Label", Kind: views.CellText, More: true},
			{Name: "description", Label: "Description", Kind: views.CellText, Size: views.SizeWide, More: true},
			{Name: "selectors", Label: "Goes to", Kind: views.CellLong, Size: views.SizeFull, More: true, Placeholder: "vpc.cidr, one on each line; empty: every resource with a variable of this name"},
			{Name: "required", Label: "Required", Kind: views.CellCheck, More: true},
			{Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck, More: true},
			{Name: "immutable", Label: "Fixed after the first deploy", Kind: views.CellCheck, Size: views.SizeWide, More: true},
			{Name: "advanced", Label: "Advanced", Kind: views.CellCheck, More: true},
			{Name: "blank", Label: "Empty text is the value", Kind: views.CellCheck, Size: views.SizeWide, More: true},
		},
	}
	return resources, variables
}

func resourceKinds() []views.Option {
	return []views.Option{
		{Value: string(template.KindResourceTemplate), Label: "Resource template"},
		{Value: string(template.KindStatic), Label: "Static resource"},
		{Value: string(template.KindEnvironment), Label: "Another environment"},
	}
}

func overrideRules() []views.Option {
	return []views.Option{{Label: "Yes"}, {Value: string(template.NotAllowed), Label: "No"}, {Value: string(template.Restricted), Label: "To listed values"}}
}

// fillTemplate puts a stored version into the form.
func fillTemplate(v *views.TemplateEditor, spec template.EnvironmentSpec) {
	v.Summary.Value, v.Category.Value, v.Readme.Value, v.Icon = spec.Summary, spec.Category, spec.Readme, spec.Icon
	v.Hide.Value, v.Free.Value = boolText(spec.ModuleInputs == template.HideModuleInputs), boolText(spec.AllowFreeVariables)
	for _, r := range spec.Resources {
		row := views.Row{Cells: views.Cells("name", r.Name, "was", r.Name, "kind", string(r.Kind), "template", r.Template, "version", r.Version, "static", r.Static, "environment", r.Environment)}
		row.Set("dependsOn", func(c *views.Cell) { c.Values = r.DependsOn })
		v.Resources.Rows = append(v.Resources.Rows, row)
	}
	for _, e := range spec.Variables {
		v.Variables.Rows = append(v.Variables.Rows, variableRowOf(e))
	}
}

func variableRowOf(e template.Variable) views.Row {
	o, value := e.Options, ""
	if e.Value != nil {
		value = *e.Value
	}
	kind := string(e.ValueType)
	if kind == "" {
		kind = string(template.Text)
	}
	override := string(o.Override.Type)
	if override == string(template.Allowed) {
		override = ""
	}
	return views.Row{Cells: views.Cells(
		"name", e.Name, "valueType", kind, "value", value, "override", override, "choices", choiceLines(o.Override), "multiSelect", boolText(o.Override.MultiSelect),
		"label", o.Label, "description", o.Description, "selectors", selectorLines(e.Selectors), "required", boolText(o.Required), "sensitive", boolText(o.Sensitive),
		"immutable", boolText(o.Immutable), "advanced", boolText(o.Advanced), "blank", boolText(e.Value != nil && value == ""),
	)}
}

// choiceLines writes the values of a rule, one on each line: value, or label=value.
func choiceLines(o template.Override) string {
	var out []string
	for _, value := range o.RestrictedValues {
		out = append(out, strings.ReplaceAll(value, "=", `\=`))
	}
	for _, label := range slices.Sorted(maps.Keys(o.RestrictedKeyValues)) {
		out = append(out, strings.ReplaceAll(label, "=", `\=`)+"="+o.RestrictedKeyValues[label])
	}
	return strings.Join(out, "\n")
}

func readChoices(text string, o *template.Override) {
	const escaped = "\x00"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		label, value, labelled := strings.Cut(strings.ReplaceAll(line, `\=`, escaped), "=")
		label, value = strings.ReplaceAll(strings.TrimSpace(label), escaped, "="), strings.ReplaceAll(strings.TrimSpace(value), escaped, `\=`)
		if !labelled {
			o.RestrictedValues = append(o.RestrictedValues, label)
			continue
		}
		if o.RestrictedKeyValues == nil {
			o.RestrictedKeyValues = map[string]string{}
		}
		o.RestrictedKeyValues[label] = value
	}
}

func selectorLines(selectors []template.Selector) string {
	var out []string
	for _, s := range selectors {
		line := s.Resource
		if line == "" {
			line = "*"
		}
		if s.Variable != "" {
			line += "." + s.Variable
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func readSelectors(text string) []template.Selector {
	var out []template.Selector
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' || r == ' ' }) {
		resource, variable, _ := strings.Cut(word, ".")
		out = append(out, template.Selector{Resource: strings.TrimPrefix(resource, "*"), Variable: variable})
	}
	return out
}

// readTemplate puts what was typed into the form.
func (s *server) readTemplate(r *http.Request, sc scope, v *views.TemplateEditor) {
	for _, f := range []*views.Field{&v.Name, &v.DisplayName, &v.Summary, &v.Description, &v.Category, &v.Version, &v.Readme, &v.Hide, &v.Free} {
		if r.PostForm.Has(f.Name) {
			f.Value = strings.ReplaceAll(last(r.PostForm, f.Name), "\r\n", "\n")
		}
	}
	v.Name.Value, v.Version.Value = strings.TrimSpace(v.Name.Value), strings.TrimSpace(v.Version.Value)
	if !v.New {
		v.Name.Value = r.PathValue("template")
	}
	s.readRows(sc, r.PostForm, &v.Resources)
	s.readRows(sc, r.PostForm, &v.Variables)
	nameResources(&v.Resources)
	for i := range v.Variables.Rows {
		row := &v.Variables.Rows[i]
		if text := strings.TrimSpace(row.Get("value")); row.Get("valueType") == string(template.Text) && strings.HasPrefix(text, "$(") && strings.HasSuffix(text, ")$") {
			row.Set("valueType", func(c *views.Cell) { c.Value = string(template.Expression) })
		}
	}
	for i := range v.Contexts {
		v.Contexts[i].Attached = slices.Contains(r.PostForm["context"], v.Contexts[i].Name)
	}
	v.Icon = r.PostFormValue("icon")
	if _, image := iconOf(v.Icon); image == "" && !ui.KnownIcon(v.Icon) {
		v.Icon = ""
	}
	v.IconError = uploadedIcon(r, v)
}

// nameResources names rows that only say what they stand for, and follows a name that was changed.
func nameResources(rows *views.Rows) {
	renamed := map[string]string{}
	for i := range rows.Rows {
		row := &rows.Rows[i]
		name := strings.TrimSpace(row.Get("name"))
		if name == "" {
			name = row.Get(targetColumn(*row))
		}
		if was := row.Get("was"); was != "" && was != name && name != "" {
			renamed[was] = name
		}
		row.Set("name", func(c *views.Cell) { c.Value = name })
		row.Set("was", func(c *views.Cell) { c.Value = name })
	}
	for _, row := range rows.Rows {
		delete(renamed, row.Get("name")) // another one has the name now
	}
	for i := range rows.Rows {
		rows.Rows[i].Set("dependsOn", func(c *views.Cell) {
			for j, d := range c.Values {
				if to := renamed[d]; to != "" {
					c.Values[j] = to
				}
			}
		})
	}
}

// targetColumn is the column that says what a row of resources stands for.
func targetColumn(row views.Row) string {
	switch template.ResourceKind(row.Get("kind")) {
	case template.KindStatic:
		return "static"
	case template.KindEnvironment:
		return "environment"
	case template.KindResourceTemplate:
	}
	return "template"
}

const iconLimit = 128 << 10

// uploadedIcon takes a picture that was sent, and says what is wrong with it.
func uploadedIcon(r *http.Request, v *views.TemplateEditor) string {
	if r.MultipartForm == nil || len(r.MultipartForm.File["picture"]) == 0 || r.MultipartForm.File["picture"][0].Filename == "" {
		return ""
	}
	h := r.MultipartForm.File["picture"][0]
	if h.Size > iconLimit {
		return fmt.Sprintf("The picture has %s; it may have 128 kB.", size(int(h.Size)))
	}
	data, err := readUpload(h)
	kind := pictureKind(data)
	if err != nil || kind == "" {
		return h.Filename + " is neither a PNG nor an SVG picture. Choose another one."
	}
	v.Icon = "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
	return ""
}

// pictureKind looks at the content, not at the name.
func pictureKind(data []byte) string {
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return "image/png"
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok {
			if start.Name.Local == "svg" {
				return "image/svg+xml"
			}
			return ""
		}
	}
}

// templateSpec is what the form says, with the numbers of the rows that its resources and variables come from.
func templateSpec(v views.TemplateEditor) (spec template.EnvironmentSpec, resources, variables []int) {
	spec = template.EnvironmentSpec{
		Summary: strings.TrimSpace(v.Summary.Value), Category: strings.TrimSpace(v.Category.Value), Readme: v.Readme.Value, Icon: v.Icon,
		AllowFreeVariables: v.Free.Value == "true",
	}
	if v.Hide.Value == "true" {
		spec.ModuleInputs = template.HideModuleInputs
	}
	for _, c := range v.Contexts {
		if c.Attached {
			spec.Contexts = append(spec.Contexts, template.ContextRef{Name: c.Name})
		}
	}
	for i, row := range v.Resources.Rows {
		if row.Get("name") == "" {
			continue
		}
		res := template.Resource{Name: row.Get("name"), Kind: template.ResourceKind(row.Get("kind")), DependsOn: row.Cells["dependsOn"].Values}
		switch res.Kind {
		case template.KindResourceTemplate:
			res.Template, res.Version = row.Get("template"), row.Get("version")
		case template.KindStatic:
			res.Static = row.Get("static")
		case template.KindEnvironment:
			res.Environment = strings.TrimSpace(row.Get("environment"))
		}
		spec.Resources, resources = append(spec.Resources, res), append(resources, i)
	}
	for i, row := range v.Variables.Rows {
		if strings.TrimSpace(row.Get("name")) == "" && row.Get("value") == "" {
			continue
		}
		spec.Variables, variables = append(spec.Variables, variableOf(row)), append(variables, i)
	}
	return spec, resources, variables
}

func variableOf(row views.Row) template.Variable {
	e := template.Variable{
		Name: strings.TrimSpace(row.Get("name")), ValueType: template.ValueType(row.Get("valueType")), Selectors: readSelectors(row.Get("selectors")),
		Options: template.Options{
			Label: strings.TrimSpace(row.Get("label")), Description: strings.TrimSpace(row.Get("description")), Required: row.Checked("required"),
			Sensitive: row.Checked("sensitive"), Immutable: row.Checked("immutable"), Advanced: row.Checked("advanced"),
			Override: template.Override{Type: template.OverrideType(row.Get("override"))},
		},
	}
	if value := row.Get("value"); value != "" || row.Checked("blank") {
		e.Value = &value
	}
	if e.Options.Override.Type == template.Restricted {
		readChoices(row.Get("choices"), &e.Options.Override)
		e.Options.Override.MultiSelect = row.Checked("multiSelect")
	}
	return e
}

// checkShown refuses to make a sensitive value plain that nobody has been shown.
func checkShown(v views.TemplateEditor, stored []template.Variable) error {
	var wrong fault.Fields
	for i, row := range v.Variables.Rows {
		before, _ := find(stored, func(e template.Variable) bool { return e.Name == strings.TrimSpace(row.Get("name")) })
		checkPlain(&wrong, fmt.Sprintf("spec.variables[%d].value", i), before.HasValue && !row.Checked("sensitive") && row.Get("value") == "")
	}
	return wrong.Err()
}

// addMissing adds a row for each module variable that has no value and no row, and returns how many.
func addMissing(v *views.TemplateEditor, all []template.ModuleVariable) int {
	added := 0
	for _, m := range all {
		if m.Given || slices.ContainsFunc(v.Variables.Rows, func(row views.Row) bool { return sets(row, m) }) {
			continue
		}
		before := len(v.Variables.Rows)
		v.Variables.Add()
		if len(v.Variables.Rows) == before {
			break
		}
		cells := map[string]string{"name": m.Name, "description": m.Description, "required": "true", "sensitive": boolText(m.Sensitive)}
		if slices.ContainsFunc(v.Variables.Rows, func(row views.Row) bool { return row.Get("name") == m.Name }) {
			cells["name"], cells["selectors"] = m.Resource+"_"+m.Name, m.Resource+"."+m.Name
		}
		row := &v.Variables.Rows[before]
		row.Focus = added == 0
		for column, value := range cells {
			row.Set(column, func(c *views.Cell) { c.Value = value })
		}
		added++
	}
	return added
}

// sets says whether a row is about a module's variable.
func sets(row views.Row, m template.ModuleVariable) bool {
	name := strings.TrimSpace(row.Get("name"))
	selectors := readSelectors(row.Get("selectors"))
	if len(selectors) == 0 {
		return name == m.Name
	}
	return slices.ContainsFunc(selectors, func(s template.Selector) bool {
		return (s.Resource == "" || s.Resource == m.Resource) && cmp.Or(s.Variable, name) == m.Name
	})
}

// iconChoices are icons that suit templates.
func iconChoices() []views.Option {
	return []views.Option{
		{Value: "layout-template", Label: "Template"}, {Value: "boxes", Label: "Boxes"}, {Value: "container", Label: "Container"}, {Value: "server", Label: "Server"},
		{Value: "cpu", Label: "Processor"}, {Value: "database", Label: "Database"}, {Value: "hard-drive", Label: "Storage"}, {Value: "network", Label: "Network"},
		{Value: "globe", Label: "Web"}, {Value: "cloud", Label: "Cloud"}, {Value: "layers", Label: "Layers"}, {Value: "webhook", Label: "Webhook"},
		{Value: "mail", Label: "Mail"}, {Value: "chart-line", Label: "Chart"}, {Value: "zap", Label: "Function"}, {Value: "key-round", Label: "Key"},
		{Value: "terminal", Label: "Terminal"}, {Value: "flask-conical", Label: "Experiment"},
	}
}
