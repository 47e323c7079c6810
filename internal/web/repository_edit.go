package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/web/views"
)

// repositoryEditor is the page that adds a repository, or changes the one given. Its fields are named as the service
// names them in its errors.
func (s *server) repositoryEditor(sc scope, stored *repository.Repository) views.RepositoryEditor {
	v := views.RepositoryEditor{
		Page: sc.Page, New: stored == nil, Form: views.Form{ID: "repository", URL: repositoryPath(sc)},
		Name:        nameField("", "Templates name the repository by it. It cannot be changed later."),
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText},
		Address: views.Field{
			Label: "URL", Name: "url", Kind: views.FieldText, Mono: true, Required: true, Placeholder: "https://git.example.com/platform/modules.git",
			Help: "Over HTTPS or SSH, as for git clone.",
		},
		Revision:   views.Field{Label: "Default branch, tag or commit", Name: "defaultRevision", Kind: views.FieldText, Mono: true, Placeholder: "the remote's own default", Help: "Used where a template names none."},
		Auth:       views.Field{Label: "Authentication", Name: "auth", Value: string(repository.AuthNone)},
		Username:   views.Field{Label: "User name", Name: "username", Kind: views.FieldText, Mono: true, Help: "Leave it empty where the token is enough, or where the URL names it."},
		Token:      views.Secret{Field: views.Field{Label: "Password or token", Name: "token"}},
		Key:        views.Secret{Field: views.Field{Label: "Private key", Name: "key", Placeholder: "-----BEGIN OPENSSH PRIVATE KEY-----"}, Long: true},
		Passphrase: views.Secret{Field: views.Field{Label: "Passphrase of the key", Name: "passphrase", Help: "Empty when it has none."}},
		KnownHosts: views.Field{Label: "Known host keys", Name: "knownHosts", Kind: views.FieldLong, Help: "Lines as in known_hosts, so that Berth talks to the right server and no other. Test connection shows the key of a server that is not known."},
		CACert:     views.Field{Label: "CA certificate", Name: "caCert", Kind: views.FieldLong, Help: "In PEM, for a server whose certificate is not signed by a public authority."},
	}
	if stored == nil {
		return v
	}
	v.Repository = repositoryRowOf(*stored, sc)
	v.Form.URL, v.Form.Seen = v.Repository.URL, seenAt(stored.UpdatedAt)
	v.Name.Value, v.Description.Value, v.Address.Value, v.Revision.Value = stored.Name, stored.Description, stored.URL, stored.DefaultRevision
	v.Auth.Value, v.Username.Value, v.KnownHosts.Value, v.CACert.Value = string(stored.Auth), stored.Username, stored.KnownHosts, stored.CACert
	v.Token.Stored = stored.HasSecret && stored.Auth == repository.AuthPassword
	v.Key.Stored = stored.HasSecret && stored.Auth == repository.AuthSSH
	v.Danger = &views.Danger{
		URL: v.Repository.URL + "/delete", Name: stored.Name, What: "repository",
		Text: "This deletes the address and the credentials. What was published from it keeps working, because its code is stored with each version; new versions cannot be read from it any more.",
	}
	return v
}

func (s *server) newRepository(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.repositoryWriter(w, r, "New Repository")
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, RepositoryEditorPage(s.repositoryEditor(sc, nil)))
}

func (s *server) createRepository(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.repositoryWriter(w, r, "New Repository")
	if err != nil {
		return err
	}
	return s.setRepository(w, r, sc, nil)
}

func (s *server) saveRepository(w http.ResponseWriter, r *http.Request) error {
	sc, repo, err := s.ownRepository(w, r)
	if err != nil {
		return err
	}
	return s.setRepository(w, r, sc, &repo)
}

// setRepository saves what was typed, or tests it and draws it again with the verdict.
func (s *server) setRepository(w http.ResponseWriter, r *http.Request, sc scope, stored *repository.Repository) error {
	v := s.repositoryEditor(sc, stored)
	in, secrets := s.readRepository(&v, sc, r.PostForm)
	v.Name.Autofocus = false
	if r.PostFormValue("do") == "test" {
		verdict, err := s.Repositories.TestInput(r.Context(), sc.id, v.Name.Value, in)
		if v.Verdict = verdictOf(verdict, err); v.Verdict == nil {
			return err
		}
		if f := answerable(err); f != nil && len(f.Fields) > 0 {
			v.Verdict = nil
			v.Form.Error = spread(f, repositoryFields(&v))
		}
		return s.drawRepository(w, r, sc, v, secrets, http.StatusOK)
	}
	err := s.checkRepository(r, sc, v, stored)
	if err == nil {
		_, _, err = s.Repositories.Set(r.Context(), sc.id, v.Name.Value, in)
	}
	if err == nil {
		s.setFlash(w, views.FlashOK, "The repository "+v.Name.Value+" is saved.")
		return redirect(w, r, repositoryPath(sc, v.Name.Value))
	}
	f := answerable(err)
	switch {
	case f == nil:
		return err
	case errors.Is(err, repository.ErrChanged) && v.New:
		v.Name.Error = f.Message + " Choose another name."
	case errors.Is(err, repository.ErrChanged):
		v.Form.Error, v.Form.Current = overtaken("repository", v.Repository.Updated), v.Repository.URL
	default:
		v.Form.Error = spread(f, repositoryFields(&v))
	}
	return s.drawRepository(w, r, sc, v, secrets, http.StatusUnprocessableEntity)
}

