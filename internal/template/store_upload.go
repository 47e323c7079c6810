package template

import (
	"context"
	"time"

	"github.com/berthdev/berth/internal/db"
)

// saveUpload keeps an upload of a project, or notes that it came again.
func saveUpload(ctx context.Context, tx *db.Tx, projectID string, up *Upload) (isNew bool, err error) {
	n, err := db.Changed(tx.ExecContext(ctx, `INSERT INTO template_uploads (digest, owner, project_id, files, size, folders_json, created_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING`,
		up.Digest, projectID, db.NullText(projectID), up.Files, up.Size, db.JSON(list(up.Folders)), db.Micros(tx.Now())))
	if err != nil || n > 0 {
		return n > 0, err
	}
	return false, touchUpload(ctx, tx, projectID, up.Digest)
}

func touchUpload(ctx context.Context, tx *db.Tx, projectID, digest string) error {
	_, err := tx.ExecContext(ctx, `UPDATE template_uploads SET used_at = $3 WHERE owner = $1 AND digest = $2`, projectID, digest, db.Micros(tx.Now()))
	return err
}

func getUpload(ctx context.Context, q db.Querier, projectID, digest string) (*Upload, error) {
	return db.One(ctx, q, func(s db.Scanner) (*Upload, error) {
		up := &Upload{}
		return up, s.Scan(&up.Digest, &up.Files, &up.Size, db.ScanJSON(&up.Folders))
	}, `SELECT digest, files, size, folders_json FROM template_uploads WHERE owner = $1 AND digest = $2`, projectID, digest)
}

func deleteUploads(ctx context.Context, tx *db.Tx, unusedSince time.Time, keep map[string]bool) error {
	type upload struct{ digest, owner string }
	old, err := db.List(ctx, tx, func(s db.Scanner) (upload, error) {
		var u upload
		return u, s.Scan(&u.digest, &u.owner)
	}, `SELECT digest, owner FROM template_uploads WHERE used_at < $1`, db.Micros(unusedSince))
	if err != nil {
		return err
	}
	for _, u := range old {
		if keep[u.digest] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM template_uploads WHERE digest = $1 AND owner = $2`, u.digest, u.owner); err != nil {
			return err
		}
	}
	return nil
}

// listUsedDigests are the digests of everything that a version or an upload needs.
func listUsedDigests(ctx context.Context, q db.Querier) (versions, uploads map[string]bool, err error) {
	versions, uploads = map[string]bool{}, map[string]bool{}
	specs, err := db.List(ctx, q, func(s db.Scanner) (ResourceSpec, error) {
		var spec ResourceSpec
		return spec, s.Scan(db.ScanJSON(&spec))
	}, `SELECT spec_json FROM resource_template_versions`)
	if err != nil {
		return nil, nil, err
	}
	for _, spec := range specs {
		versions[spec.Bundle.Digest], versions[spec.Source.Upload] = true, true
	}
	digests, err := db.List(ctx, q, db.Value[string], `SELECT digest FROM template_uploads`)
	for _, d := range digests {
		uploads[d] = true
	}
	return versions, uploads, err
}
