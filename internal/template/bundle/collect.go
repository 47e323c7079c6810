package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// refreshAfter is the age from which a bundle that is stored again counts as new.
// It is well below the time after which unused ones are removed.
const refreshAfter = 6 * time.Hour

// StoredBefore lists the digests that were stored last before a time.
func (s *Store) StoredBefore(ctx context.Context, before time.Time) ([]string, error) {
	var out []string
	for it := s.bucket.List(&blob.ListOptions{Prefix: key("")}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("listing bundles: %w", err)
		}
		if digest := strings.TrimPrefix(o.Key, key("")); validDigest(digest) && o.ModTime.Before(before) {
			out = append(out, digest)
		}
	}
}

// Remove deletes a bundle and its unpacked copy. A missing one is no error.
func (s *Store) Remove(ctx context.Context, digest string) error {
	if !validDigest(digest) {
		return ErrNotFound
	}
	lock := s.lock(digest)
	lock.Lock()
	defer lock.Unlock()
	if err := s.bucket.Delete(ctx, key(digest)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("deleting bundle: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(s.cache, digest)); err != nil {
		return fmt.Errorf("deleting bundle folder: %w", err)
	}
	return nil
}

// fresh reports whether the store holds the digest and it was stored not long ago.
func (s *Store) fresh(ctx context.Context, digest string) (bool, error) {
	a, err := s.bucket.Attributes(ctx, key(digest))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for bundle: %w", err)
	}
	return time.Since(a.ModTime) < refreshAfter, nil
}
