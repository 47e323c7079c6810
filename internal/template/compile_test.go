package template_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
)

const vpcModule = `
variable "aws_region" { type = string }
variable "name"       { type = string }
variable "cidr" {
  type    = string
  default = "10.0.0.0/16"
  validation {
    condition     = can(cidrhost(var.cidr, 0))
    error_message = "Must be a network like 10.0.0.0/16."
  }
}
variable "tags" {
  type    = map(string)
  default = {}
}
output "vpc_id"  { value = "vpc-1" }
output "subnets" { value = ["a"] }
output "secret" {
  value     = "x"
  sensitive = true
}`

const appModule = `
variable "region"  { type = string }
variable "vpc_id"  { type = string }
variable "subnets" { type = list(string) }
variable "container_port" {
  type        = number
  default     = 80
  description = "Port the container listens on."
  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535 && floor(var.container_port) == var.container_port
    error_message = "Bad port."
  }
}
variable "size" {
  type    = string
  default = "small"
  validation {
    condition     = contains(["small", "large"], var.size)
    error_message = "Bad size."
  }
}
variable "password" {
  type      = string
  default   = "changeme-default"
  sensitive = true
  validation {
    condition     = length(var.password) >= 8
    error_message = "Use at least 8 characters."
  }
}
variable "scaling" {
  type = object({ min = number, max = optional(number, 4) })
  default = { min = 1 }
  validation {
    condition     = var.scaling.min <= var.scaling.max
    error_message = "The minimum must not be above the maximum."
  }
}
variable "late" {
  type    = string
  default = ""
  validation {
    condition     = can(provider_only(var.late))
    error_message = "only tofu knows"
  }
}
output "endpoint" { value = "http://x" }`

func text(s string) *string { return &s }

func resourceVersion(t testing.TB, name, code string, edit ...func(*template.ResourceSpec)) *template.ResourceVersion {
	t.Helper()
	m := bundle.Inspect(fstest.MapFS{"main.tf": {Data: []byte(code)}}, ".")
	require.Empty(t, m.Problems)
	v := &template.ResourceVersion{ID: template.ResourceVersionID(name), Template: name, Version: "v1", State: template.Active, Module: *m}
	for _, e := range edit {
		e(&v.Spec)
	}
	return v
}

func environmentSpec() template.EnvironmentSpec {
	return template.EnvironmentSpec{
		Resources: []template.Resource{
			{Name: "vpc", Kind: template.KindResourceTemplate, Template: "vpc", VersionID: "vpc"},
			{Name: "app", Kind: template.KindResourceTemplate, Template: "app", VersionID: "app", DependsOn: []string{"vpc"}},
		},
		AllowFreeVariables: true,
		Variables: []template.Variable{
			{
				Name: "region", Value: text("us-east-1"),
				Selectors: []template.Selector{{Resource: "vpc", Variable: "aws_region"}, {Resource: "app", Variable: "region"}},
			},
			{
				Name: "name", ValueType: template.Expression, Value: text("$(environment.uniqueName)$"),
				Options: template.Options{Override: template.Override{Type: template.NotAllowed}},
			},
			{
				Name: "vpc_id", ValueType: template.Expression, Value: text(`$(resource."vpc".output.vpc_id.value)$`),
				Options: template.Options{Override: template.Override{Type: template.NotAllowed}},
			},
			{
				Name: "subnets", ValueType: template.Expression, Value: text(`$(resource["vpc"].output.subnets)$`),
				Options: template.Options{Override: template.Override{Type: template.NotAllowed}},
			},
			{Name: "tags", ValueType: template.Expression, Value: text(`$({"Environment": environment.id})$`)},
		},
	}
}

func compile(t testing.TB, spec template.EnvironmentSpec, versions ...*template.ResourceVersion) *template.Compiled {
	t.Helper()
	c, err := template.NewCompiler()
	require.NoError(t, err)
	if versions == nil {
		versions = []*template.ResourceVersion{resourceVersion(t, "vpc", vpcModule), resourceVersion(t, "app", appModule)}
	}
	byID := map[template.ResourceVersionID]*template.ResourceVersion{}
	for _, v := range versions {
		byID[v.ID] = v
	}
	return c.Compile(&template.EnvironmentVersion{Template: "ecs", Version: "v1", Spec: spec}, byID)
}

