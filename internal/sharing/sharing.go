// Package sharing is what everything has in common that a project, or the
// organisation, owns under a name and shares with other projects: with whom it is
// shared, and which of several things of one name is meant.
//
// It must not know what is shared (a Table says where the things are), nor who may
// share it: package project says that.
package sharing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Everyone is the share with all projects.
const Everyone = "*"

// Table names a table of shares: its rows have a column that refers to the thing,
// and one with a project, null for all.
type Table struct {
	Name   string
	Column string
}

// Visible is the condition for a thing that the project owns, or that is shared
// with it. thing is the thing's alias in the query, project the mark of the
// argument with the project's id.
func (t Table) Visible(thing, project string) string {
	return fmt.Sprintf(`(COALESCE(%[1]s.project_id, '') = %[2]s OR EXISTS (SELECT 1 FROM %[3]s shares
		WHERE shares.%[4]s = %[1]s.id AND (shares.project_id = %[2]s OR shares.project_id IS NULL)))`, thing, project, t.Name, t.Column)
}

// List returns with whom each of the things is shared: project ids, or Everyone.
func List[ID ~string](ctx context.Context, q db.Querier, t Table, ids []ID) (map[ID][]string, error) {
	out := map[ID][]string{}
	if len(ids) == 0 {
		return out, nil
	}
	type share struct {
		thing   ID
		project string
	}
	var args []any
	shares, err := db.List(ctx, q, func(s db.Scanner) (share, error) {
		var r share
		err := s.Scan(&r.thing, db.ScanText(&r.project))
		return r, err
	}, `SELECT `+t.Column+`, project_id FROM `+t.Name+` WHERE `+t.Column+` IN (`+db.In(&args, ids)+`) ORDER BY `+t.Column+`, COALESCE(project_id, '')`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading shares: %w", err)
	}
	for _, s := range shares {
		if s.project == "" {
			s.project = Everyone
		}
		out[s.thing] = append(out[s.thing], s.project)
	}
	return out, nil
}

// Replace makes with all that a thing is shared with.
func Replace[ID ~string](ctx context.Context, tx *db.Tx, t Table, id ID, with []string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM `+t.Name+` WHERE `+t.Column+` = $1`, id); err != nil {
		return fmt.Errorf("deleting shares: %w", err)
	}
	for _, p := range slices.Compact(slices.Sorted(slices.Values(with))) {
		if p == Everyone {
			p = ""
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO `+t.Name+` (`+t.Column+`, project_id) VALUES ($1, $2)`, id, db.NullText(p))
		if errors.Is(err, db.ErrReference) {
			return fault.InvalidField("projects", "names a project that does not exist")
		}
		if err != nil {
			return fmt.Errorf("saving a share: %w", err)
		}
	}
	return nil
}

// Pick finds what each of the names means, in the order of the names: a thing of
// the first of the owners that has one, else any other of the candidates. place
// tells the owner and the name of a candidate.
func Pick[T any](candidates []T, place func(T) (owner, name string), names []string, owners ...string) (found []T, missing []string) {
	for _, name := range names {
		best, bestRank := -1, 0
		for i, c := range candidates {
			owner, n := place(c)
			if n != name {
				continue
			}
			rank := slices.Index(owners, owner)
			if rank < 0 {
				rank = len(owners)
			}
			if best < 0 || rank < bestRank {
				best, bestRank = i, rank
			}
		}
		if best < 0 {
			missing = append(missing, name)
			continue
		}
		found = append(found, candidates[best])
	}
	return found, missing
}

// UsersFunc finds what needs the thing of a name, in words, and returns empty text
// when nothing does. There may be several things of the name: means tells whether it
// is the one in question that is found by it in a project, from a template that
// ownerID owns.
type UsersFunc func(ctx context.Context, q db.Querier, name string, means func(projectID, ownerID string) (bool, error)) (usedBy string, err error)

// Reshare is Replace for a thing that others find by its name. It returns, in words,
// who needs the thing and would not find it any more; the change must be undone then.
// users and means are those of UsersFunc; nobody needs anything when users is nil.
func Reshare[ID ~string](ctx context.Context, tx *db.Tx, t Table, id ID, with []string, name string, users UsersFunc,
	means func(projectID, ownerID string) (bool, error),
) (usedBy string, err error) {
	if users == nil {
		return "", Replace(ctx, tx, t, id, with)
	}
	type place struct{ project, owner string }
	before := map[place]bool{}
	_, err = users(ctx, tx, name, func(projectID, ownerID string) (bool, error) {
		found, err := means(projectID, ownerID)
		before[place{projectID, ownerID}] = found
		return false, err // go on to the others
	})
	if err != nil {
		return "", err
	}
	if err := Replace(ctx, tx, t, id, with); err != nil {
		return "", err
	}
	return users(ctx, tx, name, func(projectID, ownerID string) (bool, error) {
		if !before[place{projectID, ownerID}] {
			return false, nil
		}
		found, err := means(projectID, ownerID)
		return !found, err
	})
}
