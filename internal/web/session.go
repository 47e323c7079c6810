package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// The cookies. A browser takes one whose name begins with __Host- only over TLS, from this very host and for all paths.
const (
	sessionCookie = "berth_session"
	flashCookie   = "berth_flash"
	projectCookie = "berth_project"
	themeCookie   = "theme" // the script writes it, too
)

func (s *server) cookieName(name string) string {
	if s.Secure {
		return "__Host-" + name
	}
	return name
}

func (s *server) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	c := &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(age.Seconds()),
	}
	if age <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (s *server) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

type endedKey struct{}

// identify finds who asks. A session that has ended makes nobody of them, and the cookie goes.
func (s *server) identify(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	token := s.cookie(r, sessionCookie)
	if token == "" {
		return r, nil
	}
	subject, _, err := s.Identity.Authenticate(r.Context(), token)
	switch {
	case fault.KindOf(err) == fault.Unauthenticated:
		s.setCookie(w, sessionCookie, "", 0)
		return r.WithContext(context.WithValue(r.Context(), endedKey{}, true)), nil
	case err != nil:
		return r, err
	}
	return r.WithContext(authz.WithSubject(r.Context(), subject)), nil
}

// askToSignIn answers a request that needs somebody. A page is come back to; what was typed into a form is kept.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	ended, _ := r.Context().Value(endedKey{}).(bool)
	if isHTMX(r) {
		next := ""
		if u, err := url.Parse(r.Header.Get("HX-Current-URL")); err == nil {
			next = localPath(u.RequestURI())
		}
		w.Header().Set("HX-Redirect", signInURL(next))
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") {
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if r.Method == http.MethodGet {
		http.Redirect(w, r, signInURL(r.URL.RequestURI()), http.StatusSeeOther)
		return nil
	}
	kept, err := keepForm(r)
	if err != nil {
		return err
	}
	v := s.signInView(r)
	v.Kept = kept
	if ended {
		v.Notice = "Your session has ended. Sign in to go on; what you typed is kept."
	} else {
		v.Notice = "Sign in to go on; what you typed is kept."
	}
	return render(w, r, http.StatusUnauthorized, SignInPage(v))
}

func signInURL(next string) string {
	if next == "" || next == "/" {
		return "/signin"
	}
	return "/signin?next=" + url.QueryEscape(next)
}

// localPath returns the address if it is one of this server, and "" if it leads anywhere else.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") {
		return ""
	}
	// Browsers read a second slash, and a backslash, as the beginning of a host's name.
	if strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return ""
	}
	return to
}

// keptForm is a form that was sent without a session. It travels in the sign-in form: a cross-site page cannot post that,
// and it holds only what the person at the browser has just typed.
type keptForm struct {
	Path   string     `json:"path"`
	Values url.Values `json:"values"`
}

func keepForm(r *http.Request) (string, error) {
	if err := readForm(r, maxForm); err != nil {
		return "", err
	}
	plain, err := json.Marshal(keptForm{r.URL.RequestURI(), r.PostForm})
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(plain), nil
}

// readKept returns nil for anything that is no kept form.
func readKept(text string) *keptForm {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(plain) == 0 {
		return nil
	}
	var k keptForm
	if json.Unmarshal(plain, &k) != nil || localPath(k.Path) == "" {
		return nil
	}
	return &k
}

// setFlash keeps a message for the next page.
func (s *server) setFlash(w http.ResponseWriter, kind views.FlashKind, message string) {
	plain, err := json.Marshal(views.Flash{Kind: kind, Text: message})
	if err != nil {
		return // two strings can be written
	}
	s.setCookie(w, flashCookie, base64.RawURLEncoding.EncodeToString(plain), time.Minute)
}

// takeFlash returns the message for this page, once.
func (s *server) takeFlash(w http.ResponseWriter, r *http.Request) *views.Flash {
	kept := s.cookie(r, flashCookie)
	if kept == "" {
		return nil
	}
	s.setCookie(w, flashCookie, "", 0)
	plain, err := base64.RawURLEncoding.DecodeString(kept)
	var f views.Flash
	if err != nil || json.Unmarshal(plain, &f) != nil || f.Text == "" {
		return nil
	}
	return &f
}
