package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/web/views"
)

// home goes where the person most likely wants to be.
func (s *server) home(w http.ResponseWriter, r *http.Request) error {
	if authz.From(r.Context()).Kind == authz.Anonymous {
		needed, err := s.Identity.NeedsSetup(r.Context())
		if err != nil {
			return err
		}
		if needed {
			return redirect(w, r, "/setup")
		}
		return redirect(w, r, "/signin")
	}
	last := s.cookie(r, projectCookie)
	projects, err := s.Projects.List(r.Context())
	if err != nil {
		return err
	}
	for _, p := range projects {
		if p.Name == last {
			return redirect(w, r, views.ProjectPath(last, "environments"))
		}
	}
	return redirect(w, r, "/projects")
}

func (s *server) signInView(r *http.Request) views.SignIn {
	return views.SignIn{
		Page: s.barePage(r, "Sign in"), ActionURL: "/signin", Next: localPath(r.FormValue("next")), Email: r.PostFormValue("email"),
	}
}

func (s *server) signInForm(w http.ResponseWriter, r *http.Request) error {
	if authz.From(r.Context()).Kind != authz.Anonymous {
		return redirect(w, r, cmp.Or(localPath(r.FormValue("next")), "/"))
	}
	needed, err := s.Identity.NeedsSetup(r.Context())
	if err != nil {
		return err
	}
	if needed {
		return redirect(w, r, "/setup")
	}
	v := s.signInView(r)
	if ended, _ := r.Context().Value(endedKey{}).(bool); ended {
		v.Notice = "Your session has ended. Sign in to go on."
	}
	return render(w, r, http.StatusOK, SignInPage(v))
}

// signIn takes the e-mail first and then the password; a browser that fills in both at once is served as well.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	v := s.signInView(r)
	v.Kept = r.PostFormValue("kept")
	if !strings.Contains(v.Email, "@") {
		v.EmailError = "Enter a full e-mail address, like name@example.com."
		return render(w, r, http.StatusUnprocessableEntity, SignInPage(v))
	}
	v.AskPassword = true
	if !r.PostForm.Has("password") {
		return render(w, r, http.StatusOK, SignInPage(v))
	}
	token, session, err := s.Identity.SignIn(r.Context(), v.Email, r.PostFormValue("password"), browser(r))
	if err != nil {
		f, ok := fault.As(err)
		if !ok || f.Kind == fault.Internal {
			return err
		}
		v.Error = f.Message
		status := http.StatusUnauthorized
		if f.Kind == fault.Unavailable {
			status = http.StatusTooManyRequests
		}
		return render(w, r, status, SignInPage(v))
	}
	s.setCookie(w, sessionCookie, token, session.ExpiresAt.Sub(s.now()))
	if kept := readKept(v.Kept); kept != nil {
		return render(w, r, http.StatusOK, ResumePage(resumeView(v, kept)))
	}
	return redirect(w, r, cmp.Or(v.Next, "/projects"))
}

// resumeView shows what was typed before the session ended, ready to be sent again. It is not sent by itself: another
// person may have signed in.
func resumeView(v views.SignIn, kept *keptForm) views.Resume {
	out := views.Resume{Page: v.Page, ActionURL: kept.Path, Email: v.Email}
	out.Title = "Go on"
	names := make([]string, 0, len(kept.Values))
	for name := range kept.Values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range kept.Values[name] {
			out.Fields = append(out.Fields, views.Option{Value: value, Label: name})
		}
	}
	return out
}

// browser is where the request comes from, for the session it starts.
func browser(r *http.Request) audit.Client {
	c := audit.ClientFrom(r.Context())
	c.Kind = audit.Browser
	return c
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request) error {
	if token := s.cookie(r, sessionCookie); token != "" {
		if err := s.Identity.SignOut(r.Context(), token); err != nil {
			return err
		}
	}
	s.setCookie(w, sessionCookie, "", 0)
	return redirect(w, r, "/signin")
}

const themeAge = 365 * 24 * time.Hour

func (s *server) setTheme(w http.ResponseWriter, r *http.Request) error {
	theme := r.PostFormValue("theme")
	if theme != "light" && theme != "dark" {
		theme = ""
	}
	// The script must be able to write it, so it is neither HttpOnly nor named __Host-.
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // says how pages look, nothing else
		Name: themeCookie, Value: theme, Path: "/", SameSite: http.SameSiteLaxMode, MaxAge: int(themeAge.Seconds()),
	})
	return redirect(w, r, cmp.Or(referer(r), "/"))
}

func (s *server) setupView(r *http.Request) views.Setup {
	return views.Setup{
		Page: s.barePage(r, "Set up Berth"), ActionURL: "/setup",
		Token: &views.Field{
			Label: "Set-up token", Name: "token", Required: true, Mono: true, Autofocus: true, Value: r.PostFormValue("token"),
			Help: "Berth printed it when it started: whoever can read that runs this server.",
		},
		Name:     views.Field{Label: "Name", Name: "name", Value: r.PostFormValue("name"), Autocomplete: "name"},
		Email:    views.Field{Label: "Email", Name: "email", Kind: views.FieldEmail, Required: true, Value: r.PostFormValue("email"), Autocomplete: "username"},
		Password: views.Field{Label: "Password", Name: "password", Kind: views.FieldPassword, Required: true, Autocomplete: "new-password", Help: "At least 12 characters; a few words in a row are easy to remember."},
	}
}

func (s *server) setupForm(w http.ResponseWriter, r *http.Request) error {
	needed, err := s.Identity.NeedsSetup(r.Context())
	if err != nil {
		return err
	}
	if !needed {
		return redirect(w, r, "/signin")
	}
	return render(w, r, http.StatusOK, SetupPage(s.setupView(r)))
}

func (s *server) setup(w http.ResponseWriter, r *http.Request) error {
	v := s.setupView(r)
	in := identity.SetupInput{Token: strings.TrimSpace(v.Token.Value), Email: v.Email.Value, Name: v.Name.Value, Password: r.PostFormValue("password")}
	_, err := s.Identity.Setup(r.Context(), in)
	if f, ok := fault.As(err); ok && f.Kind != fault.Internal {
		if f.Code == identity.ErrSetupToken.Code {
			v.Token.Error = f.Message
			return render(w, r, http.StatusUnprocessableEntity, SetupPage(v))
		}
		left := placeErrors(f, map[string]*views.Field{"email": &v.Email, "name": &v.Name, "password": &v.Password})
		v.Error = left
		return render(w, r, http.StatusUnprocessableEntity, SetupPage(v))
	}
	if err != nil {
		return err
	}
	token, session, err := s.Identity.SignIn(r.Context(), in.Email, in.Password, browser(r))
	if err != nil {
		return err
	}
	s.setCookie(w, sessionCookie, token, session.ExpiresAt.Sub(s.now()))
	return redirect(w, r, "/projects")
}
