package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

func TestEveryRouteHasAPermission(t *testing.T) {
	t.Parallel()
	known := map[authz.Permission]bool{anyone: true, anyUser: true}
	for _, p := range authz.Permissions() {
		known[p] = true
	}
	seen := map[string]bool{}
	for _, rt := range routes() {
		name := rt.method + " " + rt.pattern
		require.True(t, known[rt.permission], name)
		require.False(t, seen[name], name)
		seen[name] = true
		if strings.HasPrefix(rt.pattern, "/p/") {
			require.NotEqual(t, anyone, rt.permission, name)
		}
	}
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/p/demo/environments?q=1": "/p/demo/environments?q=1", "": "", "//evil.example": "", "/\\evil.example": "",
		"https://evil.example/": "", "javascript:alert(1)": "", "evil": "", "/a\r\nSet-Cookie: x": "", "/%2F%2Fevil": "/%2F%2Fevil",
	} {
		require.Equal(t, want, localPath(in), in)
	}
}

func TestMissingRole(t *testing.T) {
	t.Parallel()
	role, ask := missingRole("Creating an environment in project demo needs the role Environment Template User (or Infrastructure Admin, Project Admin). Ask a Project Admin of demo.")
	require.Equal(t, "Environment Template User", role)
	require.Equal(t, []string{"a Project Admin of demo"}, ask)
	role, _ = missingRole("There is no such project.")
	require.Empty(t, role)
}

func TestPlainWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"aws_lb": "Load balancer", "aws_security_group": "Security group", "aws_ecs_service": "Service", "aws_vpc": "Network",
		"google_compute_instance": "Compute instance", "aws_wafv2_web_acl": "Wafv2 web ACL", "x": "X", "": "Object",
	} {
		require.Equal(t, want, plainType(in), in)
	}
	require.Equal(t, "the load balancer", theObject("aws_lb"))
	require.Equal(t, "the NAT gateway", theObject("aws_nat_gateway"))
	for in, want := range map[string]string{
		"aws_lb.this": "aws_lb", "module.a.module.b[\"x.y\"].aws_vpc.this[0]": "aws_vpc", "data.aws_ami.x": "aws_ami", "module.m.data.aws_x.y": "aws_x", "": "",
	} {
		require.Equal(t, want, typeOf(in), in)
	}
}

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func facts(status run.Status, steps ...run.Step) runFacts {
	return runFacts{
		Run:      run.Run{Number: 3, Kind: run.KindDeploy, Status: status, StartedAt: begin, CreatedAt: begin, Steps: steps},
		progress: map[run.StepID]run.StepProgress{}, now: begin.Add(40 * time.Second), ready: true, base: "/p/demo/environments/ecs-1",
	}
}

