package static_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web/static"
)

func get(url, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, r)
	return w
}

func TestFilesMayBeKeptForEver(t *testing.T) {
	t.Parallel()
	for _, name := range static.Names() {
		w := get(static.URL(name), "")
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Contains(t, w.Header().Get("Cache-Control"), "immutable", name)
		require.NotEmpty(t, w.Header().Get("Content-Type"), name)
	}
	require.Equal(t, http.StatusNotFound, get("/static/app.css", "").Code, "an address without a hash could go stale")
	require.Empty(t, static.URL("missing.css"))
}

func TestCompressedWhenAsked(t *testing.T) {
	t.Parallel()
	plain, packed := get(static.URL("app.css"), ""), get(static.URL("app.css"), "gzip, br")
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	require.Less(t, packed.Body.Len(), plain.Body.Len()/2)
	require.Empty(t, get(static.URL("inter-latin-wght-normal.woff2"), "gzip").Header().Get("Content-Encoding"))
}

func TestStyleSheetNamesHashedFiles(t *testing.T) {
	t.Parallel()
	css := get(static.URL("app.css"), "").Body.String()
	for _, name := range []string{"inter-latin-wght-normal.woff2", "jetbrains-mono-latin-wght-normal.woff2", "chevron.svg"} {
		require.Contains(t, css, strings.TrimPrefix(static.URL(name), static.Prefix))
	}
}

func TestOwnScriptIsShort(t *testing.T) {
	t.Parallel()
	require.Less(t, bytes.Count(get(static.URL("app.js"), "").Body.Bytes(), []byte("\n")), 500)
}
