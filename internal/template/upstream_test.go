package template_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
)

const siteModule = `
variable "vpc" { type = string }
variable "subnets" {
  type    = list(string)
  default = []
}
variable "port" {
  type    = number
  default = 80
}
variable "password" {
  type      = string
  default   = ""
  sensitive = true
}
output "url" { value = "x" }`

func siteSpec(variables ...template.Variable) template.EnvironmentSpec {
	return template.EnvironmentSpec{
		Resources: []template.Resource{
			{Name: "net", Kind: template.KindEnvironment, Environment: "network"},
			{Name: "site", Kind: template.KindResourceTemplate, Template: "site", VersionID: "site", DependsOn: []string{"net"}},
			{Name: "shared", Kind: template.KindStatic, Static: "shared-values"},
		},
		Variables: append([]template.Variable{{Name: "vpc", ValueType: template.Expression, Value: text(`$(resource."net".resource."vpc".output.vpc_id.value)$`)}}, variables...),
	}
}

func surroundings(t testing.TB) template.Surroundings {
	return template.Surroundings{
		Resources: map[template.ResourceVersionID]*template.ResourceVersion{"site": resourceVersion(t, "site", siteModule)},
		Statics: map[string][]staticresource.Output{"shared-values": {
			{Name: "zone", Kind: "string"}, {Name: "subnets", Kind: "list"}, {Name: "port", Kind: "number"}, {Name: "key", Kind: "string", Sensitive: true},
		}},
		Environments: map[string]map[string][]string{"network": {"vpc": {"vpc_id", "subnets"}}},
	}
}

func compileIn(t testing.TB, spec template.EnvironmentSpec, in template.Surroundings) *template.Compiled {
	t.Helper()
	c, err := template.NewCompiler()
	require.NoError(t, err)
	return c.CompileIn(&template.EnvironmentVersion{Template: "demo", Version: "v1", Spec: spec}, in)
}

func expressionOf(name, value string) template.Variable {
	return template.Variable{Name: name, ValueType: template.Expression, Value: &value}
}

func TestGraphOfAllKinds(t *testing.T) {
	t.Parallel()
	c := compileIn(t, siteSpec(expressionOf("subnets", `$(resource["shared"].output.subnets)$`)), surroundings(t))
	require.Empty(t, c.Problems())
	require.Equal(t, template.Graph{
		Nodes: []template.Node{
			{Name: "net", Kind: template.KindEnvironment, Environment: "network", Outputs: []string{}},
			{Name: "site", Kind: template.KindResourceTemplate, Template: "site", Version: "v1", Outputs: []string{"url"}},
			{Name: "shared", Kind: template.KindStatic, Static: "shared-values", Outputs: []string{"zone", "subnets", "port", "key"}},
		},
		Edges: []template.Edge{{From: "net", To: "site"}, {From: "shared", To: "site"}},
	}, c.Graph())
	require.Len(t, c.Resources, 1, "what exists already is nothing that a run applies")
}