func TestHeadline(t *testing.T) {
	t.Parallel()
	running := run.Step{ID: "s1", Resource: "vpc", Action: run.ActionApply, Status: run.StepRunning, Phase: "apply", StartedAt: begin}
	f := facts(run.StatusQueued)
	require.Equal(t, "Waiting for a free worker", f.headline())
	f.ready = false
	require.Equal(t, "Deploy waits until OpenTofu is ready", f.headline())

	f = facts(run.StatusRunning, running)
	require.Equal(t, "Applying vpc", f.headline())
	f.progress["s1"] = run.StepProgress{Objects: []run.Object{
		{Address: "aws_lb.a", Type: "aws_lb", Action: "create", Status: "started", StartedAt: begin.Add(time.Second)},
		{Address: "aws_eip.a", Type: "aws_eip", Action: "create", Status: "started", StartedAt: begin.Add(2 * time.Second)},
		{Address: "aws_vpc.a", Type: "aws_vpc", Action: "create", Status: "finished"},
		{Address: "data.aws_ami.a", Type: "aws_ami", Action: "read", Status: "started", StartedAt: begin},
	}}
	require.Equal(t, "Creating the load balancer and 1 other object", f.headline())
	require.Equal(t, "Creating 2 of 3 objects", f.stepSentence(&f.Steps[0]))
	f.CancelRequested = true
	require.Equal(t, "Stopping as soon as that is safe", f.headline())

	f = facts(run.StatusSucceeded)
	f.FinishedAt = begin.Add(190 * time.Second)
	require.Equal(t, "Deployed in 3 min 10 s", f.headline())
	f.Kind = run.KindPlan
	f.Steps = []run.Step{{Action: run.ActionPlan, Status: run.StepSucceeded, Added: 2, Destroyed: 1}}
	require.Equal(t, "A deploy would have 2 to create, 1 to delete", f.headline())
	f = facts(run.StatusFailed, run.Step{Resource: "aws-ecs", Status: run.StepFailed})
	require.Equal(t, "Deploy failed at aws-ecs", f.headline())
	f.Kind, f.Status = run.KindDestroy, run.StatusCanceled
	require.Equal(t, "Destroy was canceled", f.headline())
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	f := facts(run.StatusRunning,
		run.Step{ID: "a", Status: run.StepSucceeded}, run.Step{ID: "b", DependsOn: []run.StepID{"a"}, Status: run.StepRunning}, run.Step{ID: "c", Status: run.StepRunning})
	require.Empty(t, f.estimate().Usually, "without earlier runs nothing is claimed")
	f.progress = map[run.StepID]run.StepProgress{"a": {Usual: 30 * time.Second}, "b": {Usual: 50 * time.Second}, "c": {Usual: 60 * time.Second}}
	p := f.estimate()
	require.Equal(t, "1 min 20 s", p.Usually, "steps that wait for each other add up")
	require.Equal(t, 50, p.Percent)
	require.False(t, p.Late)
	f.now = begin.Add(time.Hour)
	require.True(t, f.estimate().Late)
	require.LessOrEqual(t, f.estimate().Percent, 95, "a bar never stands at its end while work goes on")
}

func TestWhatTakesLongestIsNamedAndWeighed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	begun := now.Add(-5 * time.Second)
	objects := []run.Object{
		{Type: "aws_ecs_cluster", Action: "create", Status: "started", StartedAt: begun.Add(-time.Second)},
		{Type: "aws_lb", Action: "create", Status: "started", StartedAt: begun},
	}
	for range 8 {
		objects = append(objects, run.Object{Type: "aws_security_group_rule", Action: "create", Status: "finished", StartedAt: begun, FinishedAt: begun})
	}
	f := runFacts{
		Run:      run.Run{Kind: run.KindDeploy, Status: run.StatusRunning, StartedAt: begun, Steps: []run.Step{{ID: "s", Status: run.StepRunning, Action: run.ActionApply}}},
		progress: map[run.StepID]run.StepProgress{"s": {Objects: objects}}, now: now,
	}
	require.Equal(t, "Creating the load balancer and 1 other object", f.headline())
	require.Less(t, f.estimate().Percent, 40, "eight of ten objects are a small part of the time")
}

func TestCauseOfAnApplicationIsTakenAsItWasFound(t *testing.T) {
	t.Parallel()
	f := runFacts{Run: run.Run{Kind: run.KindDeploy, Status: run.StatusFailed, Steps: []run.Step{{
		Resource: "aws-ecs", Status: run.StepFailed, Diagnostics: []run.Diagnostic{
			{Source: run.SourceApplication, Severity: "error", Summary: "The container app exits by itself with code 3.", Detail: "Its last lines:\n  boom", Address: "aws_ecs_service.this", Try: []string{"Read its output."}},
			{Severity: "error", Summary: "error waiting for ECS service to become ready"},
		},
	}}}}
	c := f.cause()
	require.Equal(t, "The container app exits by itself with code 3", c.What)
	require.Equal(t, []string{"Its last lines:", "  boom"}, c.Evidence)
	require.Equal(t, []string{"Read its output."}, c.Try)
	require.Contains(t, c.Where, "aws_ecs_service.this")
}