func TestInputs(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	require.Empty(t, c.Problems())
	var names []string
	for _, in := range c.Inputs() {
		names = append(names, in.Name)
	}
	require.Equal(t, []string{"region", "tags", "cidr", "container_port", "size", "password", "scaling", "late"}, names)

	region, _ := c.Input("region")
	require.Equal(t, []string{"vpc", "app"}, region.ResourceNames)
	require.JSONEq(t, `"us-east-1"`, string(region.Default))
	require.Equal(t, template.FromEnvironmentTemplate, region.Origin)
	require.Equal(t, template.Basic, region.Group)

	port, _ := c.Input("container_port")
	require.Equal(t, "Container port", port.Label)
	require.Equal(t, "Port the container listens on.", port.Description)
	require.InDelta(t, 1, *port.Limits.Min, 0)
	require.InDelta(t, 65535, *port.Limits.Max, 0)
	require.True(t, port.Limits.Integer)
	require.Equal(t, template.Advanced, port.Group)

	size, _ := c.Input("size")
	require.Len(t, size.Choices, 2)
	password, _ := c.Input("password")
	require.True(t, password.Sensitive)
	require.True(t, c.Sensitive("password"))
	require.False(t, c.Sensitive("size"))
	require.Nil(t, password.Default)
	tags, _ := c.Input("tags")
	require.NotEmpty(t, tags.DefaultExpression)
	_, offered := c.Input("vpc_id")
	require.False(t, offered)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	for name, tc := range map[string]struct {
		value template.Value
		want  string // field error; empty: accepted
	}{
		"number as text":     {template.Value{Name: "container_port", Value: " 8080 "}, ""},
		"number as json":     {template.Value{Name: "container_port", ValueType: template.JSON, Value: "8080"}, ""},
		"number as hcl":      {template.Value{Name: "container_port", ValueType: template.HCL, Value: "8080"}, ""},
		"not a number":       {template.Value{Name: "container_port", Value: "eighty"}, "must be a whole number from 1 to 65535; you entered eighty"},
		"out of range":       {template.Value{Name: "container_port", Value: "70000"}, "must be a whole number from 1 to 65535; you entered 70000"},
		"not whole":          {template.Value{Name: "container_port", Value: "80.5"}, "must be a whole number from 1 to 65535; you entered 80.5"},
		"empty number":       {template.Value{Name: "container_port", Value: ""}, "must be a whole number from 1 to 65535; you entered nothing"},
		"choice":             {template.Value{Name: "size", Value: "large"}, ""},
		"wrong choice":       {template.Value{Name: "size", Value: "huge"}, "must be one of small, large; you entered huge"},
		"short secret":       {template.Value{Name: "password", Value: "hunter2"}, "must be text of at least 8 characters"},
		"module's words":     {template.Value{Name: "cidr", Value: "nowhere"}, "must be a network like 10.0.0.0/16; you entered nowhere"},
		"good network":       {template.Value{Name: "cidr", Value: "10.1.0.0/16"}, ""},
		"object as hcl":      {template.Value{Name: "scaling", ValueType: template.HCL, Value: "{ min = 2 }"}, ""},
		"object as text":     {template.Value{Name: "scaling", Value: `{"min": 2, "max": 3}`}, ""},
		"object condition":   {template.Value{Name: "scaling", ValueType: template.JSON, Value: `{"min": 9}`}, "the minimum must not be above the maximum; you entered {\"min\": 9}"},
		"object incomplete":  {template.Value{Name: "scaling", ValueType: template.JSON, Value: `{"max": 9}`}, "scaling.min: is required; it must be a number"},
		"map":                {template.Value{Name: "tags", ValueType: template.HCL, Value: "{ a = \"b\"\n c = 1 }"}, ""},
		"map needs a map":    {template.Value{Name: "tags", Value: "hello"}, "must be a map"},
		"functions in hcl":   {template.Value{Name: "tags", ValueType: template.HCL, Value: `{ a = file("/etc/passwd") }`}, "functions, references and loops are not allowed"},
		"references in hcl":  {template.Value{Name: "tags", ValueType: template.HCL, Value: `{ a = var.region }`}, "functions, references and loops are not allowed"},
		"templates in hcl":   {template.Value{Name: "tags", ValueType: template.HCL, Value: `{ a = "${path.module}" }`}, "functions, references and loops are not allowed"},
		"deep hcl":           {template.Value{Name: "tags", ValueType: template.HCL, Value: strings.Repeat("[", 50000)}, "nested too deep"},
		"signs in a row":     {template.Value{Name: "container_port", ValueType: template.HCL, Value: strings.Repeat("-", 50000) + "1"}, "nested too deep"},
		"deep json":          {template.Value{Name: "tags", ValueType: template.JSON, Value: strings.Repeat("[", 100000)}, "must be valid JSON"},
		"absurd number":      {template.Value{Name: "size", ValueType: template.JSON, Value: "1e999999999"}, "that large"},
		"huge number":        {template.Value{Name: "container_port", Value: "1e99999999"}, "must not hold a number that large"},
		"bad json":           {template.Value{Name: "tags", ValueType: template.JSON, Value: `{`}, "must be valid JSON"},
		"expression":         {template.Value{Name: "region", ValueType: template.Expression, Value: "$(environment.name)$"}, ""},
		"bad expression":     {template.Value{Name: "region", ValueType: template.Expression, Value: "$(nope)$"}, `there is no "nope"`},
		"unknown output":     {template.Value{Name: "size", ValueType: template.Expression, Value: `$(resource["vpc"].output.x)$`}, "must be one of"},
		"no such output":     {template.Value{Name: "cidr", ValueType: template.Expression, Value: `$(resource["vpc"].output.vpc_ids)$`}, `has no output "vpc_ids"; did you mean "vpc_id"?`},
		"cycle":              {template.Value{Name: "cidr", ValueType: template.Expression, Value: `$(resource["app"].output.endpoint)$`}, "wait for each other: vpc → app → vpc"},
		"wrong kind":         {template.Value{Name: "scaling", ValueType: template.Expression, Value: `$([1])$`}, "must be an object"},
		"set by template":    {template.Value{Name: "vpc_id", Value: "vpc-2"}, "cannot be set: it is set by the template"},
		"selected elsewhere": {template.Value{Name: "aws_region", Value: "x"}, "cannot be set: it is set by the template"},
		"free":               {template.Value{Name: "image_location", Value: "nginx"}, ""},
		"bad name":           {template.Value{Name: "no spaces", Value: "x"}, "is no name for a variable"},
		"bad value type":     {template.Value{Name: "size", ValueType: "yaml", Value: "x"}, "unknown value type"},
		"left to tofu":       {template.Value{Name: "late", Value: "anything"}, ""},
		"null is not given":  {template.Value{Name: "size", ValueType: template.JSON, Value: "null"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.Validate([]template.Value{tc.value})
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			f, ok := fault.As(err)
			require.True(t, ok)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Len(t, f.Fields, 1)
			require.True(t, strings.HasPrefix(f.Fields[0].Path, tc.value.Name))
			if name == "short secret" {
				require.NotContains(t, err.Error(), "hunter2")
			}
		})
	}
}