func TestUpstreamProblems(t *testing.T) {
	t.Parallel()
	add := func(v template.Variable) func(*template.EnvironmentSpec, *template.Surroundings) {
		return func(s *template.EnvironmentSpec, _ *template.Surroundings) { s.Variables = append(s.Variables, v) }
	}
	node := func(i int, edit func(r *template.Resource)) func(*template.EnvironmentSpec, *template.Surroundings) {
		return func(s *template.EnvironmentSpec, _ *template.Surroundings) { edit(&s.Resources[i]) }
	}
	for name, tc := range map[string]struct {
		edit     func(*template.EnvironmentSpec, *template.Surroundings)
		path     string
		message  string
		severity bundle.Severity
	}{
		"no such static": {func(_ *template.EnvironmentSpec, in *template.Surroundings) {
			in.Statics = map[string][]staticresource.Output{}
		},
			"spec.resources[2].static", `there is no static resource "shared-values" that the template's project may use`, bundle.Error},
		"static unnamed":          {node(2, func(r *template.Resource) { r.Static = "" }), "spec.resources[2].static", "must name the static resource", bundle.Error},
		"environment unnamed":     {node(0, func(r *template.Resource) { r.Environment = "" }), "spec.resources[0].environment", "must name the environment", bundle.Error},
		"environment misnamed":    {node(0, func(r *template.Resource) { r.Environment = "$(environment.name)$" }), "spec.resources[0].environment", "is no name of an environment", bundle.Error},
		"static with template":    {node(2, func(r *template.Resource) { r.Template = "site" }), "spec.resources[2].template", `"shared" is of the kind static, which has no template`, bundle.Error},
		"environment and version": {node(0, func(r *template.Resource) { r.Version = "v1" }), "spec.resources[0].version", `"net" is of the kind environment, which has no version`, bundle.Error},
		"template with static":    {node(1, func(r *template.Resource) { r.Static = "x" }), "spec.resources[1].static", `"site" is of the kind resourcetemplate, which has no static`, bundle.Error},
		"unknown kind":            {node(0, func(r *template.Resource) { r.Kind = "pod" }), "spec.resources[0].kind", `the kind "pod" is not supported; use resourcetemplate, static or environment`, bundle.Error},
		"nothing to deploy": {func(s *template.EnvironmentSpec, _ *template.Surroundings) {
			s.Resources, s.Variables = []template.Resource{s.Resources[0], s.Resources[2]}, nil
		}, "spec.resources", "there is nothing to deploy", bundle.Error},
		"no such output":      {add(expressionOf("port", `$(resource["shared"].output.prt)$`)), "spec.variables[1].value", `static resource "shared" has no output "prt"; did you mean "port"?`, bundle.Error},
		"another type":        {add(expressionOf("subnets", `$(resource["shared"].output.zone)$`)), "spec.variables[1].value", "the expression gives a string; it must be a list", bundle.Error},
		"another type, again": {add(expressionOf("port", `$(resource."shared".output.subnets.value)$`)), "spec.variables[1].value", "the expression gives a list; it must be a number", bundle.Error},
		"static, nested":      {add(expressionOf("port", `$(resource["shared"].resource["x"].output.port)$`)), "spec.variables[1].value", `"shared" is a static resource, so write resource["shared"].output.port`, bundle.Error},
		"resource, nested":    {add(expressionOf("port", `$(resource["site"].resource["x"].output.port)$`)), "spec.variables[1].value", `"site" is no environment, so write resource["site"].output.port`, bundle.Error},
		"environment, plain":  {add(expressionOf("port", `$(resource["net"].output.port)$`)), "spec.variables[1].value", `"net" is another environment; name one of its resources, too`, bundle.Error},
		"unknown node":        {add(expressionOf("port", `$(resource["shard"].output.port)$`)), "spec.variables[1].value", `there is no resource "shard"; did you mean "shared"?`, bundle.Error},
		"unknown inner":       {add(expressionOf("port", `$(resource["net"].resource["vcp"].output.port)$`)), "spec.variables[1].value", `environment "network", as it is deployed now, has no resource "vcp"; did you mean "vpc"?`, bundle.Warning},
		"unknown inner output": {add(expressionOf("port", `$(resource["net"].resource["vpc"].output.port)$`)), "spec.variables[1].value",
			`resource "vpc" of environment "network", as it is deployed now, has no output "port"`, bundle.Warning},
		"selector":     {add(template.Variable{Name: "x", Selectors: []template.Selector{{Resource: "net"}}}), "spec.variables[1].selectors[0].resource", `"net" is of the kind environment, which takes no variables`, bundle.Error},
		"no effect":    {node(0, func(r *template.Resource) { r.DependsOn = []string{"shared"} }), "spec.resources[0].dependsOn", "has no effect", bundle.Warning},
		"cycle":        {node(0, func(r *template.Resource) { r.DependsOn = []string{"site"} }), "spec.resources[1].dependsOn", "site → net → site", bundle.Error},
		"unknown name": {node(1, func(r *template.Resource) { r.DependsOn = []string{"nets"} }), "spec.resources[1].dependsOn[0]", `depends on "nets", which is not in the template`, bundle.Error},
		"same name":    {node(2, func(r *template.Resource) { r.Name = "net" }), "spec.resources[2].name", `the name "net" is used by another resource`, bundle.Error},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec, in := siteSpec(), surroundings(t)
			tc.edit(&spec, &in)
			problems := compileIn(t, spec, in).Problems()
			found := false
			for _, p := range problems {
				if p.Path == tc.path && p.Severity == tc.severity {
					found = true
					require.Contains(t, p.Message, tc.message)
				}
			}
			require.True(t, found, "%+v", problems)
		})
	}
}

