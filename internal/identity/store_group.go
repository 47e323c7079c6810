package identity

import (
	"context"
	"time"

	"github.com/berthdev/berth/internal/db"
)

const groupColumns = `g.id, g.name, g.description, g.created_at, g.updated_at,
	(SELECT COUNT(*) FROM group_members m WHERE m.group_id = g.id)`

func scanGroup(s db.Scanner) (Group, error) {
	var g Group
	err := s.Scan(&g.ID, &g.Name, &g.Description, db.ScanTime(&g.CreatedAt), db.ScanTime(&g.UpdatedAt), &g.Members)
	return g, err
}

func insertGroup(ctx context.Context, tx *db.Tx, g Group) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO groups (id, name, description, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)",
		string(g.ID), g.Name, g.Description, db.Micros(g.CreatedAt), db.Micros(g.UpdatedAt))
	return err
}

func getGroupByName(ctx context.Context, q db.Querier, name string) (Group, error) {
	return db.One(ctx, q, scanGroup, "SELECT "+groupColumns+" FROM groups g WHERE g.name = $1", name)
}

func listGroups(ctx context.Context, q db.Querier) ([]Group, error) {
	return db.List(ctx, q, scanGroup, "SELECT "+groupColumns+" FROM groups g ORDER BY g.name")
}

func deleteGroup(ctx context.Context, tx *db.Tx, id GroupID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM groups WHERE id = $1", string(id))
	return err
}

func listGroupMembers(ctx context.Context, q db.Querier, id GroupID) ([]User, error) {
	return db.List(ctx, q, scanUser, "SELECT "+userColumns+
		" FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_id = $1 ORDER BY u.email", string(id))
}

func insertGroupMember(ctx context.Context, tx *db.Tx, group GroupID, user UserID, now time.Time) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO group_members (group_id, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		string(group), string(user), db.Micros(now))
	return err
}

func deleteGroupMember(ctx context.Context, tx *db.Tx, group GroupID, user UserID) (int64, error) {
	return db.Changed(tx.ExecContext(ctx, "DELETE FROM group_members WHERE group_id = $1 AND user_id = $2", string(group), string(user)))
}
