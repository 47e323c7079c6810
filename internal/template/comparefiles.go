package template

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/berthdev/berth/internal/template/bundle"
)

// FileDiff is one file that differs. Resource is set when environment templates
// are compared. Unified is empty for binary files, and for those too large to be
// compared by line.
type FileDiff struct {
	Resource   string   `json:"resource,omitempty"`
	Path       string   `json:"path"`
	Change     DiffKind `json:"change"`
	Unified    string   `json:"unified,omitempty"`
	Binary     bool     `json:"binary,omitempty"`
	Truncated  bool     `json:"truncated,omitempty"` // Unified is not all of it
	SizeBefore int64    `json:"sizeBefore,omitempty"`
	SizeAfter  int64    `json:"sizeAfter,omitempty"`
}

// What a comparison may cost.
const (
	maxDiffedFile  = 256 << 10 // larger ones are told by size
	maxUnified     = 64 << 10  // of one file
	maxUnifiedAll  = 1 << 20
	maxDiffedFiles = 300
	diffContext    = 3
)

type fileComparer struct {
	bundles   *bundle.Store
	diffs     []FileDiff
	written   int
	truncated bool
}

func newFileComparer(bundles *bundle.Store) *fileComparer { return &fileComparer{bundles: bundles} }

// compare compares two bundles; an empty digest is an empty bundle.
func (f *fileComparer) compare(ctx context.Context, resource, before, after string) error {
	if before == after {
		return nil
	}
	old, closeOld, err := f.open(ctx, before)
	if err != nil {
		return err
	}
	now, closeNow, err := f.open(ctx, after)
	if err != nil {
		return errors.Join(err, closeOld())
	}
	return errors.Join(f.compareFiles(ctx, resource, old, now), closeOld(), closeNow())
}

// files are the files of a bundle with their sizes.
type files struct {
	fs    fs.FS
	sizes map[string]int64
}

func (f *fileComparer) open(ctx context.Context, digest string) (files, func() error, error) {
	out := files{sizes: map[string]int64{}}
	if digest == "" {
		return out, func() error { return nil }, nil
	}
	fsys, closer, err := f.bundles.FS(ctx, digest)
	if err != nil {
		return out, nil, err
	}
	out.fs = fsys
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out.sizes[p] = info.Size()
		}
		return err
	})
	if err != nil {
		return out, nil, errors.Join(err, closer.Close())
	}
	return out, closer.Close, nil
}

func (f files) read(name string) ([]byte, error) {
	if _, ok := f.sizes[name]; !ok {
		return nil, nil
	}
	return fs.ReadFile(f.fs, name)
}

func (f *fileComparer) compareFiles(ctx context.Context, resource string, before, after files) error {
	names := slices.Concat(slices.Collect(maps.Keys(before.sizes)), slices.Collect(maps.Keys(after.sizes)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := ctx.Err(); err != nil {
			return err
		}
		old, err := before.read(name)
		if err != nil {
			return err
		}
		now, err := after.read(name)
		if err != nil {
			return err
		}
		_, had := before.sizes[name]
		_, has := after.sizes[name]
		if had && has && bytes.Equal(old, now) {
			continue
		}
		change := DiffChanged
		if !had {
			change = DiffAdded
		} else if !has {
			change = DiffRemoved
		}
		f.add(FileDiff{Resource: resource, Path: name, Change: change}, old, now)
	}
	return nil
}

// text compares two texts as if they were files; an empty one is no file.
func (f *fileComparer) text(resource, name, before, after string) {
	switch {
	case before == after:
	case before == "":
		f.add(FileDiff{Resource: resource, Path: name, Change: DiffAdded}, nil, []byte(after))
	case after == "":
		f.add(FileDiff{Resource: resource, Path: name, Change: DiffRemoved}, []byte(before), nil)
	default:
		f.add(FileDiff{Resource: resource, Path: name, Change: DiffChanged}, []byte(before), []byte(after))
	}
}

func (f *fileComparer) add(d FileDiff, before, after []byte) {
	if len(f.diffs) >= maxDiffedFiles {
		f.truncated = true
		return
	}
	d.SizeBefore, d.SizeAfter = int64(len(before)), int64(len(after))
	switch {
	case binary(before) || binary(after):
		d.Binary = true
	case len(before) > maxDiffedFile || len(after) > maxDiffedFile || f.written >= maxUnifiedAll:
		d.Truncated = true
	default:
		d.Unified, d.Truncated = unified(d, string(before), string(after))
		f.written += len(d.Unified)
	}
	f.diffs = append(f.diffs, d)
}

func binary(data []byte) bool {
	return bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data)
}

func unified(d FileDiff, before, after string) (text string, truncated bool) {
	diff := difflib.UnifiedDiff{A: lines(before), B: lines(after), FromFile: "a/" + d.Path, ToFile: "b/" + d.Path, Context: diffContext}
	switch d.Change {
	case DiffAdded:
		diff.FromFile = "/dev/null"
	case DiffRemoved:
		diff.ToFile = "/dev/null"
	case DiffChanged:
	}
	text, err := difflib.GetUnifiedDiffString(diff)
	if err != nil {
		return "", true // writing into memory does not fail
	}
	if len(text) <= maxUnified {
		return text, false
	}
	return text[:strings.LastIndexByte(text[:maxUnified], '\n')+1], true
}

// lines splits a text into lines that all end in a line break.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			line += "\n\\ No newline at end of file\n"
		}
		out = append(out, line)
	}
	return out
}
