package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/apptest"
)

func problemOf(t *testing.T, a answer) api.Error {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var e api.Error
	require.NoError(t, json.Unmarshal([]byte(a.body), &e))
	return e
}

func TestOnlyItsOwnNamesAreAnswered(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.BaseURL = "https://berth.example.com"
	s := serve(t, cfg)
	address := s.Addr()
	for host, want := range map[string]int{
		"127.0.0.1": 200, "localhost": 200, "localhost:99": 200, "LOCALHOST": 200, "[::1]:80": 200, "berth.example.com": 200,
		"evil.example.com": 421, "berth.example.com.evil.example.com": 421, "169.254.169.254": 421, "127.0.0.1.nip.io": 421,
	} {
		a := request(t, http.DefaultClient, "GET", "http://"+address+"/api/openapi.json", "", "Host", host)
		require.Equal(t, want, a.status, host)
		if want == 421 {
			e := problemOf(t, a)
			require.Equal(t, "wrong_host", e.Code)
			require.Contains(t, e.Detail, "--base-url")
		}
		page := request(t, http.DefaultClient, "GET", "http://"+address+"/signin", "", "Host", host)
		require.Equal(t, want == 421, page.status == 421, host)
	}
	require.Equal(t, 200, request(t, http.DefaultClient, "GET", "http://"+address+"/healthz", "", "Host", "10.0.0.7:8080").status, "health checks go by address")
}

func TestPagesOfOtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	s := serve(t, withUsers(config(t))).ready(t)
	form := "email=admin%40example.com&password=" + apptest.Password
	post := func(header ...string) answer {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		return request(t, client, "POST", s.URL()+"/signin", form, append(header, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	require.Equal(t, 303, post().status)
	require.Equal(t, 303, post("Sec-Fetch-Site", "same-origin", "Origin", s.URL()).status)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example.com"},
		{"Origin", "null"},
	} {
		a := post(header...)
		require.Equal(t, 403, a.status, header)
		require.Empty(t, a.header.Values("Set-Cookie"), header)
		require.Contains(t, a.body, s.URL())
	}
	a := request(t, http.DefaultClient, "POST", s.URL()+"/api/v1/sessions", `{"email":"admin@example.com","password":"`+apptest.Password+`"}`, "Origin", "https://evil.example.com")
	require.Equal(t, "cross_origin", problemOf(t, a).Code)
}

func TestTheAuditLogHasTheAddressThatATrustedProxyTells(t *testing.T) {
	t.Parallel()
	cfg := withUsers(config(t))
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s := serve(t, cfg).ready(t)
	c := s.client(t, apptest.Admin)
	a := request(t, http.DefaultClient, "POST", s.URL()+"/api/v1/projects/demo/environments", `{"name":"one","template":"pair"}`,
		"Authorization", "Bearer "+c.Token, "X-Forwarded-For", "1.2.3.4, 203.0.113.9")
	require.Equal(t, 201, a.status, a.body)
	entries, err := c.Audit(t.Context(), "demo", "")
	require.NoError(t, err)
	require.Equal(t, "environment.create", entries[0].Action)
	require.Equal(t, "203.0.113.9", entries[0].IP)
}

func TestReadySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Toolchain.TofuPath = filepath.Join(t.TempDir(), "no-tofu")
	s := serve(t, cfg)
	a := request(t, http.DefaultClient, "GET", s.URL()+"/readyz", "")
	require.Equal(t, 503, a.status)
	var got struct {
		Status  string
		Waiting []string
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	require.Equal(t, "not ready", got.Status)
	require.Len(t, got.Waiting, 1, a.body)
	require.Contains(t, got.Waiting[0], "OpenTofu")
	require.Equal(t, 200, request(t, http.DefaultClient, "GET", s.URL()+"/healthz", "").status, "it serves all the same")

	s = serve(t, config(t)).ready(t)
	require.JSONEq(t, `{"status":"ready"}`, request(t, http.DefaultClient, "GET", s.URL()+"/readyz", "").body)
}

func TestMetricsCountByRouteAndNotByName(t *testing.T) {
	t.Parallel()
	s := serve(t, withUsers(config(t))).ready(t)
	c := s.client(t, apptest.Admin)
	_, err := c.CreateEnvironment(t.Context(), "demo", api.CreateEnvironment{Name: "quite-special", Template: "pair"})
	require.NoError(t, err)
	_, err = c.Environment(t.Context(), "demo", "quite-special")
	require.NoError(t, err)
	a := request(t, http.DefaultClient, "GET", s.URL()+"/metrics", "")
	require.Equal(t, 200, a.status)
	require.Contains(t, a.body, `berth_http_request_duration_seconds_count{route="GET /api/v1/projects/{project}/environments/{environment}",status="200"} 1`)
	require.Contains(t, a.body, `berth_runs{status="queued"} 0`)
	require.Contains(t, a.body, "go_goroutines")
	require.NotContains(t, a.body, "quite-special")
}

func TestTooManySignInsAreSlowedDown(t *testing.T) {
	t.Parallel()
	s := serve(t, withUsers(config(t))).ready(t)
	c := &api.Client{URL: s.URL()}
	var refused *api.Error
	for range 50 {
		_, err := c.SignIn(t.Context(), api.SignIn{Email: apptest.Developer, Password: "wrong"})
		require.ErrorAs(t, err, &refused)
		if refused.Status != http.StatusUnauthorized {
			break
		}
	}
	require.Equal(t, http.StatusTooManyRequests, refused.Status)
	require.Equal(t, "too_many_attempts", refused.Code)
	_, err := c.SignIn(t.Context(), api.SignIn{Email: apptest.Developer, Password: apptest.Password})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusTooManyRequests, refused.Status, "also the right password has to wait")
}

