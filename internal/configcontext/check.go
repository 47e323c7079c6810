package configcontext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Secret names a sensitive entry. The sandbox's key has the kind "sandbox" and no name.
type Secret struct {
	Kind Kind
	Name string
}

// SandboxKind is the kind of the secret key of a sandbox.
const SandboxKind Kind = "sandbox"

// Check tells what Set would refuse, and otherwise which sensitive entries of in
// have a value that is not the stored one. It writes nothing and shows no value.
func (s *Service) Check(ctx context.Context, projectID, name string, in Input) ([]Secret, error) {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return nil, err
	}
	if err := validate(name, in); err != nil {
		return nil, err
	}
	row, err := getByName(ctx, s.db, projectID, name)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, fmt.Errorf("reading config context: %w", err)
	}
	var kept []entry
	if err == nil {
		if kept, err = listEntries(ctx, s.db, row.ID); err != nil {
			return nil, fmt.Errorf("reading config context: %w", err)
		}
	}
	var changed []Secret
	var wrong fault.Fields
	for _, e := range entriesOf(in) {
		if !e.sensitive {
			continue
		}
		i := slices.IndexFunc(kept, func(k entry) bool { return k.kind == e.kind && k.name == e.name })
		if len(e.value) == 0 {
			wrong.Check(i >= 0, string(e.kind)+"."+e.name, "is sensitive and new, so it needs a value")
			continue
		}
		same := false
		if i >= 0 {
			if same, err = s.holds(kept[i], e.value); err != nil {
				return nil, err
			}
		}
		if !same {
			changed = append(changed, Secret{e.kind, e.name})
		}
	}
	if in.Sandbox != nil && in.Sandbox.SecretKey != "" {
		same := false
		if len(row.sealedSandbox) > 0 {
			plain, err := s.keys.Open(row.sealedSandbox, aad(row.ID, SandboxKind, ""))
			if err != nil {
				return nil, fmt.Errorf("opening the sandbox's key: %w", err)
			}
			same = string(plain) == in.Sandbox.SecretKey
		}
		if !same {
			changed = append(changed, Secret{Kind: SandboxKind})
		}
	}
	return changed, wrong.Err()
}

// holds reports whether a stored entry is sensitive and has this value.
func (s *Service) holds(e entry, value []byte) (bool, error) {
	if !e.sensitive {
		return false, nil
	}
	plain, err := s.keys.Open(e.value, aad(e.contextID, e.kind, e.name))
	if err != nil {
		return false, fmt.Errorf("opening %s: %w", e.name, err)
	}
	return bytes.Equal(plain, value), nil
}
