package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

const structures = `
variable "zones" { type = list(string) }
variable "sizes" {
  type    = set(number)
  default = [1, 2]
}
variable "tags" {
  type    = map(string)
  default = { team = "a", stage = "b" }
}
variable "loose" { default = null }
variable "pair" {
  type    = tuple([string, number])
  default = ["a", 1]
}
variable "public" {
  type    = bool
  default = true
}
variable "scaling" {
  type    = object({ min = number, max = optional(number, 4), auto = optional(bool, true) })
  default = { min = 1 }
}
variable "rules" {
  type = list(object({
    name     = string
    port     = number
    open     = bool
    protocol = optional(string, "tcp")
    cidrs    = optional(list(string), [])
    health   = optional(object({ path = string, codes = optional(list(number)) }))
  }))
  default = []
  validation {
    condition     = alltrue([for r in var.rules : r.port >= 1 && r.port <= 65535 && floor(r.port) == r.port])
    error_message = "Bad rule."
  }
}
variable "services" {
  type    = map(object({ image = string, ports = list(number) }))
  default = {}
}`

// structuresVersion is a version whose module has a variable of every kind.
func structuresVersion(t testing.TB, code string, variables ...template.Variable) *template.Compiled {
	t.Helper()
	m := bundle.Inspect(fstest.MapFS{"main.tf": {Data: []byte(code)}}, ".")
	require.Empty(t, m.Problems)
	c, err := template.NewCompiler()
	require.NoError(t, err)
	rv := &template.ResourceVersion{ID: "m", Template: "m", Version: "v1", State: template.Active, Module: *m}
	out := c.Compile(&template.EnvironmentVersion{Template: "x", Version: "v1", Spec: template.EnvironmentSpec{
		Resources: []template.Resource{{Name: "m", Kind: template.KindResourceTemplate, Template: "m", VersionID: "m"}}, Variables: variables,
	}}, map[template.ResourceVersionID]*template.ResourceVersion{"m": rv})
	require.Empty(t, out.Problems())
	return out
}

// TestFormHoldsEveryValue writes values into fields and reads them back: nothing is lost on the way.
func TestFormHoldsEveryValue(t *testing.T) {
	t.Parallel()
	version := structuresVersion(t, structures, template.Variable{Name: "zones", Options: template.Options{
		Override: template.Override{Type: template.Restricted, RestrictedValues: []string{"a", "b", "c"}, MultiSelect: true},
	}})
	for _, text := range []string{
		`{"zones": ["b", "c"]}`, `{"sizes": [3, 4.5]}`, `{"sizes": []}`, `{"tags": {"x": "1", "y": ""}}`, `{"tags": {}}`,
		`{"loose": "plain"}`, `{"loose": "80"}`, `{"loose": [1, {"a": null}]}`, `{"loose": 80}`, `{"loose": "{odd"}`, `{"pair": ["z", 9]}`,
		`{"scaling": {"min": 2, "max": 9, "auto": false}}`, `{"scaling": {"min": 3}}`,
		`{"rules": [{"name": "", "port": 80, "open": true}, {"name": "two\nlines", "port": 81, "open": false, "protocol": "udp", "cidrs": ["a", "b"], "health": {"path": "/", "codes": [200, 204]}}]}`,
		`{"services": {"web": {"image": "nginx", "ports": [80, 443]}, "db": {"image": "postgres", "ports": []}}}`,
	} {
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		form := url.Values{}
		for name, raw := range want {
			in, ok := version.Input(name)
			require.True(t, ok)
			flattenInput(form, in, raw, inputPrefix)
		}
		values, d := changedInputs(version.Inputs(), form)
		require.NoError(t, d.err(), text)
		require.Len(t, values, 1, text)
		require.JSONEq(t, string(want[values[0].Name]), values[0].Value, text)
		require.NoError(t, version.ValidatePartial(values), text)
	}
	form := url.Values{}
	inputFields(version.Inputs(), form, inputPrefix)
	values, _ := changedInputs(version.Inputs(), form)
	require.Empty(t, values, "a form that nobody touched gives nothing")
}