func TestRequiredAndPartial(t *testing.T) {
	t.Parallel()
	spec := environmentSpec()
	spec.Variables[0].Value = nil
	c := compile(t, spec)
	require.Empty(t, c.Problems())
	require.ErrorContains(t, c.Validate(nil), "region: is required")
	require.NoError(t, c.ValidatePartial(nil))
	require.Equal(t, "region", c.Inputs()[0].Name)
	require.NoError(t, c.Validate([]template.Value{{Name: "region", Value: "eu-west-1"}}))
	require.ErrorContains(t, c.Validate([]template.Value{{Name: "region", Value: "a"}, {Name: "region", Value: "b"}}), "given twice")
}

func TestFreeVariablesForbidden(t *testing.T) {
	t.Parallel()
	spec := environmentSpec()
	spec.AllowFreeVariables = false
	spec.ModuleInputs = template.HideModuleInputs
	c := compile(t, spec)
	require.Empty(t, c.Problems())
	require.ErrorContains(t, c.Validate([]template.Value{{Name: "regoin", Value: "x"}}), `regoin: is no variable of template ecs v1, which allows no others; did you mean "region"?; remove it`)
	require.Error(t, c.Validate([]template.Value{{Name: "container_port", Value: "80"}}))

	spec.AllowFreeVariables = true
	c = compile(t, spec)
	require.NoError(t, c.Validate([]template.Value{{Name: "container_port", Value: "80"}}))
	require.ErrorContains(t, c.Validate([]template.Value{{Name: "container_port", Value: "eighty"}}), "must be a whole number from 1 to 65535; you entered eighty")
	got, err := c.Resolve(template.ResolveInput{
		Resource: "app", Values: []template.Value{{Name: "container_port", Value: "80"}, {Name: "other", Value: "x"}}, Scope: scope(),
	})
	require.NoError(t, err)
	require.Equal(t, "80", string(got.Variables["container_port"]))
	require.NotContains(t, got.Variables, "other")
	require.Len(t, c.Warnings([]template.Value{{Name: "container_por", Value: "80"}}), 1)
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	spec := environmentSpec()
	spec.Variables[0].Options.Immutable = true
	c := compile(t, spec)
	old := []template.Value{{Name: "region", Value: "us-east-1"}}
	require.NoError(t, c.ValidateChange(old, []template.Value{{Name: "region", ValueType: template.JSON, Value: `"us-east-1"`}}))
	require.ErrorContains(t, c.ValidateChange(old, []template.Value{{Name: "region", Value: "eu-west-1"}}), "cannot be changed after the first deploy")
	require.ErrorContains(t, c.ValidateChange(old, nil), "cannot be changed")
}

