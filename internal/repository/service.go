package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/secret"
)

// Deps is what the service needs.
type Deps struct {
	DB        *db.DB
	Audit     *audit.Service
	Keyring   *secret.Keyring
	AllowFile bool   // whether file:// is allowed, which reads the server's own disk
	TempDir   string // a folder of the service's own for what is fetched, until it is closed; empty: below the system's
	Limits    Limits // zero: DefaultLimits
}

// Service keeps repositories and reads them.
type Service struct {
	db        *db.DB
	audit     *audit.Service
	keys      *secret.Keyring
	allowFile bool
	tempDir   string
	limits    Limits
	pretended map[place]pretended // never changed once it is set
}

// New returns the service.
func New(deps Deps) *Service {
	if deps.Limits == (Limits{}) {
		deps.Limits = DefaultLimits()
	}
	return &Service{
		db: deps.DB, audit: deps.Audit, keys: deps.Keyring, allowFile: deps.AllowFile, tempDir: deps.TempDir, limits: deps.Limits,
	}
}

// Clean removes what a server that was killed has left in TempDir. Call it at start,
// while nothing is read.
func (s *Service) Clean() error {
	if s.tempDir == "" {
		return nil
	}
	left, err := filepath.Glob(filepath.Join(s.tempDir, "berth-*"))
	for _, p := range left {
		err = errors.Join(err, os.RemoveAll(p))
	}
	return err
}

const objectKind = "repository"

func auditObject(name string) audit.Object { return audit.Object{Kind: objectKind, Name: name} }

// Set creates the repository of that name in a project (empty: in the
// organisation), or makes an existing one into what in says; where that changes nothing,
// UpdatedAt stays and nothing is recorded. The second result is true when it is new.
// Nothing is connected to; see TestInput.
func (s *Service) Set(ctx context.Context, projectID, name string, in Input) (Repository, bool, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, auditObject(name)); err != nil {
		return Repository{}, false, err
	}
	var out row
	created := false
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		before, err := getOwn(ctx, tx, projectID, name)
		if created = errors.Is(err, db.ErrNoRows); err != nil && !created {
			return err
		}
		after, secrets, err := s.merge(before, name, in)
		if err != nil {
			return err
		}
		if !created && s.unchanged(before, after, secrets) {
			out = before
			return nil
		}
		after.UpdatedAt = tx.Now()
		if created {
			after.ID, after.ProjectID, after.Name, after.CreatedAt = ID(db.NewID("repo")), projectID, name, tx.Now()
		}
		if after.sealed, err = s.seal(after.ID, secrets); err != nil {
			return err
		}
		after.HasSecret = len(after.sealed) > 0
		save := updateRow
		if created {
			save = insertRow
		}
		if err := save(ctx, tx, after); err != nil {
			return err
		}
		out = after
		entry := audit.Entry{
			Action: "repository.set", ObjectKind: objectKind, ObjectID: string(after.ID), ObjectName: name, ProjectID: projectID,
			After: summary(after.Repository, in.Secret != "" || in.Passphrase != ""),
		}
		if !created {
			entry.Before = summary(before.Repository, false)
		}
		return s.audit.Record(ctx, tx, entry)
	})
	switch {
	case errors.Is(err, db.ErrUnique):
		return Repository{}, false, ErrChanged.With("Somebody else created repository %q at the same time; look at it and try again.", name)
	case errors.Is(err, db.ErrReference):
		return Repository{}, false, fault.InvalidField("project", "does not exist")
	case err != nil:
		return Repository{}, false, fmt.Errorf("setting repository: %w", err)
	}
	return out.Repository, created, nil
}

// unchanged reports whether there is nothing to write. Credentials that cannot be
// read any more are there to be replaced.
func (s *Service) unchanged(before, after row, secrets credentials) bool {
	held, err := s.unseal(before)
	return err == nil && held == secrets && before.Repository == after.Repository
}

// Get returns a project's own repository of the name, else the organisation's.
func (s *Service) Get(ctx context.Context, projectID, name string) (Repository, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, auditObject(name)); err != nil {
		return Repository{}, err
	}
	r, err := s.find(ctx, projectID, name)
	return r.Repository, err
}

func (s *Service) find(ctx context.Context, projectID, name string) (row, error) {
	r, err := getVisible(ctx, s.db, projectID, name)
	if err != nil {
		return row{}, notFound(err, name)
	}
	return r, nil
}

func notFound(err error, name string) error {
	if errors.Is(err, db.ErrNoRows) {
		return ErrNotFound.With("There is no repository %q here.", name)
	}
	return fmt.Errorf("reading repository: %w", err)
}

// List returns the repositories that Get finds in a project: its own, and those of
// the organisation whose names it has not taken itself.
func (s *Service) List(ctx context.Context, projectID string) ([]Repository, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, audit.Object{Kind: objectKind}); err != nil {
		return nil, err
	}
	rows, err := listVisible(ctx, s.db, projectID)
	if err != nil {
		return nil, fmt.Errorf("listing repositories: %w", err)
	}
	out := make([]Repository, 0, len(rows))
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].Name != r.Name {
			out = append(out, r.Repository)
		}
	}
	return out, nil
}

// Delete removes a repository that the project itself owns. Published templates
// do not need it any more: their code lies in their bundles.
func (s *Service) Delete(ctx context.Context, projectID, name string) error {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, auditObject(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		r, err := getOwn(ctx, tx, projectID, name)
		if err != nil {
			return notFound(err, name)
		}
		if err := deleteRow(ctx, tx, r.ID); err != nil {
			return fmt.Errorf("deleting repository: %w", err)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "repository.delete", ObjectKind: objectKind, ObjectID: string(r.ID), ObjectName: name, ProjectID: projectID,
			Before: summary(r.Repository, false),
		})
	})
}

// summary is what the audit log may know of a repository.
func summary(r Repository, newSecret bool) map[string]any {
	out := map[string]any{
		"name": r.Name, "description": r.Description, "url": r.URL, "username": r.Username, "auth": string(r.Auth),
		"defaultRevision": r.DefaultRevision, "knownHosts": r.KnownHosts, "caCert": r.CACert, "hasSecret": r.HasSecret,
	}
	if newSecret {
		out["secretReplaced"] = true
	}
	return out
}

// credentials are the parts of a repository that nobody gets to see.
type credentials struct {
	Secret     string `json:"secret"`
	Passphrase string `json:"passphrase,omitempty"`
}

func (c credentials) values() []string {
	var out []string
	for _, v := range []string{c.Secret, c.Passphrase} {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// aad binds sealed credentials to their repository, so that they cannot be moved
// to one that sends them elsewhere.
func aad(id ID) []byte { return []byte("repository\x00" + string(id)) }

func (s *Service) seal(id ID, c credentials) ([]byte, error) {
	if c.Secret == "" {
		return nil, nil
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	sealed, err := s.keys.Seal(plain, aad(id))
	if err != nil {
		return nil, fmt.Errorf("sealing credentials: %w", err)
	}
	return sealed, nil
}

func (s *Service) unseal(r row) (credentials, error) {
	var c credentials
	if len(r.sealed) == 0 {
		return c, nil
	}
	plain, err := s.keys.Open(r.sealed, aad(r.ID))
	if err != nil {
		return c, fmt.Errorf("opening the credentials of repository %s: %w", r.Name, err)
	}
	return c, json.Unmarshal(plain, &c)
}
