package template

import (
	"context"
	"io"

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

// Reading is what a source holds, as a publish page shows it before anything is
// saved.
type Reading struct {
	Source   Source // with the commit that was read
	Bundle   BundleRef
	Module   bundle.Module
	Problems []Problem
	Files    []string // below the module's folder and of the modules in the bundle
}

// AddUpload keeps an uploaded archive (tar, tar.gz, tar.zst or zip) as a source.
// What no version refers to is removed after a day.
func (s *Service) AddUpload(ctx context.Context, projectID string, r io.Reader) (*Upload, error) {
	return nil, nil
}

// HasUpload reports whether the project holds an upload.
func (s *Service) HasUpload(ctx context.Context, projectID, digest string) (bool, error) {
	return false, nil
}

// Read reads the source of a resource template: it fetches the code, adds the
// modules it calls and the lock file, and checks it. It saves no version.
func (s *Service) Read(ctx context.Context, projectID string, spec ResourceSpec) (*Reading, error) {
	return nil, nil
}
