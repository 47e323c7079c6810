package core_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
)

const addr = "127.0.0.1:4566"

// fakeService answers one operation in a protocol.
type fakeService struct {
	spec core.Spec
	env  *core.Env
}

func (f *fakeService) Spec() core.Spec { return f.spec }

func (f *fakeService) Inventory(*core.Tx) map[string][]core.Item {
	return map[string][]core.Item{"thing": {{ID: "t-1", ARN: "arn:t-1"}}, "none": nil}
}

func (f *fakeService) FaultHooks() map[string]core.FaultHook {
	return map[string]core.FaultHook{"break-" + f.spec.Name: func(_ context.Context, args map[string]string) (any, error) {
		return map[string]string{"broke": args["what"]}, nil
	}}
}

func (f *fakeService) Reset(context.Context) error {
	f.env.Notes.Set(f.spec.Name, "reset", "was reset")
	return nil
}

func fakes(env *core.Env) []core.Service {
	type result struct {
		Region string             `xml:"region" json:"region"`
		Names  core.Items[string] `xml:"names" json:"names"`
	}
	ops := map[string]core.Handler{
		"Echo": func(_ context.Context, r *core.Request) (any, error) { return result{r.Region, nil}, nil },
		"Refuse": func(context.Context, *core.Request) (any, error) {
			return nil, core.Errorf("Thing.NotFound", "no <thing>").WithStatus(http.StatusNotFound)
		},
		"Fail":  func(context.Context, *core.Request) (any, error) { return nil, errors.New("secret detail") },
		"Panic": func(context.Context, *core.Request) (any, error) { panic("secret detail") },
	}
	return []core.Service{
		&fakeService{core.Spec{Name: "ec2", Protocol: core.ProtocolEC2, Namespace: "urn:ec2", Operations: ops}, env},
		&fakeService{core.Spec{Name: "iam", Protocol: core.ProtocolQuery, Namespace: "urn:iam", Operations: ops}, env},
		&fakeService{core.Spec{Name: "ecs", Protocol: core.ProtocolJSON11, TargetPrefix: "ECS_1", Operations: ops}, env},
	}
}

func newFront(t *testing.T) *core.Front {
	t.Helper()
	env := &core.Env{Store: open(t, ""), Clock: core.SystemClock{}, Logger: slog.New(slog.DiscardHandler), Addr: addr, Notes: &core.Notes{}, Events: &core.Events{}}
	front, err := core.NewFront(env, fakes(env), true)
	require.NoError(t, err)
	return front
}

func auth(service string) string {
	return "AWS4-HMAC-SHA256 Credential=KEY/20261124/eu-west-1/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=0123abcd"
}

func call(service, action string, edit ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action="+action+"&Version=1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if service == "ecs" {
		r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "ECS_1."+action)
	}
	r.Host = addr
	r.Header.Set("Authorization", auth(service))
	for _, e := range edit {
		e(r)
	}
	return r
}

func serve(h http.Handler, r *http.Request) (int, string, http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(body), w.Result().Header
}

func TestFrontAnswersInEachProtocol(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	for _, c := range []struct {
		service, action string
		status          int
		want            []string
	}{
		{"ec2", "Echo", 200, []string{`<EchoResponse xmlns="urn:ec2"><requestId>`, "<region>eu-west-1</region><names></names></EchoResponse>"}},
		{"iam", "Echo", 200, []string{`<EchoResponse xmlns="urn:iam"><EchoResult><region>eu-west-1</region>`, "</EchoResult><ResponseMetadata><RequestId>"}},
		{"ecs", "Echo", 200, []string{`{"region":"eu-west-1","names":null}`}},
		{"ec2", "Refuse", 404, []string{"<Response><Errors><Error><Code>Thing.NotFound</Code><Message>no &lt;thing&gt;</Message></Error></Errors><RequestID>"}},
		{"iam", "Refuse", 404, []string{`<ErrorResponse xmlns="urn:iam"><Error><Type>Sender</Type><Code>Thing.NotFound</Code>`, "</Error><RequestId>"}},
		{"ecs", "Refuse", 404, []string{`"__type":"Thing.NotFound"`, `"message":"no \u003cthing\u003e"`}},
		{"ec2", "Launch", 400, []string{"<Code>InvalidAction</Code>", "Launch"}},
		{"iam", "Launch", 400, []string{"<Code>InvalidAction</Code>", "Launch for version 1"}},
		{"ecs", "Launch", 400, []string{`"__type":"UnknownOperationException"`, "Launch"}},
		{"iam", "Fail", 500, []string{"<Type>Receiver</Type><Code>InternalError</Code>"}},
		{"ecs", "Panic", 500, []string{`"__type":"InternalError"`}},
		{"s3", "Echo", 400, []string{"does not offer the service", "ec2, ecs, iam"}},
	} {
		status, body, header := serve(front, call(c.service, c.action))
		require.Equal(t, c.status, status, "%s %s: %s", c.service, c.action, body)
		for _, want := range c.want {
			require.Contains(t, body, want, "%s %s", c.service, c.action)
		}
		require.NotContains(t, body, "secret detail")
		require.NotEmpty(t, header.Get("X-Amzn-Requestid"))
	}
}

