package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Deps is what the service needs.
type Deps struct {
	DB *db.DB
}

// Service writes and reads the audit log.
type Service struct{ db *db.DB }

// New returns the service.
func New(deps Deps) *Service { return &Service{db: deps.DB} }

// Record writes an entry in the caller's transaction.
func (s *Service) Record(ctx context.Context, tx *db.Tx, e Entry) error {
	subject := authz.From(ctx)
	e.ID = ID(db.NewID("aud"))
	e.At = tx.Now()
	e.ActorKind, e.ActorID, e.ActorName = subject.Kind, subject.UserID, subject.Email
	if subject.Kind == authz.SystemKind {
		e.ActorName = subject.Name
	}
	e.Client = ClientFrom(ctx)
	if e.Outcome == "" {
		e.Outcome = Succeeded
	}
	if err := insertEntry(ctx, tx, e); err != nil {
		return fmt.Errorf("recording %s in the audit log: %w", e.Action, err)
	}
	return nil
}

// Authorize is authz.Require, and writes a refusal of a signed-in subject to the
// audit log in a transaction of its own. So call it before the transaction of the
// change, never inside.
func (s *Service) Authorize(ctx context.Context, p authz.Permission, projectID string, object Object) error {
	refusal := authz.Require(ctx, p, projectID)
	if refusal == nil || errors.Is(refusal, authz.ErrUnauthenticated) {
		// Whoever is not signed in could fill the log without end.
		return refusal
	}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		return s.Record(ctx, tx, Entry{
			Action: string(p), ObjectKind: object.Kind, ObjectID: object.ID, ObjectName: object.Name,
			ProjectID: projectID, Outcome: Refused,
		})
	})
	if err != nil {
		return errors.Join(refusal, err)
	}
	return refusal
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

// List returns a page of entries, newest first.
func (s *Service) List(ctx context.Context, f ListFilter) (Page, error) {
	if err := s.Authorize(ctx, authz.AuditRead, f.ProjectID, Object{Kind: "audit"}); err != nil {
		return Page{}, err
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	if f.Limit > maxLimit {
		return Page{}, fault.InvalidField("limit", fmt.Sprintf("must be at most %d", maxLimit))
	}
	wanted := f.Limit
	f.Limit++ // one more tells whether there is another page
	entries, err := listEntries(ctx, s.db, f)
	if err != nil {
		return Page{}, fmt.Errorf("listing the audit log: %w", err)
	}
	page := Page{Entries: entries}
	if len(entries) > wanted {
		page.Entries = entries[:wanted]
		page.Next = string(entries[wanted-1].ID)
	}
	return page, nil
}
