package tofu

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/opentofu/tofudl/mockmirror"
	"github.com/stretchr/testify/require"
)

func TestFindOrder(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	configured := fakeBinary(t, bin, "configured", "OpenTofu", "1.12.0")
	onPath := fakeBinary(t, bin, "on-path", "OpenTofu", "1.11.5")
	old := fakeBinary(t, bin, "old", "OpenTofu", "1.9.4")
	terraform := fakeBinary(t, bin, "terraform", "Terraform", "1.11.4")
	mirror := mockmirror.NewFromBinary(t, []byte(fakeScript("OpenTofu", "1.12.1")))
	site := DownloadSite{APIURL: mirror.APIURL(), URLTemplate: mirror.DownloadMirrorURLTemplate(), GPGKey: mirror.GPGKey(), Version: "1.0.0"}
	gone := DownloadSite{APIURL: "http://127.0.0.1:1/api.json"}
	path := func(tofu string) func(string) (string, error) {
		return only(map[string]string{"tofu": tofu, "go": realGo(t)})
	}
	tests := map[string]struct {
		cfg     Config
		origin  Origin
		version string
		reason  Reason
	}{
		"configuration first":       {cfg: Config{TofuPath: configured, LookPath: path(onPath), Site: site}, origin: OriginConfig, version: "1.12.0"},
		"then PATH":                 {cfg: Config{LookPath: path(onPath), Site: site, Checkout: fakeCheckout(t)}, origin: OriginPath, version: "1.11.5"},
		"PATH switched off":         {cfg: Config{LookPath: path(onPath), NoPath: true, Site: site}, origin: OriginDownload, version: "1.12.1"},
		"then download":             {cfg: Config{Site: site, Checkout: fakeCheckout(t)}, origin: OriginDownload, version: "1.12.1"},
		"then build":                {cfg: Config{Site: gone, Checkout: fakeCheckout(t)}, origin: OriginBuild, version: "1.11.0"},
		"an old one is passed over": {cfg: Config{LookPath: path(old), Site: site}, origin: OriginDownload, version: "1.12.1"},
		"configured but old":        {cfg: Config{TofuPath: old, LookPath: path(onPath)}, reason: ReasonTooOld},
		"configured but terraform":  {cfg: Config{TofuPath: terraform, LookPath: path(onPath)}, reason: ReasonBadBinary},
		"configured but absent":     {cfg: Config{TofuPath: filepath.Join(bin, "absent"), LookPath: path(onPath)}, reason: ReasonBadBinary},
		"nothing anywhere":          {cfg: Config{Site: gone}, reason: ReasonNotFound},
		"build switched off":        {cfg: Config{Site: gone, Checkout: fakeCheckout(t), NoBuild: true}, reason: ReasonNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			toolchain, err := newTestManager(t, test.cfg).Ensure(t.Context())
			if test.reason != "" {
				require.True(t, IsReason(err, test.reason), "%v", err)
				require.NotEmpty(t, AsError(err).Action)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.origin, toolchain.Tofu.Origin)
			require.Equal(t, test.version, toolchain.Tofu.Version)
			require.Equal(t, KindTofu, toolchain.Tofu.Kind)
			require.True(t, filepath.IsAbs(toolchain.Tofu.Path))
			require.Len(t, toolchain.Tofu.SHA256, 64)
		})
	}
}

func TestDownloadIsKeptAndChecked(t *testing.T) {
	t.Parallel()
	mirror, other := mockmirror.NewFromBinary(t, []byte(fakeScript("OpenTofu", "1.12.1"))), mockmirror.NewFromBinary(t, []byte("x"))
	site := DownloadSite{APIURL: mirror.APIURL(), URLTemplate: mirror.DownloadMirrorURLTemplate(), GPGKey: mirror.GPGKey(), Version: "1.0.0"}
	cacheDir := t.TempDir()
	first, err := newTestManager(t, Config{CacheDir: cacheDir, Site: site}).Ensure(t.Context())
	require.NoError(t, err)

	offline := site
	offline.APIURL, offline.URLTemplate = "http://127.0.0.1:1/api.json", "http://127.0.0.1:1/{{ .Artifact }}"
	again, err := newTestManager(t, Config{CacheDir: cacheDir, Site: offline}).Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again)

	forged := site
	forged.GPGKey = other.GPGKey()
	m := newTestManager(t, Config{Site: forged})
	_, err = m.finder.cfg.Site.download(t.Context(), m.finder.cache, nil)
	require.True(t, IsReason(err, ReasonBadDownload), "%v", err)
	require.Empty(t, m.finder.cache.list())
}

func TestTerraformOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	terraform := fakeBinary(t, bin, "terraform", "Terraform", "1.11.4")
	m := newTestManager(t, Config{LookPath: only(map[string]string{"terraform": terraform})})
	_, err := m.Ensure(t.Context())
	require.True(t, IsReason(err, ReasonNotFound), "terraform never stands in for tofu: %v", err)
	b, err := m.Terraform(t.Context())
	require.NoError(t, err)
	require.Equal(t, KindTerraform, b.Kind)
	require.Equal(t, "1.11.4", b.Version)

	_, err = newTestManager(t, Config{LookPath: only(nil)}).Terraform(t.Context())
	require.True(t, IsReason(err, ReasonNotFound), "%v", err)
}

func TestVerificationIsRememberedUntilTheFileChanges(t *testing.T) {
	t.Parallel()
	dir, cacheDir := t.TempDir(), t.TempDir()
	log := filepath.Join(dir, "starts")
	path := writeFile(t, filepath.Join(dir, "tofu"), "#!/bin/sh\necho start >> "+log+"\n"+fakeScript("OpenTofu", "1.11.0")[10:], 0o755)
	starts := func() int64 {
		info, err := os.Stat(log)
		require.NoError(t, err)
		return info.Size()
	}
	find := func() Binary {
		toolchain, err := newTestManager(t, Config{TofuPath: path, CacheDir: cacheDir}).Ensure(t.Context())
		require.NoError(t, err)
		return toolchain.Tofu
	}
	first := find()
	before := starts()
	require.Equal(t, first, find())
	require.Equal(t, before, starts(), "the program was started again")

	fakeBinary(t, dir, "tofu", "OpenTofu", "1.12.6")
	require.Equal(t, "1.12.6", find().Version)
}

func TestProvidersFollowTheRegistrysAnswer(t *testing.T) {
	t.Parallel()
	serve := func(status int, body string) (string, *atomic.Int32) {
		var asked atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			require.Equal(t, "/.well-known/terraform.json", r.URL.Path)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL, &asked
	}
	up, _ := serve(http.StatusOK, `{"modules.v1":"/v1/modules/","providers.v1":"/v1/providers/"}`)
	signIn, _ := serve(http.StatusOK, `<html>please sign in</html>`)
	broken, _ := serve(http.StatusServiceUnavailable, "")
	tests := map[string]struct {
		cfg    Config
		source ProviderSource
	}{
		"answers":        {Config{Registry: up}, ProvidersFromRegistry},
		"sign-in page":   {Config{Registry: signIn}, ProvidersFromMirror},
		"broken":         {Config{Registry: broken}, ProvidersFromMirror},
		"gone":           {Config{Registry: "http://127.0.0.1:1"}, ProvidersFromMirror},
		"fixed registry": {Config{Registry: broken, Providers: ProvidersFromRegistry}, ProvidersFromRegistry},
		"fixed mirror":   {Config{Registry: up, Providers: ProvidersFromMirror}, ProvidersFromMirror},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Checkout = fakeCheckout(t)
			toolchain, err := newTestManager(t, test.cfg).Ensure(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.source, toolchain.Providers.Source)
		})
	}

	t.Run("asked once", func(t *testing.T) {
		t.Parallel()
		own, asked := serve(http.StatusServiceUnavailable, "")
		m := newTestManager(t, Config{Registry: own, Checkout: fakeCheckout(t)})
		for range 3 {
			answers, err := m.probe.answer(t.Context(), own)
			require.NoError(t, err)
			require.False(t, answers)
		}
		require.Equal(t, int32(1), asked.Load())
	})

	t.Run("no registry and no checkout", func(t *testing.T) {
		t.Parallel()
		tofu := fakeBinary(t, t.TempDir(), "tofu", "OpenTofu", "1.12.6")
		_, err := newTestManager(t, Config{TofuPath: tofu, Registry: broken}).Ensure(t.Context())
		require.True(t, IsReason(err, ReasonNoNetwork), "%v", err)
	})
}
