package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// liveError is what is wrong with a field while a form is being filled in. One that is only missing is said once its
// field has been left.
type liveError struct {
	Text    string `json:"text"`
	Missing bool   `json:"missing,omitempty"`
}

// liveErrors are the errors of a form by the id of the field.
type liveErrors map[string]liveError

func (l liveErrors) add(id, text string, missing bool) {
	if _, said := l[id]; !said { // what came first is the cause of the rest
		l[id] = liveError{Text: text, Missing: missing}
	}
}

func (l liveErrors) addAll(err error, missing bool, beside func(path, message string) (id, text string)) {
	f, ok := fault.As(err)
	if !ok {
		return
	}
	for _, e := range f.Fields {
		id, text := beside(inputName(e.Path), e.Message)
		l.add(id, text, missing)
	}
}

func (l liveErrors) send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(l); err != nil {
		return fmt.Errorf("sending what is wrong with a form: %w", err)
	}
	return nil
}

// checkNew says what is wrong with the inputs of the form New Environment, as it is now.
func (s *server) checkNew(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	version, err := s.Templates.Find(r.Context(), string(p.ID), r.PostForm.Get("template"), r.PostForm.Get("version"))
	if err != nil {
		return err
	}
	return checkForm(version, r.PostForm).send(w)
}

func checkForm(version *template.Compiled, form map[string][]string) liveErrors {
	values, d := changedInputs(version.Inputs(), form)
	out := liveErrors{}
	beside := func(path, message string) (string, string) {
		p, ok := d.place(path)
		if !ok {
			p = placed{name: inputPrefix + inputOf(path), words: inputOf(path)}
		}
		return "f-" + p.name, p.said(path, message)
	}
	out.addAll(d.err(), false, beside)
	wrong, missing := version.Check(values)
	out.addAll(wrong, false, beside)
	out.addAll(missing, true, beside)
	return out
}

// checkInputs says what is wrong with what is typed into an environment's tab Input Variables.
func (s *server) checkInputs(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	if err := authz.Require(r.Context(), authz.EnvironmentUpdate, string(p.ID)); err != nil {
		return err
	}
	e, err := s.Environments.Get(r.Context(), string(p.ID), r.PathValue("environment"))
	if err != nil {
		return err
	}
	version, err := s.Templates.Load(r.Context(), string(p.ID), template.EnvironmentVersionID(e.Template.VersionID))
	if err != nil {
		return err
	}
	form := readInputForm(r.PostForm)
	all, keep, err := form.merge(e, version)
	out := liveErrors{}
	beside := func(path, message string) (string, string) {
		name, text := form.beside(path, message)
		return controlID(name), text
	}
	out.addAll(err, false, beside)
	values := without(all, keep) // what is kept is hidden from here as well
	wrong, missing := version.Check(values)
	out.addAll(wrong, false, beside)
	if e.DeployedInputs != nil && e.Status != environment.StatusDestroyed {
		out.addAll(version.Unchangeable(without(e.DeployedInputs, keep), values), false, beside)
	}
	out.addAll(missing, true, func(path, message string) (string, string) {
		if !form.edited[inputOf(path)] {
			return "", ""
		}
		return beside(path, message)
	})
	delete(out, "")
	return out.send(w)
}

// controlID is the id of a field's control.
func controlID(name string) string {
	if strings.HasPrefix(name, "var-") {
		return name
	}
	return "f-" + name
}

func without(values []template.Value, names []string) []template.Value {
	var out []template.Value
	for _, v := range values {
		keep := true
		for _, name := range names {
			keep = keep && v.Name != name
		}
		if keep {
			out = append(out, v)
		}
	}
	return out
}
