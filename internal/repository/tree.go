package repository

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

const (
	maxPath  = 4096
	maxLinks = 40
	maxLink  = 4096
)

// tree is the files of a commit, read from git's objects and never written out.
type tree struct {
	mu       sync.Mutex // the objects are read from one open file
	objects  storer.EncodedObjectStorer
	nodes    map[string]*node
	modified time.Time
}

// node is a file, folder, symbolic link or submodule.
type node struct {
	name      string
	hash      plumbing.Hash
	mode      fs.FileMode
	size      int64
	submodule bool
	children  []*node // of a folder, by name
	modified  time.Time
}

// readTree reads the names and sizes of everything in a commit, within the limits.
func readTree(objects storer.EncodedObjectStorer, commit *object.Commit, limits Limits, place string) (*tree, error) {
	t := &tree{objects: objects, nodes: map[string]*node{}, modified: commit.Committer.When}
	r := &treeReader{tree: t, limits: limits, place: place}
	root := &node{name: ".", hash: commit.TreeHash, mode: fs.ModeDir | 0o755, modified: t.modified}
	t.nodes["."] = root
	return t, r.read(root, "")
}

type treeReader struct {
	*tree
	limits Limits
	place  string
	bytes  int64
}

func (r *treeReader) read(folder *node, dir string) error {
	content, err := object.GetTree(r.objects, folder.hash)
	if err != nil {
		return fail(ErrProtocol, err, "Try again.", "What %s sent is damaged: the folder %q is missing.", r.place, dir)
	}
	for _, entry := range content.Entries {
		full := path.Join(dir, entry.Name)
		if !safeName(entry.Name) || len(full) > maxPath || r.nodes[full] != nil {
			return fail(ErrUnsafe, nil, "Remove it from the repository.", "%s holds a file named %q in folder %q; such a name can lead out of the repository.",
				r.place, plain(entry.Name, nil), plain(cmp.Or(dir, "/"), nil))
		}
		child := &node{name: entry.Name, hash: entry.Hash, modified: r.modified}
		r.nodes[full] = child
		if len(r.nodes) > r.limits.TreeFiles {
			return fail(ErrTooLarge, nil, "Move the templates to a repository of their own.", "%s holds more than the limit of %d files and folders.", r.place, r.limits.TreeFiles)
		}
		folder.children = append(folder.children, child)
		if err := r.fill(child, entry.Mode, full); err != nil {
			return err
		}
	}
	slices.SortFunc(folder.children, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (r *treeReader) fill(n *node, mode filemode.FileMode, full string) error {
	switch mode {
	case filemode.Dir:
		n.mode = fs.ModeDir | 0o755
		return r.read(n, full)
	case filemode.Submodule:
		// As git shows it where submodules are not followed: an empty folder.
		n.mode, n.submodule = fs.ModeDir|0o755, true
		return nil
	case filemode.Symlink:
		n.mode = fs.ModeSymlink | 0o777
	case filemode.Executable:
		n.mode = 0o755
	default:
		n.mode = 0o644
	}
	var err error
	if n.size, err = r.objects.EncodedObjectSize(n.hash); err != nil {
		return fail(ErrProtocol, err, "Try again.", "What %s sent is damaged: the file %q is missing.", r.place, full)
	}
	if r.bytes += n.size; r.bytes > r.limits.TreeBytes {
		return fail(ErrTooLarge, nil, "Move the templates to a repository of their own.", "The files of %s are larger than the limit of %s.", r.place, size(r.limits.TreeBytes))
	}
	return nil
}

// safeName keeps out names that mean something else to a file system, and git's own
// folder, in which git runs what it finds.
func safeName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") && !strings.EqualFold(name, ".git")
}

// find returns the node at a path. Links on the way are followed, and the last one
// too if follow is set; none leads out of the tree.
func (t *tree) find(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := t.walk(name, follow, maxLinks)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

func (t *tree) walk(name string, follow bool, links int) (*node, error) {
	n, at := t.nodes["."], "."
	parts := strings.Split(name, "/")
	if name == "." {
		parts = nil
	}
	for i, part := range parts {
		if n.submodule {
			return nil, submoduleFault(at)
		}
		at = path.Join(at, part)
		if n = t.nodes[at]; n == nil {
			return nil, fs.ErrNotExist
		}
		if n.mode&fs.ModeSymlink == 0 || i == len(parts)-1 && !follow {
			continue
		}
		if links == 0 {
			return nil, errors.New("too many symbolic links")
		}
		to, err := t.target(n)
		if err != nil {
			return nil, err
		}
		next := path.Join(path.Dir(at), to)
		if path.IsAbs(to) || next == ".." || strings.HasPrefix(next, "../") {
			return nil, ErrUnsafe.With("%s is a symbolic link to %q, which lies outside the repository; replace it by the file.", at, plain(to, nil))
		}
		return t.walk(path.Join(append([]string{next}, parts[i+1:]...)...), follow, links-1)
	}
	return n, nil
}

func submoduleFault(at string) error {
	return ErrSubmodule.With("%s is a git submodule, which is not followed; use the submodule's own repository as the source.", at)
}

// target is where a symbolic link points to.
func (t *tree) target(n *node) (string, error) {
	if n.size > maxLink {
		return "", errors.New("the symbolic link is too long")
	}
	r, err := t.content(n)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }() // it was only read from
	text, err := io.ReadAll(io.LimitReader(r, maxLink))
	return string(text), err
}

func (t *tree) content(n *node) (io.ReadCloser, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, err := t.objects.EncodedObject(plumbing.BlobObject, n.hash)
	if err != nil {
		return nil, fmt.Errorf("reading a git object: %w", err)
	}
	return o.Reader()
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return &openFolder{node: n, path: name}, nil
	}
	r, err := t.content(n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{node: n, ReadCloser: r}, nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// Lstat implements fs.ReadLinkFS.
func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// ReadLink implements fs.ReadLinkFS.
func (t *tree) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return t.target(n)
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	return n.entries(), nil
}

func (n *node) entries() []fs.DirEntry {
	out := make([]fs.DirEntry, len(n.children))
	for i, c := range n.children {
		out[i] = fs.FileInfoToDirEntry(info{c})
	}
	return out
}

// info is what the file system says of a node.
type info struct{ n *node }

func (i info) Name() string       { return i.n.name }
func (i info) Size() int64        { return i.n.size }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return i.n.modified }
func (i info) IsDir() bool        { return i.n.mode.IsDir() }
func (i info) Sys() any           { return nil }

type openFile struct {
	*node
	io.ReadCloser
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.node}, nil }

type openFolder struct {
	*node
	path string
	next int
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return info{f.node}, nil }
func (f *openFolder) Close() error               { return nil }
func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.path, Err: errors.New("is a folder")}
}

// ReadDir implements fs.ReadDirFile.
func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	all := f.entries()[f.next:]
	if n > 0 {
		if len(all) == 0 {
			return nil, io.EOF
		}
		all = all[:min(n, len(all))]
	}
	f.next += len(all)
	return all, nil
}
