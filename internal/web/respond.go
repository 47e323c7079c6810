package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// policy lets a page load nothing but what Berth itself serves, and run no script that is written into the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds what a form may hold: inputs of 256 kB each are far more than anybody types.
const maxForm = 4 << 20

// maxUpload bounds a form with an archive of code, packed; unpacked, bundle.DefaultLimits hold.
const maxUpload = 64 << 20

// serve makes an http.Handler of a route: who asks, then the handler, then what became of its error.
func (s *server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, rt.maxBody())
		r, err := s.identify(w, r)
		if err == nil && rt.permission != anyone && authz.From(r.Context()).Kind == authz.Anonymous {
			err = authz.ErrUnauthenticated
		}
		if err == nil && r.Method == http.MethodPost {
			err = readForm(r, rt.maxBody())
		}
		if r.MultipartForm != nil {
			defer func() { _ = r.MultipartForm.RemoveAll() }() // what is left is the system's to clean up
		}
		if err == nil {
			err = rt.handler(s, w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// maxBody is what a form may hold; those that take an archive of code may be larger.
func (rt route) maxBody() int64 {
	if strings.HasPrefix(rt.pattern, "/p/{project}/resource-templates") {
		return maxUpload
	}
	return maxForm
}

func readForm(r *http.Request, limit int64) error {
	err := r.ParseForm()
	if err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(maxForm)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "bad_form", "The form could not be read. It may be larger than %d MB.", limit>>20)
	}
	return nil
}

func isHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// render writes a page once all of it is there, so that a failure never leaves half of one.
func render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		return fmt.Errorf("drawing a page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "Accept-Encoding")
	if b.Len() < 1024 || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes()) // the reader may have gone; nobody is left to tell
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z, ok := compressors.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(w)
	}
	defer compressors.Put(z)
	z.Reset(w)
	if _, err := z.Write(b.Bytes()); err == nil {
		_ = z.Close() // as above
	}
	return nil
}

// compressors are kept, because making one costs far more than compressing a page: its tables are more than a megabyte.
var compressors = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil
	}
	return z
}}

// text draws a fragment for an event.
func text(ctx context.Context, c templ.Component) (string, error) {
	var b strings.Builder
	if err := c.Render(ctx, &b); err != nil {
		return "", fmt.Errorf("drawing a part of a page: %w", err)
	}
	return b.String(), nil
}

// redirect goes on to a local address after a form.
func redirect(w http.ResponseWriter, r *http.Request, to string) error {
	if isHTMX(r) {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// fail turns the error of a handler into what the person sees.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch kind := fault.KindOf(err); {
	case r.Context().Err() != nil:
		return // nobody is there to see it
	case kind == fault.Unauthenticated:
		err = s.askToSignIn(w, r)
	case kind == fault.Conflict && r.Method == http.MethodPost && referer(r) != "":
		// What was pressed can no longer be done: back to the page, which shows how things are, with the reason.
		f, _ := fault.As(err)
		s.setFlash(w, views.FlashError, f.Message)
		err = redirect(w, r, referer(r))
	default:
		err = s.errorPage(w, r, err)
	}
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "answering with an error page", "path", r.URL.Path, "error", err)
		http.Error(w, "Something went wrong on the server.", http.StatusInternalServerError)
	}
}

// referer is the local address of the page that a form was on, or "".
func referer(r *http.Request) string {
	from := r.Header.Get("Referer")
	for _, scheme := range []string{"http://", "https://"} {
		if path, ok := strings.CutPrefix(from, scheme+r.Host); ok {
			return localPath(path)
		}
	}
	return ""
}

func (s *server) errorPage(w http.ResponseWriter, r *http.Request, cause error) error {
	v := describeError(cause)
	if v.Status == http.StatusInternalServerError {
		v.Reference = reference(r.Context())
		s.Logger.ErrorContext(r.Context(), "request failed", "reference", v.Reference, "path", r.URL.Path, "error", cause)
	}
	page, err := s.page(w, r, v.Heading)
	if err != nil { // a page without a frame is better than none
		page = views.Page{Title: v.Heading, Now: s.now()}
	}
	v.Page = page
	if page.User != nil {
		v.Actions = []views.Link{{Label: "Go to your projects", URL: "/projects"}}
	} else {
		v.Actions = []views.Link{{Label: "Go to the start page", URL: "/"}}
	}
	return render(w, r, v.Status, ErrorPage(v))
}

// describeError says what an error means to the person who ran into it.
func describeError(err error) views.ErrorPage {
	f, ok := fault.As(err)
	if !ok {
		f = &fault.Error{Kind: fault.Internal}
	}
	v := views.ErrorPage{Text: f.Message}
	switch f.Kind {
	case fault.Invalid:
		v.Status, v.Heading = http.StatusUnprocessableEntity, "This cannot be done as asked"
	case fault.Forbidden:
		v.Status, v.Heading = http.StatusForbidden, "You are not allowed to do this"
		v.Missing, v.Ask = missingRole(f.Message)
	case fault.NotFound:
		v.Status, v.Heading = http.StatusNotFound, "Nothing is here"
	case fault.Conflict:
		v.Status, v.Heading = http.StatusConflict, "This cannot be done now"
	case fault.Unavailable:
		v.Status, v.Heading = http.StatusServiceUnavailable, "Not available at the moment"
	case fault.Unauthenticated, fault.Internal:
		v.Status, v.Heading = http.StatusInternalServerError, "Something went wrong on the server"
		v.Text = "It is not your fault. Try again; if it happens again, tell the operator of this server the reference."
	}
	return v
}

// missingRole finds the role in the message of a refusal, and whom to ask for it.
func missingRole(message string) (role string, ask []string) {
	_, rest, ok := strings.Cut(message, "needs the role ")
	if !ok {
		return "", nil
	}
	role, rest, _ = strings.Cut(rest, ".")
	role, _, _ = strings.Cut(role, " (or ")
	if _, who, ok := strings.Cut(rest, "Ask "); ok {
		ask = []string{strings.TrimSuffix(who, ".")}
	}
	return role, ask
}

// reference is what the person and the log have in common.
func reference(ctx context.Context) string {
	if id := audit.ClientFrom(ctx).RequestID; id != "" {
		return id
	}
	return db.NewID("ref")
}

func (s *server) noSuchPage(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.NotFound, "page_not_found", "There is no page at this address.")
}
