package web_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/a-h/templ"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web/static"
)

func render(t *testing.T, c templ.Component) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Render(context.Background(), &b))
	return b.Bytes()
}

// TestStories renders every page in every state. With BERTH_STORIES=dir it also writes them there, with the files they
// need, for a browser: see assets/screenshots.sh.
func TestStories(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BERTH_STORIES")
	var names []string
	for name, c := range stories() {
		html := render(t, c)
		require.NotEmpty(t, html, name)
		names = append(names, name)
		if dir != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".html"), html, 0o644))
		}
	}
	sort.Strings(names)
	require.Greater(t, len(names), 40)
	if dir == "" {
		return
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "static"), 0o755))
	for _, name := range static.Names() {
		w := httptest.NewRecorder()
		static.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, static.URL(name), nil))
		require.Equal(t, http.StatusOK, w.Code, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, static.URL(name)), w.Body.Bytes(), 0o644))
	}
}
