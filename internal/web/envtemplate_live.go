package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// liveTemplate finds out what follows from the form as it is: what is wrong, the graph, what a developer will see, and
// what can be chosen and used.
func (s *server) liveTemplate(ctx context.Context, sc scope, v *views.TemplateEditor) (*template.Compiled, error) {
	spec, resources, variables := templateSpec(*v)
	in := template.SaveInput{ProjectID: sc.id, Name: v.Name.Value, Version: v.Version.Value}
	compiled, err := s.Templates.PreviewEnvironment(ctx, asPreview(in), spec, template.Previews{})
	f, known := fault.As(err)
	if err != nil && compiled == nil && (!known || f.Kind != fault.Invalid) {
		return nil, err
	}
	live := views.TemplateLive{}
	at := formPlaces{resources: resources, variables: variables}
	if compiled == nil {
		for _, e := range f.Fields {
			live.Problems = append(live.Problems, at.problem(v, template.Problem{Severity: bundle.Error, Path: e.Path, Message: e.Message}))
		}
	} else {
		for _, p := range compiled.Problems() {
			live.Problems = append(live.Problems, at.problem(v, p))
		}
		live.Graph = draftGraph(compiled.Graph(), spec, resources)
		live.Names, live.Available = variableOptions(compiled.ModuleVariables()), availableGroups(compiled.Available())
		for _, f := range previewFields(compiled.Inputs()) {
			if f.advanced {
				live.Advanced = append(live.Advanced, f.Field)
			} else {
				live.Inputs = append(live.Inputs, f.Field)
			}
		}
	}
	slices.SortStableFunc(live.Problems, func(a, b views.Problem) int { return cmp.Compare(boolText(a.Warning), boolText(b.Warning)) })
	live.Readme, err = markdown(v.Readme.Value)
	v.Live = live
	return compiled, err
}

// asPreview names a template that has no usable name yet, so that the rest of it can be looked at.
func asPreview(in template.SaveInput) template.SaveInput {
	if !nameLike(in.Name) {
		in.Name = "unnamed"
	}
	in.Version = cmp.Or(in.Version, "v1")
	if strings.ContainsFunc(in.Version, func(r rune) bool { return r > 'z' || r < '+' || r == '/' }) || len(in.Version) > 63 {
		in.Version = "v1"
	}
	in.State = template.Draft
	return in
}

func nameLike(name string) bool {
	return name != "" && len(name) <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
		!strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
}

type previewField struct {
	views.Field
	advanced bool
}

// previewFields are the fields of the form that a developer will see.
func previewFields(inputs []template.Input) []previewField {
	out := make([]previewField, 0, len(inputs))
	for i, f := range inputFields(inputs, url.Values{}, "preview.") {
		out = append(out, previewField{f, inputs[i].Group == template.Advanced})
	}
	return out
}

// formPlaces leads from a path of the service to a field of the form: the numbers of the rows that resources and variables
// come from.
type formPlaces struct{ resources, variables []int }

// row is the row and the column that a path leads to.
func (p formPlaces) row(path string) (rows string, row int, column string, ok bool) {
	rest, isSpec := strings.CutPrefix(path, "spec.")
	for name, numbers := range map[string][]int{"resources": p.resources, "variables": p.variables} {
		inside, found := strings.CutPrefix(rest, name+"[")
		number, column, closed := strings.Cut(inside, "]")
		n, err := strconv.Atoi(number)
		if !isSpec || !found || !closed || err != nil || n < 0 || n >= len(numbers) {
			continue
		}
		return name, numbers[n], columnOf(name, strings.TrimPrefix(column, ".")), true
	}
	return "", 0, "", false
}

// columnOf is the column for a property of a resource or a variable.
func columnOf(rows, property string) string {
	property = strings.TrimPrefix(property, "options.")
	switch {
	case rows == "resources" && property == "":
		return "template"
	case property == "override.multiSelect":
		return "multiSelect"
	case property == "override.type":
		return "override"
	case strings.HasPrefix(property, "override"):
		return "choices"
	}
	first, _, _ := strings.Cut(property, ".")
	first, _, _ = strings.Cut(first, "[")
	if first == "" {
		return "name"
	}
	return first
}

