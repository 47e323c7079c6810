package identity

import (
	"context"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

const userColumns = "u.id, u.email, u.name, u.disabled_at, u.last_sign_in_at, u.created_at, u.updated_at"

func userFields(u *User) []any {
	return []any{&u.ID, &u.Email, &u.Name, db.ScanTime(&u.DisabledAt), db.ScanTime(&u.LastSignInAt), db.ScanTime(&u.CreatedAt), db.ScanTime(&u.UpdatedAt)}
}

func scanUser(s db.Scanner) (User, error) {
	var u User
	err := s.Scan(userFields(&u)...)
	return u, err
}

func insertUser(ctx context.Context, tx *db.Tx, u User, passwordHash string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO users (id, email, name, password_hash, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6)`,
		string(u.ID), u.Email, u.Name, passwordHash, db.Micros(u.CreatedAt), db.Micros(u.UpdatedAt))
	return err
}

func getUserByEmail(ctx context.Context, q db.Querier, email string) (User, error) {
	return db.One(ctx, q, scanUser, "SELECT "+userColumns+" FROM users u WHERE u.email = $1", email)
}

func getCredentials(ctx context.Context, q db.Querier, email string) (user User, hash string, err error) {
	err = q.QueryRowContext(ctx, "SELECT "+userColumns+", u.password_hash FROM users u WHERE u.email = $1", email).
		Scan(append(userFields(&user), &hash)...)
	return user, hash, err
}

func listUsers(ctx context.Context, q db.Querier) ([]User, error) {
	return db.List(ctx, q, scanUser, "SELECT "+userColumns+" FROM users u ORDER BY u.email")
}

func countUsers(ctx context.Context, q db.Querier) (int, error) {
	return db.One(ctx, q, db.Value[int], "SELECT COUNT(*) FROM users")
}

func updateUser(ctx context.Context, tx *db.Tx, u User) error {
	_, err := tx.ExecContext(ctx, "UPDATE users SET name = $2, disabled_at = $3, updated_at = $4 WHERE id = $1",
		string(u.ID), u.Name, db.NullMicros(u.DisabledAt), db.Micros(u.UpdatedAt))
	return err
}

func updatePasswordHash(ctx context.Context, tx *db.Tx, id UserID, hash string, now time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1", string(id), hash, db.Micros(now))
	return err
}

func setLastSignIn(ctx context.Context, tx *db.Tx, id UserID, now time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE users SET last_sign_in_at = $2 WHERE id = $1", string(id), db.Micros(now))
	return err
}

// Roles. A user holds those bound to them and those bound to their groups.

const bindingColumns = `b.id, b.project_id, p.name, b.group_id, g.name, b.user_id, u.email, b.role, b.created_at
	FROM role_bindings b
	LEFT JOIN projects p ON p.id = b.project_id
	LEFT JOIN groups g ON g.id = b.group_id
	LEFT JOIN users u ON u.id = b.user_id`

func scanBinding(s db.Scanner) (Binding, error) {
	var b Binding
	err := s.Scan(&b.ID, db.ScanText(&b.ProjectID), db.ScanText(&b.ProjectName), db.ScanText(&b.GroupID), db.ScanText(&b.GroupName),
		db.ScanText(&b.UserID), db.ScanText(&b.UserEmail), &b.Role, db.ScanTime(&b.CreatedAt))
	return b, err
}

func insertBinding(ctx context.Context, tx *db.Tx, b Binding) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO role_bindings (id, project_id, group_id, user_id, role, created_at)
		VALUES ($1, $2, $3, $4, $5, $6)`,
		string(b.ID), db.NullText(b.ProjectID), db.NullText(string(b.GroupID)), db.NullText(string(b.UserID)), string(b.Role), db.Micros(b.CreatedAt))
	return err
}

func getBinding(ctx context.Context, q db.Querier, id BindingID) (Binding, error) {
	return db.One(ctx, q, scanBinding, "SELECT "+bindingColumns+" WHERE b.id = $1", string(id))
}

func listBindings(ctx context.Context, q db.Querier, projectID string) ([]Binding, error) {
	const order = " ORDER BY COALESCE(g.name, u.email), b.role"
	if projectID == "" {
		return db.List(ctx, q, scanBinding, "SELECT "+bindingColumns+" WHERE b.project_id IS NULL"+order)
	}
	return db.List(ctx, q, scanBinding, "SELECT "+bindingColumns+" WHERE b.project_id = $1"+order, projectID)
}

func deleteBinding(ctx context.Context, tx *db.Tx, id BindingID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM role_bindings WHERE id = $1", string(id))
	return err
}

func countAdmins(ctx context.Context, q db.Querier) (int, error) {
	return db.One(ctx, q, db.Value[int], `SELECT COUNT(*) FROM users u WHERE u.disabled_at IS NULL AND EXISTS (
		SELECT 1 FROM role_bindings b LEFT JOIN group_members m ON m.group_id = b.group_id
		WHERE b.project_id IS NULL AND b.role = $1 AND (b.user_id = u.id OR m.user_id = u.id))`, string(authz.OrganisationAdmin))
}

// Settings that identity keeps: the hash of the set-up token.

func getSetting(ctx context.Context, q db.Querier, name string) (string, error) {
	return db.One(ctx, q, db.Value[string], "SELECT value FROM settings WHERE name = $1", name)
}

func setSetting(ctx context.Context, tx *db.Tx, name, value string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET value = $2, updated_at = $3`, name, value, db.Micros(now))
	return err
}

func deleteSetting(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM settings WHERE name = $1", name)
	return err
}
