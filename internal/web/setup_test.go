package web_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/tofu"
)

// TestSetup makes the first administrator of a server that has nobody, and shows why deploys would wait.
func TestSetup(t *testing.T) {
	t.Parallel()
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.Addr = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	cfg.Toolchain = tofu.Config{TofuPath: filepath.Join(t.TempDir(), "none"), NoDownload: true, NoBuild: true, NoPath: true}
	ctx, stop := context.WithCancel(context.Background())
	a, err := app.New(ctx, cfg)
	require.NoError(t, err)
	token, err := a.PrepareSetup(ctx)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	v := &visitor{t: t, base: a.URL(), client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}

	v.get("/")
	require.Equal(t, "/setup", v.path())
	right := url.Values{"token": {token}, "name": {"First"}, "email": {"first@example.com"}, "password": {"a few words in a row"}}
	wrong := url.Values{"token": {"guess"}, "name": {"First"}, "email": {"first@example.com"}, "password": {"a few words in a row"}}
	v.submit("Create account", wrong)
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.fieldError("Set-up token"), "wrong")
	wrong["token"], wrong["password"] = right["token"], []string{"short"}
	v.submit("Create account", wrong)
	require.Contains(t, v.fieldError("Password"), "at least 12 characters")
	require.Equal(t, "first@example.com", one(t, v.doc, "input", "Email").AttrOr("value", ""))
	v.submit("Create account", right)
	require.Equal(t, "/projects", v.path())
	require.Contains(t, v.text("main"), "You are in no project yet")

	next, end := v.listen("/toolchain/events", "")
	until(next, "toolchain", func(d string) bool { return d != "" })
	end()
	v.get("/toolchain")
	require.Contains(t, v.text("main"), "OpenTofu")
	v.post("/signout", nil)
	require.Equal(t, "/signin", v.path())
	v.get("/setup")
	require.Equal(t, "/signin", v.path())
	v.get("/nothing/here")
	require.Equal(t, http.StatusNotFound, v.status)
}
