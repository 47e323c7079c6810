package web_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

// visitor uses the pages as a browser without script does: links, forms, cookies.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	url    string // of the page
	status int
	header http.Header
	doc    *goquery.Document
}

func newVisitor(t *testing.T, s *apptest.Server) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, base: s.URL, client: &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{}}}
}

// signedIn is a visitor who has signed in with the two forms.
func signedIn(t *testing.T, s *apptest.Server, email string) *visitor {
	t.Helper()
	v := newVisitor(t, s)
	v.get("/")
	v.submit("Continue", url.Values{"email": {email}})
	v.submit("Sign in", url.Values{"password": {apptest.Password}})
	require.Equal(t, "/projects", v.path())
	return v
}

func (v *visitor) path() string {
	u, err := url.Parse(v.url)
	require.NoError(v.t, err)
	return u.Path
}

func (v *visitor) do(req *http.Request) {
	v.t.Helper()
	resp, err := v.client.Do(req)
	require.NoError(v.t, err)
	defer func() { _ = resp.Body.Close() }()
	v.url, v.status, v.header = resp.Request.URL.String(), resp.StatusCode, resp.Header
	v.doc, err = goquery.NewDocumentFromReader(resp.Body)
	require.NoError(v.t, err)
}

func (v *visitor) get(path string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, v.base+path, nil)
	require.NoError(v.t, err)
	v.do(req)
}

func (v *visitor) post(path string, form url.Values) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.base)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Referer", v.url)
	v.do(req)
}

// follow opens the link of this name.
func (v *visitor) follow(selector, link string) {
	v.t.Helper()
	v.get(one(v.t, v.doc, selector, link).AttrOr("href", ""))
}

// submit presses the button of this name, with what its form holds, changed by what was typed.
func (v *visitor) submit(button string, typed url.Values) {
	v.t.Helper()
	b := one(v.t, v.doc, "button", button)
	form := b.Closest("form")
	require.Equal(v.t, 1, form.Length(), "the button %q is in a form", button)
	values := url.Values{}
	form.Find("input[name],select[name],textarea[name]").Each(func(_ int, field *goquery.Selection) {
		if t := field.AttrOr("type", ""); (t == "checkbox" || t == "radio") && field.AttrOr("checked", "no") == "no" {
			return
		}
		value := field.AttrOr("value", "")
		if field.Is("textarea") {
			value = field.Text()
		}
		if field.Is("select") {
			value = field.Find("option[selected]").AttrOr("value", field.Find("option").AttrOr("value", ""))
		}
		values.Add(field.AttrOr("name", ""), value)
	})
	if name, ok := b.Attr("name"); ok {
		values.Set(name, b.AttrOr("value", ""))
	}
	for name, v := range typed {
		values[name] = v
	}
	action := b.AttrOr("formaction", form.AttrOr("action", ""))
	if strings.EqualFold(form.AttrOr("method", "get"), "post") {
		v.post(action, values)
		return
	}
	v.get(action + "?" + values.Encode())
}

func (v *visitor) text(selector string) string { return text(v.doc.Find(selector).First()) }

// fieldError is what is said beside the field of this name.
func (v *visitor) fieldError(label string) string {
	v.t.Helper()
	field := one(v.t, v.doc, "input,select,textarea", label)
	return text(v.doc.Find(`[id="` + field.AttrOr("id", "") + `-error"]`))
}

// message is one server-sent event.
type message struct{ id, name, data string }

// listen opens a stream and gives its events until the reader stops reading.
func (v *visitor) listen(path, lastID string) (next func() message, stop func()) {
	v.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	require.NoError(v.t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	client := &http.Client{Jar: v.client.Jar, Transport: &http.Transport{}}
	resp, err := client.Do(req) //nolint:bodyclose // stop closes it
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, resp.StatusCode)
	require.Equal(v.t, "text/event-stream", resp.Header.Get("Content-Type"))
	timer := time.AfterFunc(20*time.Second, cancel)
	in := bufio.NewReader(resp.Body)
	next = func() message {
		v.t.Helper()
		var m message
		for {
			line, err := in.ReadString('\n')
			require.NoError(v.t, err, "the stream ended")
			line = strings.TrimSuffix(line, "\n")
			switch {
			case line == "" && m.name != "":
				m.data = strings.TrimSuffix(m.data, "\n")
				return m
			case strings.HasPrefix(line, "id: "):
				m.id = line[4:]
			case strings.HasPrefix(line, "event: "):
				m.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				m.data += line[6:] + "\n"
			}
		}
	}
	return next, func() {
		timer.Stop()
		cancel()
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	}
}

// until reads events until one of this name satisfies the condition.
func until(next func() message, name string, ok func(data string) bool) message {
	for {
		if m := next(); m.name == name && ok(m.data) {
			return m
		}
	}
}

// events is the address of the stream of the page.
func (v *visitor) events() string { return v.doc.Find("[sse-connect]").AttrOr("sse-connect", "") }
