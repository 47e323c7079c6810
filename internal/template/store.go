package template

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
	"github.com/berthdev/berth/internal/template/bundle"
)

// kind is one of the two families of tables, which are alike in all but the
// content of a version.
type kind struct {
	word      string // in messages and in the audit log
	templates string
	versions  string
	shares    string
}

func resourceKind() kind {
	return kind{"resource template", "resource_templates", "resource_template_versions", "resource_template_shares"}
}

func environmentKind() kind {
	return kind{"environment template", "environment_templates", "environment_template_versions", "environment_template_shares"}
}

// templateRow is a template without versions.
type templateRow struct {
	id, projectID, name, displayName, description string
	labels, annotations                           map[string]string
	createdAt, updatedAt                          time.Time
}

// labelled is never nil in JSON.
func labelled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// visibleTo is the condition for templates t that a project ($1) owns or that
// are shared with it.
func (k kind) visibleTo() string {
	return k.shared().Visible("t", "$1")
}

func (k kind) shared() sharing.Table { return sharing.Table{Name: k.shares, Column: "template_id"} }

// sharesOf returns with whom a template is shared: project ids, or Everyone.
func (k kind) sharesOf(ctx context.Context, q db.Querier, id string) ([]string, error) {
	all, err := sharing.List(ctx, q, k.shared(), []string{id})
	return all[id], err
}

func scanTemplate(s db.Scanner) (templateRow, error) {
	var t templateRow
	err := s.Scan(&t.id, db.ScanText(&t.projectID), &t.name, &t.displayName, &t.description,
		db.ScanJSON(&t.labels), db.ScanJSON(&t.annotations), db.ScanTime(&t.createdAt), db.ScanTime(&t.updatedAt))
	return t, err
}

func getTemplate(ctx context.Context, q db.Querier, k kind, projectID, name string) (templateRow, error) {
	return db.One(ctx, q, scanTemplate, `SELECT id, project_id, name, display_name, description, labels_json, annotations_json, created_at, updated_at
		FROM `+k.templates+` WHERE COALESCE(project_id, '') = $1 AND name = $2`, projectID, name)
}

func insertTemplate(ctx context.Context, tx *db.Tx, k kind, t templateRow) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO `+k.templates+` (id, project_id, name, display_name, description, labels_json, annotations_json, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		t.id, db.NullText(t.projectID), t.name, t.displayName, t.description, db.JSON(labelled(t.labels)), db.JSON(labelled(t.annotations)), db.Micros(t.createdAt), db.Micros(t.updatedAt))
	return err
}

func updateTemplate(ctx context.Context, tx *db.Tx, k kind, t templateRow) error {
	_, err := tx.ExecContext(ctx, `UPDATE `+k.templates+` SET display_name = $2, description = $3, labels_json = $4, annotations_json = $5, updated_at = $6 WHERE id = $1`,
		t.id, t.displayName, t.description, db.JSON(labelled(t.labels)), db.JSON(labelled(t.annotations)), db.Micros(t.updatedAt))
	return err
}

const resourceVersionColumns = `v.id, v.template_id, t.name, t.project_id, v.version, v.state, v.spec_json, v.module_json, v.problems_json,
	v.created_at, v.updated_at`

const resourceVersionTables = ` FROM resource_template_versions v JOIN resource_templates t ON t.id = v.template_id `

func scanResourceVersion(s db.Scanner) (*ResourceVersion, error) {
	v := &ResourceVersion{}
	err := s.Scan(&v.ID, &v.TemplateID, &v.Template, db.ScanText(&v.ProjectID), &v.Version, &v.State, db.ScanJSON(&v.Spec),
		db.ScanJSON(&v.Module), db.ScanJSON(&v.Problems), db.ScanTime(&v.CreatedAt), db.ScanTime(&v.UpdatedAt))
	return v, err
}

