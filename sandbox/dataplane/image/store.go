package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Store keeps unpacked images, one directory for each image digest, shared by
// every container that runs the image.
type Store struct {
	dir   string
	owner *Owner

	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// Unpacked is an image ready to run.
type Unpacked struct {
	Digest string
	// Name is the directory under Store.RootFS that holds its file system.
	Name   string
	Config v1.Config
}

// OpenStore opens a store in dir and removes what an interrupted unpacking left.
func OpenStore(dir string, owner *Owner) (*Store, error) {
	s := &Store{dir: dir, owner: owner, locks: map[string]*sync.Mutex{}}
	for _, d := range []string{s.RootFS(), filepath.Join(dir, "refs")} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.RootFS(), "tmp-*"))
	if err != nil {
		return nil, err
	}
	for _, p := range left {
		if err := RemoveTree(p); err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	return s, nil
}

// RootFS is the folder that holds the unpacked file systems.
func (s *Store) RootFS() string { return filepath.Join(s.dir, "rootfs") }

// Add unpacks img unless it is there, and remembers it under ref.
func (s *Store) Add(ref string, img v1.Image) (Unpacked, error) {
	digest, err := img.Digest()
	if err != nil {
		return Unpacked{}, err
	}
	lock := s.lock(digest.Hex)
	lock.Lock()
	defer lock.Unlock()
	if u, err := s.load(digest.Hex); err == nil {
		return u, s.remember(ref, digest.Hex)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return Unpacked{}, err
	}
	tmp, err := os.MkdirTemp(s.RootFS(), "tmp-")
	if err != nil {
		return Unpacked{}, err
	}
	u := Unpacked{Digest: digest.String(), Name: digest.Hex, Config: file.Config}
	if err := s.fill(tmp, img); err != nil {
		return Unpacked{}, errors.Join(err, RemoveTree(tmp))
	}
	if err := os.Rename(tmp, filepath.Join(s.RootFS(), digest.Hex)); err != nil {
		return Unpacked{}, err
	}
	if err := writeJSON(filepath.Join(s.dir, digest.Hex+".json"), u); err != nil {
		return Unpacked{}, err
	}
	return u, s.remember(ref, digest.Hex)
}

func (s *Store) fill(dir string, img v1.Image) error {
	if err := unpack(img, dir, s.owner); err != nil {
		return err
	}
	if s.owner != nil {
		if err := os.Chown(dir, s.owner.UID, s.owner.GID); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

// Find returns the image that ref was last added as.
func (s *Store) Find(ref string) (Unpacked, bool) {
	hex, err := os.ReadFile(s.refFile(ref))
	if err != nil {
		return Unpacked{}, false
	}
	u, err := s.load(string(hex))
	return u, err == nil
}

func (s *Store) load(hex string) (Unpacked, error) {
	var u Unpacked
	if _, err := os.Stat(filepath.Join(s.RootFS(), hex)); err != nil {
		return u, err
	}
	return u, readJSON(filepath.Join(s.dir, hex+".json"), &u)
}

func (s *Store) remember(ref, hex string) error {
	return writeFile(s.refFile(ref), []byte(hex))
}

func (s *Store) refFile(ref string) string {
	h := v1Hash(ref)
	return filepath.Join(s.dir, "refs", h)
}

func (s *Store) lock(hex string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.locks[hex]
	if !ok {
		l = &sync.Mutex{}
		s.locks[hex] = l
	}
	return l
}

// RemoveTree deletes a tree that may hold directories its owner cannot read.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walk := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			if cerr := os.Chmod(p, 0o700); cerr != nil {
				return cerr
			}
			return nil
		}
		return nil
	})
	// WalkDir reads a directory after calling the function, so opening it up in
	// the function is early enough.
	return errors.Join(walk, os.RemoveAll(dir))
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func writeJSON(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(file, data)
}

// writeFile replaces file whole or not at all.
func writeFile(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), file)
}
