package audit

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/db"
)

const columns = `id, at, actor_kind, actor_id, actor_name, client, ip, request_id, action,
	object_kind, object_id, object_name, project_id, outcome, before_json, after_json`

func insertEntry(ctx context.Context, tx *db.Tx, e Entry) error {
	before, err := encodeNullable(e.Before)
	if err != nil {
		return err
	}
	after, err := encodeNullable(e.After)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO audit_entries (`+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		string(e.ID), db.Micros(e.At), string(e.ActorKind), e.ActorID, e.ActorName,
		string(e.Client.Kind), e.Client.IP, e.Client.RequestID, e.Action,
		e.ObjectKind, e.ObjectID, e.ObjectName, e.ProjectID, string(e.Outcome), before, after)
	return err
}

func encodeNullable(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, err := encode(v)
	if err != nil {
		return nil, err
	}
	return text, nil
}

func scanEntry(s db.Scanner) (Entry, error) {
	var e Entry
	var before, after string
	err := s.Scan(&e.ID, db.ScanTime(&e.At), &e.ActorKind, &e.ActorID, &e.ActorName,
		&e.Client.Kind, &e.Client.IP, &e.Client.RequestID, &e.Action,
		&e.ObjectKind, &e.ObjectID, &e.ObjectName, &e.ProjectID, &e.Outcome,
		db.ScanText(&before), db.ScanText(&after))
	if before != "" {
		e.Before = json.RawMessage(before)
	}
	if after != "" {
		e.After = json.RawMessage(after)
	}
	return e, err
}

func listEntries(ctx context.Context, q db.Querier, f ListFilter) ([]Entry, error) {
	where := []string{"1 = 1"}
	var args []any
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	// In a fixed order, so that the same filter is the same statement.
	for _, equal := range []struct{ column, value string }{
		{"project_id", f.ProjectID}, {"actor_id", f.ActorID}, {"object_kind", f.ObjectKind},
		{"object_id", f.ObjectID}, {"action", f.Action}, {"outcome", string(f.Outcome)},
	} {
		if equal.value != "" {
			add(equal.column+" =", equal.value)
		}
	}
	if !f.From.IsZero() {
		add("at >=", db.Micros(f.From))
	}
	if !f.To.IsZero() {
		add("at <", db.Micros(f.To))
	}
	if f.Cursor != "" {
		add("id <", f.Cursor)
	}
	return db.List(ctx, q, scanEntry, "SELECT "+columns+" FROM audit_entries WHERE "+strings.Join(where, " AND ")+
		" ORDER BY id DESC LIMIT "+strconv.Itoa(f.Limit), args...)
}