// checkRepository refuses what would overwrite a repository that whoever saves has not seen.
func (s *server) checkRepository(r *http.Request, sc scope, v views.RepositoryEditor, stored *repository.Repository) error {
	if !v.New {
		if at := seen(r.PostForm); !at.IsZero() && !at.Equal(stored.UpdatedAt) {
			return repository.ErrChanged
		}
		return nil
	}
	other, err := s.Repositories.Get(r.Context(), sc.id, v.Name.Value)
	if err == nil && other.ProjectID == sc.id {
		return repository.ErrChanged.With("There already is a repository %q in this project.", v.Name.Value)
	}
	if errors.Is(err, repository.ErrNotFound) {
		return nil
	}
	return err
}

// repositoryFields are the fields by the paths that the service names in its errors.
func repositoryFields(v *views.RepositoryEditor) map[string]*views.Field {
	secret := &v.Token.Field
	if v.Auth.Value == string(repository.AuthSSH) {
		secret = &v.Key.Field
	}
	return map[string]*views.Field{
		"name": &v.Name, "description": &v.Description, "url": &v.Address, "auth": &v.Auth, "username": &v.Username, "secret": secret,
		"passphrase": &v.Passphrase.Field, "defaultRevision": &v.Revision, "knownHosts": &v.KnownHosts, "caCert": &v.CACert,
	}
}

// repositorySecrets are what was typed into the fields that are not shown again.
type repositorySecrets struct{ token, key, passphrase string }

// readRepository puts what was typed into the form and makes of it what the service takes.
func (s *server) readRepository(v *views.RepositoryEditor, sc scope, form url.Values) (repository.Input, repositorySecrets) {
	if v.New {
		v.Name.Value = strings.TrimSpace(form.Get("name"))
	}
	v.Description.Value, v.Address.Value = form.Get("description"), strings.TrimSpace(form.Get("url"))
	v.Revision.Value, v.Auth.Value, v.Username.Value = strings.TrimSpace(form.Get("defaultRevision")), form.Get("auth"), strings.TrimSpace(form.Get("username"))
	v.KnownHosts.Value, v.CACert.Value = unixLines(form.Get("knownHosts")), unixLines(form.Get("caCert"))
	secrets := repositorySecrets{
		token: s.typedSecret(sc, form, &v.Token), key: s.typedSecret(sc, form, &v.Key), passphrase: s.typedSecret(sc, form, &v.Passphrase),
	}
	in := repository.Input{
		Description: v.Description.Value, URL: v.Address.Value, Auth: repository.Auth(v.Auth.Value),
		DefaultRevision: v.Revision.Value, CACert: v.CACert.Value,
	}
	switch in.Auth {
	case repository.AuthPassword:
		in.Username, in.Secret = v.Username.Value, secrets.token
	case repository.AuthSSH:
		in.Username = v.Username.Value
		in.Secret, in.Passphrase, in.KnownHosts = secrets.key, secrets.passphrase, v.KnownHosts.Value
	case repository.AuthNone:
	}
	return in, secrets
}

// typedSecret is what was typed into a field that is not shown again, now or before the form was drawn again.
func (s *server) typedSecret(sc scope, form url.Values, f *views.Secret) string {
	if text := form.Get(f.Name); text != "" {
		return unixLines(text)
	}
	kept := form.Get(f.Name + ".kept")
	text, ok := s.openTyped(sc, kept)
	if kept != "" && !ok {
		f.Error = "Enter it again."
	}
	return text
}

func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// drawRepository draws the form again; what was typed and must not be shown travels with it sealed.
func (s *server) drawRepository(w http.ResponseWriter, r *http.Request, sc scope, v views.RepositoryEditor, secrets repositorySecrets, status int) error {
	for _, typed := range []struct {
		text string
		in   *views.Secret
	}{{secrets.token, &v.Token}, {secrets.key, &v.Key}, {secrets.passphrase, &v.Passphrase}} {
		if typed.text == "" {
			continue
		}
		kept, err := s.sealTyped(sc, typed.text)
		if err != nil {
			return err
		}
		typed.in.Kept = kept
	}
	return render(w, r, status, RepositoryEditorPage(v))
}
