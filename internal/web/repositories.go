package web

import (
	"net/http"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/web/views"
)

// repositories lists the git repositories that template code is read from.
func (s *server) repositories(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionRepositories, "Repositories")
	if err != nil {
		return err
	}
	all, err := s.Repositories.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	v := views.RepositoryList{Page: sc.Page, Text: r.URL.Query().Get("q"), Any: len(all) > 0}
	if sc.can(authz.RepositoryWrite) {
		v.NewURL = repositoryPath(sc, "new")
	}
	for _, repo := range all {
		if row := repositoryRowOf(repo, sc); containsFold(v.Text, row.Name, row.Description, row.Address) {
			v.Rows = append(v.Rows, row)
		}
	}
	return render(w, r, http.StatusOK, RepositoriesPage(v))
}

func repositoryPath(sc scope, segments ...string) string {
	return views.ProjectPath(sc.Project.Slug, append([]string{"settings", "repositories"}, segments...)...)
}

func repositoryRowOf(repo repository.Repository, sc scope) views.RepositoryRow {
	v := views.RepositoryRow{
		Name: repo.Name, Description: repo.Description, URL: repositoryPath(sc, repo.Name), Address: repo.URL, Revision: repo.DefaultRevision,
		SignIn: signInWords(repo), Updated: views.At(repo.UpdatedAt, sc.Now),
	}
	if repo.ProjectID != sc.id {
		v.Owner = "the organisation"
	}
	return v
}

func signInWords(repo repository.Repository) string {
	switch repo.Auth {
	case repository.AuthPassword:
		if repo.Username != "" {
			return "As " + repo.Username
		}
		return "With a token"
	case repository.AuthSSH:
		return "SSH key"
	case repository.AuthNone:
	}
	return "None needed"
}

// repositoryPage is the editor of a repository for those who may change it.
func (s *server) repositoryPage(w http.ResponseWriter, r *http.Request) error {
	sc, repo, err := s.repository(w, r)
	if err != nil {
		return err
	}
	if repo.ProjectID == sc.id && sc.can(authz.RepositoryWrite) {
		return render(w, r, http.StatusOK, RepositoryEditorPage(s.repositoryEditor(sc, &repo)))
	}
	return render(w, r, http.StatusOK, RepositoryPage(repositoryView(sc, repo)))
}

func (s *server) repository(w http.ResponseWriter, r *http.Request) (scope, repository.Repository, error) {
	name := r.PathValue("repository")
	sc, err := s.inProject(w, r, views.SectionRepositories, name)
	if err != nil {
		return sc, repository.Repository{}, err
	}
	repo, err := s.Repositories.Get(r.Context(), sc.id, name)
	return sc, repo, err
}

func repositoryView(sc scope, repo repository.Repository) views.RepositoryPage {
	row := repositoryRowOf(repo, sc)
	return views.RepositoryPage{Page: sc.Page, Repository: row, HasSecret: repo.HasSecret, TestURL: row.URL + "/test"}
}

// testRepository connects to a repository as it is stored.
func (s *server) testRepository(w http.ResponseWriter, r *http.Request) error {
	sc, repo, err := s.repository(w, r)
	if err != nil {
		return err
	}
	v := repositoryView(sc, repo)
	verdict, err := s.Repositories.Test(r.Context(), sc.id, repo.Name)
	if v.Verdict = verdictOf(verdict, err); v.Verdict == nil {
		return err
	}
	return render(w, r, http.StatusOK, RepositoryPage(v))
}

// verdictOf is nil when the test did not come to one.
func verdictOf(v repository.Verdict, err error) *views.Verdict {
	if f := answerable(err); f != nil {
		return &views.Verdict{Message: f.Message}
	}
	if err != nil {
		return nil
	}
	return &views.Verdict{OK: v.OK, Message: v.Message, Advice: v.Advice, DefaultBranch: v.DefaultBranch, Commit: v.Commit, Branches: v.Branches, Tags: v.Tags}
}

func (s *server) repositoryWriter(w http.ResponseWriter, r *http.Request, title string) (scope, error) {
	sc, err := s.inProject(w, r, views.SectionRepositories, title)
	if err != nil {
		return sc, err
	}
	return sc, s.Audit.Authorize(r.Context(), authz.RepositoryWrite, sc.id, audit.Object{Kind: "repository", Name: r.PathValue("repository")})
}

// ownRepository is a repository of the project, for somebody who may change it.
func (s *server) ownRepository(w http.ResponseWriter, r *http.Request) (scope, repository.Repository, error) {
	name := r.PathValue("repository")
	sc, err := s.repositoryWriter(w, r, name)
	if err != nil {
		return sc, repository.Repository{}, err
	}
	repo, err := s.Repositories.Get(r.Context(), sc.id, name)
	if err == nil && repo.ProjectID != sc.id {
		err = repository.ErrNotFound.With("The repository %q is the organisation's; it cannot be changed here.", name)
	}
	return sc, repo, err
}

// deleteRepository asks for the name before.
func (s *server) deleteRepository(w http.ResponseWriter, r *http.Request) error {
	sc, repo, err := s.ownRepository(w, r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != repo.Name {
		v := s.repositoryEditor(sc, &repo)
		v.Danger.Error = "Type " + repo.Name + " to confirm."
		return render(w, r, http.StatusUnprocessableEntity, RepositoryEditorPage(v))
	}
	if err := s.Repositories.Delete(r.Context(), sc.id, repo.Name); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The repository "+repo.Name+" is deleted.")
	return redirect(w, r, repositoryPath(sc))
}
