package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/static"
	"github.com/berthdev/berth/internal/web/ui"
)

// policy is as strict as the product's; a page that needs more shows up as an error in the browser's console.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// storyServer serves the stories at /story/NAME. What is sent to the channel goes out on the event stream that is open.
func storyServer(t *testing.T) (*httptest.Server, chan<- string) {
	t.Helper()
	events := make(chan string)
	all := stories()
	all["new-structures"] = web.NewEnvironmentPage(structuresPage(t, url.Values{}))
	all["new-structures-filled"] = web.NewEnvironmentPage(structuresPage(t, structuresTyped()))
	mux := http.NewServeMux()
	mux.Handle(static.Prefix, static.Handler())
	mux.HandleFunc("GET /story/{name}", func(w http.ResponseWriter, r *http.Request) {
		c, ok := all[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = c.Render(r.Context(), w)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for {
				select {
				case <-r.Context().Done():
					return
				case event := <-events:
					_, _ = io.WriteString(w, event)
					w.(http.Flusher).Flush()
				}
			}
		case r.URL.Path == "/p/demo/environments" && r.Method == http.MethodGet:
			_ = all["environments-ten"].Render(r.Context(), w)
		case strings.HasSuffix(r.URL.Path, "/check"):
			if err := r.ParseForm(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(web.CheckForm(structures(t), r.PostForm))
		case r.URL.Path == "/p/structures/environments":
			if err := r.ParseForm(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = web.NewEnvironmentPage(structuresPage(t, r.PostForm)).Render(r.Context(), w)
		case r.URL.Path == "/p/demo/environments": // another template was chosen
			v := newEnvironment()
			v.Name.Value, v.Template.Value = r.FormValue("name"), r.FormValue("template")
			v.Summary.Description = "About " + r.FormValue("template")
			_ = web.NewEnvironmentPage(v).Render(r.Context(), w)
		case strings.HasSuffix(r.URL.Path, "/palette"):
			_ = ui.PaletteList(paletteStory()).Render(r.Context(), w)
		default:
			http.NotFound(w, r)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s, events
}

// browser starts a headless Chromium and collects what its console complains about.
func browser(t *testing.T) (context.Context, func() []string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		tofutest.SkipOrFail(t, "needs chromium on PATH: make setup installs it")
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("force-prefers-reduced-motion", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var complaints []string
	messages := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" {
				mu.Lock()
				complaints = append(complaints, m.String()+" "+m.URL)
				mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return complaints
	}
}

// TestScreenshots writes pictures of the stories to BERTH_SCREENSHOTS, at three widths, light and dark. BERTH_STORY is
// a pattern of the stories to take.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BERTH_SCREENSHOTS")
	if dir == "" {
		t.Skip("set BERTH_SCREENSHOTS to a folder")
	}
	only := regexp.MustCompile(os.Getenv("BERTH_STORY"))
	widths := []int64{1440, 1024, 390}
	themes := []string{"light", "dark"}
	server, _ := storyServer(t)
	ctx, complaints := browser(t)
	var names []string
	all := stories()
	all["new-structures"], all["new-structures-filled"] = nil, nil
	for name := range all {
		if only.MatchString(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		for _, width := range widths {
			for _, theme := range themes {
				file := fmt.Sprintf("%s-%d-%s.png", name, width, theme)
				if want := os.Getenv("BERTH_SHOT"); want != "" && !regexp.MustCompile(want).MatchString(file) {
					continue
				}
				media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
				require.NoError(t, err, file)
				require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL+"/story/"+name)), file)
				wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.fonts.ready.then(() => document.documentElement.scrollWidth > innerWidth)`, chromedp.EvalAwaitPromise))
				require.NoError(t, err, file)
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				require.NoError(t, err, file)
				if wide {
					t.Errorf("%s: the page scrolls sideways", file)
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), png, 0o644))
			}
		}
	}
	require.Empty(t, complaints())
}