// problem is a problem as the page shows it.
func (p formPlaces) problem(v *views.TemplateEditor, from template.Problem) views.Problem {
	out := views.Problem{Warning: from.Severity != bundle.Error, Message: sentence("", from.Message)}
	rows, n, column, ok := p.row(from.Path)
	switch {
	case ok && rows == "resources":
		out.Place, out.URL = "Resource "+v.Resources.Rows[n].Get("name"), "#"+v.Resources.ID(n, column)
		if column == "dependsOn" {
			out.URL = "#" + v.Resources.CellID(n, column)
		}
	case ok:
		out.Place, out.URL = "Variable "+cmp.Or(v.Variables.Rows[n].Get("name"), num(n+1)), "#"+v.Variables.ID(n, column)
	case strings.HasPrefix(from.Path, "spec.resources"):
		out.Place, out.URL = "Resources", "#resources"
	case strings.HasPrefix(from.Path, "spec.contexts"):
		out.Place, out.URL = "Contexts", "#contexts"
	case strings.HasPrefix(from.Path, "spec.readme"):
		out.Place, out.URL = "Readme", "#readme"
	default:
		out.Place, out.URL = "General", "#general"
	}
	if from.File != "" {
		out.Place += fmt.Sprintf(" · %s:%d", from.File, from.Line)
	}
	return out
}

// draftGraph draws a graph that may be wrong. What follows from expressions is told from what is listed.
func draftGraph(g template.Graph, spec template.EnvironmentSpec, rows []int) views.Graph {
	var nodes []views.GraphNode
	for i, r := range spec.Resources {
		n := views.GraphNode{Name: r.Name, URL: "#f-resources." + num(rows[i]) + ".name", Kind: "not known", Icon: kindIcon(r.Kind)}
		if j := slices.IndexFunc(g.Nodes, func(node template.Node) bool { return node.Name == r.Name }); j >= 0 {
			n.Kind, n.Sentence = nodeKind(g.Nodes[j]), views.Count(len(g.Nodes[j].Outputs), "output", "outputs")
			if r.Kind == template.KindEnvironment {
				n.Sentence = "exists already"
			}
		}
		n.DependsOn = slices.Clone(r.DependsOn)
		for _, e := range g.Edges {
			if e.To == r.Name && !slices.Contains(r.DependsOn, e.From) {
				n.DependsOn, n.Inferred = append(n.DependsOn, e.From), append(n.Inferred, e.From)
			}
		}
		if !slices.ContainsFunc(nodes, func(o views.GraphNode) bool { return o.Name == n.Name }) {
			nodes = append(nodes, n)
		}
	}
	return views.LayoutDraft(nodes)
}

func kindIcon(k template.ResourceKind) string {
	switch k {
	case template.KindStatic:
		return "layers"
	case template.KindEnvironment:
		return "boxes"
	case template.KindResourceTemplate:
	}
	return "box"
}

// variableOptions are the names that variables can have, with what each sets.
func variableOptions(all []template.ModuleVariable) []views.Option {
	var out []views.Option
	for _, m := range all {
		label := m.Type.Kind + " of " + m.Resource
		if i := slices.IndexFunc(out, func(o views.Option) bool { return o.Value == m.Name }); i >= 0 {
			out[i].Label += ", " + label
			continue
		}
		out = append(out, views.Option{Value: m.Name, Label: label})
	}
	return out
}

func availableGroups(all []template.Available) []views.AvailableGroup {
	var out []views.AvailableGroup
	for _, a := range all {
		if len(out) == 0 || out[len(out)-1].Node != a.Node {
			out = append(out, views.AvailableGroup{Node: a.Node})
		}
		g := &out[len(out)-1]
		g.Entries = append(g.Entries, views.AvailableEntry{Text: "$(" + a.Expression + ")$", Sensitive: a.Sensitive})
	}
	return out
}

