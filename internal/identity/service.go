package identity

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// Deps is what the service needs.
type Deps struct {
	DB     *db.DB
	Audit  *audit.Service
	Logger *slog.Logger // the default logger when nil
	// CheapPasswords makes hashing a password cost almost nothing. For tests only:
	// such a hash is easy to break.
	CheapPasswords bool
}

// Service holds the use cases: users here, signing in, groups, roles and the
// first set-up in files of their own.
type Service struct {
	db     *db.DB
	audit  *audit.Service
	logger *slog.Logger
	hasher *hasher
}

// New returns the service.
func New(deps Deps) *Service {
	if deps.Logger == nil {
		deps.Logger = slog.Default()
	}
	return &Service{db: deps.DB, audit: deps.Audit, logger: deps.Logger, hasher: newHasher(deps.CheapPasswords)}
}

func userObject(u User) audit.Object {
	return audit.Object{Kind: "user", ID: string(u.ID), Name: u.Email}
}

func entry(action string, o audit.Object) audit.Entry {
	return audit.Entry{Action: action, ObjectKind: o.Kind, ObjectID: o.ID, ObjectName: o.Name}
}

// visibleUser is what the audit log keeps of a user.
type visibleUser struct {
	Email    string `json:"email"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

func (u User) visible() visibleUser { return visibleUser{u.Email, u.Name, u.Disabled()} }

// Prune deletes sessions that have ended and forgotten sign-in attempts. A
// background loop calls it.
func (s *Service) Prune(ctx context.Context) error {
	if err := authz.Require(ctx, authz.SettingsWrite, ""); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := deleteEndedSessions(ctx, tx, tx.Now()); err != nil {
			return fmt.Errorf("deleting ended sessions: %w", err)
		}
		return deleteOldAttempts(ctx, tx, tx.Now().Add(-attemptMemory))
	})
}

// attemptMemory is how long failed attempts to sign in count.
const attemptMemory = time.Hour
