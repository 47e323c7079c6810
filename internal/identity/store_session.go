package identity

import (
	"context"
	"errors"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

const sessionColumns = "s.id, s.user_id, s.kind, s.ip, s.user_agent, s.created_at, s.last_used_at, s.expires_at"

func sessionFields(s *Session) []any {
	return []any{&s.ID, &s.UserID, &s.Kind, &s.IP, &s.UserAgent, db.ScanTime(&s.CreatedAt), db.ScanTime(&s.LastUsedAt), db.ScanTime(&s.ExpiresAt)}
}

func scanSession(row db.Scanner) (Session, error) {
	var s Session
	err := row.Scan(sessionFields(&s)...)
	return s, err
}

func insertSession(ctx context.Context, tx *db.Tx, s Session, tokenHash []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO sessions (id, user_id, kind, token_hash, ip, user_agent, created_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		string(s.ID), string(s.UserID), string(s.Kind), tokenHash, s.IP, s.UserAgent,
		db.Micros(s.CreatedAt), db.Micros(s.LastUsedAt), db.Micros(s.ExpiresAt))
	return err
}

// sessionRow is a session, whose it is, and one of the roles.
type sessionRow struct {
	session     Session
	email, name string
	binding     authz.Binding
}

func scanSessionRow(row db.Scanner) (sessionRow, error) {
	var r sessionRow
	err := row.Scan(append(sessionFields(&r.session), &r.email, &r.name,
		db.ScanText(&r.binding.ProjectID), db.ScanText(&r.binding.ProjectName), db.ScanText(&r.binding.Role))...)
	return r, err
}

// sessionQuery reads a session, its user and all roles at once: one row without a
// role, and one per role. The roles of the user and of their groups are two parts
// of a union because an OR over both makes PostgreSQL read every binding.
const sessionQuery = `WITH me AS MATERIALIZED (
		SELECT ` + sessionColumns + `, u.email, u.name FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = $1 AND u.disabled_at IS NULL
	), held AS (
		SELECT b.project_id, b.role FROM me JOIN role_bindings b ON b.user_id = me.user_id
		UNION
		SELECT b.project_id, b.role FROM me JOIN group_members m ON m.user_id = me.user_id JOIN role_bindings b ON b.group_id = m.group_id
	)
	SELECT ` + sessionColumns + `, s.email, s.name, NULL AS project_id, NULL AS project_name, NULL AS role FROM me s
	UNION ALL
	SELECT ` + sessionColumns + `, s.email, s.name, held.project_id, p.name, held.role FROM me s CROSS JOIN held LEFT JOIN projects p ON p.id = held.project_id
	ORDER BY project_name, role`

func getSessionSubject(ctx context.Context, q db.Querier, tokenHash []byte) (authz.Subject, Session, error) {
	rows, err := db.List(ctx, q, scanSessionRow, sessionQuery, tokenHash)
	if err != nil {
		return authz.Subject{}, Session{}, err
	}
	if len(rows) == 0 {
		return authz.Subject{}, Session{}, db.ErrNoRows
	}
	session := rows[0].session
	subject := authz.Subject{Kind: authz.User, UserID: string(session.UserID), Email: rows[0].email, Name: rows[0].name}
	for _, row := range rows {
		if row.binding.Role != "" {
			subject.Bindings = append(subject.Bindings, row.binding)
		}
	}
	return subject, session, nil
}

func touchSession(ctx context.Context, d *db.DB, id SessionID, now time.Time) error {
	_, err := d.ExecContext(ctx, "UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2", string(id), db.Micros(now))
	return err
}

func listSessions(ctx context.Context, q db.Querier, user UserID) ([]Session, error) {
	return db.List(ctx, q, scanSession, "SELECT "+sessionColumns+" FROM sessions s WHERE s.user_id = $1 ORDER BY s.last_used_at DESC, s.id", string(user))
}

func deleteSession(ctx context.Context, tx *db.Tx, id SessionID, user UserID) (int64, error) {
	return db.Changed(tx.ExecContext(ctx, "DELETE FROM sessions WHERE id = $1 AND user_id = $2", string(id), string(user)))
}

// deleteSessionByToken returns whose session it was.
func deleteSessionByToken(ctx context.Context, tx *db.Tx, tokenHash []byte) (User, error) {
	user, err := db.One(ctx, tx, scanUser, "SELECT "+userColumns+" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1", tokenHash)
	if err != nil {
		return User{}, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM sessions WHERE token_hash = $1", tokenHash)
	return user, err
}

// deleteSessionsOf ends a user's sessions but one, or all when keep is empty.
func deleteSessionsOf(ctx context.Context, tx *db.Tx, user UserID, keep SessionID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE user_id = $1 AND id <> $2", string(user), string(keep))
	return err
}

func deleteEndedSessions(ctx context.Context, tx *db.Tx, now time.Time) error {
	var failed []error
	for _, kind := range []SessionKind{BrowserSession, CLISession} {
		idle, _ := kind.lifetime()
		_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE kind = $1 AND (expires_at <= $2 OR last_used_at <= $3)",
			string(kind), db.Micros(now), db.Micros(now.Add(-idle)))
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// Attempts to sign in.

// blockedUntil returns the later end of the two waits; zero when there is none.
func blockedUntil(ctx context.Context, q db.Querier, account, address string) (time.Time, error) {
	micros, err := db.One(ctx, q, db.Value[int64],
		"SELECT COALESCE(MAX(blocked_until), 0) FROM login_attempts WHERE subject IN ($1, $2)", account, address)
	return db.Time(micros), err
}

// countFailure adds a failure and sets until when the next attempt must wait.
func countFailure(ctx context.Context, tx *db.Tx, subject string, free int) error {
	now := tx.Now()
	failures, err := db.One(ctx, tx, db.Value[int], `INSERT INTO login_attempts (subject, failures, last_failed_at, blocked_until)
		VALUES ($1, 1, $2, 0)
		ON CONFLICT (subject) DO UPDATE SET
			failures = CASE WHEN login_attempts.last_failed_at < $3 THEN 1 ELSE login_attempts.failures + 1 END,
			last_failed_at = $2
		RETURNING failures`, subject, db.Micros(now), db.Micros(now.Add(-attemptMemory)))
	if err != nil {
		return err
	}
	until := int64(0)
	if wait := backoff(failures, free); wait > 0 {
		until = db.Micros(now.Add(wait))
	}
	_, err = tx.ExecContext(ctx, "UPDATE login_attempts SET blocked_until = $2 WHERE subject = $1", subject, until)
	return err
}

func deleteAttempts(ctx context.Context, tx *db.Tx, subject string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM login_attempts WHERE subject = $1", subject)
	return err
}

func deleteOldAttempts(ctx context.Context, tx *db.Tx, before time.Time) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM login_attempts WHERE last_failed_at < $1", db.Micros(before))
	return err
}
