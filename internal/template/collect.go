package template

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// keepUnused is how long code is kept that no version refers to: long enough to
// look at it and to publish it.
const keepUnused = 24 * time.Hour

// Collect removes code that nothing has referred to for a day: uploads that became
// no version, and what drafts were before. A version keeps its code as long as it
// exists, and it exists as long as an environment needs it.
func (s *Service) Collect(ctx context.Context) (removed int, err error) {
	if err := s.audit.Authorize(ctx, authz.SettingsWrite, "", audit.Object{Kind: "bundle"}); err != nil {
		return 0, err
	}
	before := s.db.Now().Add(-keepUnused)
	// The candidates come first: what is stored from now on is younger.
	old, err := s.bundles.StoredBefore(ctx, before)
	if err != nil {
		return 0, err
	}
	var versions, uploads map[string]bool
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if versions, _, err = listUsedDigests(ctx, tx); err != nil {
			return err
		}
		if err := deleteUploads(ctx, tx, before, versions); err != nil {
			return err
		}
		_, uploads, err = listUsedDigests(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("looking for unused template code: %w", err)
	}
	var errs []error
	for _, digest := range old {
		if versions[digest] || uploads[digest] {
			continue
		}
		if err := s.bundles.Remove(ctx, digest); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}
