package tofu_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	e, err := tofu.ParseEvent([]byte(`{"@message":"x","@timestamp":"2026-11-24T15:21:44.222645Z","hook":{"resource":{"addr":"module.v.aws_vpc.this[0]","resource_type":"aws_vpc","resource_name":"this","resource_key":0,"implied_provider":"aws"},"action":"create","id_key":"id","id_value":"vpc-1","elapsed_seconds":3},"type":"apply_complete"}`))
	require.NoError(t, err)
	require.Equal(t, tofu.EventApplyComplete, e.Type)
	require.Equal(t, "module.v.aws_vpc.this[0]", e.Hook.Resource.Addr)
	require.Equal(t, "vpc-1", e.Hook.IDValue)
	e, err = tofu.ParseEvent([]byte(`{"type":"apply_complete"}`))
	require.NoError(t, err)
	require.Equal(t, tofu.EventLog, e.Type, "a type without its payload is no promise")
	_, err = tofu.ParseEvent([]byte(`panic: runtime error`))
	require.Error(t, err)
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`{"type":"diagnostic","diagnostic":{"severity":"error","range":null}}`))
	f.Add([]byte(`{"type":"change_summary","changes":{"add":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := tofu.ParseEvent(line)
		if err != nil {
			return
		}
		switch e.Type {
		case tofu.EventApplyStart, tofu.EventApplyComplete, tofu.EventApplyErrored:
			_ = e.Hook.Resource.Addr
		case tofu.EventChangeSummary:
			_ = e.Summary.Add
		case tofu.EventDiagnostic:
			_ = e.Diag.Summary
		case tofu.EventPlannedChange, tofu.EventDrift:
			_ = e.Change.Action
		default:
		}
	})
}

const state = `{"version":4,"serial":7,"lineage":"l","outputs":{"o":{"value":1,"type":"number"}},"resources":[
 {"mode":"data","type":"aws_region","name":"r","provider":"provider[\"registry.opentofu.org/hashicorp/aws\"]","instances":[{"attributes":{"id":"eu"}}]},
 {"module":"module.v[\"a.b\"]","mode":"managed","type":"aws_subnet","name":"s","provider":"module.v.provider[\"registry.opentofu.org/hashicorp/aws\"].west","instances":[
   {"index_key":1,"attributes":{"id":"subnet-1"}},
   {"index_key":"k\"${x}","deposed":"0011aabb","attributes":{"id":"subnet-2"}}]},
 {"mode":"managed","type":"local_x","name":"n","provider":"provider[\"terraform.io/builtin/terraform\"]","instances":[{"attributes":{"name":"only-name"}}]}]}`

func TestParseState(t *testing.T) {
	t.Parallel()
	s, err := tofu.ParseState([]byte(state))
	require.NoError(t, err)
	require.Equal(t, uint64(7), s.Serial)
	require.Equal(t, []tofu.Object{
		{Address: "local_x.n", Type: "local_x", ID: "only-name"},
		{Address: `module.v["a.b"].aws_subnet.s["k\"$${x}"]`, Type: "aws_subnet", ID: "subnet-2", Deposed: true},
		{Address: `module.v["a.b"].aws_subnet.s[1]`, Type: "aws_subnet", ID: "subnet-1"},
	}, s.Objects())
	require.Equal(t, []string{"registry.opentofu.org/hashicorp/aws", "terraform.io/builtin/terraform"}, s.Providers())
	empty, err := tofu.ParseState(nil)
	require.NoError(t, err)
	require.Empty(t, empty.Objects())
	_, err = tofu.ParseState([]byte(`{"encrypted_data":"x"}`))
	require.ErrorContains(t, err, "format version 0")
}

func TestRedactPlan(t *testing.T) {
	t.Parallel()
	plan := `{"variables":{"a":{"value":"sss"},"b":{"value":"fine"}},
	 "resource_changes":[{"address":"x.y","mode":"managed","type":"x","change":{"actions":["update"],
	  "before":{"p":"old","l":[{"k":"one"},{"k":"two"}]},"before_sensitive":{"p":true,"l":[{},{"k":true}]},
	  "after":{"p":"new","n":12345678901234567890},"after_sensitive":{"p":true}}}],
	 "configuration":{"root_module":{"variables":{"a":{"sensitive":true}}}}}`
	out, err := tofu.RedactPlan([]byte(plan), "#", func(s string) string { return strings.ReplaceAll(s, "fine", "?") })
	require.NoError(t, err)
	require.NotContains(t, string(out), "old")
	require.NotContains(t, string(out), "new")
	require.NotContains(t, string(out), "two")
	require.NotContains(t, string(out), "sss")
	require.NotContains(t, string(out), "fine")
	require.Contains(t, string(out), "one")
	require.Contains(t, string(out), "12345678901234567890", "numbers keep every digit")
	objects, err := tofu.PlanObjects(out)
	require.NoError(t, err)
	require.Equal(t, []string{"update"}, objects[0].Actions)
}

func TestDialect(t *testing.T) {
	t.Parallel()
	c := tofu.Change{Destroy: true, VarFile: "/w/in.json", Events: "/w/ev"}
	require.Equal(t, []string{"apply", "-input=false", "-auto-approve", "-no-color", "-json-into=/w/ev", "-destroy", "-var-file=/w/in.json"},
		tofu.Dialect{Version: "1.12.6"}.Apply(c))
	require.Equal(t, []string{"apply", "-input=false", "-auto-approve", "-json", "-destroy", "-var-file=/w/in.json"},
		tofu.Dialect{Version: "1.9.0"}.Apply(c))
	require.False(t, tofu.Dialect{Terraform: true, Version: "1.15.0"}.EventsInto())
	require.Equal(t, []string{"apply", "-input=false", "-auto-approve", "-json", "/w/plan"},
		tofu.Dialect{Terraform: true}.Apply(tofu.Change{SavedPlan: "/w/plan", VarFile: "/ignored"}))
}