// templateChoices fills in what each row can be, and hides what does not concern it.
func (s *server) templateChoices(ctx context.Context, sc scope, v *views.TemplateEditor) error {
	all, err := s.Templates.ListResources(ctx, sc.id)
	if err != nil {
		return err
	}
	var statics []staticresource.Static
	if sc.can(authz.ContextRead) {
		if statics, err = s.Statics.List(ctx, sc.id); err != nil {
			return err
		}
	}
	v.Live.Nested, err = s.environmentNames(ctx, sc)
	if err != nil {
		return err
	}
	names := map[string][]string{}
	for _, t := range all {
		names["template"] = append(names["template"], t.Name)
	}
	for _, st := range statics {
		names["static"] = append(names["static"], st.Name)
	}
	for i := range v.Resources.Rows {
		row := &v.Resources.Rows[i]
		target := targetColumn(*row)
		row.Set("was", func(c *views.Cell) { c.Value, c.Hidden = row.Get("name"), true })
		for _, column := range []string{"template", "static"} {
			row.Set(column, func(c *views.Cell) { c.Options, c.Hidden = choose(names[column], c.Value), column != target })
		}
		row.Set("environment", func(c *views.Cell) { c.Hidden = target != "environment" })
		row.Set("version", func(c *views.Cell) {
			c.Options, c.Hidden = versionChoices(all, row.Get("template"), c.Value), target != "template"
		})
		row.Set("dependsOn", func(c *views.Cell) { c.Options = otherResources(v.Resources, i) })
	}
	for i := range v.Variables.Rows {
		row := &v.Variables.Rows[i]
		restricted := row.Get("override") == string(template.Restricted)
		row.Set("choices", func(c *views.Cell) { c.Hidden = !restricted })
		row.Set("multiSelect", func(c *views.Cell) { c.Hidden = !restricted })
		kind := row.Get("valueType")
		row.Set("value", func(c *views.Cell) { c.Lines = kind == string(template.JSON) || kind == string(template.HCL) })
	}
	parts := append([]string{"et-graph", "et-lists", "et-readme"}, v.Resources.LiveCells()...)
	v.Live.Parts = "#" + strings.Join(append(parts, v.Variables.LiveCells()...), ",#")
	return nil
}

func (s *server) environmentNames(ctx context.Context, sc scope) ([]views.Option, error) {
	list, err := s.Environments.List(ctx, sc.id, environment.ListFilter{Limit: 100})
	if err != nil {
		return nil, err
	}
	var out []views.Option
	for _, e := range list {
		out = append(out, views.Option{Value: e.Name, Label: e.Template.Name})
	}
	return out, nil
}

// choose lists names; one that is chosen and not there any more stays to be seen.
func choose(names []string, chosen string) []views.Option {
	out := []views.Option{{Label: "Choose one"}}
	for _, n := range names {
		if !slices.ContainsFunc(out, func(o views.Option) bool { return o.Value == n }) {
			out = append(out, views.Option{Value: n, Label: n})
		}
	}
	if !slices.ContainsFunc(out, func(o views.Option) bool { return o.Value == chosen }) {
		out = append(out, views.Option{Value: chosen, Label: chosen + " (not here)"})
	}
	return out
}

func versionChoices(all []template.Summary, name, chosen string) []views.Option {
	out := []views.Option{{Label: "Latest"}}
	if t, ok := find(all, func(t template.Summary) bool { return t.Name == name }); ok {
		for _, ver := range t.Versions {
			o := views.Option{Value: ver.Version, Label: ver.Version}
			if ver.State != template.Active {
				o.Label += " (" + string(ver.State) + ")"
			} else if out[0].Label == "Latest" {
				out[0].Label = "Latest (" + ver.Version + " now)"
			}
			out = append(out, o)
		}
	}
	if !slices.ContainsFunc(out, func(o views.Option) bool { return o.Value == chosen }) {
		out = append(out, views.Option{Value: chosen, Label: chosen + " (not here)"})
	}
	return out
}

// otherResources are what a resource can depend on. One that is gone stays while it is ticked.
func otherResources(rows views.Rows, at int) []views.Option {
	out := []views.Option{}
	for i, row := range rows.Rows {
		if name := row.Get("name"); i != at && name != "" {
			out = append(out, views.Option{Value: name, Label: name})
		}
	}
	for _, d := range rows.Rows[at].Cells["dependsOn"].Values {
		if !slices.ContainsFunc(out, func(o views.Option) bool { return o.Value == d }) {
			out = append(out, views.Option{Value: d, Label: d + " (not here)"})
		}
	}
	return out
}