func getResourceVersion(ctx context.Context, q db.Querier, projectID, name, version string) (*ResourceVersion, error) {
	return db.One(ctx, q, scanResourceVersion, `SELECT `+resourceVersionColumns+resourceVersionTables+
		`WHERE COALESCE(t.project_id, '') = $1 AND t.name = $2 AND v.version = $3`, projectID, name, version)
}

func listResourceVersionsByID(ctx context.Context, q db.Querier, ids []ResourceVersionID) (map[ResourceVersionID]*ResourceVersion, error) {
	out := map[ResourceVersionID]*ResourceVersion{}
	if len(ids) == 0 {
		return out, nil
	}
	var args []any
	list, err := db.List(ctx, q, scanResourceVersion, `SELECT `+resourceVersionColumns+resourceVersionTables+
		`WHERE v.id IN (`+db.In(&args, ids)+`)`, args...)
	for _, v := range list {
		out[v.ID] = v
	}
	return out, err
}

// listResourceVersionsBySource finds the versions of a project's own templates that
// were made of the code with this digest, the newest first.
func listResourceVersionsBySource(ctx context.Context, q db.Querier, projectID, digest string) ([]*ResourceVersion, error) {
	return db.List(ctx, q, scanResourceVersion, `SELECT `+resourceVersionColumns+resourceVersionTables+
		`WHERE COALESCE(t.project_id, '') = $1 AND v.spec_json LIKE $2 ORDER BY v.created_at DESC, v.id DESC`, projectID, `%"source":"`+digest+`"%`)
}

// getVariablesBefore reads the variables of a version, or else of the newest one,
// as they are stored.
func getVariablesBefore(ctx context.Context, q db.Querier, k kind, projectID, name, version string) ([]Variable, string, error) {
	var spec struct {
		Variables []Variable `json:"variables"`
	}
	var templateID string
	err := q.QueryRowContext(ctx, `SELECT v.template_id, v.spec_json FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
		WHERE COALESCE(t.project_id, '') = $1 AND t.name = $2
		ORDER BY CASE WHEN v.version = $3 THEN 0 ELSE 1 END, v.created_at DESC, v.id DESC LIMIT 1`, projectID, name, version).
		Scan(&templateID, db.ScanJSON(&spec))
	return spec.Variables, templateID, err
}

// versionKey is what choosing a version needs to know of it.
type versionKey struct {
	id          string
	template    string
	owner       string
	version     string
	state       State
	activatedAt time.Time
}

// listVersionKeys finds the versions of the named templates that a project may
// use, newest activation first.
func listVersionKeys(ctx context.Context, q db.Querier, k kind, projectID string, names []string) ([]versionKey, error) {
	if len(names) == 0 {
		return nil, nil
	}
	args := []any{projectID}
	return db.List(ctx, q, func(s db.Scanner) (versionKey, error) {
		var v versionKey
		err := s.Scan(&v.id, &v.template, db.ScanText(&v.owner), &v.version, &v.state, db.ScanTime(&v.activatedAt))
		return v, err
	}, `SELECT v.id, t.name, t.project_id, v.version, v.state, v.activated_at FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
		WHERE t.name IN (`+db.In(&args, names)+`) AND `+k.visibleTo()+` ORDER BY COALESCE(v.activated_at, 0) DESC, v.created_at DESC, v.id DESC`, args...)
}

const environmentVersionColumns = `v.id, v.template_id, t.name, t.display_name, t.project_id, v.version, v.state, v.spec_json, v.problems_json,
	v.created_at, v.updated_at`

const environmentVersionTables = ` FROM environment_template_versions v JOIN environment_templates t ON t.id = v.template_id `

func scanEnvironmentVersion(s db.Scanner) (*EnvironmentVersion, error) {
	v := &EnvironmentVersion{}
	err := s.Scan(&v.ID, &v.TemplateID, &v.Template, &v.DisplayName, db.ScanText(&v.ProjectID), &v.Version, &v.State, db.ScanJSON(&v.Spec),
		db.ScanJSON(&v.Problems), db.ScanTime(&v.CreatedAt), db.ScanTime(&v.UpdatedAt))
	return v, err
}

