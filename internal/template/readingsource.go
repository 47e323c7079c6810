package template

import (
	"context"
	"io/fs"
	"path"
	"unicode/utf8"
)

// What a reading shows of the code.
const (
	maxShownFile  = 256 << 10
	maxShownFiles = 20
)

// sources returns the text of the files that the problems of a reading point into, by the names that the problems use.
func (s *Service) sources(ctx context.Context, r *Reading) (map[string]string, error) {
	fsys, closer, err := s.bundles.FS(ctx, r.Bundle.Digest)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range r.Problems {
		if _, known := out[p.File]; p.File == "" || known || len(out) >= maxShownFiles {
			continue
		}
		name := path.Join(r.Bundle.Dir, p.File)
		info, err := fs.Stat(fsys, name)
		if err != nil || info.Size() > maxShownFile {
			continue // a place that cannot be shown is still named by its problem
		}
		if text, err := fs.ReadFile(fsys, name); err == nil && utf8.Valid(text) {
			out[p.File] = string(text)
		}
	}
	return out, closer.Close()
}