func scope() expr.Scope {
	return expr.Scope{
		Environment: expr.Environment{ID: "env_1", Name: "ecs-1", UniqueName: "ecs-1-ab", Project: "demo"},
		Outputs: map[string]map[string]expr.Output{"vpc": {
			"vpc_id": {Value: json.RawMessage(`"vpc-7"`)}, "subnets": {Value: json.RawMessage(`["s1","s2"]`)},
			"secret": {Value: json.RawMessage(`"upstream-secret"`), Sensitive: true},
		}},
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	got, err := c.Resolve(template.ResolveInput{
		Resource: "app", Scope: scope(),
		Values: []template.Value{{Name: "container_port", Value: "80"}, {Name: "password", Value: "hunter2hunter2"}},
	})
	require.NoError(t, err)
	require.True(t, got.Known())
	out, err := json.Marshal(got.Variables)
	require.NoError(t, err)
	require.JSONEq(t, `{"region":"us-east-1","vpc_id":"vpc-7","subnets":["s1","s2"],"container_port":80,"password":"hunter2hunter2"}`, string(out))
	require.Equal(t, template.FromInput, got.Origins["container_port"])
	require.Equal(t, template.FromEnvironmentTemplate, got.Origins["region"])
	require.Equal(t, template.FromModule, got.Origins["size"])
	require.Equal(t, map[string]bool{"password": true}, got.Sensitive)
	require.Equal(t, []string{"hunter2hunter2"}, got.Secrets)

	vpc, err := c.Resolve(template.ResolveInput{Resource: "vpc", Scope: scope()})
	require.NoError(t, err)
	require.JSONEq(t, `{"Environment":"env_1"}`, string(vpc.Variables["tags"]))
	require.JSONEq(t, `"ecs-1-ab"`, string(vpc.Variables["name"]))
}

func TestResolveBeforeUpstream(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	got, err := c.Resolve(template.ResolveInput{Resource: "app"})
	require.NoError(t, err)
	require.False(t, got.Known())
	require.Equal(t, []expr.Reference{{Resource: "vpc", Output: "vpc_id"}}, got.Unknown["vpc_id"])
	require.Len(t, got.Unknown, 2)
}

func TestSensitiveOutputsStaySensitive(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	got, err := c.Resolve(template.ResolveInput{
		Resource: "app", Scope: scope(),
		Values: []template.Value{{Name: "late", ValueType: template.Expression, Value: `x-$(resource["vpc"].output.secret)$`}},
	})
	require.NoError(t, err)
	require.True(t, got.Sensitive["late"])
	require.Contains(t, got.Secrets, "x-upstream-secret")
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const code = `variable "v" {
  type    = string
  default = "module"
}`
	ctx := func(value string) []configcontext.Values {
		return []configcontext.Values{
			{Name: "early", Variables: []configcontext.Variable{{Name: "v", Value: "early"}}, Env: []configcontext.Env{{Key: "K", Value: "early"}}},
			{Name: "late", Variables: []configcontext.Variable{{Name: "v", Value: value, Sensitive: true}}, Env: []configcontext.Env{{Key: "K", Value: value, Sensitive: true}}},
		}
	}
	resolve := func(level int) *template.Resolved {
		v := resourceVersion(t, "m", code, func(s *template.ResourceSpec) {
			if level >= 2 {
				s.Variables = []template.Variable{{Name: "v", Value: text("resource")}}
			}
		})
		spec := template.EnvironmentSpec{Resources: []template.Resource{{Name: "m", Kind: template.KindResourceTemplate, Template: "m", VersionID: "m"}}}
		in := template.ResolveInput{Resource: "m"}
		if level >= 1 {
			in.ResourceContexts = ctx("resource context")
		}
		if level >= 3 {
			in.EnvironmentContexts = ctx("environment context")
		}
		if level >= 4 {
			spec.Variables = []template.Variable{{Name: "v", Value: text("environment")}}
		}
		if level >= 5 {
			in.Values = []template.Value{{Name: "v", Value: "input"}}
		}
		got, err := compile(t, spec, v).Resolve(in)
		require.NoError(t, err)
		return got
	}
	require.NotContains(t, resolve(0).Variables, "v")
	require.Equal(t, template.FromModule, resolve(0).Origins["v"])
	for level, want := range map[int]struct {
		value  string
		origin template.Origin
	}{
		1: {"resource context", template.FromResourceContext},
		2: {"resource", template.FromResourceTemplate},
		3: {"environment context", template.FromEnvironmentContext},
		4: {"environment", template.FromEnvironmentTemplate},
		5: {"input", template.FromInput},
	} {
		got := resolve(level)
		require.JSONEq(t, fmt.Sprintf("%q", want.value), string(got.Variables["v"]), level)
		require.Equal(t, want.origin, got.Origins["v"])
	}
	require.Equal(t, "environment context", resolve(3).Env["K"])
	require.Contains(t, resolve(3).Secrets, "environment context")
	require.True(t, resolve(3).Sensitive["v"])
}

func TestCompileProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*template.EnvironmentSpec)
		path string
		want string
	}{
		"no resource":        {func(s *template.EnvironmentSpec) { s.Resources = nil; s.Variables = nil }, "spec.resources", "has no resource"},
		"unknown template":   {func(s *template.EnvironmentSpec) { s.Resources[1].VersionID = "" }, "spec.resources[1].template", `no resource template "app"`},
		"unknown dependency": {func(s *template.EnvironmentSpec) { s.Resources[1].DependsOn = []string{"x"} }, "spec.resources[1].dependsOn[0]", `"x", which is not in the template`},
		"cycle":              {func(s *template.EnvironmentSpec) { s.Resources[0].DependsOn = []string{"app"} }, "spec.resources[0].dependsOn", "vpc → app → vpc"},
		"unknown output": {func(s *template.EnvironmentSpec) {
			s.Variables[2].Value = text(`$(resource["vpc"].output.vpc_idd)$`)
		}, "spec.variables[2].value", `did you mean "vpc_id"?`},
		"unknown resource in expression": {func(s *template.EnvironmentSpec) {
			s.Variables[2].Value = text(`$(resource["vpx"].output.vpc_id)$`)
		}, "spec.variables[2].value", `there is no resource "vpx"`},
		"bad expression": {func(s *template.EnvironmentSpec) { s.Variables[1].Value = text(`$(environment.nam)$`) }, "spec.variables[1].value", "is wrong"},
		"no expression":  {func(s *template.EnvironmentSpec) { s.Variables[1].Value = text(`environment.name`) }, "spec.variables[1].value", "write it as $( ... )$"},
		"wrong kind":     {func(s *template.EnvironmentSpec) { s.Variables[3].Value = text(`$(environment.name)$`) }, "spec.variables[3].value", "must be a list"},
		"unknown variable": {func(s *template.EnvironmentSpec) {
			s.Variables = append(s.Variables, template.Variable{Name: "contaner_port"})
		}, "spec.variables[5].name", `did you mean "container_port"?`},
		"wrong value": {func(s *template.EnvironmentSpec) {
			s.Variables = append(s.Variables, template.Variable{Name: "container_port", Value: text("0")})
		}, "spec.variables[5].value", "from 1 to 65535"},
		"nobody gives": {func(s *template.EnvironmentSpec) { s.Variables[1].Value = nil }, "spec.resources[0]", `needs the variable "name", but nobody gives it`},
		"set twice": {func(s *template.EnvironmentSpec) {
			s.Variables = append(s.Variables, template.Variable{Name: "where", Selectors: []template.Selector{{Resource: "app", Variable: "region"}}})
		}, "spec.variables[5]", `both set "region"`},
		"empty restriction": {func(s *template.EnvironmentSpec) {
			s.Variables[0].Options.Override.Type = template.Restricted
		}, "spec.variables[0].options.override", "lists no value"},
		"wrong choice": {func(s *template.EnvironmentSpec) {
			s.Variables = append(s.Variables, template.Variable{Name: "container_port", Options: template.Options{Override: template.Override{Type: template.Restricted, RestrictedValues: []string{"80", "http"}}}})
		}, "spec.variables[5].options.override.restrictedValues[1]", "must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := environmentSpec()
			tc.edit(&spec)
			c := compile(t, spec)
			require.True(t, c.Failed())
			var all []string
			for _, p := range c.Problems() {
				all = append(all, p.Path+": "+p.Message)
				if p.Path == tc.path && strings.Contains(p.Message, tc.want) {
					return
				}
			}
			t.Fatalf("no problem at %s with %q in:\n%s", tc.path, tc.want, strings.Join(all, "\n"))
		})
	}
}

