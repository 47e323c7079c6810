package template_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
)

const formModule = `
variable "zones"  { type = list(string) }
variable "sizes" {
  type    = set(number)
  default = [1, 2]
}
variable "loose" { default = null }
variable "name" {
  type    = string
  default = "app"
  validation {
    condition     = length(var.name) >= 2 && length(var.name) <= 10 && can(regex("^[a-z]+$", var.name))
    error_message = "Use lower-case letters."
  }
}
variable "port" {
  type    = number
  default = 80
  validation {
    condition     = var.port >= 1 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "Bad port."
  }
}
variable "public" {
  type    = bool
  default = true
}
variable "tags" {
  type    = map(string)
  default = {}
  validation {
    condition     = length(var.tags) <= 2
    error_message = "At most two tags."
  }
}
variable "rules" {
  type = list(object({
    port     = number
    protocol = optional(string, "tcp")
    cidrs    = optional(set(string), [])
    health   = optional(object({ path = string, codes = optional(list(number)) }))
  }))
  default = []
  validation {
    condition = alltrue([for r in var.rules : r.port >= 1 && r.port <= 65535 && floor(r.port) == r.port && contains(["tcp", "udp"], r.protocol)])
    error_message = "Bad rule."
  }
}
variable "pair" {
  type    = tuple([string, number])
  default = ["a", 1]
}`

func formSpec(variables ...template.Variable) template.EnvironmentSpec {
	return template.EnvironmentSpec{
		Resources: []template.Resource{{Name: "m", Kind: template.KindResourceTemplate, Template: "m", VersionID: "m"}},
		Variables: variables,
	}
}

func several(values ...string) template.Options {
	return template.Options{Override: template.Override{Type: template.Restricted, RestrictedValues: values, MultiSelect: true}}
}

func fieldsOf(t *testing.T, err error) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err == nil {
		return out
	}
	f, ok := fault.As(err)
	require.True(t, ok)
	for _, field := range f.Fields {
		out[field.Path] = field.Message
	}
	return out
}

func TestSeveralChoices(t *testing.T) {
	t.Parallel()
	c := compile(t, formSpec(
		template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["a"]`), Options: several("a", "b", "c")},
		template.Variable{Name: "sizes", Options: several("1", "2")},
		template.Variable{Name: "loose", Options: several("x", "y")},
	), resourceVersion(t, "m", formModule))
	require.Empty(t, c.Problems())
	in, _ := c.Input("sizes")
	require.True(t, in.MultiSelect)
	require.JSONEq(t, "2", string(in.Choices[1].Value), "a choice has the type of the list's elements")
	require.NoError(t, c.Validate([]template.Value{template.JSONValue("zones", json.RawMessage(`["c","a"]`)), template.JSONValue("loose", json.RawMessage(`["x"]`))}))
	require.Equal(t, map[string]string{
		"zones[1]": "must be one of a, b, c; you entered d",
		"zones[2]": "is in the list already; remove one",
		"sizes[0]": "must be one of 1, 2; you entered 3",
		"loose":    `must be a list of any of x, y; you entered "x"`,
	}, fieldsOf(t, c.Validate([]template.Value{
		template.JSONValue("zones", json.RawMessage(`["a","d","a"]`)), template.JSONValue("sizes", json.RawMessage(`[3]`)), template.JSONValue("loose", json.RawMessage(`"x"`)),
	})))
}

func TestSeveralChoicesArePlaced(t *testing.T) {
	t.Parallel()
	wrong := several("80")
	plain := several("a")
	plain.Override.Type = template.Allowed
	plain.Override.RestrictedValues = nil
	c := compile(t, formSpec(
		template.Variable{Name: "port", Options: wrong},
		template.Variable{Name: "sizes", Options: plain},
		template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["z"]`), Options: several("a", "b")},
		template.Variable{Name: "name", Value: text("db"), Options: template.Options{Override: template.Override{Type: template.Restricted, RestrictedValues: []string{"app", "web"}}}},
	), resourceVersion(t, "m", formModule))
	places := map[string]string{}
	for _, p := range c.Problems() {
		require.Equal(t, bundle.Error, p.Severity)
		places[p.Path] = p.Message
	}
	require.Equal(t, map[string]string{
		"spec.variables[0].options.override.multiSelect": `variable "port" takes several values, but it is a number in the module; only a list or a set can`,
		"spec.variables[1].options.override.multiSelect": `variable "sizes": it takes several values of a list, so its override type must be restricted`,
		"spec.variables[2].value":                        `variable "zones": the value is none of its choices; it must be a list of any of a, b`,
		"spec.variables[3].value":                        `variable "name": the value is none of its choices; it must be one of app, web`,
	}, places)
}

