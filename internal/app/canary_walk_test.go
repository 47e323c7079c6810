package app_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // reads the database as another program would

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/authz"
)

// lockedBuffer collects what a server logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// person asks the server for pages and for the API's answers.
type person struct {
	t       *testing.T
	url     string
	name    string
	role    authz.Role // empty when nobody is signed in
	browser *http.Client
	token   string
}

func (p person) may(permission authz.Permission) bool {
	return p.role == authz.OrganisationAdmin || p.role.Grants(permission)
}

func newPerson(t *testing.T, base, email string, role authz.Role) person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	p := person{t: t, url: base, name: email, role: role, browser: &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if email == "" {
		return p
	}
	require.Equal(t, http.StatusSeeOther, p.post("/signin", url.Values{"email": {email}, "password": {apptest.Password}}).status)
	c := api.Client{URL: base}
	s, err := c.SignIn(t.Context(), api.SignIn{Email: email, Password: apptest.Password})
	require.NoError(t, err)
	p.token = s.Token
	return p
}

// send asks for a page, or for an answer of the API. Of a stream it waits for the first event.
func (p person) send(method, path, contentType, body string) answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	require.NoError(p.t, err)
	client := p.browser
	if strings.HasPrefix(path, "/api/") {
		client = &http.Client{}
		if p.token != "" {
			req.Header.Set("Authorization", "Bearer "+p.token)
		}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if strings.HasSuffix(path, "/events") {
		req.Header.Set("Accept", "text/event-stream")
	}
	req.Header.Set("Origin", p.url)
	resp, err := client.Do(req)
	require.NoError(p.t, err, path)
	defer func() { require.NoError(p.t, resp.Body.Close()) }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		content, err := io.ReadAll(resp.Body)
		require.NoError(p.t, err, path)
		a.body = string(content)
		return a
	}
	for in := bufio.NewReader(resp.Body); ; {
		line, err := in.ReadString('\n')
		a.body += line
		if err != nil || line == "\n" && strings.Contains(a.body, "data:") {
			return a
		}
	}
}

func (p person) get(path string) answer { p.t.Helper(); return p.send(http.MethodGet, path, "", "") }

func (p person) post(path string, form url.Values) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// paths are the addresses of a route: its pattern with every combination of values, or only with the first ones.
func paths(t *testing.T, pattern string, values map[string][]string, all bool) []string {
	t.Helper()
	pattern = strings.ReplaceAll(pattern, "{$}", "")
	out := []string{pattern}
	for _, name := range placeholder.FindAllString(pattern, -1) {
		list := values[name]
		require.NotEmpty(t, list, "name values for %s, so that %s is looked at", name, pattern)
		if !all {
			list = list[:1]
		}
		var next []string
		for _, p := range out {
			for _, v := range list {
				next = append(next, strings.Replace(p, name, url.PathEscape(v), 1))
			}
		}
		out = next
	}
	return out
}

// pagePatterns are the pages: every GET route of the table that package web keeps.
func pagePatterns(t *testing.T) []string {
	t.Helper()
	table, err := os.ReadFile("../web/testdata/routes.golden")
	require.NoError(t, err)
	var out []string
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[0] == http.MethodGet {
			out = append(out, f[1])
		}
	}
	require.Greater(t, len(out), 30)
	return out
}

// apiPatterns are the operations of the API that read.
func apiPatterns(t *testing.T, p person) []string {
	t.Helper()
	var doc struct{ Paths map[string]map[string]any }
	a := p.get("/api/openapi.json")
	require.Equal(t, http.StatusOK, a.status)
	require.NoError(t, json.Unmarshal([]byte(a.body), &doc))
	out := []string{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if doc.Paths[path]["get"] != nil {
			out = append(out, api.Prefix+strings.TrimPrefix(path, api.Prefix))
		}
	}
	require.Greater(t, len(out), 15)
	return append(out, "/api/openapi.json", "/metrics", "/healthz", "/readyz")
}

// text is an answer with its headers.
func (a answer) text() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, a.status)
	_ = a.header.Write(&b)
	b.WriteString(a.body)
	return b.Bytes()
}

// dump is every value of every table of a database, what is compressed in plain.
func dump(t *testing.T, path string) []byte {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	var out bytes.Buffer
	for _, table := range tables(t, d) {
		fmt.Fprintln(&out, "TABLE", table)
		dumpTable(t, d, table, &out)
	}
	return out.Bytes()
}

func dumpTable(t *testing.T, d *sql.DB, table string, out *bytes.Buffer) {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		for i, v := range values {
			fmt.Fprintf(out, "%s.%s=%s\n", table, columns[i], plain(v))
		}
	}
	require.NoError(t, rows.Err())
}

func tables(t *testing.T, d *sql.DB) []string {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var out []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		out = append(out, name)
	}
	require.NoError(t, rows.Err())
	return out
}

// plain unpacks what is compressed.
func plain(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(bytes.NewReader(b))
		if err == nil {
			defer r.Close()
			if out, err := io.ReadAll(r); err == nil {
				return out
			}
		}
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err == nil {
			if out, err := io.ReadAll(r); err == nil {
				return out
			}
		}
	}
	return b
}

// files calls look with every file below a folder, and with its name.
func files(t *testing.T, dir string, look func(name string, content []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		look(name, []byte(name))
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		look(name, content)
		look(name, plain(content))
		return nil
	}))
}
