package bundle

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// OpenArchive unpacks an uploaded archive (tar, tar.gz, tar.zst or zip, told
// apart by content) into a private temporary folder and opens that. Close the
// closer to remove it. Entries that point out of the archive are refused.
func OpenArchive(ctx context.Context, r io.Reader, limits Limits) (fs.FS, io.Closer, error) {
	dir, err := os.MkdirTemp("", "berth-upload-")
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &tempRoot{root: root, dir: dir}
	u := &unpacker{root: root, limits: limits}
	if err := u.unpack(ctx, r); err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return root.FS(), c, nil
}

type tempRoot struct {
	root *os.Root
	dir  string
}

func (t *tempRoot) Close() error { return errors.Join(t.root.Close(), os.RemoveAll(t.dir)) }

type unpacker struct {
	root   *os.Root
	limits Limits
	bytes  int64
	files  int
	sync   bool        // write through to the disk
	mode   fs.FileMode // clears these permission bits
}

func (u *unpacker) unpack(ctx context.Context, r io.Reader) error {
	br := bufio.NewReader(r)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return badSource("the archive cannot be read: %v", err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		gz, err := gzip.NewReader(br)
		if err != nil {
			return badSource("the archive is not valid gzip: %v", err)
		}
		return u.tar(ctx, gz)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return badSource("the archive is not valid zstd: %v", err)
		}
		defer zr.Close()
		return u.tar(ctx, zr)
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		return u.zip(ctx, br)
	}
	return u.tar(ctx, br)
}

func (u *unpacker) tar(ctx context.Context, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badSource("the archive is none of tar, tar.gz, tar.zst and zip, or it is damaged: %v", err)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
			if err := u.file(h.Name, fs.FileMode(h.Mode), tr); err != nil {
				return err
			}
		default:
			return badSource("%q in the archive is a link or a device; pack plain files", h.Name)
		}
	}
}

func (u *unpacker) zip(ctx context.Context, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, u.limits.Bytes+1))
	if err != nil {
		return badSource("the archive cannot be read: %v", err)
	}
	if int64(len(data)) > u.limits.Bytes {
		return badSource("the archive itself is more than %s; a template may hold at most that, so pack only what the module needs", humanSize(u.limits.Bytes))
	}
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return badSource("the archive is damaged: %v", err)
	}
	for _, f := range zr.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.FileInfo().IsDir() {
			continue
		}
		if !f.Mode().IsRegular() {
			return badSource("%q in the archive is a link or a device; pack plain files", f.Name)
		}
		content, err := f.Open()
		if err != nil {
			return badSource("%q in the archive is damaged: %v", f.Name, err)
		}
		err = errors.Join(u.file(f.Name, f.Mode(), content), content.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) error {
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	if !utf8.ValidString(clean) {
		return badSource("the file name %q in the archive is no UTF-8; rename the file", name)
	}
	if !fs.ValidPath(clean) || clean == "." || strings.ContainsAny(clean, "\\\x00") {
		return badSource("the file name %q in the archive leads out of it; pack the folder itself", name)
	}
	if u.files++; u.files > u.limits.Files {
		return badSource("the archive holds more than %d files; pack only what the module needs", u.limits.Files)
	}
	if err := u.root.MkdirAll(path.Dir(clean), 0o755); err != nil {
		return badSource("the folder of %q cannot be made: %v", name, plainError(err))
	}
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	f, err := u.root.OpenFile(clean, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm&^u.mode)
	if err != nil {
		return badSource("the file %q cannot be written: %v", name, plainError(err))
	}
	n, err := io.Copy(f, io.LimitReader(r, u.limits.Bytes-u.bytes+1))
	u.bytes += n
	if err == nil && u.sync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return badSource("the file %q in the archive is damaged: %v", name, plainError(err))
	}
	if u.bytes > u.limits.Bytes {
		return badSource("the archive holds more than %s when it is unpacked (reached at %s); a template may hold at most that, so pack only what the module needs",
			humanSize(u.limits.Bytes), clean)
	}
	return nil
}
