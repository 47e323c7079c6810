// Package bundle turns the source of a module into an immutable archive named by
// its content, keeps such archives, and reads what a module declares (variables,
// outputs, providers) without running anything of it.
//
// It must not know templates, projects or databases, and it never talks to git
// or to a registry: it is given files.
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
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/berthdev/berth/internal/fault"
)

// Limits bound what one bundle may hold.
type Limits struct {
	Bytes int64 // of all files together, before compression
	Files int
}

// DefaultLimits are far above what a module needs and far below what would hurt.
func DefaultLimits() Limits { return Limits{Bytes: 50 << 20, Files: 5000} }

// CodeBadSource is the fault code of every source that cannot become a bundle.
const CodeBadSource = "bad_template_source"

// Bundle is a packed source. Dir is the folder of the root module inside the
// archive. The digest is that of the files, not of their compression, so it
// stays the same when a newer version compresses better.
type Bundle struct {
	Digest string
	Dir    string
	Files  int
	Size   int64 // of the files together
	Module *Module

	archive []byte
}

// OpenDir opens a folder so that nothing outside it can be read, whatever
// symbolic links it holds. Close the closer when the bundle is packed.
func OpenDir(dir string) (fs.FS, io.Closer, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Invalid, CodeBadSource, "the folder %q cannot be opened: %v", dir, plainError(err))
	}
	return root.FS(), root, nil
}

// Pack reads the module in folder dir of fsys, with every module it calls by a
// local path, and packs them. Problems in the code are in Bundle.Module; an
// error means that there is nothing to pack.
func Pack(ctx context.Context, fsys fs.FS, dir string, limits Limits) (*Bundle, error) {
	dir = path.Clean(strings.Trim(dir, "/"))
	if !fs.ValidPath(dir) {
		return nil, badSource("the module folder %q leads out of the source; give a folder inside it", dir)
	}
	module, roots := check(fsys, dir, false)
	base := commonBase(roots)
	files, err := collect(ctx, fsys, roots, limits)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(files))
	for _, f := range files {
		data, err := fs.ReadFile(fsys, f.name)
		if err != nil {
			return nil, badSource("%q cannot be read: %v", f.name, plainError(err))
		}
		entries = append(entries, entry{name: relative(base, f.name), mode: f.mode, data: data})
	}
	return seal(ctx, relative(base, dir), module, entries)
}

// seal makes the bundle of files that are in their final order.
func seal(ctx context.Context, dir string, module *Module, entries []entry) (*Bundle, error) {
	b := &Bundle{Dir: dir, Module: module, Files: len(entries)}
	var plain bytes.Buffer
	if err := writeTar(ctx, &plain, entries); err != nil {
		return nil, err
	}
	for _, e := range entries {
		b.Size += int64(len(e.data))
	}
	sum := sha256.Sum256(plain.Bytes())
	b.Digest = hex.EncodeToString(sum[:])
	var err error
	if b.archive, err = compress(plain.Bytes()); err != nil {
		return nil, err
	}
	return b, nil
}

// Check is Inspect with the modules that are called by a local path, and those
// that were vendored: their problems are among the result's, seen from dir.
func Check(fsys fs.FS, dir string) *Module {
	m, _ := check(fsys, path.Clean(dir), true)
	return m
}

// check looks at vendored modules only where they are Berth's own work: a source
// may hold left-overs of somebody's init, which are not packed.
func check(fsys fs.FS, dir string, vendored bool) (*Module, []string) {
	var w Walk
	if vendored {
		w = WalkModules(fsys, dir)
	} else {
		w = walkModules(fsys, dir, nil)
	}
	m := w.Root
	m.Problems = append(m.Problems, w.Problems...)
	return m, w.roots()
}

// ignored reports names that never belong into a bundle: version control,
// downloads, and state, which may hold secrets.
func ignored(name string) bool {
	switch name {
	case ".git", ".terraform", ".terragrunt-cache", ".svn", ".hg", ".DS_Store", "crash.log":
		return true
	}
	return strings.HasSuffix(name, ".tfstate") || strings.Contains(name, ".tfstate.")
}

type sourceFile struct {
	name string
	size int64
	mode fs.FileMode
}

