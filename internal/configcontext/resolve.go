package configcontext

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
)

// Resolve returns the contexts of those names with everything in clear, in the
// order of the names. It is internal: only Berth itself, preparing a run, may
// call it, never in the name of a person.
//
// A name means the context of the environment's project, else of the template's
// owner, else one shared with the environment's project. So a project can give
// its own account to a shared template that names the context "aws".
func (s *Service) Resolve(ctx context.Context, projectID, ownerID string, names []string) ([]Values, error) {
	if authz.From(ctx).Kind != authz.SystemKind {
		return nil, authz.ErrForbidden.With("Config contexts are read in clear by Berth alone.")
	}
	rows, missing, err := s.find(ctx, s.db, projectID, ownerID, names)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, ErrNotFound.With("The template needs the config context %s; create it in the project, or have it shared with the project.", strings.Join(missing, ", "))
	}
	entries, err := listEntriesOf(ctx, s.db, ids(rows))
	if err != nil {
		return nil, fmt.Errorf("reading config contexts: %w", err)
	}
	out := make([]Values, 0, len(rows))
	for _, row := range rows {
		v, err := s.open(row, entries[row.ID])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Missing returns those of the names that Resolve would not find, so that a
// deploy can be refused before it starts.
func (s *Service) Missing(ctx context.Context, projectID, ownerID string, names []string) ([]string, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	_, missing, err := s.find(ctx, s.db, projectID, ownerID, names)
	return missing, err
}

// Preview is what a page may know of the contexts a run would use.
type Preview struct {
	Variables []string // names of input variables they give
	Sandbox   *Sandbox // set when the run would talk to a sandbox; without its key
	// Contexts holds those that were found, in the order of the names, with their
	// variables. A sensitive one has no value.
	Contexts []PreviewContext
}

// PreviewContext is what a page may know of one context.
type PreviewContext struct {
	Name      string
	Variables []Variable
}

// Preview tells which variables the contexts of those names give, with the values
// of those that are not sensitive, and whether they point at a sandbox. Missing
// contexts do not fail it.
func (s *Service) Preview(ctx context.Context, projectID, ownerID string, names []string) (Preview, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return Preview{}, err
	}
	rows, _, err := s.find(ctx, s.db, projectID, ownerID, names)
	if err != nil || len(rows) == 0 {
		return Preview{}, err
	}
	entries, err := listEntriesOf(ctx, s.db, ids(rows))
	if err != nil {
		return Preview{}, fmt.Errorf("reading config contexts: %w", err)
	}
	var p Preview
	for _, row := range rows {
		if row.Sandbox != nil {
			p.Sandbox = row.Sandbox
		}
		seen := PreviewContext{Name: row.Name}
		for _, e := range entries[row.ID] {
			if e.kind != VariableKind {
				continue
			}
			if e.sensitive {
				e.value = nil
			}
			seen.Variables = append(seen.Variables, e.variable())
			if !slices.Contains(p.Variables, e.name) {
				p.Variables = append(p.Variables, e.name)
			}
		}
		p.Contexts = append(p.Contexts, seen)
	}
	return p, nil
}

func ids(rows []contextRow) []ID {
	out := make([]ID, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out
}

// find looks the names up in the order that Resolve documents.
func (s *Service) find(ctx context.Context, q db.Querier, projectID, ownerID string, names []string) (found []contextRow, missing []string, err error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	candidates, err := listByNames(ctx, q, projectID, ownerID, names)
	if err != nil {
		return nil, nil, fmt.Errorf("looking up config contexts: %w", err)
	}
	found, missing = sharing.Pick(candidates, func(r contextRow) (string, string) { return r.ProjectID, r.Name }, names, projectID, ownerID)
	return found, missing, nil
}

func (s *Service) open(row contextRow, entries []entry) (Values, error) {
	v := Values{ID: row.ID, Name: row.Name}
	if row.Sandbox != nil {
		sandbox := *row.Sandbox
		if row.sealedSandbox != nil {
			key, err := s.keys.Open(row.sealedSandbox, aad(row.ID, "sandbox", ""))
			if err != nil {
				return Values{}, fmt.Errorf("opening the sandbox's key of context %s: %w", row.Name, err)
			}
			sandbox.SecretKey = string(key)
		}
		v.Sandbox = &sandbox
	}
	for _, e := range entries {
		if e.sensitive {
			plain, err := s.keys.Open(e.value, aad(e.contextID, e.kind, e.name))
			if err != nil {
				return Values{}, fmt.Errorf("opening %s of context %s: %w", e.name, row.Name, err)
			}
			e.value = plain
		}
		switch e.kind {
		case EnvKind:
			v.Env = append(v.Env, e.env())
		case FileKind:
			v.Files = append(v.Files, e.file())
		case VariableKind:
			v.Variables = append(v.Variables, e.variable())
		case SandboxKind: // is no entry
		}
	}
	return v, nil
}
