package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	whiteout       = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
	maxUnpacked    = 32 << 30
	maxLinks       = 40
)

// Owner is who owns unpacked files; nil keeps the current user.
type Owner struct{ UID, GID int }

// unpacker writes layers into one directory tree. Every write goes through
// os.Root, so nothing a layer names can lead out of the tree.
type unpacker struct {
	root    *os.Root
	owner   *Owner
	written int64
	// fresh holds what the current layer made: an opaque whiteout removes only
	// what lower layers made.
	fresh map[string]bool
}

// unpack writes all layers of img, lowest first, into the existing directory dir.
func unpack(img v1.Image, dir string, owner *Owner) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	u := &unpacker{root: root, owner: owner}
	for _, l := range layers {
		if err := u.layer(l); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) layer(l v1.Layer) error {
	u.fresh = map[string]bool{}
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			// The rest must be read for the digest to be verified.
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if err := u.entry(h, tr); err != nil {
			return fmt.Errorf("layer entry %q: %w", h.Name, err)
		}
	}
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	dir, err := u.resolve(path.Dir(name), 0)
	if err != nil {
		return err
	}
	base := path.Base(name)
	if base == opaqueWhiteout {
		return u.clearDir(dir)
	}
	if hidden, ok := strings.CutPrefix(base, whiteout); ok {
		if hidden == "" || hidden == "." || hidden == ".." {
			return errors.New("malformed whiteout")
		}
		return u.root.RemoveAll(path.Join(dir, hidden))
	}
	if err := u.mkdirAll(dir); err != nil {
		return err
	}
	return u.create(path.Join(dir, base), h, content)
}

func (u *unpacker) create(name string, h *tar.Header, content io.Reader) error {
	if err := u.makeRoom(name, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	u.fresh[name] = true
	// Set-id bits mean nothing without privileges, and the owner must always be
	// able to read, or the tree could not be used by an ordinary user.
	mode := fs.FileMode(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		mode |= 0o700
		if h.Mode&0o1000 != 0 {
			mode |= fs.ModeSticky
		}
		if err := u.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return errors.Join(u.own(name), u.root.Chmod(name, mode))
	case tar.TypeReg:
		return u.file(name, h, mode|0o400, content)
	case tar.TypeSymlink:
		return errors.Join(u.root.Symlink(h.Linkname, name), u.own(name))
	case tar.TypeLink:
		target, err := cleanName(h.Linkname)
		if err != nil {
			return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
		}
		dir, err := u.resolve(path.Dir(target), 0)
		if err != nil {
			return err
		}
		return u.root.Link(path.Join(dir, path.Base(target)), name)
	default:
		// Devices and pipes: the runner gives a container its own /dev.
		return nil
	}
}

func (u *unpacker) file(name string, h *tar.Header, mode fs.FileMode, content io.Reader) error {
	if u.written += h.Size; u.written > maxUnpacked {
		return fmt.Errorf("image is larger than %d bytes unpacked", int64(maxUnpacked))
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err := errors.Join(err, f.Close(), u.own(name), u.root.Chmod(name, mode)); err != nil {
		return err
	}
	return u.root.Chtimes(name, h.ModTime, h.ModTime)
}

func (u *unpacker) own(name string) error {
	if u.owner == nil {
		return nil
	}
	return u.root.Lchown(name, u.owner.UID, u.owner.GID)
}

// makeRoom removes what is in the way of a new entry; a directory stays when a
// directory is to come.
func (u *unpacker) makeRoom(name string, wantDir bool) error {
	st, err := u.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.IsDir() && wantDir {
		return nil
	}
	return u.root.RemoveAll(name)
}

func (u *unpacker) clearDir(dir string) error {
	d, err := u.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if p := path.Join(dir, n); !u.fresh[p] {
			if err := u.root.RemoveAll(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unpacker) mkdirAll(dir string) error {
	if dir == "." {
		return nil
	}
	if st, err := u.root.Lstat(dir); err == nil && st.IsDir() {
		return nil
	}
	if err := u.mkdirAll(path.Dir(dir)); err != nil {
		return err
	}
	if err := u.root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return u.own(dir)
}

// resolve follows the symbolic links on the way to dir as a process inside the
// container would: an absolute link starts at the tree's root and ".." stops
// there. (os.Root refuses absolute links, which images are full of.) Parts that
// do not exist yet stay as they are.
func (u *unpacker) resolve(dir string, links int) (string, error) {
	done := "."
	parts := strings.Split(path.Clean("/" + dir)[1:], "/")
	for i, part := range parts {
		if part == "" {
			continue
		}
		next := path.Join(done, part)
		st, err := u.root.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) {
			return path.Join(append([]string{done}, parts[i:]...)...), nil
		}
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many symbolic links")
		}
		target, err := u.root.Readlink(next)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(target) {
			target = path.Join("/", done, target)
		}
		rest := append([]string{path.Clean("/" + target)}, parts[i+1:]...)
		return u.resolve(path.Join(rest...), links)
	}
	return done, nil
}

// cleanName refuses names that climb out of the tree; a leading slash is
// dropped, as every unpacker does.
func cleanName(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", errors.New("name holds a zero byte")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New("name leads out of the image")
		}
	}
	return path.Clean(strings.TrimLeft("./"+strings.TrimLeft(name, "/"), "/")), nil
}
