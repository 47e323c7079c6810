package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/httpapi"
)

type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Parameters  []struct {
		Name, In string
		Required bool
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]media `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string           `json:"description"`
		Content     map[string]media `json:"content"`
	} `json:"responses"`
}

type media struct {
	Schema *struct {
		Ref string `json:"$ref"`
	} `json:"schema"`
}

func fetchDocument(t *testing.T) []byte {
	t.Helper()
	s := apptest.Start(t, apptest.Options{})
	a := call(t, &api.Client{URL: s.URL}, http.MethodGet, "/../openapi.json", "")
	require.Equal(t, http.StatusOK, a.status)
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, a.body, "", "  "))
	return append(bytes.TrimSpace(out.Bytes()), '\n')
}

var inBraces = regexp.MustCompile(`\{([^}]+)\}`)

func TestTheDocumentDescribesEveryOperation(t *testing.T) {
	t.Parallel()
	text := fetchDocument(t)
	golden(t, "../../docs/openapi.json", text)
	var d document
	require.NoError(t, json.Unmarshal(text, &d))
	require.True(t, strings.HasPrefix(d.OpenAPI, "3.1."), d.OpenAPI)

	ids := map[string]bool{}
	for _, rt := range httpapi.Routes() {
		op, ok := d.Paths[api.Prefix+rt.Path][strings.ToLower(rt.Method)]
		name := rt.Method + " " + rt.Path
		require.True(t, ok, "%s is not in the document", name)
		require.NotEmpty(t, op.Summary, name)
		require.NotEmpty(t, op.Description, name)
		require.Len(t, op.Tags, 1, name)
		require.False(t, ids[op.ID], "the id %s is used twice", op.ID)
		ids[op.ID] = true

		declared := map[string]bool{}
		for _, p := range op.Parameters {
			if p.In == "path" {
				require.True(t, p.Required, name)
				declared[p.Name] = true
			}
		}
		named := inBraces.FindAllStringSubmatch(rt.Path, -1)
		require.Len(t, declared, len(named), name)
		for _, m := range named {
			require.True(t, declared[m[1]], "%s: %s", name, m[1])
		}
		checkResponses(t, name, op)
	}
	count := 0
	for _, methods := range d.Paths {
		count += len(methods)
	}
	require.Len(t, httpapi.Routes(), count, "the document has operations that are no routes")
}

func checkResponses(t *testing.T, name string, op operation) {
	t.Helper()
	succeeds := false
	for status, r := range op.Responses {
		require.NotEmpty(t, r.Description, name)
		if status < "400" {
			succeeds = true
			continue
		}
		require.Len(t, r.Content, 1, "%s %s", name, status)
		m, ok := r.Content["application/problem+json"]
		require.True(t, ok, "%s %s", name, status)
		require.NotNil(t, m.Schema, "%s %s", name, status)
		require.Equal(t, "#/components/schemas/Error", m.Schema.Ref, "%s %s", name, status)
	}
	require.True(t, succeeds, "%s has no success", name)
	for _, status := range []string{"401", "422", "500"} {
		require.Contains(t, op.Responses, status, name)
	}
}

var reference = regexp.MustCompile(`"\$ref":\s*"([^"]+)"`)

// Each schema is valid against the meta-schema of its draft, each reference leads somewhere, and each property says what
// it is.
func TestTheDocumentsSchemasAreValid(t *testing.T) {
	t.Parallel()
	text := fetchDocument(t)
	var d document
	require.NoError(t, json.Unmarshal(text, &d))
	for _, m := range reference.FindAllSubmatch(text, -1) {
		name, ok := strings.CutPrefix(string(m[1]), "#/components/schemas/")
		require.True(t, ok, string(m[1]))
		require.Contains(t, d.Components.Schemas, name)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, compiler.AddResource("http://localhost/openapi.json", parsed))
	for name, raw := range d.Components.Schemas {
		_, err := compiler.Compile("http://localhost/openapi.json#/components/schemas/" + name)
		require.NoError(t, err, name)
		var schema struct {
			Properties map[string]struct{ Description string } `json:"properties"`
		}
		require.NoError(t, json.Unmarshal(raw, &schema))
		for property, s := range schema.Properties {
			require.NotEmpty(t, s.Description, "%s.%s needs a doc tag in package api", name, property)
		}
	}
}

// What the server sends fits what it says it sends.
func TestAnswersFitTheirSchemas(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Admin)
	create(t, c, "one", api.Variable{Name: "token", Value: text("hidden")}, api.Variable{Name: "port", Value: text("81")})
	require.Equal(t, "succeeded", finish(t, c, "one", "plan").Status)
	require.Equal(t, "succeeded", finish(t, c, "one", "deploy").Status)

	doc := call(t, &api.Client{URL: s.URL}, http.MethodGet, "/../openapi.json", "")
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc.body))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, compiler.AddResource("http://localhost/openapi.json", parsed))
	for path, schema := range map[string]string{
		"/me": "User", "/projects": "PageProject", "/projects/demo/audit": "PageAuditEntry",
		"/projects/demo/templates": "PageTemplate", "/projects/demo/templates/pair/versions/v1": "TemplateVersion",
		"/projects/demo/contexts": "PageContext", "/projects/demo/environments": "PageEnvironment",
		"/projects/demo/environments/one": "Environment", "/projects/demo/environments/one/runs": "PageRun",
		"/projects/demo/environments/one/runs/2": "Run", "/projects/demo/environments/one/runs/1/plan": "Plan",
		"/projects/demo/environments/nope": "Error", "/nope": "Error",
	} {
		a := call(t, c, http.MethodGet, path, "")
		got, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
		require.NoError(t, err, path)
		compiled, err := compiler.Compile("http://localhost/openapi.json#/components/schemas/" + schema)
		require.NoError(t, err, path)
		require.NoError(t, compiled.Validate(got), "%s: %s", path, a.body)
	}
}
