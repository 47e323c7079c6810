package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// tokenPrefix lets scanners for leaked secrets recognise a token.
const tokenPrefix = "berth_session_"

// newToken returns a random token of 256 bits and what is stored of it. A plain
// SHA-256 is enough for a token that cannot be guessed.
func newToken() (token string, hash []byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func newSession(user UserID, client audit.Client, now time.Time) Session {
	kind := CLISession
	if client.Kind == audit.Browser {
		kind = BrowserSession
	}
	_, absolute := kind.lifetime()
	return Session{
		ID: SessionID(db.NewID("ses")), UserID: user, Kind: kind,
		IP: client.IP, UserAgent: shorten(client.UserAgent, 200),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(absolute),
	}
}

func shorten(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// Authenticate returns who holds a token, with all their roles, in one query.
func (s *Service) Authenticate(ctx context.Context, token string) (authz.Subject, Session, error) {
	if !strings.HasPrefix(token, tokenPrefix) {
		return authz.Subject{}, Session{}, ErrSessionInvalid
	}
	subject, session, err := getSessionSubject(ctx, s.db, hashToken(token))
	if db.NoRows(err) {
		return authz.Subject{}, Session{}, ErrSessionInvalid
	}
	if err != nil {
		return authz.Subject{}, Session{}, fmt.Errorf("reading session: %w", err)
	}
	now := s.db.Now()
	if !session.validAt(now) {
		return authz.Subject{}, Session{}, ErrSessionInvalid
	}
	if now.Sub(session.LastUsedAt) >= touchEvery {
		// A busy database must not sign anybody out; the next request tries again.
		if err := touchSession(ctx, s.db, session.ID, now); err != nil {
			s.logger.WarnContext(ctx, "could not keep when a session was last used", "session", session.ID, "error", err)
		}
	}
	return subject, session, nil
}

// SignOut ends the session of a token. It needs no subject: who holds the token
// may end it, and ending it twice is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		user, err := deleteSessionByToken(ctx, tx, hashToken(token))
		if db.NoRows(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ending session: %w", err)
		}
		actor := authz.WithSubject(ctx, authz.Subject{Kind: authz.User, UserID: string(user.ID), Email: user.Email, Name: user.Name})
		return s.audit.Record(actor, tx, entry("session.deleted", userObject(user)))
	})
}

// ListSessions returns the subject's own sessions, the last used first.
func (s *Service) ListSessions(ctx context.Context) ([]Session, error) {
	subject := authz.From(ctx)
	if subject.Kind != authz.User {
		return nil, authz.ErrUnauthenticated
	}
	all, err := listSessions(ctx, s.db, UserID(subject.UserID))
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	valid := all[:0]
	for _, session := range all {
		if session.validAt(s.db.Now()) {
			valid = append(valid, session)
		}
	}
	return valid, nil
}

// RevokeSession ends one of the subject's own sessions.
func (s *Service) RevokeSession(ctx context.Context, id SessionID) error {
	subject := authz.From(ctx)
	if subject.Kind != authz.User {
		return authz.ErrUnauthenticated
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := deleteSession(ctx, tx, id, UserID(subject.UserID))
		if err != nil {
			return fmt.Errorf("ending session: %w", err)
		}
		if n == 0 {
			return ErrSessionNotFound
		}
		return s.audit.Record(ctx, tx, entry("session.revoked", audit.Object{Kind: "session", ID: string(id), Name: subject.Email}))
	})
}
