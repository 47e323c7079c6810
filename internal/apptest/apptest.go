// Package apptest starts a whole server for a test and gives API clients of it. Tests drive it from outside, as users do. It
// must be used by tests only.
package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/tofu"
)

// Users of every server.
const (
	Admin     = "admin@example.com"
	Developer = "developer@example.com"
	Password  = "only-for-tests"
	Project   = "demo"
)

// Main runs a package's tests. The test binary is also the supervisor of the steps that the servers start.
func Main(m *testing.M) {
	runner.MaybeSupervise()
	code := m.Run()
	runnertest.Clean()
	os.Exit(code)
}

// Options change what a server is made of.
type Options struct {
	// Templates replaces the template "pair" of Pair.
	Templates fs.FS
	// Tofu is the path of a real binary; the fake one is used when it is empty.
	Tofu string
	// DatabaseURL is SQLite in the data folder when empty.
	DatabaseURL string
	// DataDir is a new folder when empty; give the same again to restart on it.
	DataDir string
}

// Server is a running server.
type Server struct {
	URL     string
	DataDir string
	t       *testing.T
	stop    context.CancelFunc
	done    chan error
}

// Start starts a server, with the project demo, the two users, and the given templates. It is stopped with the test.
func Start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if o.Templates == nil {
		o.Templates = Pair(nil, nil)
	}
	if o.Tofu == "" {
		o.Tofu = runnertest.FakeTofu(t)
	}
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.DatabaseURL, cfg.Addr = o.DataDir, o.DatabaseURL, "127.0.0.1:0"
	cfg.Toolchain = tofu.Config{TofuPath: o.Tofu, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true}
	cfg.AllowLocalGit = true
	cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg.Dev = &app.DevConfig{Password: Password, Templates: o.Templates, Say: func(string, ...any) {}}
	ctx, stop := context.WithCancel(context.Background())
	a, err := app.New(ctx, cfg)
	require.NoError(t, err)
	s := &Server{URL: a.URL(), DataDir: o.DataDir, t: t, stop: stop, done: make(chan error, 1)}
	go func() { s.done <- a.Run(ctx) }()
	t.Cleanup(func() { endSteps(t, o.DataDir) }) // after the stop, which is the later one
	t.Cleanup(s.Stop)
	s.awaitReady()
	return s
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// Stop shuts the server down in order, as SIGTERM does. Steps go on.
func (s *Server) Stop() {
	s.stop()
	if err, ok := <-s.done; ok {
		close(s.done)
		require.NoError(s.t, err)
	}
}

const (
	readyPause = 10 * time.Millisecond
	readyWait  = 15 * time.Second
)

func (s *Server) awaitReady() {
	s.t.Helper()
	deadline := time.Now().Add(readyWait)
	for {
		resp, err := http.Get(s.URL + "/readyz") //nolint:noctx // bounded by the deadline
		status := 0
		if err == nil {
			status = resp.StatusCode
			require.NoError(s.t, resp.Body.Close())
		}
		if status == http.StatusOK {
			return
		}
		require.True(s.t, time.Now().Before(deadline), "the server did not become ready: %v, status %d", err, status)
		select { // there is nothing to be woken by before the server is up
		case err := <-s.done:
			require.NoError(s.t, err)
			require.FailNow(s.t, "the server ended")
		case <-time.After(readyPause):
		}
	}
}

// Client signs in and returns a client.
func (s *Server) Client(email string) *api.Client {
	s.t.Helper()
	c := &api.Client{URL: s.URL, Agent: "berth-test"}
	session, err := c.SignIn(context.Background(), api.SignIn{Email: email, Password: Password})
	require.NoError(s.t, err)
	c.Token = session.Token
	return c
}

// Pair returns a template "pair" version v1 of two resources, b after a, carried out by the fake tofu. b has the input
// "port" (a number from 1 to 65535), the secret input "token", and takes a's output "id".
func Pair(a, b *runnertest.Script) fs.FS {
	if a == nil {
		a = &runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.a", Type: "fake_thing", ID: "a-1"}}}
	}
	if a.Outputs == nil {
		a.Outputs = map[string]json.RawMessage{"id": json.RawMessage(`"a-1"`)}
	}
	if b == nil {
		b = &runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1"}}}
	}
	if b.Outputs == nil {
		b.Outputs = map[string]json.RawMessage{"endpoint": json.RawMessage(`"http://127.0.0.1:9/"`)}
	}
	files := fstest.MapFS{"pair/template.yaml": {Data: []byte(pairYAML)}}
	add := func(dir, code string, s *runnertest.Script) {
		for name, content := range s.Files() {
			files["pair/"+dir+"/"+name] = &fstest.MapFile{Data: []byte(content)}
		}
		files["pair/"+dir+"/main.tf"] = &fstest.MapFile{Data: []byte(code)}
	}
	add("a", "variable \"name\" {\n  type = string\n}\noutput \"id\" {\n  value = \"\"\n}\n", a)
	add("b", pairB, b)
	return files
}

const pairB = `
variable "a_id" {
  type = string
}
variable "port" {
  type    = number
  default = 80
  validation {
    condition     = var.port >= 1 && var.port <= 65535
    error_message = "Port must be from 1 to 65535."
  }
}
variable "token" {
  type      = string
  default   = ""
  sensitive = true
}
output "endpoint" {
  value = ""
}
`

var pairYAML = resourceYAML("a") + "---\n" + resourceYAML("b") + `---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: pair, displayName: Pair, description: Two resources for tests.}
spec:
  version: v1
  versionState: active
  summary: Two resources for tests.
  allowFreeVariables: true
  resources:
    - {name: a, kind: resourcetemplate, template: a, version: v1}
    - {name: b, kind: resourcetemplate, template: b, version: v1, dependsOn: [{name: a}]}
  variables:
    - {name: name, valueType: expression, value: "$(environment.uniqueName)$", options: {override: {type: notallowed}}}
    - {name: a_id, valueType: expression, value: "$(resource[\"a\"].output.id)$", options: {override: {type: notallowed}}}
    - {name: port}
    - {name: token}
  sharing: {enabled: true, projects: [{name: "*"}]}
`

func resourceYAML(name string) string {
	return fmt.Sprintf(`apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: %s}
spec:
  version: v1
  versionState: active
  provider: opentofu
  source: {folder: %s}
  sharing: {enabled: true, projects: [{name: "*"}]}
`, name, name)
}
