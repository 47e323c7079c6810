package expr_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/template/expr"
)

func language(t testing.TB) *expr.Language {
	t.Helper()
	l, err := expr.New()
	require.NoError(t, err)
	return l
}

func scope() expr.Scope {
	return expr.Scope{
		Environment: expr.Environment{ID: "env_1", Name: "ecs-1", UniqueName: "ecs-1-x7", Project: "demo", Template: "ecs", Version: "v1"},
		User:        expr.User{Email: "dev@example.com"},
		Outputs: map[string]map[string]expr.Output{
			"vpc": {
				"vpc_id":  {Value: json.RawMessage(`"vpc-9"`)},
				"subnets": {Value: json.RawMessage(`["a","b"]`)},
				"count":   {Value: json.RawMessage(`9007199254740993`)},
				"token":   {Value: json.RawMessage(`"s3cret"`), Sensitive: true},
				"nested":  {Value: json.RawMessage(`{"value":{"x":1.5}}`)},
			},
		},
		Nested: map[string]map[string]map[string]expr.Output{
			"net": {
				"vpc": {"vpc_id": {Value: json.RawMessage(`"vpc-7"`)}, "token": {Value: json.RawMessage(`"t0p"`), Sensitive: true}},
				"dns": {"zone": {Value: json.RawMessage(`"z"`)}},
			},
		},
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]string{
		`plain`:                `"plain"`,
		`$(environment.name)$`: `"ecs-1"`,
		`a-$(environment.name)$-$( environment.project )$`:             `"a-ecs-1-demo"`,
		`$(resource["vpc"].output.subnets)$`:                           `["a","b"]`,
		`$(resource["vpc"].output["subnets"][1])$`:                     `"b"`,
		`$(resource."vpc".output.vpc_id.value)$`:                       `"vpc-9"`,
		`$(resource."vpc".output.subnets.value.size())$`:               `2`,
		`$(resource."vpc".output.nested.value.value.x)$`:               `1.5`,
		`$(resource["vpc"].output.nested.value.x)$`:                    `1.5`,
		`ids: $(resource["vpc"].output.subnets)$`:                      `"ids: [\"a\",\"b\"]"`,
		`$(resource["net"].resource["vpc"].output.vpc_id)$`:            `"vpc-7"`,
		`$(resource."net".resource."vpc".output.vpc_id.value)$`:        `"vpc-7"`,
		`$(resource["net"].resource."vpc".output.vpc_id.value)$`:       `"vpc-7"`,
		`$(resource."net".resource["vpc"].output.vpc_id.value + "/")$`: `"vpc-7/"`,
		`$(resource["net"].resource["vpc"].output.vpc_id + resource["net"].resource["dns"].output["zone"] + resource["vpc"].output.vpc_id)$`: `"vpc-7zvpc-9"`,
		`$(resource["vpc"].output.count)$`:                         `9007199254740993`,
		`$({"Project": environment.project, "Mail": user.email})$`: `{"Mail":"dev@example.com","Project":"demo"}`,
		`$("a )$ b")$`:                                        `"a )$ b"`,
		`$('resource."vpc".output.x.value')$`:                 `"resource.\"vpc\".output.x.value"`,
		`$(environment.name.startsWith("ecs") ? 2 : 1)$`:      `2`,
		`$(environment.name.upperAscii())$`:                   `"ECS-1"`,
		`$(1 < 2)$`:                                           `true`,
		`$(resource["vpc"].output.subnets.map(s, s + "-x"))$`: `["a-x","b-x"]`,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, err := l.Compile(text)
			require.NoError(t, err)
			got, err := e.Eval(scope())
			require.NoError(t, err)
			require.JSONEq(t, want, string(got.Value))
			require.Equal(t, want, string(got.Value))
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]string{
		`$(environment.nme)$`:                     `there is no "environment"`,
		`$(environment.name`:                      `close it with )$`,
		`$( )$`:                                   `it is empty`,
		`$(environment.name + 1)$`:                `no matching overload`,
		`$(resource[environment.name].output.x)$`: `resource["name"].output.name`,
		`$(resource)$`:                            `resource["name"].output.name`,
		`$(resource["x"].resource["y"])$`:         `resource["environment"].resource["name"].output.name`,
		`$(resource["x"].resource["y"].resource["z"].output.a)$`: `resource["name"].output.name, and one`,
		`$(resource["x"].resource[user.email].output.a)$`:        `and one of another environment`,
		`$(resource["x"].status)$`:                               `resource["name"].output.name`,
		`$(has(resource["x"].output.y))$`:                        `resource["name"].output.name`,
		`$(os.env)$`:                                             `there is no "os"`,
		strings.Repeat("x", 9000):                                `longer than`,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := l.Compile(text)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestReferencesAndUnknown(t *testing.T) {
	t.Parallel()
	e, err := language(t).Compile(`$(resource["vpc"].output.vpc_id + resource."db".output.id.value + resource["vpc"].output.vpc_id)$`)
	require.NoError(t, err)
	require.Equal(t, []expr.Reference{{Resource: "vpc", Output: "vpc_id"}, {Resource: "db", Output: "id"}}, e.References())
	_, err = e.Eval(scope())
	var unknown *expr.UnknownError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, []expr.Reference{{Resource: "db", Output: "id"}}, unknown.References)
}

func TestReferencesToOtherEnvironments(t *testing.T) {
	t.Parallel()
	l := language(t)
	e, err := l.Compile(`a $(resource."net".resource."vpc".output.vpc_id.value)$ $(resource["net"].resource["none"].output.x)$`)
	require.NoError(t, err)
	vpc, none := expr.Reference{Resource: "net", Inner: "vpc", Output: "vpc_id"}, expr.Reference{Resource: "net", Inner: "none", Output: "x"}
	require.Equal(t, []expr.Reference{vpc, none}, e.References())
	require.Equal(t, `resource["net"].resource["vpc"].output.vpc_id`, vpc.String())
	_, err = e.Eval(scope())
	var unknown *expr.UnknownError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, []expr.Reference{none}, unknown.References)

	e, err = l.Compile(`$(resource["net"].resource["vpc"].output.token)$`)
	require.NoError(t, err)
	got, err := e.Eval(scope())
	require.NoError(t, err)
	require.True(t, got.Sensitive)
}

