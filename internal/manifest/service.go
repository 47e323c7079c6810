package manifest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
)

// Deps is what the service works through.
type Deps struct {
	Projects     *project.Service
	Repositories *repository.Service
	Contexts     *configcontext.Service
	Statics      *staticresource.Service
	Templates    *template.Service
	Environments *environment.Service
}

// Service applies documents and writes objects as documents. The services it works
// through authorise.
type Service struct{ Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// Faults of this package.
var (
	ErrNeeded  = fault.New(fault.Conflict, "manifest_needs_failed", "What the document needs could not be applied.")
	ErrTwice   = fault.New(fault.Invalid, "manifest_twice", "Two documents describe the same object.")
	ErrMissing = fault.New(fault.NotFound, "manifest_not_found", "There is no such object.")
)

// projects knows the projects that the subject may see, by id and name.
type projects struct {
	ids   map[string]string
	names map[string]string
}

func (s *Service) projects(ctx context.Context) (*projects, error) {
	list, err := s.Projects.List(ctx)
	if err != nil {
		return nil, err
	}
	p := &projects{ids: map[string]string{}, names: map[string]string{}}
	for _, one := range list {
		p.ids[one.Name], p.names[string(one.ID)] = string(one.ID), one.Name
	}
	return p, nil
}

// sharing writes shares with the names of projects.
func (p *projects) sharing(with []string) *Sharing {
	if len(with) == 0 {
		return nil
	}
	out := &Sharing{Enabled: true}
	for _, id := range with {
		name, known := p.names[id]
		if !known {
			name = id // everyone, or a project that the subject may not see
		}
		out.Projects = append(out.Projects, Ref{name})
	}
	out.sort()
	return out
}

func (s *Sharing) sort() {
	slices.SortFunc(s.Projects, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
	s.Projects = slices.Compact(s.Projects)
}

// normal is s in the form that sharing gives, for comparison.
func (s *Sharing) normal() *Sharing {
	if s == nil || !s.Enabled {
		return nil
	}
	out := &Sharing{Enabled: true, Projects: slices.Clone(s.Projects)}
	out.sort()
	return out
}

// with are the ids to share with, but of those projects that a dry run would make.
func (p *projects) with(s *Sharing, pending map[string]bool) ([]string, error) {
	out := []string{}
	if s == nil || !s.Enabled {
		return out, nil
	}
	var wrong fault.Fields
	for i, ref := range s.Projects {
		id, known := p.ids[ref.Name]
		switch {
		case ref.Name == template.Everyone, p.names[ref.Name] != "":
			id = ref.Name
		case pending[ref.Name]:
			continue
		case !known:
			wrong.Add(fmt.Sprintf("spec.sharing.projects[%d].name", i), "there is no project %q that you may see", ref.Name)
		}
		out = append(out, id)
	}
	return out, wrong.Err()
}

// signedIn refuses who is not.
func signedIn(ctx context.Context) error {
	if authz.From(ctx).Kind == authz.Anonymous {
		return authz.ErrUnauthenticated
	}
	return nil
}
