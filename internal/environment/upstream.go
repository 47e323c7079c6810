package environment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
)

// upstreams are the other environments that a version uses, by name.
type upstreams map[string]run.Upstream

// upstreams finds the environments that a version uses, all of which must be deployed, and keeps others from destroying
// them until tx ends.
func (s *Service) upstreams(ctx context.Context, tx *db.Tx, e Environment, version *template.Compiled) (upstreams, error) {
	found := upstreams{}
	for _, name := range version.Environments() {
		if name == e.Name {
			return nil, ErrCycle.With("Template %s %s uses an environment %s, which would be this environment itself. Give it another name.",
				version.Version.Template, version.Version.Version, name)
		}
		u, err := s.Runs.Upstream(ctx, tx, e.ProjectID, name)
		if err != nil {
			return nil, err
		}
		found[name] = u
	}
	if len(found) == 0 {
		return nil, nil
	}
	if err := found.check(version, e.Inputs); err != nil {
		return nil, err
	}
	return found, s.checkCycle(ctx, tx, e, found)
}

// check looks for the outputs that the expressions use.
func (u upstreams) check(version *template.Compiled, inputs []template.Value) error {
	var missing []string
	for _, ref := range version.Nested(inputs) {
		node, _ := version.Upstream(ref.Resource)
		if _, ok := u[node.Environment].Outputs[ref.Inner][ref.Output]; !ok {
			missing = append(missing, fmt.Sprintf("%s (of environment %s)", ref, node.Environment))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return ErrUpstreamOutput.With("This environment uses outputs that other environments, as they are deployed, do not have: %s. "+
		"Deploy those with a version of their template that has them.", strings.Join(missing, ", "))
}

// keep records what a deploy uses.
func (u upstreams) keep(ctx context.Context, tx *db.Tx, e Environment, id run.ID) error {
	for name, one := range u {
		_, err := tx.ExecContext(ctx, `INSERT INTO environment_dependencies (environment_id, run_id, upstream_id) VALUES ($1, $2, $3)`,
			e.ID, id, one.EnvironmentID)
		if err != nil {
			return fmt.Errorf("recording that %s uses environment %s: %w", e.Name, name, err)
		}
	}
	return nil
}

// inUse selects from dependencies d, of environments e, what the environments may be using now: that of the deploys since, and
// with, the last one that succeeded. What an environment used before it was destroyed does not count.
const inUse = ` FROM environment_dependencies d
	JOIN runs r ON r.id = d.run_id
	JOIN environments e ON e.id = d.environment_id
	WHERE r.number >= COALESCE((SELECT MAX(l.number) FROM runs l
		WHERE l.environment_id = d.environment_id AND l.status = 'succeeded' AND l.kind IN ('deploy', 'destroy')), 0)`

// dependents names the environments that may be using an environment.
func dependents(ctx context.Context, q db.Querier, id ID) ([]string, error) {
	names, err := db.List(ctx, q, db.Value[string], `SELECT DISTINCT e.name`+inUse+` AND d.upstream_id = $1 ORDER BY e.name`, id)
	if err != nil {
		return nil, fmt.Errorf("looking for what uses environment %s: %w", id, err)
	}
	return names, nil
}

// checkUnused refuses to destroy what others are using.
func checkUnused(ctx context.Context, q db.Querier, e Environment) error {
	names, err := dependents(ctx, q, e.ID)
	if err != nil || len(names) == 0 {
		return err
	}
	which, them := "environment "+names[0]+" uses", "it"
	if len(names) > 1 {
		which, them = "environments "+strings.Join(names[:len(names)-1], ", ")+" and "+names[len(names)-1]+" use", "them"
	}
	return ErrInUse.With("Environment %s cannot be destroyed while %s its outputs. Destroy %s first, or deploy %s with a version of the template that does not use it.",
		e.Name, which, them, them)
}

// checkCycle refuses a deploy after which environments would wait for each other.
func (s *Service) checkCycle(ctx context.Context, tx *db.Tx, e Environment, found upstreams) error {
	uses := map[string][]string{}
	rows, err := db.List(ctx, tx, func(row db.Scanner) ([2]string, error) {
		var pair [2]string
		return pair, row.Scan(&pair[0], &pair[1])
	}, `SELECT DISTINCT e.name, (SELECT u.name FROM environments u WHERE u.id = d.upstream_id)`+inUse+` AND e.project_id = $1`, e.ProjectID)
	if err != nil {
		return fmt.Errorf("looking for what environments use: %w", err)
	}
	for _, r := range rows {
		if r[0] != e.Name { // this deploy decides anew what it uses
			uses[r[0]] = append(uses[r[0]], r[1])
		}
	}
	for name := range found {
		if way := path(uses, name, e.Name); way != nil {
			return ErrCycle.With("Environment %s would need itself: %s. Take one of these environments out of a template.",
				e.Name, strings.Join(append([]string{e.Name}, way...), " → "))
		}
	}
	return nil
}

// path returns the names along a way between two environments, or nil.
func path(uses map[string][]string, from, to string) []string {
	seen := map[string]bool{}
	var walk func(name string) []string
	walk = func(name string) []string {
		if name == to {
			return []string{name}
		}
		if seen[name] {
			return nil
		}
		seen[name] = true
		for _, next := range uses[name] {
			if way := walk(next); way != nil {
				return append([]string{name}, way...)
			}
		}
		return nil
	}
	return walk(from)
}

// Applied tells with which versions of their templates those environments of a project are deployed that are.
func (s *Service) Applied(ctx context.Context, projectID string, names []string) (map[string]template.EnvironmentVersionID, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, projectID, audit.Object{Kind: "project", ID: projectID}); err != nil {
		return nil, err
	}
	out := map[string]template.EnvironmentVersionID{}
	if len(names) == 0 {
		return out, nil
	}
	args := []any{projectID}
	type row struct {
		name    string
		version template.EnvironmentVersionID
	}
	rows, err := db.List(ctx, s.DB, func(sc db.Scanner) (row, error) {
		var r row
		return r, sc.Scan(&r.name, db.ScanText(&r.version))
	}, `SELECT e.name, e.deployed_version_id`+tables+` WHERE e.project_id = $1 AND `+statusSQL+` = 'deployed' AND e.name IN (`+db.In(&args, names)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("looking up environments: %w", err)
	}
	for _, r := range rows {
		if r.version != "" {
			out[r.name] = r.version
		}
	}
	return out, nil
}

// Neighbour is another environment, as the page of one that is connected with it shows it.
type Neighbour struct {
	Name   string
	Exists bool
	Status Status // when it exists
}

// Neighbours are the environments that one uses or is used by.
type Neighbours struct {
	Uses   []Neighbour // what its template version names, in that order
	UsedBy []string    // names of those that cannot do without it now
}

// Neighbours tells of the environments that one is connected with.
func (s *Service) Neighbours(ctx context.Context, projectID, name string) (Neighbours, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return Neighbours{}, err
	}
	var out Neighbours
	e, err := s.get(ctx, s.DB, "e.project_id = $1 AND e.name = $2", projectID, name)
	if err != nil {
		return out, err
	}
	if out.UsedBy, err = dependents(ctx, s.DB, e.ID); err != nil {
		return out, err
	}
	version, err := s.Templates.Load(ctx, projectID, template.EnvironmentVersionID(e.Template.VersionID))
	if err != nil {
		return out, err
	}
	names := version.Environments()
	if len(names) == 0 {
		return out, nil
	}
	args := []any{projectID}
	found, err := db.List(ctx, s.DB, scan, `SELECT `+columns+tables+` WHERE e.project_id = $1 AND e.name IN (`+db.In(&args, names)+`)`, args...)
	if err != nil {
		return out, fmt.Errorf("looking up environments: %w", err)
	}
	for _, name := range names {
		n := Neighbour{Name: name}
		if i := slices.IndexFunc(found, func(o Environment) bool { return o.Name == name }); i >= 0 {
			n.Exists, n.Status = true, found[i].Status
		}
		out.Uses = append(out.Uses, n)
	}
	return out, nil
}