func getEnvironmentVersion(ctx context.Context, q db.Querier, projectID, name, version string) (*EnvironmentVersion, error) {
	return db.One(ctx, q, scanEnvironmentVersion, `SELECT `+environmentVersionColumns+environmentVersionTables+
		`WHERE COALESCE(t.project_id, '') = $1 AND t.name = $2 AND v.version = $3`, projectID, name, version)
}

func getEnvironmentVersionByID(ctx context.Context, q db.Querier, id EnvironmentVersionID) (*EnvironmentVersion, error) {
	return db.One(ctx, q, scanEnvironmentVersion, `SELECT `+environmentVersionColumns+environmentVersionTables+`WHERE v.id = $1`, id)
}

// savedVersion is the part of a version row that both kinds have.
type savedVersion struct {
	id, templateID, version string
	state                   State
	digest                  string         // resource templates
	module                  *bundle.Module // resource templates
	summary, icon, category string         // environment templates
	spec                    any
	problems                []Problem
	createdAt, updatedAt    time.Time
	activatedAt             time.Time
}

func insertVersion(ctx context.Context, tx *db.Tx, k kind, v savedVersion) error {
	columns := []string{"id", "template_id", "version", "state", "spec_json", "problems_json", "created_at", "updated_at", "activated_at"}
	args := []any{v.id, v.templateID, v.version, v.state, db.JSON(v.spec), db.JSON(list(v.problems)), db.Micros(v.createdAt), db.Micros(v.updatedAt), db.NullMicros(v.activatedAt)}
	own, values := v.own()
	columns, args = append(columns, own...), append(args, values...)
	marks := make([]string, len(columns))
	for i := range columns {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+k.versions+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, args...)
	return err
}

func updateVersion(ctx context.Context, tx *db.Tx, k kind, v savedVersion) error {
	columns := []string{"state", "spec_json", "problems_json", "updated_at", "activated_at"}
	args := []any{v.state, db.JSON(v.spec), db.JSON(list(v.problems)), db.Micros(v.updatedAt), db.NullMicros(v.activatedAt)}
	own, values := v.own()
	columns, args = append(columns, own...), append(args, values...)
	sets := make([]string, len(columns))
	for i, c := range columns {
		sets[i] = fmt.Sprintf("%s = $%d", c, i+1)
	}
	args = append(args, v.id)
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`UPDATE %s SET %s WHERE id = $%d`, k.versions, strings.Join(sets, ", "), len(args)), args...)
	return err
}

// own are the columns that only one kind has.
func (v savedVersion) own() ([]string, []any) {
	if v.module != nil {
		return []string{"digest", "module_json"}, []any{v.digest, db.JSON(v.module)}
	}
	return []string{"summary", "icon", "category"}, []any{v.summary, v.icon, v.category}
}

// updateProblems notes what is wrong with a version now, and what its module is, where
// nothing else of it has changed.
func updateProblems(ctx context.Context, tx *db.Tx, k kind, v savedVersion) error {
	query := `UPDATE ` + k.versions + ` SET problems_json = $2 WHERE id = $1`
	args := []any{v.id, db.JSON(list(v.problems))}
	if v.module != nil {
		query = `UPDATE ` + k.versions + ` SET problems_json = $2, module_json = $3 WHERE id = $1`
		args = append(args, db.JSON(v.module))
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

func setVersionState(ctx context.Context, tx *db.Tx, k kind, id string, state State, activatedAt time.Time) error {
	query := `UPDATE ` + k.versions + ` SET state = $2, updated_at = $3 WHERE id = $1`
	args := []any{id, state, db.Micros(tx.Now())}
	if !activatedAt.IsZero() {
		query = `UPDATE ` + k.versions + ` SET state = $2, updated_at = $3, activated_at = $4 WHERE id = $1`
		args = append(args, db.Micros(activatedAt))
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

// list is never null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