// Where nobody has looked, as when a template is checked outside a server, only what the template itself says is checked.
func TestUnknownSurroundings(t *testing.T) {
	t.Parallel()
	in := surroundings(t)
	in.Statics, in.Environments = nil, nil
	c := compileIn(t, siteSpec(expressionOf("port", `$(resource["shared"].output.whatever)$`), expressionOf("subnets", `$(resource["net"].resource["any"].output.thing)$`)), in)
	require.Empty(t, c.Problems())
}

func TestDevelopersUseUpstreams(t *testing.T) {
	t.Parallel()
	c := compileIn(t, siteSpec(template.Variable{Name: "port"}, template.Variable{Name: "password"}), surroundings(t))
	require.Empty(t, c.Problems())
	value := func(name, e string) []template.Value {
		return []template.Value{{Name: name, ValueType: template.Expression, Value: e}}
	}
	own := value("port", `$(resource["shared"].output.port + 1)$`)
	require.NoError(t, c.Validate(own))
	require.ElementsMatch(t, []string{"net", "shared"}, c.Dependencies(own)["site"])
	require.Equal(t, []expr.Reference{{Resource: "net", Inner: "vpc", Output: "vpc_id"}}, c.Nested(own))
	require.Empty(t, c.Nested([]template.Value{{Name: "vpc", Value: "mine"}}), "an expression that is not used needs nothing")
	for e, want := range map[string]string{
		`$(resource["shared"].output.key)$`:             "is sensitive, so only the template itself can use it",
		`$("x" + resource["shared"].output.key)$`:       "is sensitive, so only the template itself can use it",
		`$(resource["shared"].output.nope)$`:            `has no output "nope"`,
		`$(resource["shared"].output.subnets)$`:         "the expression gives a list",
		`$(resource["nets"].resource["a"].output.b)$`:   `there is no resource "nets"; did you mean "net"?`,
		`$(resource["shared"].resource["a"].output.b)$`: "is a static resource",
	} {
		require.ErrorContains(t, c.Validate(value("password", e)), want, e)
	}
}

func TestResolveNested(t *testing.T) {
	t.Parallel()
	c := compileIn(t, siteSpec(), surroundings(t))
	in := template.ResolveInput{Resource: "site", Scope: expr.Scope{Nested: map[string]map[string]map[string]expr.Output{
		"net": {"vpc": {"vpc_id": {Value: json.RawMessage(`"canary-vpc"`), Sensitive: true}}},
	}}}
	got, err := c.Resolve(in)
	require.NoError(t, err)
	require.True(t, got.Known())
	require.Equal(t, json.RawMessage(`"canary-vpc"`), got.Variables["vpc"])
	require.True(t, got.Sensitive["vpc"])
	require.Contains(t, got.Secrets, "canary-vpc")

	in.Scope.Nested = nil
	got, err = c.Resolve(in)
	require.NoError(t, err)
	require.Equal(t, map[string][]expr.Reference{"vpc": {{Resource: "net", Inner: "vpc", Output: "vpc_id"}}}, got.Unknown)
}