func TestTheFirstAdministratorIsMadeOnThePageWithTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t, config(t))
	token, err := s.PrepareSetup(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, token)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	home := request(t, browser, "GET", s.URL()+"/", "")
	require.Contains(t, home.body, "Set-up token", "every way leads to the set-up")
	setUp := func(token string) answer {
		form := url.Values{"token": {token}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a long enough password"}}
		return request(t, browser, "POST", s.URL()+"/setup", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	wrong := setUp("not-the-token")
	require.Contains(t, wrong.body, "Set-up token")
	require.NotEqual(t, 200, wrong.status)
	require.Equal(t, 200, setUp(" "+token+" ").status)

	c := &api.Client{URL: s.URL()}
	session, err := c.SignIn(t.Context(), api.SignIn{Email: "ada@example.com", Password: "a long enough password"})
	require.NoError(t, err)
	require.Equal(t, []api.Binding{{Role: "organisation_admin"}}, session.User.Roles)

	again := setUp(token)
	require.Contains(t, again.body, "already set up", "it works once")
	token, err = s.PrepareSetup(t.Context())
	require.NoError(t, err)
	require.Empty(t, token)
}

func TestSettingsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"no folder":           {func(c *app.Config) { c.DataDir = "" }, "data-dir"},
		"key inside the data": {func(c *app.Config) { c.KeyFile = filepath.Join(c.DataDir, "key") }, "key-file"},
		"half of TLS":         {func(c *app.Config) { c.TLSCert = "cert.pem" }, "tls-cert"},
		"no such certificate": {func(c *app.Config) { c.TLSCert, c.TLSKey = "/nope/cert.pem", "/nope/key.pem" }, "tls-cert"},
		"base URL":            {func(c *app.Config) { c.BaseURL = "berth.example.com" }, "base-url"},
		"base URL's path":     {func(c *app.Config) { c.BaseURL = "https://example.com/berth" }, "base-url"},
		"workers":             {func(c *app.Config) { c.Workers = 0 }, "workers"},
		"address":             {func(c *app.Config) { c.Addr = "127.0.0.1:999999" }, "127.0.0.1:999999"},
		"database":            {func(c *app.Config) { c.DatabaseURL = "mysql://x" }, "mysql"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			tc.change(&cfg)
			_, err := app.New(t.Context(), cfg)
			require.ErrorContains(t, err, tc.want)
		})
	}
}
