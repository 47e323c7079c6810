package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/web/views"
)

// act carries out something on the environment that the address names.
func (s *server) act(r *http.Request, verb func(ctx context.Context, projectID, name string) (run.Run, error)) (base string, out run.Run, err error) {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return "", run.Run{}, err
	}
	name := r.PathValue("environment")
	out, err = verb(r.Context(), string(p.ID), name)
	return views.ProjectPath(p.Name, "environments", name), out, err
}

func (s *server) deploy(w http.ResponseWriter, r *http.Request) error {
	return s.start(w, r, s.Environments.Deploy)
}

func (s *server) retry(w http.ResponseWriter, r *http.Request) error {
	return s.start(w, r, s.Environments.Retry)
}

// start begins a run and shows the environment, where it can be watched. Inputs that will not do are shown where they
// can be put right.
func (s *server) start(w http.ResponseWriter, r *http.Request, verb func(ctx context.Context, projectID, name string) (run.Run, error)) error {
	base, _, err := s.act(r, verb)
	if fault.KindOf(err) == fault.Invalid {
		return s.askForInputs(w, r, err)
	}
	if err != nil {
		return err
	}
	return redirect(w, r, base)
}

// setVersion lets an environment follow the latest version of its template, or stay with the one it has.
func (s *server) setVersion(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	follow := r.PostFormValue("follow") == "true"
	e, err := s.Environments.Update(r.Context(), string(p.ID), r.PathValue("environment"), environment.UpdateInput{FollowLatest: &follow})
	back := views.ProjectPath(p.Name, "environments", r.PathValue("environment"), "settings")
	if f := answerable(err); err != nil && f != nil {
		s.setFlash(w, views.FlashError, f.Message)
		return redirect(w, r, back)
	}
	if err != nil {
		return err
	}
	text := e.Name + " stays with " + e.Template.Version + "."
	if follow {
		text = e.Name + " follows the latest version of " + e.Template.Name + "."
	}
	s.setFlash(w, views.FlashOK, text)
	return redirect(w, r, back)
}

// askForInputs shows the tab Input Variables with a row for each input that is missing or wrong.
func (s *server) askForInputs(w http.ResponseWriter, r *http.Request, cause error) error {
	f, _ := fault.As(cause)
	v, facts, err := s.inputsView(w, r)
	if err != nil {
		return err
	}
	v.Flash = &views.Flash{Kind: views.FlashError, Text: "It cannot be deployed yet: some inputs are missing or wrong."}
	facts.fillInputs(&v.Inputs, readInputForm(url.Values{}), f)
	return render(w, r, http.StatusUnprocessableEntity, EnvironmentPage(*v))
}

func (s *server) startPlan(w http.ResponseWriter, r *http.Request) error {
	base, started, err := s.act(r, s.Environments.Plan)
	if fault.KindOf(err) == fault.Invalid {
		return s.askForInputs(w, r, err)
	}
	if err != nil {
		return err
	}
	return redirect(w, r, fmt.Sprintf("%s/runs/%d", base, started.Number))
}

// destroy asks for the name: what is destroyed cannot be had back.
func (s *server) destroy(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("environment")
	if r.PostFormValue("confirm") != name {
		v, err := s.environmentView(w, r, views.TabSettings)
		if err != nil {
			return err
		}
		v.Settings.ConfirmError = fmt.Sprintf("Type %s to confirm; you typed %q.", name, r.PostFormValue("confirm"))
		return render(w, r, http.StatusUnprocessableEntity, EnvironmentPage(v))
	}
	return s.start(w, r, s.Environments.Destroy)
}

func (s *server) deleteEnvironment(w http.ResponseWriter, r *http.Request) error {
	_, _, err := s.act(r, func(ctx context.Context, projectID, name string) (run.Run, error) {
		return run.Run{}, s.Environments.Delete(ctx, projectID, name)
	})
	if err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, r.PathValue("environment")+" is deleted.")
	return redirect(w, r, views.ProjectPath(r.PathValue("project"), "environments"))
}

// revealOutput shows one sensitive output, once, to somebody who may see it.
func (s *server) revealOutput(w http.ResponseWriter, r *http.Request) error {
	name, resource := r.PathValue("environment"), r.PathValue("resource")
	sc, err := s.inProject(w, r, views.SectionEnvironments, name)
	if err != nil {
		return err
	}
	f, err := s.environmentFacts(r.Context(), sc, name, views.TabResources)
	if err != nil {
		return err
	}
	if reason := f.may[authz.OutputSensitive]; reason != "" {
		return s.Audit.Authorize(r.Context(), authz.OutputSensitive, f.id, audit.Object{Kind: "output", ID: string(f.ID), Name: resource + "." + r.PathValue("output")})
	}
	v := views.EnvironmentPage{Page: sc.Page, Tab: views.TabResources, Header: f.header(), Run: f.runSummary(), Settings: f.settings()}
	v.Sandbox = f.Sandbox
	v.Resources = f.resourceRows(resource, resource+"."+r.PathValue("output"))
	return render(w, r, http.StatusOK, EnvironmentPage(v))
}