func TestCause(t *testing.T) {
	t.Parallel()
	for evidence, want := range map[string]string{
		"CannotPullContainerError: pull image manifest has been retried":                      "could not be pulled",
		"everything was created, but http://x did not answer as it should within 1m0s":        "does not answer",
		"UnauthorizedOperation: You are not authorized to perform ec2:CreateVpc":              "may not do",
		"ExpiredToken: The security token included in the request is expired":                 "does not accept the credentials",
		"EntityAlreadyExists: Role with name x already exists.":                               "exists already",
		"DependencyViolation: resource sg-1 has a dependent object":                           "still uses",
		"VpcLimitExceeded: The maximum number of VPCs has been reached.":                      "limit",
		"The sandbox does not offer the service \"rds\" (operation CreateDBInstance)":         "sandbox does not offer",
		"error waiting for ECS service (x) to become ready: ResourceNotReady: failed waiting": "did not become healthy",
		"something odd, status code: 400, request id: 1234-abcd":                              "Something odd",
	} {
		f := facts(run.StatusFailed, run.Step{Resource: "aws-ecs", Status: run.StepFailed, Diagnostics: []run.Diagnostic{
			{Severity: "warning", Summary: "deprecated"}, {Severity: "error", Summary: evidence, Address: "module.m.aws_lb.this[0]"},
		}})
		c := f.cause()
		require.Contains(t, c.What, want, evidence)
		require.NotContains(t, c.What, "request id")
		require.Equal(t, "In aws-ecs, the load balancer module.m.aws_lb.this[0]", c.Where)
		require.Equal(t, []string{evidence}, c.Evidence)
		require.NotEmpty(t, c.Try)
	}
	require.Nil(t, facts(run.StatusRunning).cause())
	require.Equal(t, "The process was lost", facts(run.StatusFailed, run.Step{Resource: "vpc", Status: run.StepFailed, Error: "The process was lost."}).cause().What)
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestFieldOf(t *testing.T) {
	t.Parallel()
	low, high := 1.0, 65535.0
	port := template.Input{Name: "port", Label: "Port", Type: bundle.Type{Kind: "number"}, Default: raw(80), Limits: template.Limits{Integer: true, Min: &low, Max: &high}}
	f := fieldOf(port, url.Values{"in.port": {"80"}}, "in.")
	require.Equal(t, views.FieldNumber, f.Kind)
	require.Equal(t, "80", f.Value)
	require.Empty(t, f.Pattern, "the page has no rule of its own")
	require.Equal(t, "Default: 8080", "Default: "+fieldOf(template.Input{Name: "port", Type: bundle.Type{Kind: "number"}, Default: raw(8080)}, url.Values{"in.port": {"80"}}, "in.").Default)
	f = fieldOf(template.Input{Name: "token", Type: bundle.Type{Kind: "string"}, Sensitive: true, Default: raw("secret")}, url.Values{"in.token": {"typed"}}, "in.")
	require.Equal(t, views.FieldSecret, f.Kind)
	require.Empty(t, f.Value+f.Default)
	f = fieldOf(template.Input{Name: "size", Type: bundle.Type{Kind: "string"}, Choices: []template.Choice{{Label: "Small", Value: raw("s")}}}, url.Values{}, "in.")
	require.Equal(t, []views.Option{{Value: "", Label: "Default"}, {Value: "s", Label: "Small"}}, f.Options)
	require.Equal(t, views.FieldBool, fieldOf(template.Input{Type: bundle.Type{Kind: "bool"}}, url.Values{}, "").Kind)
	require.Equal(t, views.FieldList, fieldOf(template.Input{Type: bundle.Type{Kind: "list", Element: &bundle.Type{Kind: "string"}}}, url.Values{}, "").Kind)
}

func TestChangedInputs(t *testing.T) {
	t.Parallel()
	inputs := []template.Input{
		{Name: "port", Type: bundle.Type{Kind: "number"}, Default: raw(80)}, {Name: "name", Type: bundle.Type{Kind: "string"}, Default: raw("a")},
		{Name: "on", Type: bundle.Type{Kind: "bool"}, Default: raw(true)}, {Name: "list", Type: bundle.Type{Kind: "list", Element: &bundle.Type{Kind: "string"}}, Default: raw([]string{})},
		{Name: "token", Type: bundle.Type{Kind: "string"}, Sensitive: true}, {Name: "computed", Type: bundle.Type{Kind: "string"}, DefaultExpression: "$(x)$"},
	}
	same := url.Values{"in.port": {"80"}, "in.name": {"a"}, "in.on": {"false", "true"}, "in.list[]": {""}, "in.token": {""}, "in.computed": {""}}
	unchanged, _ := changedInputs(inputs, same)
	require.Empty(t, unchanged, "only what differs from a default is sent")
	changed := url.Values{"in.port": {" 8080 "}, "in.name": {""}, "in.on": {"false"}, "in.list[]": {"", "4", "5"}, "in.list[4]": {"x"}, "in.list[5]": {""}, "in.token": {"t"}, "in.computed": {"y"}}
	values, _ := changedInputs(inputs, changed)
	require.Equal(t, []template.Value{
		{Name: "port", ValueType: "text", Value: "8080"}, {Name: "name", ValueType: "text", Value: ""}, {Name: "on", ValueType: "text", Value: "false"},
		{Name: "list", ValueType: "json", Value: `["x"]`}, {Name: "token", ValueType: "text", Value: "t"}, {Name: "computed", ValueType: "text", Value: "y"},
	}, values)
	require.Equal(t, template.HCL, structureType(`{ a = 1 }`))
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	p := place{"aws-ecs", 2, 1234, 56}
	last, got, ok := readFeedID(feedID(99, p))
	require.True(t, ok)
	require.Equal(t, int64(99), last)
	require.Equal(t, p, got)
	for _, bad := range []string{"", "5", "5~", "x~a/1/2/3", "5~a/1/-2/3", "5~a/b/2/3", "5~a/1/2"} {
		_, _, ok := readFeedID(bad)
		require.False(t, ok, bad)
	}
}

func TestLineReader(t *testing.T) {
	t.Parallel()
	in := newLineReader(strings.NewReader("one\n\x1b[31mError: two\x1b[0m\r\n"+strings.Repeat("x", maxLine+10)+"\nlast"), place{"a", 1, 0, 0})
	var got []views.LogLine
	for {
		line, err := in.next(false)
		if err != nil {
			break
		}
		got = append(got, line)
	}
	require.Len(t, got, 5)
	require.Equal(t, views.LogLine{Number: 1, Text: "one"}, got[0])
	require.Equal(t, views.LogLine{Number: 2, Text: "Error: two", Level: "error"}, got[1])
	require.Len(t, got[2].Text, maxLine)
	require.Equal(t, "last", got[4].Text)
	in = newLineReader(strings.NewReader("one\nhalf"), place{})
	_, err := in.next(true)
	require.NoError(t, err)
	_, err = in.next(true)
	require.Error(t, err, "half a line is not given out while the log is being written")
	require.Equal(t, int64(4), in.at.offset)
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	f := environmentFacts{base: "/e", may: map[authz.Permission]string{}, outputs: map[string]map[string]run.Output{"r": {
		"a": {Value: raw(map[string]int{"n": 1})}, "endpoint": {Value: raw("http://x.example/")}, "berth_checks": {Value: raw("x")}, "secret": {Value: raw("s"), Sensitive: true},
	}}}
	require.Equal(t, []views.Output{
		{Name: "endpoint", Value: "http://x.example/", Link: "http://x.example/"}, {Name: "a", Value: `{"n":1}`},
		{Name: "secret", Sensitive: true, RevealURL: "/e/resources/r/outputs/secret"},
	}, f.outputRows("r", ""))
	require.Equal(t, "s", f.outputRows("r", "r.secret")[2].Value)
	f.may[authz.OutputSensitive] = "no"
	require.Empty(t, f.outputRows("r", "")[2].RevealURL)
	require.Empty(t, linkOf("javascript:alert(1)"))
}

func TestMarkdownIsHarmless(t *testing.T) {
	t.Parallel()
	html, err := markdown("# Hi\n<script>alert(1)</script>\n[x](javascript:alert(1))")
	require.NoError(t, err)
	require.Contains(t, html, "<h2>Hi</h2>")
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, "javascript:")
}
