package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/berthdev/berth/internal/fault"
)

// Open returns the bundle behind an archive that Archive gave. Its digest is
// computed from the content.
func Open(ctx context.Context, archive []byte, dir string) (*Bundle, error) {
	plain, err := decompress(archive)
	if err != nil {
		return nil, err
	}
	entries, err := readTar(plain)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Dir: dir, Files: len(entries), archive: archive}
	for _, e := range entries {
		b.Size += int64(len(e.data))
	}
	sum := sha256.Sum256(plain)
	b.Digest = hex.EncodeToString(sum[:])
	fsys, closer, err := OpenArchive(ctx, bytes.NewReader(plain), Limits{Bytes: int64(len(plain)), Files: len(entries)})
	if err != nil {
		return nil, err
	}
	b.Module = Check(fsys, dir)
	return b, closer.Close()
}

// Load returns a stored bundle.
func (s *Store) Load(ctx context.Context, digest, dir string) (*Bundle, error) {
	archive, err := s.Archive(ctx, digest)
	if err != nil {
		return nil, err
	}
	b, err := Open(ctx, archive, dir)
	if err != nil {
		return nil, err
	}
	if b.Digest != digest {
		return nil, errDamaged(digest)
	}
	return b, nil
}

func errDamaged(digest string) error {
	return fault.New(fault.Internal, "bundle_damaged", "the template's archive %.12s is damaged: its content does not match its digest", digest)
}

// Archive returns the compressed archive (tar.zst). It must not be changed.
func (b *Bundle) Archive() []byte { return b.archive }

// Unpack writes the bundle's files into an empty folder. Unlike the store's copies
// they may be changed.
func (b *Bundle) Unpack(ctx context.Context, dir string) error {
	plain, err := decompress(b.archive)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpacking bundle: %w", err)
	}
	u := &unpacker{root: root, limits: Limits{Bytes: int64(len(plain)), Files: len(plain)}}
	return errors.Join(u.tar(ctx, bytes.NewReader(plain)), root.Close())
}

// With returns the bundle with more files: those of fsys below the given paths,
// which take the place of files of the same name. fsys is the unpacked bundle with
// those files in it. A path that is not there adds nothing.
func (b *Bundle) With(ctx context.Context, fsys fs.FS, paths []string, limits Limits) (*Bundle, error) {
	var there []string
	for _, p := range paths {
		if _, err := fs.Stat(fsys, p); err == nil {
			there = append(there, p)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, badSource("%q cannot be read: %v", p, plainError(err))
		}
	}
	plain, err := decompress(b.archive)
	if err != nil {
		return nil, err
	}
	entries, err := readTar(plain)
	if err != nil {
		return nil, err
	}
	more, err := collect(ctx, fsys, there, limits)
	if err != nil {
		return nil, err
	}
	all := map[string]entry{}
	for _, e := range entries {
		all[e.name] = e
	}
	for _, f := range more {
		data, err := fs.ReadFile(fsys, f.name)
		if err != nil {
			return nil, badSource("%q cannot be read: %v", f.name, plainError(err))
		}
		all[f.name] = entry{name: f.name, mode: f.mode, data: data}
	}
	entries = entries[:0]
	for _, name := range sortedKeys(all) {
		entries = append(entries, all[name])
	}
	done, err := seal(ctx, b.Dir, Check(fsys, b.Dir), entries)
	if err != nil {
		return nil, err
	}
	if done.Size > limits.Bytes || done.Files > limits.Files {
		return nil, badSource("with the modules it calls, the code is %s in %d files; a template may hold at most %s in %d files",
			humanSize(done.Size), done.Files, humanSize(limits.Bytes), limits.Files)
	}
	return done, nil
}

// readTar reads an archive of Berth's own.
func readTar(plain []byte) ([]entry, error) {
	var out []entry
	tr := tar.NewReader(bytes.NewReader(plain))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading bundle: %w", err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return nil, fmt.Errorf("reading bundle: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) {
			return nil, fmt.Errorf("reading bundle: %q has no place in one", h.Name)
		}
		out = append(out, entry{name: h.Name, mode: fs.FileMode(h.Mode) & 0o777, data: data})
	}
}
