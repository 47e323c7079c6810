package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// Open reads the tree of a branch, tag or commit of a repository that Get finds.
// An empty revision means the repository's default, else the remote's HEAD. Close
// the checkout after use.
func (s *Service) Open(ctx context.Context, projectID, name, revision string) (*Checkout, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, auditObject(name)); err != nil {
		return nil, err
	}
	r, secrets, err := s.open(ctx, projectID, name)
	if err != nil {
		return nil, err
	}
	if revision == "" {
		revision = r.DefaultRevision
	}
	t, err := s.target(r, secrets)
	if err != nil {
		return nil, err
	}
	return s.checkout(ctx, t, revision)
}

// checkout fetches a revision into a temporary folder.
func (s *Service) checkout(ctx context.Context, t target, revision string) (*Checkout, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	dir, err := os.MkdirTemp(s.tempDir, "berth-repository-*")
	if err != nil {
		return nil, fmt.Errorf("making a folder for a repository: %w", err)
	}
	got, err := s.fetch(ctx, t, revision, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	files, err := readTree(got.objects, got.commit, s.limits, t.address.String())
	if err != nil {
		return nil, errors.Join(err, got.objects.Close(), os.RemoveAll(dir))
	}
	return &Checkout{FS: files, tree: files, Commit: got.commit.Hash.String(), Revision: got.revision, close: func() error {
		return errors.Join(got.objects.Close(), os.RemoveAll(dir))
	}}, nil
}

// Test connects to a stored repository and says what came of it. An error means
// that there was nothing to test; what is wrong with the remote is in the verdict.
func (s *Service) Test(ctx context.Context, projectID, name string) (Verdict, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, auditObject(name)); err != nil {
		return Verdict{}, err
	}
	r, secrets, err := s.open(ctx, projectID, name)
	if err != nil {
		return Verdict{}, err
	}
	return s.test(ctx, projectID, r, secrets)
}

// TestInput is Test for what Set would store: an empty secret stands for the stored
// one. The name may be empty while there is none yet.
func (s *Service) TestInput(ctx context.Context, projectID, name string, in Input) (Verdict, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, auditObject(name)); err != nil {
		return Verdict{}, err
	}
	before, err := getOwn(ctx, s.db, projectID, name)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Verdict{}, fmt.Errorf("reading repository: %w", err)
	}
	r, secrets, err := s.merge(before, cmp.Or(name, "unnamed"), in)
	if err != nil {
		return Verdict{}, err
	}
	r.Name = name
	return s.test(ctx, projectID, r, secrets)
}

func (s *Service) test(ctx context.Context, projectID string, r row, secrets credentials) (Verdict, error) {
	verdict, err := s.probe(ctx, r, secrets)
	var f *failure
	switch {
	case errors.As(err, &f):
		verdict = Verdict{Message: f.message, Advice: f.advice, HostKey: f.hostKey, Branches: verdict.Branches, Tags: verdict.Tags, DefaultBranch: verdict.DefaultBranch}
	case err != nil:
		return Verdict{}, fmt.Errorf("testing repository: %w", err)
	}
	entry := audit.Entry{
		Action: "repository.test", ObjectKind: objectKind, ObjectID: string(r.ID), ObjectName: r.Name, ProjectID: projectID,
		After: map[string]any{"url": r.URL, "ok": verdict.OK, "message": verdict.Message},
	}
	if !verdict.OK {
		entry.Outcome = audit.Failed
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error { return s.audit.Record(ctx, tx, entry) })
	return verdict, err
}

// maxListed bounds the names in a verdict.
const maxListed = 200

// probe connects as Open does, and fetches the default revision to be sure of it.
func (s *Service) probe(ctx context.Context, r row, secrets credentials) (Verdict, error) {
	t, err := s.target(r, secrets)
	if err != nil {
		return Verdict{}, err
	}
	refs, err := s.list(ctx, t)
	if err != nil {
		return Verdict{}, err
	}
	branches, tags := refs.branches(), refs.tags()
	v := Verdict{DefaultBranch: refs.headName, Branches: branches[:min(len(branches), maxListed)], Tags: tags[:min(len(tags), maxListed)]}
	c, err := s.checkout(ctx, t, r.DefaultRevision)
	if err != nil {
		return v, err
	}
	v.OK, v.Commit = true, c.Commit
	v.Message = fmt.Sprintf("Connected. The repository has %s and %s; %s is at %s.",
		count(len(branches), "branch", "branches"), count(len(tags), "tag", "tags"), c.Revision, c.Commit[:12])
	return v, c.Close()
}

// list asks a remote for its references alone.
func (s *Service) list(ctx context.Context, t target) (*references, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	w, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return listReferences(ctx, t, w)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