func TestImpliedDependency(t *testing.T) {
	t.Parallel()
	spec := environmentSpec()
	spec.Resources[1].DependsOn = nil
	c := compile(t, spec)
	require.Empty(t, c.Problems())
	app, _ := c.Resource("app")
	require.Equal(t, []string{"vpc"}, app.DependsOn)
	require.Equal(t, map[string][]string{"vpc": nil, "app": {"vpc"}}, c.Dependencies(nil))
}

func TestRestrictedKeyValues(t *testing.T) {
	t.Parallel()
	spec := environmentSpec()
	spec.Variables = append(spec.Variables, template.Variable{Name: "container_port", Value: text("80"), Options: template.Options{
		Override: template.Override{Type: template.Restricted, RestrictedKeyValues: map[string]string{"web": "80", "alternative": "8080"}},
	}})
	c := compile(t, spec)
	require.Empty(t, c.Problems())
	in, _ := c.Input("container_port")
	require.Equal(t, []template.Choice{{Label: "alternative", Value: json.RawMessage("8080")}, {Label: "web", Value: json.RawMessage("80")}}, in.Choices)
	require.NoError(t, c.Validate([]template.Value{{Name: "container_port", Value: "8080"}}))
	require.ErrorContains(t, c.Validate([]template.Value{{Name: "container_port", Value: "81"}}), "must be one of alternative, web; you entered 81")
}

