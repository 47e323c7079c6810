package template

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Upload is a source that somebody uploaded to a project. Folders are those that
// hold a module, "." for the outermost.
type Upload struct {
	Digest  string
	Files   int
	Size    int64
	Folders []string
}

// ErrNoUpload is the digest of a source that the project does not hold.
var ErrNoUpload = fault.New(fault.NotFound, "upload_not_found", "The project holds no such upload.")

// AddUpload keeps an uploaded archive (tar, tar.gz, tar.zst or zip) as a source.
// The same files have the same digest, however they are packed. What no version
// refers to is removed after a day.
func (s *Service) AddUpload(ctx context.Context, projectID string, r io.Reader) (*Upload, error) {
	if err := s.authorizeUpload(ctx, projectID); err != nil {
		return nil, err
	}
	fsys, closer, err := bundle.OpenArchive(ctx, r, bundle.DefaultLimits())
	if err != nil {
		return nil, err
	}
	up, err := s.keepUpload(ctx, projectID, fsys)
	return up, errors.Join(err, closer.Close())
}

// AddUploadFiles is AddUpload for files that need no unpacking.
func (s *Service) AddUploadFiles(ctx context.Context, projectID string, fsys fs.FS) (*Upload, error) {
	if err := s.authorizeUpload(ctx, projectID); err != nil {
		return nil, err
	}
	return s.keepUpload(ctx, projectID, fsys)
}

func (s *Service) authorizeUpload(ctx context.Context, projectID string) error {
	return s.audit.Authorize(ctx, authz.TemplateWrite, projectID, audit.Object{Kind: "upload"})
}

func (s *Service) keepUpload(ctx context.Context, projectID string, fsys fs.FS) (*Upload, error) {
	b, err := bundle.Pack(ctx, fsys, ".", bundle.DefaultLimits())
	if err != nil {
		return nil, err
	}
	folders, err := moduleFolders(fsys)
	if err != nil {
		return nil, err
	}
	up := &Upload{Digest: b.Digest, Files: b.Files, Size: b.Size, Folders: folders}
	if up.Files == 0 {
		return nil, fault.New(fault.Invalid, bundle.CodeBadSource, "The archive holds no file; pack the folder of the module.")
	}
	if err := s.bundles.Put(ctx, b); err != nil {
		return nil, err
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		isNew, err := saveUpload(ctx, tx, projectID, up)
		if err != nil || !isNew {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "upload.add", ObjectKind: "upload", ObjectID: up.Digest, ObjectName: up.Digest[:12], ProjectID: projectID,
			After: map[string]any{"files": up.Files, "size": up.Size},
		})
	})
	if errors.Is(err, db.ErrReference) {
		return nil, fault.InvalidField("project", "does not exist")
	}
	if err != nil {
		return nil, fmt.Errorf("keeping an upload: %w", err)
	}
	return up, nil
}

// moduleFolders lists the folders that hold code of a module.
func moduleFolders(fsys fs.FS) ([]string, error) {
	out := []string{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // .git, .terraform and the like
		case d.IsDir() || !isCode(d.Name()):
			return nil
		}
		if dir := path.Dir(p); len(out) == 0 || out[len(out)-1] != dir {
			out = append(out, dir)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing an upload: %w", err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func isCode(name string) bool {
	for _, ext := range []string{".tf", ".tofu", ".tf.json", ".tofu.json"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// Upload returns what is known of an upload of a project.
func (s *Service) Upload(ctx context.Context, projectID, digest string) (*Upload, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, audit.Object{Kind: "upload", ID: digest}); err != nil {
		return nil, err
	}
	up, err := getUpload(ctx, s.db, projectID, digest)
	if errors.Is(err, db.ErrNoRows) {
		return nil, ErrNoUpload
	}
	if err != nil {
		return nil, fmt.Errorf("reading an upload: %w", err)
	}
	return up, nil
}

// HasUpload reports whether the project holds an upload, so that a client need not
// send it again.
func (s *Service) HasUpload(ctx context.Context, projectID, digest string) (bool, error) {
	if err := s.authorizeUpload(ctx, projectID); err != nil {
		return false, err
	}
	_, err := s.useUpload(ctx, projectID, digest)
	if errors.Is(err, ErrNoUpload) {
		return false, nil
	}
	return err == nil, err
}

// useUpload notes that an upload is wanted, so that it is kept for another day.
func (s *Service) useUpload(ctx context.Context, projectID, digest string) (*Upload, error) {
	var up *Upload
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := touchUpload(ctx, tx, projectID, digest); err != nil {
			return err
		}
		var err error
		up, err = getUpload(ctx, tx, projectID, digest)
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return nil, ErrNoUpload.With("The project holds no upload %.12s; upload the source first.", digest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading an upload: %w", err)
	}
	return up, nil
}