// collect lists the files below the roots in a fixed order.
func collect(ctx context.Context, fsys fs.FS, roots []string, limits Limits) ([]sourceFile, error) {
	seen := map[string]sourceFile{}
	var total int64
	largest := sourceFile{}
	for _, root := range roots {
		err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
			if !utf8.ValidString(p) {
				return badSource("the file name %q is no UTF-8; rename the file", p)
			}
			if err != nil {
				return badSource("%q cannot be read: %v", p, plainError(err))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if p != root && ignored(d.Name()) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if _, known := seen[p]; known || d.IsDir() {
				return nil
			}
			f, err := regular(fsys, p, d)
			if err != nil {
				return err
			}
			seen[p] = f
			total += f.size
			if f.size > largest.size {
				largest = f
			}
			if len(seen) > limits.Files {
				return badSource("the source holds more than %d files; remove what the module does not need, or name its folder", limits.Files)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if total > limits.Bytes {
		return nil, badSource("the source is %s, a template may hold at most %s; its largest file is %s (%s)",
			humanSize(total), humanSize(limits.Bytes), largest.name, humanSize(largest.size))
	}
	files := make([]sourceFile, 0, len(seen))
	for _, name := range sortedKeys(seen) {
		files = append(files, seen[name])
	}
	return files, nil
}

// regular accepts files, and symbolic links to files inside the source, which
// are packed as the file they point to.
func regular(fsys fs.FS, p string, d fs.DirEntry) (sourceFile, error) {
	info, err := d.Info()
	if err == nil && d.Type()&fs.ModeSymlink != 0 {
		info, err = fs.Stat(fsys, p)
		if err != nil {
			return sourceFile{}, badSource("%q is a symbolic link that leads out of the source or nowhere; replace it by the file", p)
		}
		if info.IsDir() {
			return sourceFile{}, badSource("%q is a symbolic link to a folder; replace it by the folder", p)
		}
	}
	if err != nil {
		return sourceFile{}, badSource("%q cannot be read: %v", p, plainError(err))
	}
	if !info.Mode().IsRegular() {
		return sourceFile{}, badSource("%q is neither a file nor a folder; remove it", p)
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return sourceFile{name: p, size: info.Size(), mode: mode}, nil
}

// entry is a file on its way into an archive, or out of one.
type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

// writeTar writes the files without anything that differs between two machines:
// no times, no owners, two modes.
func writeTar(ctx context.Context, w io.Writer, entries []entry) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: int64(len(e.data)), Mode: int64(e.mode), Format: tar.FormatPAX}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("packing %s: %w", e.name, err)
		}
		if _, err := tw.Write(e.data); err != nil {
			return fmt.Errorf("packing %s: %w", e.name, err)
		}
	}
	return tw.Close()
}

func compress(data []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("opening compressor: %w", err)
	}
	defer enc.Close()
	return enc.EncodeAll(data, nil), nil
}

// outermost drops folders that lie inside another one of the list.
func outermost(dirs []string) []string {
	var out []string
	for _, d := range dirs {
		if !slices.ContainsFunc(dirs, func(o string) bool { return o != d && within(o, d) }) {
			out = append(out, d)
		}
	}
	return out
}

func within(parent, child string) bool {
	return parent == "." || strings.HasPrefix(child, parent+"/")
}

func commonBase(dirs []string) string {
	base := dirs[0]
	for _, d := range dirs[1:] {
		for base != "." && base != d && !within(base, d) {
			base = path.Dir(base)
		}
	}
	return base
}

// Relative is a path of a source seen from a folder of it; one outside of that
// folder stays as it is.
func Relative(base, p string) string { return relative(path.Clean(base), path.Clean(p)) }

// relative is p seen from base. Both are clean and p may lie outside base.
func relative(base, p string) string {
	if base == p {
		return "."
	}
	if base == "." {
		return p
	}
	if within(base, p) {
		return strings.TrimPrefix(p, base+"/")
	}
	return p
}

func badSource(format string, args ...any) error {
	return fault.New(fault.Invalid, CodeBadSource, format, args...)
}

// plainError drops the operation and path that the message already names.
func plainError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

func humanSize(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
