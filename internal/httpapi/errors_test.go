package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

func TestEveryWrongRequestIsAnsweredInOneShapeWithTheFieldAndTheFix(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Admin)
	create(t, c, "taken")
	const list, one = "/projects/demo/environments", "/projects/demo/environments/taken"
	type field struct{ location, fix string }
	for name, tc := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               string
		fields             []field
	}{
		"no body":       {"POST", list, "", nil, 400, "bad_body", []field{{"body", "Send a JSON object"}}},
		"no JSON":       {"POST", list, `{"name": `, nil, 400, "bad_body", []field{{"body", "cannot be read as JSON"}}},
		"not a JSON":    {"POST", list, `name: x`, nil, 400, "bad_body", []field{{"body", "cannot be read as JSON"}}},
		"a list":        {"POST", list, `[]`, nil, 422, "invalid_input", []field{{"body", "an object in { }; you gave a list"}}},
		"other media":   {"POST", list, `<a/>`, []string{"Content-Type", "text/xml"}, 415, "not_json", nil},
		"too large":     {"POST", list, `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, nil, 413, "body_too_large", nil},
		"missing":       {"POST", list, `{}`, nil, 422, "invalid_input", []field{{"name", "Add it"}, {"template", "Add it"}}},
		"wrong type":    {"POST", list, `{"name":7,"template":"pair"}`, nil, 422, "invalid_input", []field{{"name", "text in quotation marks; you gave a number"}}},
		"null":          {"POST", list, `{"name":null,"template":"pair"}`, nil, 422, "invalid_input", []field{{"name", "you gave null"}}},
		"unknown field": {"POST", list, `{"name":"x","template":"pair","owner":"me"}`, nil, 422, "invalid_input", []field{{"owner", "no such field here"}}},
		"too long": {
			"POST", list, `{"name":"` + strings.Repeat("a", 300) + `","template":"pair"}`, nil, 422, "invalid_input",
			[]field{{"name", "at most 200 characters long; yours has 300"}},
		},
		"long for the service": {
			"POST", list, `{"name":"` + strings.Repeat("a", 60) + `","template":"pair"}`, nil, 422, "invalid_input", []field{{"name", "at most 40"}},
		},
		"in a list": {
			"POST", list, `{"name":"x","template":"pair","variables":[{"name":"port","value":"80"},{"name":"port2","value":80}]}`, nil, 422,
			"invalid_input", []field{{"variables[1].value", "text in quotation marks; you gave a number"}},
		},
		"value type": {
			"POST", list, `{"name":"x","template":"pair","variables":[{"name":"a","value_type":"yaml"}]}`, nil, 422,
			"invalid_input", []field{{"variables[0].value_type", `Choose one of text, expression, json, hcl; you gave "yaml"`}},
		},
		"name taken":       {"POST", list, `{"name":"taken","template":"pair"}`, nil, 409, "environment_name_taken", []field{{"name", "Choose another"}}},
		"long key":         {"POST", list, `{"name":"x","template":"pair"}`, []string{"Idempotency-Key", strings.Repeat("k", 201)}, 422, "invalid_input", []field{{"Idempotency-Key", "at most 200"}}},
		"limit no number":  {"GET", list + "?limit=many", "", nil, 422, "invalid_input", []field{{"limit", `a whole number; you gave "many"`}}},
		"limit too large":  {"GET", list + "?limit=1000", "", nil, 422, "invalid_input", []field{{"limit", "from 1 to 100"}}},
		"no such status":   {"GET", list + "?status=up", "", nil, 422, "invalid_input", []field{{"status", "choose one of draft"}}},
		"run no number":    {"GET", one + "/runs/last", "", nil, 422, "invalid_input", []field{{"number", "a whole number"}}},
		"run zero":         {"GET", one + "/runs/0", "", nil, 422, "invalid_input", []field{{"number", "at least 1"}}},
		"log of nothing":   {"GET", one + "/runs/1/log", "", nil, 422, "invalid_input", []field{{"resource", "Add it"}}},
		"If-Match":         {"PATCH", one, `{}`, []string{"If-Match", "three"}, 422, "invalid_input", []field{{"If-Match", "quotation marks"}}},
		"stale":            {"PATCH", one, `{}`, []string{"If-Match", `"7"`}, 412, "revision_conflict", nil},
		"no project":       {"GET", "/projects/nope/environments", "", nil, 404, "project_not_found", nil},
		"no environment":   {"GET", list + "/nope", "", nil, 404, "environment_not_found", nil},
		"no run":           {"GET", one + "/runs/9", "", nil, 404, "run_not_found", nil},
		"no version":       {"GET", "/projects/demo/templates/pair/versions/v9", "", nil, 404, "template_version_not_found", []field{{"version", "choose one of v1"}}},
		"no user":          {"PUT", "/users/nobody@example.com/password", `{"password":"long enough for this"}`, nil, 404, "user_not_found", nil},
		"no role":          {"POST", "/grants", `{"user":"admin@example.com","role":"king"}`, nil, 422, "invalid_input", []field{{"role", "organisation_admin"}}},
		"nobody to grant":  {"POST", "/projects/demo/grants", `{"role":"read_only"}`, nil, 422, "invalid_input", []field{{"group", "either"}}},
		"short password":   {"POST", "/users", `{"email":"new@example.com","password":"short"}`, nil, 422, "invalid_input", []field{{"password", "12"}}},
		"no address":       {"POST", "/users", `{"email":"new","password":"long enough for this"}`, nil, 422, "invalid_input", []field{{"email", ""}}},
		"project name":     {"POST", "/projects", `{"name":"Demo 2"}`, nil, 422, "invalid_input", []field{{"name", "lower"}}},
		"no such path":     {"GET", "/nope", "", nil, 404, "no_such_operation", nil},
		"no such method":   {"PUT", list, `{}`, nil, 404, "no_such_operation", nil},
		"wrong password":   {"POST", "/sessions", `{"email":"admin@example.com","password":"wrong"}`, nil, 401, "wrong_credentials", nil},
		"ended session":    {"GET", "/me", "", []string{"Authorization", "Bearer bts_0000"}, 401, "session_invalid", nil},
		"another site's":   {"POST", list, `{}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin", nil},
		"nothing deployed": {"POST", one + "/destroy", "", nil, 409, "environment_not_deployed", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := call(t, c, tc.method, tc.path, tc.body, tc.header...)
			e := a.problem(t)
			require.Equal(t, tc.status, a.status, string(a.body))
			require.Equal(t, tc.code, e.Code, string(a.body))
			require.Len(t, e.Fields, len(tc.fields), string(a.body))
			for i, want := range tc.fields {
				require.Equal(t, want.location, e.Fields[i].Location, string(a.body))
				require.Contains(t, e.Fields[i].Message, want.fix, string(a.body))
			}
		})
	}
}

