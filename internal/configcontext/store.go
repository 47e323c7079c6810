package configcontext

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
)

func shares() sharing.Table {
	return sharing.Table{Name: "config_context_shares", Column: "context_id"}
}

// contextRow is a context without its entries, and its sealed key.
type contextRow struct {
	Context
	sealedSandbox []byte
}

// entry is one row of a context; the value is sealed when it is sensitive.
type entry struct {
	contextID   ID
	path        string // of its value in an Input
	kind        Kind
	name        string
	position    int
	valueType   string
	value       []byte
	sensitive   bool
	description string
}

func (e entry) env() Env {
	return Env{Key: e.name, Value: string(e.value), Sensitive: e.sensitive, Description: e.description}
}

func (e entry) file() File {
	return File{MountPath: e.name, Content: e.value, Sensitive: e.sensitive, Description: e.description}
}

func (e entry) variable() Variable {
	return Variable{Name: e.name, ValueType: e.valueType, Value: string(e.value), Sensitive: e.sensitive, Description: e.description}
}

func entriesOf(in Input) []entry {
	var out []entry
	for i, e := range in.Env {
		out = append(out, entry{path: fmt.Sprintf("env[%d].value", i), kind: EnvKind, name: e.Key, value: []byte(e.Value), sensitive: e.Sensitive, description: e.Description})
	}
	for i, f := range in.Files {
		out = append(out, entry{path: fmt.Sprintf("files[%d].content", i), kind: FileKind, name: f.MountPath, value: f.Content, sensitive: f.Sensitive, description: f.Description})
	}
	for i, v := range in.Variables {
		out = append(out, entry{path: fmt.Sprintf("variables[%d].value", i), kind: VariableKind, name: v.Name, valueType: v.ValueType, value: []byte(v.Value), sensitive: v.Sensitive, description: v.Description})
	}
	return out
}

const contextColumns = `c.id, c.project_id, c.name, c.description, c.sandbox_json, c.sandbox_secret, c.created_at, c.updated_at`

func scanContext(s db.Scanner) (contextRow, error) {
	var c contextRow
	err := s.Scan(&c.ID, db.ScanText(&c.ProjectID), &c.Name, &c.Description, db.ScanJSON(&c.Sandbox), &c.sealedSandbox,
		db.ScanTime(&c.CreatedAt), db.ScanTime(&c.UpdatedAt))
	return c, err
}

func getByName(ctx context.Context, q db.Querier, projectID, name string) (contextRow, error) {
	return db.One(ctx, q, scanContext,
		`SELECT `+contextColumns+` FROM config_contexts c WHERE COALESCE(c.project_id, '') = $1 AND c.name = $2`, projectID, name)
}

func listVisible(ctx context.Context, q db.Querier, projectID string) ([]contextRow, error) {
	return db.List(ctx, q, scanContext, `SELECT `+contextColumns+` FROM config_contexts c
		WHERE `+shares().Visible("c", "$1")+`
		ORDER BY c.name, c.created_at, c.id`, projectID)
}

func listByNames(ctx context.Context, q db.Querier, projectID, ownerID string, names []string) ([]contextRow, error) {
	args := []any{projectID, ownerID}
	list := db.In(&args, names)
	return db.List(ctx, q, scanContext, `SELECT `+contextColumns+` FROM config_contexts c
		WHERE c.name IN (`+list+`) AND (COALESCE(c.project_id, '') = $2 OR `+shares().Visible("c", "$1")+`)
		ORDER BY c.created_at, c.id`, args...)
}

func upsertContext(ctx context.Context, tx *db.Tx, c contextRow, isNew bool) error {
	var sandbox any
	if c.Sandbox != nil {
		sandbox = db.JSON(c.Sandbox)
	}
	query := `UPDATE config_contexts SET project_id = $2, name = $3, description = $4, sandbox_json = $5, sandbox_secret = $6,
		created_at = $7, updated_at = $8 WHERE id = $1`
	if isNew {
		query = `INSERT INTO config_contexts (id, project_id, name, description, sandbox_json, sandbox_secret, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	}
	_, err := tx.ExecContext(ctx, query, c.ID, db.NullText(c.ProjectID), c.Name, c.Description, sandbox, c.sealedSandbox,
		db.Micros(c.CreatedAt), db.Micros(c.UpdatedAt))
	return err
}

func deleteContext(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM config_contexts WHERE id = $1`, id)
	return err
}

func insertEntry(ctx context.Context, tx *db.Tx, e entry) error {
	sensitive := 0
	if e.sensitive {
		sensitive = 1
	}
	if e.value == nil {
		e.value = []byte{}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO config_context_entries
		(context_id, kind, name, position, value_type, value, sensitive, description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.contextID, e.kind, e.name, e.position, e.valueType, e.value, sensitive, e.description)
	return err
}

func deleteEntries(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM config_context_entries WHERE context_id = $1`, id)
	return err
}

func listEntries(ctx context.Context, q db.Querier, id ID) ([]entry, error) {
	byContext, err := listEntriesOf(ctx, q, []ID{id})
	return byContext[id], err
}

func listEntriesOf(ctx context.Context, q db.Querier, ids []ID) (map[ID][]entry, error) {
	out := map[ID][]entry{}
	if len(ids) == 0 {
		return out, nil
	}
	var args []any
	list := db.In(&args, ids)
	entries, err := db.List(ctx, q, func(s db.Scanner) (entry, error) {
		var e entry
		var sensitive int64
		err := s.Scan(&e.contextID, &e.kind, &e.name, &e.position, &e.valueType, &e.value, &sensitive, &e.description)
		e.sensitive = sensitive != 0
		return e, err
	}, `SELECT context_id, kind, name, position, value_type, value, sensitive, description
		FROM config_context_entries WHERE context_id IN (`+list+`) ORDER BY context_id, position`, args...)
	for _, e := range entries {
		out[e.contextID] = append(out[e.contextID], e)
	}
	return out, err
}

// load reads one context as it may be shown.
func load(ctx context.Context, q db.Querier, id ID) (Context, error) {
	row, err := db.One(ctx, q, scanContext, `SELECT `+contextColumns+` FROM config_contexts c WHERE c.id = $1`, id)
	if err != nil {
		return Context{}, fmt.Errorf("reading config context: %w", err)
	}
	list, err := fill(ctx, q, []contextRow{row})
	if err != nil {
		return Context{}, err
	}
	return list[0], nil
}

// fill adds entries and shares to contexts, sensitive values left out.
func fill(ctx context.Context, q db.Querier, rows []contextRow) ([]Context, error) {
	entries, err := listEntriesOf(ctx, q, ids(rows))
	if err != nil {
		return nil, fmt.Errorf("reading config context entries: %w", err)
	}
	with, err := sharing.List(ctx, q, shares(), ids(rows))
	if err != nil {
		return nil, err
	}
	out := make([]Context, len(rows))
	for i, row := range rows {
		c := row.Context
		c.SharedWith = with[c.ID]
		for _, e := range entries[c.ID] {
			if e.sensitive {
				e.value = nil
			}
			switch e.kind {
			case EnvKind:
				c.Env = append(c.Env, e.env())
			case FileKind:
				c.Files = append(c.Files, e.file())
			case VariableKind:
				c.Variables = append(c.Variables, e.variable())
			case SandboxKind: // is no entry
			}
		}
		out[i] = c
	}
	return out, nil
}