// TestWrongPartsStandBesideTheirFields: what cannot be is said at the exact field, by its way there.
func TestWrongPartsStandBesideTheirFields(t *testing.T) {
	t.Parallel()
	version := structuresVersion(t, structures)
	form := url.Values{
		"in.rules[]": {"", "4", "0", "7"},
		// A row that was added and left alone is none.
		"in.rules[4].name": {""}, "in.rules[4].port": {""}, "in.rules[4].open": {"off"},
		"in.rules[0].name": {"a"}, "in.rules[0].port": {"eighty"}, "in.rules[0].open": {"off", "true"},
		"in.rules[7].name": {"b"}, "in.rules[7].port": {""}, "in.rules[7].open": {"off"}, "in.rules[7].health.codes[]": {"", "0"}, "in.rules[7].health.codes[0]": {"2x"},
		"in.tags[]": {"", "0", "1", "2", "3"}, "in.tags[0].key": {"k"}, "in.tags[0].value": {"1"}, "in.tags[1].key": {"k"}, "in.tags[1].value": {"2"},
		"in.tags[2].key": {""}, "in.tags[2].value": {"lost"}, "in.tags[3].key": {""}, "in.tags[3].value": {""},
		"in.pair": {"[1"}, "in.loose": {`{"a"`},
	}
	got := checkForm(version, form)
	require.Equal(t, liveErrors{
		"f-in.rules[0].port":            {Text: "Rules, 2, port: must be a whole number from 1 to 65535; you entered eighty."},
		"f-in.rules[7].port":            {Text: "Rules, 3, port: is required; it must be a whole number from 1 to 65535."},
		"f-in.rules[7].health.codes[0]": {Text: "Rules, 3, health, codes, 1: must be a number; you entered 2x."},
		"f-in.tags[1].key":              {Text: "Tags, 2: must have another name; k is there already."},
		"f-in.tags[2].key":              {Text: "Tags, 3: must have a name."},
		"f-in.pair":                     {Text: `Pair must be valid JSON, like "text", 80, ["a","b"] or {"key":"value"}.`},
		"f-in.loose":                    {Text: `Loose must be valid JSON, like "text", 80, ["a","b"] or {"key":"value"}.`},
		"f-in.zones":                    {Text: `Zones is required; it must be a list, like ["a","b"].`, Missing: true},
	}, got)
	// Each of them has a field on the page with a place for it.
	ids := map[string]bool{}
	views.EachField(inputFields(version.Inputs(), form, inputPrefix), func(f *views.Field) { ids[f.ID()] = true })
	for id := range got {
		require.True(t, ids[id], id)
	}
}

func TestRowsComeAndGo(t *testing.T) {
	t.Parallel()
	form := url.Values{"in.tags[]": {"", "0", "3"}, "row": {"add in.tags"}}
	list, added := changeRows(form)
	require.Equal(t, "in.tags", list)
	require.Equal(t, "in.tags[4]", added)
	require.Equal(t, []string{"0", "3", "4"}, rowNumbers(form, "in.tags"))
	form.Set("row", "remove in.tags[3]")
	list, added = changeRows(form)
	require.Equal(t, "in.tags", list)
	require.Empty(t, added)
	require.Equal(t, []string{"0", "4"}, rowNumbers(form, "in.tags"))
	for _, odd := range []string{"", "remove", "remove x", "explode in.tags", "add"} {
		form.Set("row", odd)
		changeRows(form)
	}
	require.Equal(t, []string{"0", "4"}, rowNumbers(form, "in.tags"))
	form["in.tags[]"] = []string{"-1", "x", "2", "2", "99999999999999999999"}
	require.Equal(t, []string{"2"}, rowNumbers(form, "in.tags"))
}

