package event

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/db"
)

const columns = "id, at, kind, project_id, environment_id, run_id, step_id, data"

func insertEvent(ctx context.Context, tx *db.Tx, e Event) error {
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	data := string(e.Data)
	if data == "" {
		data = "{}"
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO events (at, kind, project_id, environment_id, run_id, step_id, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.Micros(e.At), e.Kind, e.ProjectID, e.EnvironmentID, e.RunID, e.StepID, data)
	return err
}

func scanEvent(s db.Scanner) (Event, error) {
	var e Event
	var data string
	err := s.Scan(&e.ID, db.ScanTime(&e.At), &e.Kind, &e.ProjectID, &e.EnvironmentID, &e.RunID, &e.StepID, &data)
	e.Data = json.RawMessage(data)
	return e, err
}

// listEvents returns up to limit events after one id and up to another. Kinds
// are not looked at.
func listEvents(ctx context.Context, q db.Querier, f Filter, after, upTo int64, limit int) ([]Event, error) {
	var where strings.Builder
	args := []any{after, upTo}
	arg := func(v string) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if !f.AllProjects {
		marks := make([]string, len(f.ProjectIDs))
		for i, id := range f.ProjectIDs {
			marks[i] = arg(id)
		}
		if len(marks) == 0 {
			return nil, nil
		}
		where.WriteString(" AND project_id IN (" + strings.Join(marks, ", ") + ")")
	}
	if f.EnvironmentID != "" {
		where.WriteString(" AND environment_id = " + arg(f.EnvironmentID))
	}
	if f.RunID != "" {
		where.WriteString(" AND run_id = " + arg(f.RunID))
	}
	return db.List(ctx, q, scanEvent, "SELECT "+columns+" FROM events WHERE id > $1 AND id <= $2"+where.String()+
		" ORDER BY id LIMIT "+strconv.Itoa(limit), args...)
}

func lastID(ctx context.Context, q db.Querier) (int64, error) {
	return db.One(ctx, q, db.Value[int64], "SELECT COALESCE(MAX(id), 0) FROM events")
}

func deleteBefore(ctx context.Context, tx *db.Tx, before time.Time, limit int) (int64, error) {
	return db.Changed(tx.ExecContext(ctx, `DELETE FROM events WHERE id IN
		(SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2)`, db.Micros(before), limit))
}
