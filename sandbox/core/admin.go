package core

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
)

//go:embed status.html
var statusHTML string

// admin serves the sandbox's own pages under /_sandbox.
type admin struct {
	env      *Env
	services []Service
	specs    []Spec
	faults   *Faults
	page     *template.Template
}

func newAdmin(env *Env, services []Service, specs []Spec, faults *Faults) http.Handler {
	a := &admin{
		env: env, services: services, specs: specs, faults: faults,
		page: template.Must(template.New("status").Parse(statusHTML)),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sandbox", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/_sandbox/", http.StatusFound)
	})
	mux.HandleFunc("GET /_sandbox/{$}", a.status)
	mux.HandleFunc("GET /_sandbox/health", a.health)
	mux.HandleFunc("GET /_sandbox/inventory", a.inventory)
	mux.HandleFunc("GET /_sandbox/events", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, env.Events.All()) })
	mux.HandleFunc("GET /_sandbox/notes", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, env.Notes.All()) })
	mux.HandleFunc("POST /_sandbox/reset", a.reset)
	mux.HandleFunc("GET /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, faults.all()) })
	mux.HandleFunc("POST /_sandbox/faults", a.addFault)
	mux.HandleFunc("POST /_sandbox/faults/{name}", a.runHook)
	mux.HandleFunc("DELETE /_sandbox/faults", a.removeFault)
	mux.HandleFunc("DELETE /_sandbox/faults/{id}", a.removeFault)
	return mux
}

// Inventory is every service's inventory: service, type, objects.
func Inventory(tx *Tx, services []Service) map[string]map[string][]Item {
	out := map[string]map[string][]Item{}
	for _, s := range services {
		inventoried, ok := s.(Inventoried)
		if !ok {
			continue
		}
		for kind, items := range inventoried.Inventory(tx) {
			if len(items) == 0 {
				continue
			}
			name := s.Spec().Name
			if out[name] == nil {
				out[name] = map[string][]Item{}
			}
			for i := range items {
				if items[i].Tags == nil {
					items[i].Tags = map[string]string{}
				}
			}
			out[name][kind] = append(out[name][kind], items...)
		}
	}
	return out
}

func (a *admin) current() (map[string]map[string][]Item, error) {
	return Read(a.env.Store, func(tx *Tx) (map[string]map[string][]Item, error) {
		return Inventory(tx, a.services), nil
	})
}

func (a *admin) inventory(w http.ResponseWriter, _ *http.Request) {
	inventory, err := a.current()
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, inventory)
}

func (a *admin) health(w http.ResponseWriter, _ *http.Request) {
	names := make([]string, 0, len(a.specs))
	for _, s := range a.specs {
		names = append(names, s.Name)
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok", "services": names})
}

func (a *admin) reset(w http.ResponseWriter, r *http.Request) {
	// What a reset began it must end, even for a caller who went away.
	ctx := context.WithoutCancel(r.Context())
	err := a.env.Store.Reset()
	for _, s := range a.services {
		if resetter, ok := s.(Resetter); ok {
			err = errors.Join(err, resetter.Reset(ctx))
		}
	}
	a.faults.remove("")
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "reset"})
}

func (a *admin) addFault(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&fault); err != nil {
		writeError(w, Errorf("InvalidFault", "The body is not a fault in JSON: %v", err))
		return
	}
	added, invalid := a.faults.add(fault)
	if invalid != nil {
		writeError(w, invalid)
		return
	}
	writeJSON(w, http.StatusCreated, added)
}

func (a *admin) removeFault(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); !a.faults.remove(id) && id != "" {
		writeError(w, Errorf("NoSuchFault", "There is no fault %q.", id).WithStatus(http.StatusNotFound))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *admin) runHook(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	hook, ok := a.faults.hooks[name]
	if !ok {
		names := make([]string, 0, len(a.faults.hooks))
		for n := range a.faults.hooks {
			names = append(names, n)
		}
		slices.Sort(names)
		writeError(w, Errorf("NoSuchFault", "No service offers the fault %q; there are %v.", name, names).WithStatus(http.StatusNotFound))
		return
	}
	args := map[string]string{}
	if r.ContentLength != 0 {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&args); err != nil {
			writeError(w, Errorf("InvalidFault", "The body is not a JSON object of strings: %v", err))
			return
		}
	}
	result, err := hook(r.Context(), args)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, result)
}

type statusService struct {
	Spec       Spec
	Operations int
	Kinds      []statusKind
}

type statusKind struct {
	Name  string
	Items []Item
}

func (a *admin) status(w http.ResponseWriter, _ *http.Request) {
	inventory, err := a.current()
	if err != nil {
		writeError(w, err)
		return
	}
	view := struct {
		Addr     string
		Services []statusService
		Notes    []Note
		Faults   []Fault
		Events   []Event
	}{Addr: a.env.Addr, Notes: a.env.Notes.All(), Faults: a.faults.all(), Events: a.env.Events.All()}
	slices.Reverse(view.Events)
	if len(view.Events) > 50 {
		view.Events = view.Events[:50]
	}
	for _, spec := range a.specs {
		s := statusService{Spec: spec, Operations: len(spec.Operations)}
		for kind, items := range inventory[spec.Name] {
			s.Kinds = append(s.Kinds, statusKind{kind, items})
		}
		slices.SortFunc(s.Kinds, func(x, y statusKind) int {
			if x.Name < y.Name {
				return -1
			}
			return 1
		})
		view.Services = append(view.Services, s)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	if err := a.page.Execute(w, view); err != nil {
		a.env.Logger.Warn("writing the status page", "error", err)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller that is gone needs no answer
}

func writeError(w http.ResponseWriter, err error) {
	e, _ := asError(err)
	writeJSON(w, e.Status, map[string]string{"code": e.Code, "message": e.Message})
}
