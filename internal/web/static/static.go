// Package static holds the built style sheet, scripts, fonts and icon of the pages, and serves them under addresses
// that contain a hash of their content, so that browsers may keep them for ever. It knows no page.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed files
var files embed.FS

// Prefix is where Handler expects to be mounted.
const Prefix = "/static/"

type asset struct {
	url  string
	mime string
	body []byte
	gzip []byte // nil when it does not help
}

type assets struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

// load runs once, at the first use; the files are part of the program and cannot change.
var load = sync.OnceValue(func() assets {
	all := assets{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	entries, err := files.ReadDir("files")
	if err != nil {
		panic(err) // embedded: only a broken build gets here
	}
	for _, e := range entries {
		body, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			panic(err)
		}
		all.byName[e.Name()] = &asset{mime: contentType(e.Name()), body: body}
	}
	for name, a := range all.byName {
		if path.Ext(name) != ".css" {
			all.name(name, a)
		}
	}
	// The style sheet names fonts and pictures, so it is hashed after their addresses are written into it.
	for name, a := range all.byName {
		if path.Ext(name) != ".css" {
			continue
		}
		for other, b := range all.byName {
			if path.Ext(other) == ".woff2" || path.Ext(other) == ".svg" {
				a.body = bytes.ReplaceAll(a.body, []byte(other), []byte(path.Base(b.url)))
			}
		}
		all.name(name, a)
	}
	return all
})

func (all assets) name(name string, a *asset) {
	sum := sha256.Sum256(a.body)
	ext := path.Ext(name)
	a.url = Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	if ext != ".woff2" {
		a.gzip = compress(a.body)
	}
	all.byURL[a.url] = a
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(body); err != nil {
		return nil
	}
	if err := w.Close(); err != nil || b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".woff2":
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// URL is the address of a file, e.g. URL("app.css"). An unknown name is a programmer's error and gives "".
func URL(name string) string {
	if a, ok := load().byName[name]; ok {
		return a.url
	}
	return ""
}

// Size is how many bytes a file is when sent, compressed where that helps.
func Size(name string) int {
	a, ok := load().byName[name]
	if !ok {
		return 0
	}
	if a.gzip != nil {
		return len(a.gzip)
	}
	return len(a.body)
}

// Names lists the files.
func Names() []string {
	var names []string
	for name := range load().byName {
		names = append(names, name)
	}
	return names
}

// Handler serves the files below Prefix.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := load().byURL[r.URL.Path]
		if !ok || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.mime)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		body := a.body
		if a.gzip != nil {
			h.Set("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
				body = a.gzip
			}
		}
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write(body) // the reader may have gone; nobody is left to tell
	})
}
