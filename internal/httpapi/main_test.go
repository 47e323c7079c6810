package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/dbtest"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestMain(m *testing.M) { apptest.Main(m) }

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run the test with -update and read the difference")
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem reads the answer as an error, which must be one.
func (a answer) problem(t *testing.T) api.Error {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), string(a.body))
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	var e api.Error
	require.NoError(t, dec.Decode(&e))
	require.Equal(t, a.status, e.Status)
	require.NotEmpty(t, e.Title)
	require.NotEmpty(t, e.Code)
	require.NotEmpty(t, e.Detail)
	return e
}

// call sends one request below api.Prefix with further headers in pairs.
func call(t *testing.T, c *api.Client, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL+api.Prefix+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.Header, content}
}

func text(s string) *string { return &s }

func create(t *testing.T, c *api.Client, name string, variables ...api.Variable) api.Environment {
	t.Helper()
	e, err := c.CreateEnvironment(t.Context(), apptest.Project, api.CreateEnvironment{Name: name, Template: "pair", Version: "v1", Variables: variables})
	require.NoError(t, err)
	return e
}

// finish starts a run and waits for its end.
func finish(t *testing.T, c *api.Client, name, verb string) api.Run {
	t.Helper()
	r, err := c.Start(t.Context(), apptest.Project, name, verb)
	require.NoError(t, err)
	r, err = c.WatchRun(t.Context(), apptest.Project, name, r.Number, func(api.Run) {})
	require.NoError(t, err)
	return r
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(a.body, &v), string(a.body))
	return v
}

// onBoth runs a test on a server with SQLite and on one with PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, dbtest.PostgresURL(t))
	})
}