// What the schema accepts and what Validate accepts must be the same.
func TestSchemaAgreesWithValidate(t *testing.T) {
	t.Parallel()
	c := compile(t, environmentSpec())
	raw, err := c.Schema()
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("inputs.json", doc))
	schema, err := compiler.Compile("inputs.json")
	require.NoError(t, err)
	for value, ok := range map[string]bool{
		`{"container_port": 80}`: true, `{"container_port": 0}`: false, `{"container_port": 80.5}`: false,
		`{"size": "small"}`: true, `{"size": "huge"}`: false, `{"tags": {"a": "b"}}`: true, `{"tags": ["a"]}`: false,
		`{"scaling": {"min": 1}}`: true, `{"scaling": {"max": 1}}`: false, `{"password": "short"}`: false,
		`{"free": {"x": 1}}`: true, `{"vpc_id": "x"}`: false, `{"scaling": [1]}`: false,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
		require.NoError(t, err)
		require.Equal(t, ok, schema.Validate(doc) == nil, "schema, %s", value)
		var values []template.Value
		for name, v := range doc.(map[string]any) {
			raw, err := json.Marshal(v)
			require.NoError(t, err)
			values = append(values, template.JSONValue(name, raw))
		}
		require.Equal(t, ok, c.Validate(values) == nil, "validate, %s", value)
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{"80", "eighty", `{"a":1}`, `{ a = [1, "x"] }`, "$(environment.name)$", "null", "1e999", "0x10", "<<EOT\nx\nEOT"} {
		f.Add("container_port", "text", s)
		f.Add("scaling", "hcl", s)
		f.Add("tags", "json", s)
		f.Add("region", "expression", s)
	}
	c := compile(f, environmentSpec())
	f.Fuzz(func(t *testing.T, name, valueType, value string) {
		values := []template.Value{{Name: name, ValueType: template.ValueType(valueType), Value: value}}
		if c.Validate(values) != nil {
			return
		}
		for _, resource := range []string{"vpc", "app"} {
			got, err := c.Resolve(template.ResolveInput{Resource: resource, Values: values, Scope: scope()})
			if err != nil {
				if valueType == "expression" {
					continue // its value is known only now
				}
				t.Fatalf("accepted, but resolving %s gives %v", resource, err)
			}
			for name, raw := range got.Variables {
				if !json.Valid(raw) {
					t.Fatalf("%s is %q", name, raw)
				}
			}
		}
	})
}