func TestRequiredWhateverTheModuleSays(t *testing.T) {
	t.Parallel()
	must := template.Options{Required: true}
	c := compile(t, formSpec(
		template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["a"]`), Options: must},
		template.Variable{Name: "port", Options: must},
	), resourceVersion(t, "m", formModule))
	require.Empty(t, c.Problems())
	port, _ := c.Input("port")
	require.True(t, port.Required)
	require.Empty(t, port.Default, "the module's default does not count, so a form must not show it")
	require.Equal(t, template.Basic, port.Group)
	zones, _ := c.Input("zones")
	require.False(t, zones.Required, "the template gives a value")
	require.Equal(t, map[string]string{"port": "is required; it must be a whole number from 1 to 65535"}, fieldsOf(t, c.Validate(nil)))
	require.NoError(t, c.ValidatePartial(nil))
	wrong, missing := c.Check([]template.Value{{Name: "name", Value: "A"}})
	require.Equal(t, map[string]string{"name": "use lower-case letters; you entered A"}, fieldsOf(t, wrong))
	require.Len(t, fieldsOf(t, missing), 1)
	require.NoError(t, c.Validate([]template.Value{{Name: "port", Value: "8080"}}))

	inContext := compileWith(t, formSpec(template.Variable{Name: "port", Options: must}), []string{"aws"}, []template.KnownContext{
		{Name: "aws", Variables: []configcontext.Variable{{Name: "port", Value: "8081"}, {Name: "zones", ValueType: "json", Value: `["a"]`}}},
	})
	require.NoError(t, inContext.Validate(nil), "a context gives a value too")
}

func compileWith(t *testing.T, spec template.EnvironmentSpec, contexts []string, known []template.KnownContext) *template.Compiled {
	t.Helper()
	for _, name := range contexts {
		spec.Contexts = append(spec.Contexts, template.ContextRef{Name: name})
	}
	compiler, err := template.NewCompiler()
	require.NoError(t, err)
	return compiler.Compile(&template.EnvironmentVersion{Template: "ecs", Version: "v1", Spec: spec},
		map[template.ResourceVersionID]*template.ResourceVersion{"m": resourceVersion(t, "m", formModule)}, known...)
}

func TestWrongPartsAreNamed(t *testing.T) {
	t.Parallel()
	c := compile(t, formSpec(template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["a"]`)}), resourceVersion(t, "m", formModule))
	for value, want := range map[string]map[string]string{
		`[{"port": 80}, {"port": "eighty"}]`:              {"rules[1].port": "must be a whole number from 1 to 65535; you entered eighty"},
		`[{"port": 70000}, {"port": 1.5}]`:                {"rules[0].port": "must be a whole number from 1 to 65535; you entered 70000", "rules[1].port": "must be a whole number from 1 to 65535; you entered 1.5"},
		`[{"protocol": "icmp"}]`:                          {"rules[0].port": "is required; it must be a whole number from 1 to 65535", "rules[0].protocol": "must be one of tcp, udp; you entered icmp"},
		`[{"port": 1, "health": {"codes": [200, true]}}]`: {"rules[0].health.path": "is required; it must be text", "rules[0].health.codes[1]": "must be a number; you entered true"},
		`[{"port": 1, "cidrs": ["a", "b", "a"]}]`:         {"rules[0].cidrs[2]": "is in the list already; remove one"},
		`[3]`: {"rules[0]": "must be an object with the attributes cidrs, health, port, protocol; you entered 3"},
		`[{"port": 1, "health": null, "protocol": "udp"}]`:  {},
		`[{"port": 1, "health": {"path": "/", "more": 1}}]`: {},
	} {
		require.Equal(t, want, fieldsOf(t, c.ValidatePartial([]template.Value{template.JSONValue("rules", json.RawMessage(value))})), value)
	}
	require.NoError(t, c.ValidatePartial([]template.Value{{Name: "rules", ValueType: template.HCL, Value: `[{ port = "80" }]`}}), "HCL converts as the module's program does")
}

