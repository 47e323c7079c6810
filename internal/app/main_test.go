package app_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/tofu"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// config returns settings of a server for real use: no users, no project.
func config(t *testing.T) app.Config {
	t.Helper()
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.Addr = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	cfg.Toolchain = tofu.Config{TofuPath: runnertest.FakeTofu(t), Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true}
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

// withUsers adds the project and users that tests know, and the template "pair".
func withUsers(cfg app.Config) app.Config {
	cfg.Dev = &app.DevConfig{Password: apptest.Password, Templates: apptest.Pair(nil, nil), Say: func(string, ...any) {}}
	return cfg
}

// serving is a server that runs until stop is called or the test ends.
type serving struct {
	*app.App
	stop context.CancelFunc
	done chan error
}

func serve(t *testing.T, cfg app.Config) serving {
	t.Helper()
	a, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	s := serving{a, stop, make(chan error, 1)}
	go func() {
		s.done <- a.Run(ctx)
		close(s.done)
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-s.done)
	})
	return s
}

// ready waits until the server says that it is, and returns it.
func (s serving) ready(t *testing.T) serving {
	t.Helper()
	require.Eventually(t, func() bool {
		return request(t, http.DefaultClient, "GET", s.URL()+"/readyz", "").status == http.StatusOK
	}, 15*time.Second, 5*time.Millisecond)
	return s
}

func (s serving) client(t *testing.T, email string) *api.Client {
	t.Helper()
	c := &api.Client{URL: s.URL()}
	session, err := c.SignIn(t.Context(), api.SignIn{Email: email, Password: apptest.Password})
	require.NoError(t, err)
	c.Token = session.Token
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
}

// request sends a request with further headers in pairs; Host is one, too.
func request(t *testing.T, client *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, resp.Header, string(content)}
}