func BenchmarkValidate100Inputs(b *testing.B) {
	var code strings.Builder
	var values []template.Value
	for i := range 100 {
		fmt.Fprintf(&code, `variable "v%d" {
  type = number
  validation {
    condition     = var.v%d >= 0 && var.v%d <= 1000
    error_message = "no"
  }
}
`, i, i, i)
		values = append(values, template.Value{Name: fmt.Sprintf("v%d", i), Value: fmt.Sprint(i)})
	}
	c := compile(b, template.EnvironmentSpec{
		Resources: []template.Resource{{Name: "m", Kind: template.KindResourceTemplate, Template: "m", VersionID: "m"}},
	}, resourceVersion(b, "m", code.String()))
	for b.Loop() {
		if err := c.Validate(values); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDraftWithoutCodeIsSaidToLackNoVariables(t *testing.T) {
	t.Parallel()
	draft := &template.ResourceVersion{ID: "rtv_draft", Template: "app", Version: "v1", State: template.Draft, Spec: template.ResourceSpec{
		Variables: []template.Variable{{Name: "replicas"}},
	}}
	problems := func() string {
		c := compile(t, template.EnvironmentSpec{
			Resources: []template.Resource{{Name: "app", Kind: template.KindResourceTemplate, Template: "app", Version: "v1", VersionID: "rtv_draft"}},
			Variables: []template.Variable{{Name: "size"}},
		}, draft)
		return fmt.Sprint(c.Problems())
	}
	if got := problems(); strings.Contains(got, "replicas") || strings.Contains(got, "size") {
		t.Errorf("the problems speak of variables that nobody could know: %s", got)
	}
	draft.Spec.Bundle.Digest = "sha256:0"
	if got := problems(); !strings.Contains(got, "replicas") || !strings.Contains(got, "size") {
		t.Errorf("the code has neither variable, but the problems are %s", got)
	}
}