// TestEditedStructures: what an environment has is edited with the same controls, and said to be its own.
func TestEditedStructures(t *testing.T) {
	t.Parallel()
	version := structuresVersion(t, structures)
	e := environment.Environment{Inputs: []template.Value{
		template.JSONValue("rules", json.RawMessage(`[{"name":"a","port":80,"open":true}]`)),
		{Name: "tags", ValueType: template.Expression, Value: `$({"a": environment.name})$`},
		{Name: "scaling", ValueType: template.HCL, Value: "{ min = 2 }"},
	}}
	facts := environmentFacts{Environment: e, version: version, may: map[authz.Permission]string{}}
	tab := facts.inputTab("rules")
	form := url.Values{}
	for _, in := range tab.Values {
		switch in.Name {
		case "rules", "scaling":
			require.True(t, in.Field.Structured(), in.Name)
			require.Equal(t, "Environment", in.Origin)
			require.Contains(t, in.Instead, "module default")
		case "tags":
			require.True(t, in.Raw, "an expression is text")
			require.Equal(t, "Expression", in.Type)
		case "public":
			require.Equal(t, "Module default", in.Origin)
		}
		if in.Editing {
			views.EachField([]views.Field{in.Field}, func(f *views.Field) {
				if !f.Structured() {
					form.Add(f.Name, f.Value)
				}
				for _, r := range f.Rows {
					form.Add(f.Name+rowMark, r.Number)
				}
			})
		}
	}
	form.Set("edit.rules[0].port", "8080")
	form["edit.tags"] = []string{"$({})$"}
	edited := readInputForm(form)
	values, _, err := edited.merge(e, version)
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"a","port":8080,"open":true}]`, values[0].Value)
	require.Equal(t, template.Value{Name: "tags", ValueType: template.Expression, Value: "$({})$"}, values[1])
	require.Equal(t, e.Inputs[2], values[2], "it was not edited")

	form.Set("edit.rules[0].port", "0")
	edited = readInputForm(form)
	values, _, err = edited.merge(e, version)
	require.NoError(t, err)
	wrong, ok := fault.As(version.ValidatePartial(values))
	require.True(t, ok)
	facts.fillInputs(&tab, edited, wrong)
	found := ""
	for _, in := range tab.Values {
		views.EachField([]views.Field{in.Field}, func(f *views.Field) {
			if f.Name == "edit.rules[0].port" {
				found = f.Error
				require.Equal(t, "0", f.Value, "what was typed stays")
			}
		})
	}
	require.Equal(t, "Rules, 1, port: must be a whole number from 1 to 65535; you entered 0.", found)
	require.Empty(t, tab.Error)
}

// hundredInputs is a form as large as forms get: a hundred inputs of all kinds, with rules.
func hundredInputs(t testing.TB) (*template.Compiled, url.Values) {
	t.Helper()
	var code strings.Builder
	form := url.Values{}
	for i := range 20 {
		fmt.Fprintf(&code, `
variable "text%[1]d" {
  type        = string
  default     = "abc"
  description = "Some words about this input, as long as such words are in real modules."
  validation {
    condition     = length(var.text%[1]d) <= 40 && can(regex("^[a-z0-9-]+$", var.text%[1]d))
    error_message = "Use lower-case letters."
  }
}
variable "number%[1]d" {
  type    = number
  default = %[1]d
  validation {
    condition     = var.number%[1]d >= 0 && var.number%[1]d <= 1000 && floor(var.number%[1]d) == var.number%[1]d
    error_message = "No."
  }
}
variable "switch%[1]d" {
  type    = bool
  default = false
}
variable "list%[1]d" {
  type    = list(string)
  default = ["a", "b", "c"]
  validation {
    condition     = alltrue([for x in var.list%[1]d : length(x) < 30])
    error_message = "Too long."
  }
}
variable "rules%[1]d" {
  type    = list(object({ port = number, protocol = optional(string, "tcp"), tags = optional(map(string), {}) }))
  default = [{ port = 80 }, { port = 443, tags = { a = "b" } }]
  validation {
    condition     = alltrue([for r in var.rules%[1]d : r.port >= 1 && r.port <= 65535 && contains(["tcp", "udp"], r.protocol)])
    error_message = "Bad."
  }
}`, i)
	}
	version := structuresVersion(t, code.String())
	require.Len(t, version.Inputs(), 100)
	inputFields(version.Inputs(), form, inputPrefix)
	for i := range 20 { // everything differs from its default
		form.Set(fmt.Sprintf("in.text%d", i), "changed")
		form.Set(fmt.Sprintf("in.number%d", i), "77")
		form[fmt.Sprintf("in.switch%d", i)] = []string{"false", "true"}
		form.Set(fmt.Sprintf("in.list%d[1]", i), "other")
		form.Set(fmt.Sprintf("in.rules%d[0].port", i), "8080")
	}
	return version, form
}

func BenchmarkCheck100Inputs(b *testing.B) {
	version, form := hundredInputs(b)
	form.Set("in.rules3[1].port", "eighty")
	for b.Loop() {
		if got := checkForm(version, form); len(got) != 1 {
			b.Fatal(got)
		}
	}
}

func BenchmarkRender100Inputs(b *testing.B) {
	version, form := hundredInputs(b)
	for b.Loop() {
		v := views.NewEnvironment{Allowed: true, Inputs: inputFields(version.Inputs(), form, inputPrefix)}
		var out strings.Builder
		if err := NewEnvironmentForm(v).Render(b.Context(), &out); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Len()), "B/page")
	}
}