// TestOriginsAgreeWithResolve gives one variable a value at each level, and fewer
// levels each time: what inputs say must be what a run does.
func TestOriginsAgreeWithResolve(t *testing.T) {
	t.Parallel()
	variable := func(name, value string) []configcontext.Variable {
		return []configcontext.Variable{{Name: name, ValueType: "text", Value: value}}
	}
	levels := []template.Origin{
		template.FromInput, template.FromEnvironmentTemplate, template.FromEnvironmentContext,
		template.FromResourceTemplate, template.FromResourceContext, template.FromModule,
	}
	for from, want := range levels {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			rv := resourceVersion(t, "m", formModule)
			rv.Spec.Contexts = []template.ContextRef{{Name: "r-low"}, {Name: "r-high"}}
			spec := formSpec(template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["a"]`)})
			spec.Contexts = []template.ContextRef{{Name: "e-low"}, {Name: "e-high"}}
			resolve := template.ResolveInput{Resource: "m", Scope: scope()}
			var known []template.KnownContext
			context := func(name, port string, list *[]configcontext.Values) {
				known = append(known, template.KnownContext{Name: name, Variables: variable("port", port)})
				*list = append(*list, configcontext.Values{Name: name, Variables: variable("port", port)})
			}
			if from <= 4 {
				context("r-low", "51", &resolve.ResourceContexts)
				context("r-high", "5", &resolve.ResourceContexts)
			}
			if from <= 3 {
				rv.Spec.Variables = []template.Variable{{Name: "port", Value: text("4")}}
			}
			if from <= 2 {
				context("e-low", "31", &resolve.EnvironmentContexts)
				context("e-high", "3", &resolve.EnvironmentContexts)
			}
			if from <= 1 {
				spec.Variables = append(spec.Variables, template.Variable{Name: "port", Value: text("2")})
			}
			if from == 0 {
				resolve.Values = []template.Value{{Name: "port", Value: "1"}}
			}
			compiler, err := template.NewCompiler()
			require.NoError(t, err)
			c := compiler.Compile(&template.EnvironmentVersion{Template: "ecs", Version: "v1", Spec: spec},
				map[template.ResourceVersionID]*template.ResourceVersion{"m": rv}, known...)
			require.Empty(t, c.Problems())
			resolved, err := c.Resolve(resolve)
			require.NoError(t, err)
			require.Equal(t, want, resolved.Origins["port"])
			in, _ := c.Input("port")
			if from == 0 {
				require.Equal(t, template.FromEnvironmentTemplate, in.Origin, "what is under the environment's own value")
				require.JSONEq(t, "1", string(resolved.Variables["port"]))
				return
			}
			require.Equal(t, want, in.Origin)
			if want != template.FromModule {
				require.JSONEq(t, string(resolved.Variables["port"]), string(in.Default))
			} else {
				require.JSONEq(t, "80", string(in.Default))
			}
			require.Equal(t, map[int]string{2: "e-high", 4: "r-high"}[from], in.Context)
		})
	}
}

func TestSecretOfAContextIsNotShown(t *testing.T) {
	t.Parallel()
	c := compileWith(t, formSpec(), []string{"aws"}, []template.KnownContext{
		{Name: "aws", Variables: []configcontext.Variable{{Name: "name", Sensitive: true}, {Name: "zones", ValueType: "json", Value: `["a"]`}}},
		{Name: "unused", Variables: []configcontext.Variable{{Name: "port", Value: "1"}}},
	})
	require.Empty(t, c.Problems())
	in, _ := c.Input("name")
	require.Equal(t, "aws", in.Context)
	require.True(t, in.DefaultHidden)
	require.Empty(t, in.Default)
	require.False(t, in.Required)
	zones, _ := c.Input("zones")
	require.JSONEq(t, `["a"]`, string(zones.Default))
	port, _ := c.Input("port")
	require.Equal(t, template.FromModule, port.Origin, "a context counts only where a template names it")
	raw, err := c.Schema()
	require.NoError(t, err)
	require.Contains(t, string(raw), `"x-context":"aws"`)
	require.Contains(t, string(raw), `"x-default-hidden":true`)
	require.Contains(t, string(raw), `"x-origin":"environment_template_context"`)
}

// TestSchemaRefusesWhatValidateRefuses makes thousands of values, near right and
// wrong, and holds the two against each other.
func TestSchemaRefusesWhatValidateRefuses(t *testing.T) {
	t.Parallel()
	c := compile(t, formSpec(
		template.Variable{Name: "zones", ValueType: template.JSON, Value: text(`["a"]`), Options: several("a", "b")},
		template.Variable{Name: "sizes", Options: several("1", "2", "3")},
	), resourceVersion(t, "m", formModule))
	raw, err := c.Schema()
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("inputs.json", doc))
	schema, err := compiler.Compile("inputs.json")
	require.NoError(t, err)
	refused := 0
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"zones", "sizes", "name", "port", "public", "tags", "rules", "pair"}
	for range 6000 {
		name := names[random.IntN(len(names))]
		value := nearly(random, name)
		text, err := json.Marshal(value)
		require.NoError(t, err)
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(fmt.Sprintf(`{%q: %s}`, name, text)))
		require.NoError(t, err)
		bySchema := schema.Validate(instance)
		byService := c.Validate([]template.Value{template.JSONValue(name, text)})
		require.Equal(t, bySchema == nil, byService == nil, "%s = %s\nschema: %v\nservice: %v", name, text, bySchema, byService)
		if bySchema != nil {
			refused++
		}
	}
	require.Greater(t, refused, 1200)
	require.Less(t, refused, 5400)
}

// nearly makes a value that fits the variable, but for some of its parts.
func nearly(r *rand.Rand, name string) any {
	if r.IntN(12) == 0 {
		return anything(r)
	}
	pick := func(values ...any) any {
		if r.IntN(10) == 0 {
			return anything(r)
		}
		return values[r.IntN(len(values))]
	}
	list := func(item func() any) any {
		out := make([]any, r.IntN(4))
		for i := range out {
			out[i] = item()
		}
		return out
	}
	port := func() any { return pick(80, 1, 65535, 0, 65536, 1.5, 8080.0) }
	switch name {
	case "zones":
		return list(func() any { return pick("a", "b", "c") })
	case "sizes":
		return list(func() any { return pick(1, 2, 3, 4) })
	case "name":
		return pick("app", "a", "web", "Web", "averyverylongname")
	case "port":
		return port()
	case "public":
		return pick(true, false)
	case "tags":
		out := map[string]any{}
		for i := range r.IntN(4) {
			out[fmt.Sprint("k", i)] = pick("x", "")
		}
		return out
	case "pair":
		return append(list(func() any { return pick("a") }).([]any), pick(1, "b"))
	}
	return list(func() any {
		rule := map[string]any{"port": port()}
		if r.IntN(8) == 0 {
			delete(rule, "port")
		}
		if r.IntN(2) == 0 {
			rule["protocol"] = pick("tcp", "udp", "icmp", nil)
		}
		if r.IntN(3) == 0 {
			rule["cidrs"] = list(func() any { return pick("10.0.0.0/8", "a", "b") })
		}
		if r.IntN(3) == 0 {
			rule["health"] = map[string]any{"path": pick("/", "/up"), "codes": list(func() any { return pick(200, 204) })}
		}
		return rule
	})
}

func anything(r *rand.Rand) any {
	values := []any{"text", 3, -1.5, true, []any{}, []any{"a"}, map[string]any{}, map[string]any{"port": 1}, []any{map[string]any{}}, "80", ""}
	return values[r.IntN(len(values))]
}