// A value of the wrong type may be a secret in the wrong place.
func TestRefusalsDoNotRepeatValues(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Admin)
	for _, body := range []string{
		`{"email":"x@example.com","password":["canary-1"]}`,
		`{"email":"x@example.com","password":{"canary-1":1}}`,
		`{"email":"x@example.com","password":"canary-1`,
	} {
		a := call(t, c, http.MethodPost, "/users", body)
		a.problem(t)
		require.NotContains(t, string(a.body), "canary-1")
	}
}

func TestARepeatedCreateWithAKeyMakesOneEnvironment(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c, admin := s.Client(apptest.Developer), s.Client(apptest.Admin)
	in := api.CreateEnvironment{Name: "one", Template: "pair", Version: "v1", Key: "k-1", Variables: []api.Variable{{Name: "token", Value: text("s3cret")}}}
	first, err := c.CreateEnvironment(t.Context(), apptest.Project, in)
	require.NoError(t, err)
	again, err := c.CreateEnvironment(t.Context(), apptest.Project, in)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Nil(t, again.Variables[0].Value)

	code := func(err error) string {
		var refused *api.Error
		require.ErrorAs(t, err, &refused)
		return refused.Code
	}
	other := in
	other.Name = "two"
	_, err = c.CreateEnvironment(t.Context(), apptest.Project, other)
	require.Equal(t, "idempotency_key_reused", code(err))
	_, err = admin.CreateEnvironment(t.Context(), apptest.Project, in)
	require.Equal(t, "environment_name_taken", code(err), "a key is its user's own")
	other.Key = "k-2"
	_, err = c.CreateEnvironment(t.Context(), apptest.Project, other)
	require.NoError(t, err)

	require.NoError(t, c.DeleteEnvironment(t.Context(), apptest.Project, "one"))
	_, err = c.CreateEnvironment(t.Context(), apptest.Project, in)
	require.Equal(t, "idempotency_key_spent", code(err), "a late repetition does not bring it back")

	// A request that was refused may be corrected under the same key.
	bad := api.CreateEnvironment{Name: "three", Template: "nope", Key: "k-3"}
	_, err = c.CreateEnvironment(t.Context(), apptest.Project, bad)
	require.Equal(t, "invalid_input", code(err))
	bad.Template = "pair"
	_, err = c.CreateEnvironment(t.Context(), apptest.Project, bad)
	require.NoError(t, err)
}