func TestFrontRefusesOthers(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	set := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
		want   string
	}{
		"its own address":          {host(addr), 200, ""},
		"localhost":                {host("localhost:4566"), 200, ""},
		"a rebound name":           {host("evil.example.com:4566"), 403, "ForbiddenHost"},
		"another port":             {host("127.0.0.1:80"), 403, "ForbiddenHost"},
		"another loopback address": {host("127.0.0.2:4566"), 403, "ForbiddenHost"},
		"no port":                  {host("127.0.0.1"), 403, "ForbiddenHost"},
		"a web page":               {set("Origin", "https://evil.example.com"), 403, "ForbiddenOrigin"},
		"a page's null origin":     {set("Origin", "null"), 403, "ForbiddenOrigin"},
		"a cross-site request":     {set("Sec-Fetch-Site", "cross-site"), 403, "ForbiddenOrigin"},
		"no signature":             {func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		"a bearer token":           {set("Authorization", "Bearer x"), 403, "IncompleteSignature"},
		"a nonsense region":        {set("Authorization", strings.Replace(auth("iam"), "eu-west-1", "nowhere", 1)), 403, "valid region"},
	} {
		for _, service := range []string{"iam", "ec2", "ecs"} {
			edit := c.edit
			if name == "a nonsense region" {
				edit = set("Authorization", strings.Replace(auth(service), "eu-west-1", "nowhere", 1))
			}
			status, body, _ := serve(front, call(service, "Echo", edit))
			require.Equal(t, c.status, status, "%s, %s: %s", name, service, body)
			require.Contains(t, body, c.want)
		}
	}
}

func page(method, path, body string, edit ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, "/_sandbox"+path, strings.NewReader(body))
	r.Host = addr
	for _, e := range edit {
		e(r)
	}
	return r
}

func TestPagesHaveTheHostRuleAndKeepOtherOriginsFromChanging(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	for _, path := range []string{"/", "/inventory", "/health", "/faults", "/events", "/notes"} {
		status, body, _ := serve(front, page(http.MethodGet, path, ""))
		require.Equal(t, 200, status, "%s: %s", path, body)
		status, _, _ = serve(front, page(http.MethodGet, path, "", func(r *http.Request) { r.Host = "evil.example.com" }))
		require.Equal(t, 403, status, path)
	}
	for origin, want := range map[string]int{"": 200, "http://" + addr: 200, "https://evil.example.com": 403, "null": 403} {
		status, _, _ := serve(front, page(http.MethodPost, "/reset", "", func(r *http.Request) {
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
		}))
		require.Equal(t, want, status, "origin %q", origin)
	}
}

func TestInventoryResetAndHooks(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	_, body, _ := serve(front, page(http.MethodGet, "/inventory", ""))
	require.JSONEq(t, `{
		"ec2": {"thing": [{"id": "t-1", "arn": "arn:t-1", "name": "", "tags": {}}]},
		"ecs": {"thing": [{"id": "t-1", "arn": "arn:t-1", "name": "", "tags": {}}]},
		"iam": {"thing": [{"id": "t-1", "arn": "arn:t-1", "name": "", "tags": {}}]}}`, body)

	status, _, _ := serve(front, page(http.MethodPost, "/reset", ""))
	require.Equal(t, 200, status)
	_, body, _ = serve(front, page(http.MethodGet, "/", ""))
	require.Contains(t, body, "was reset")

	status, body, _ = serve(front, page(http.MethodPost, "/faults/break-ecs", `{"what":"task"}`))
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"broke":"task"}`, body)
	status, body, _ = serve(front, page(http.MethodPost, "/faults/nope", ""))
	require.Equal(t, 404, status)
	require.Contains(t, body, "break-ecs")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	add := func(body string) (int, string) {
		status, answer, _ := serve(front, page(http.MethodPost, "/faults", body))
		return status, answer
	}
	status, _ := add(`{"service":"iam","operation":"Echo","code":"ServiceFailure","status":503,"nth":2}`)
	require.Equal(t, 201, status)
	var got []int
	for range 4 {
		status, _, _ := serve(front, call("iam", "Echo"))
		got = append(got, status)
	}
	require.Equal(t, []int{200, 503, 200, 200}, got, "the second call alone")
	status, _, _ = serve(front, call("ec2", "Echo"))
	require.Equal(t, 200, status)

	status, _ = add(`{"throttle":true,"times":3}`)
	require.Equal(t, 201, status)
	for service, code := range map[string]string{"ec2": "RequestLimitExceeded", "iam": "Throttling", "ecs": "ThrottlingException"} {
		_, body, _ := serve(front, call(service, "Echo"))
		require.Contains(t, body, code)
	}
	status, _, _ = serve(front, call("ec2", "Echo"))
	require.Equal(t, 200, status)

	status, body := add(`{"service":"ec2"}`)
	require.Equal(t, 400, status)
	require.Contains(t, body, "a fault needs latency_ms, code or throttle")

	status, _, _ = serve(front, page(http.MethodDelete, "/faults/fault-1", ""))
	require.Equal(t, 204, status)
	status, _, _ = serve(front, page(http.MethodDelete, "/faults/fault-1", ""))
	require.Equal(t, 404, status)
	status, _, _ = serve(front, page(http.MethodDelete, "/faults", ""))
	require.Equal(t, 204, status)
	_, body, _ = serve(front, page(http.MethodGet, "/faults", ""))
	require.JSONEq(t, `[]`, body)
}