func TestReferenceIsTheWholeValue(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]bool{
		`$(resource["a"].output.b)$`: true, `$( resource."a".output.b.value )$`: true, `$(resource["a"].resource["b"].output.c)$`: true,
		`x$(resource["a"].output.b)$`: false, `$(resource["a"].output.b[0])$`: false, `$(resource["a"].output.b + 1)$`: false, `$(1)$`: false,
	} {
		e, err := l.Compile(text)
		require.NoError(t, err)
		_, alone := e.Reference()
		require.Equal(t, want, alone, text)
	}
}

func TestSensitiveOutputMakesResultSensitive(t *testing.T) {
	t.Parallel()
	e, err := language(t).Compile(`token=$(resource["vpc"].output.token)$`)
	require.NoError(t, err)
	got, err := e.Eval(scope())
	require.NoError(t, err)
	require.True(t, got.Sensitive)
}

func TestKind(t *testing.T) {
	t.Parallel()
	l := language(t)
	for text, want := range map[string]string{
		`$(environment.name)$`: "string", `x $(1)$`: "string", `$(1 + 2)$`: "number", `$(true)$`: "bool",
		`$([1])$`: "list", `$({"a": 1})$`: "map", `$(resource["a"].output.b)$`: "any",
	} {
		e, err := l.Compile(text)
		require.NoError(t, err)
		require.Equal(t, want, e.Kind(), text)
	}
}

func TestCostIsBounded(t *testing.T) {
	t.Parallel()
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 200), ",") + "]"
	e, err := language(t).Compile("$(" + list + ".map(a, " + list + ".map(b, " + list + ".map(c, a+b+c))))$")
	require.NoError(t, err)
	_, err = e.Eval(scope())
	require.ErrorContains(t, err, "cost limit")
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`$(environment.name)$`, `$(resource."a".output.b.value)$`, `$("\")$`, `a$(1)$b$(2)$`, `$(resource["a"].output.b[0])$`, `$(resource."a".resource."b".output.c.value)$`} {
		f.Add(s)
	}
	l := language(f)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := l.Compile(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		outputs := map[string]map[string]expr.Output{}
		nested := map[string]map[string]map[string]expr.Output{}
		for _, r := range e.References() {
			of := outputs
			if r.Inner != "" {
				if nested[r.Resource] == nil {
					nested[r.Resource] = map[string]map[string]expr.Output{}
				}
				of, r.Resource = nested[r.Resource], r.Inner
			}
			if of[r.Resource] == nil {
				of[r.Resource] = map[string]expr.Output{}
			}
			of[r.Resource][r.Output] = expr.Output{Value: json.RawMessage(`"v"`)}
		}
		got, err := e.Eval(expr.Scope{Outputs: outputs, Nested: nested})
		var unknown *expr.UnknownError
		if errors.As(err, &unknown) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && !json.Valid(got.Value) {
			t.Fatalf("%q gives %q, which is no JSON", text, got.Value)
		}
		if !expr.Contains(text) && err == nil {
			var back string
			if json.Unmarshal(got.Value, &back) != nil || utf8.ValidString(text) && back != text {
				t.Fatalf("plain text %q became %s", text, got.Value)
			}
		}
	})
}