func TestRepeatedCreatesAtTheSameTimeMakeOneEnvironment(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, databaseURL string) {
		c := apptest.Start(t, apptest.Options{DatabaseURL: databaseURL}).Client(apptest.Developer)
		in := api.CreateEnvironment{Name: "one", Template: "pair", Version: "v1", Key: "k"}
		const calls = 6
		ids, errs := make(chan string, calls), make(chan error, calls)
		for range calls {
			go func() {
				e, err := c.CreateEnvironment(t.Context(), apptest.Project, in)
				ids <- e.ID
				errs <- err
			}()
		}
		seen := map[string]bool{}
		for range calls {
			seen[<-ids] = true
			require.NoError(t, <-errs)
		}
		require.Len(t, seen, 1)
	})
}

func TestTheEntityTagIsWhatIfMatchWants(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Developer)
	const one = "/projects/demo/environments/one"
	made := call(t, c, http.MethodPost, "/projects/demo/environments", `{"name":"one","template":"pair"}`)
	require.Equal(t, http.StatusCreated, made.status)
	shown := call(t, c, http.MethodGet, one, "")
	require.Equal(t, `"1"`, shown.header.Get("ETag"))
	require.Equal(t, shown.header.Get("ETag"), made.header.Get("ETag"))

	changed := call(t, c, http.MethodPatch, one, `{"variables":[{"name":"port","value":"81"}]}`, "If-Match", shown.header.Get("ETag"))
	require.Equal(t, http.StatusOK, changed.status, string(changed.body))
	require.Equal(t, `"2"`, changed.header.Get("ETag"))
	late := call(t, c, http.MethodPatch, one, `{"variables":[]}`, "If-Match", shown.header.Get("ETag"))
	require.Equal(t, http.StatusPreconditionFailed, late.status)
	require.Equal(t, http.StatusOK, call(t, c, http.MethodPatch, one, `{"variables":[]}`, "If-Match", "*").status)
}

func TestPagesFollowOneAnotherAndMissNothing(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		create(t, c, name)
	}
	walk := func(limit int, between func(page int)) []string {
		var got []string
		f := api.EnvironmentFilter{Limit: limit}
		for page := 0; ; page++ {
			p, err := c.Environments(t.Context(), apptest.Project, f)
			require.NoError(t, err)
			require.LessOrEqual(t, len(p.Items), limit)
			for _, e := range p.Items {
				got = append(got, e.Name)
			}
			if p.Next == "" {
				return got
			}
			f.Cursor = p.Next
			between(page)
		}
	}
	for limit := 1; limit <= len(names)+1; limit++ {
		require.Equal(t, names, walk(limit, func(int) {}), "limit %d", limit)
	}
	// What is made or deleted meanwhile moves nothing that is still to come.
	got := walk(2, func(page int) {
		if page == 0 {
			create(t, c, "aa")
			require.NoError(t, c.DeleteEnvironment(t.Context(), apptest.Project, "a"))
		}
	})
	require.Equal(t, names, got)

	var actions []string
	cursor := ""
	for {
		a := call(t, c, http.MethodGet, "/projects/demo/audit?action=environment.create&limit=2&cursor="+cursor, "")
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		page := decode[api.Page[api.AuditEntry]](t, a)
		for _, e := range page.Items {
			actions = append(actions, e.Object)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"aa", "e", "d", "c", "b", "a"}, actions, "newest first, each once")

	for range 3 {
		require.Equal(t, "succeeded", finish(t, c, "b", "plan").Status)
	}
	var numbers []int
	cursor = ""
	for {
		page := decode[api.Page[api.Run]](t, call(t, c, http.MethodGet, "/projects/demo/environments/b/runs?limit=2&cursor="+cursor, ""))
		for _, r := range page.Items {
			numbers = append(numbers, r.Number)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, []int{3, 2, 1}, numbers)
}
