package tofu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

// cache is a folder of finished tools, one folder per key. An entry appears by one rename and is never changed
// afterwards; whatever is unfinished lies in tmp/ and belongs to the holder of the key's lock.
//
//	<root>/<key>/manifest.json   and the files it lists
//	<root>/locks/<key>.lock
//	<root>/tmp/<key>.<random>/
type cache struct{ root string }

const (
	manifestName = "manifest.json"
	locksDir     = "locks"
	tmpDir       = "tmp"
)

// manifest describes a cache entry.
type manifest struct {
	Tool     string `json:"tool"`
	Version  string `json:"version"`
	Origin   Origin `json:"origin"`
	Key      string `json:"key"`
	Inputs   string `json:"inputs,omitempty"`
	Provider string `json:"provider,omitempty"`
	Platform string `json:"platform"`
	Go       string `json:"go,omitempty"`
	// Binary is the main file's path inside the entry.
	Binary    string        `json:"binary"`
	SHA256    string        `json:"sha256"`
	Size      int64         `json:"size"`
	ModTime   time.Time     `json:"mod_time"`
	Installed time.Time     `json:"installed"`
	Took      time.Duration `json:"took_ns"`
}

// entry is a manifest with the folder it was found in.
type entry struct {
	manifest
	dir string
}

func (e entry) binaryPath() string { return filepath.Join(e.dir, filepath.FromSlash(e.Binary)) }

func platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// DefaultCacheDir returns the folder tools are kept in: $BERTH_CACHE_DIR, else the user's cache folder.
func DefaultCacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("BERTH_CACHE_DIR"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("reading BERTH_CACHE_DIR: %w", err)
		}
		return filepath.Join(abs, "toolchain"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &Error{
			Reason: ReasonPermission, Problem: "there is no cache folder for the toolchain",
			Cause: err.Error(), Action: "set BERTH_CACHE_DIR to a folder this user can write", Err: err,
		}
	}
	return filepath.Join(dir, "berth", "toolchain"), nil
}

func (c cache) lockPath(key string) string { return filepath.Join(c.root, locksDir, key+".lock") }

func (c cache) prepare() error {
	for _, dir := range []string{c.root, filepath.Join(c.root, locksDir), filepath.Join(c.root, tmpDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return classify("the cache folder cannot be made", err, "")
		}
	}
	return nil
}

// get returns the entry of a key if it is whole.
func (c cache) get(key string) (entry, bool) {
	e, err := readEntry(filepath.Join(c.root, key))
	return e, err == nil && e.Key == key
}

// find returns the newest whole entry that fits, for callers that do not know the key.
func (c cache) find(match func(manifest) bool) (entry, bool) {
	all := c.list()
	for _, e := range all {
		if e.Platform == platform() && match(e.manifest) {
			return e, true
		}
	}
	return entry{}, false
}

// list returns every whole entry, newest first.
func (c cache) list() []entry {
	dirs, err := os.ReadDir(c.root)
	if err != nil {
		return nil
	}
	var all []entry
	for _, d := range dirs {
		if !d.IsDir() || d.Name() == tmpDir || d.Name() == locksDir {
			continue
		}
		if e, err := readEntry(filepath.Join(c.root, d.Name())); err == nil {
			all = append(all, e)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Installed.After(all[j].Installed) })
	return all
}

// readEntry reads a manifest and checks that the binary is the one it names. Hashing 100 MB at each start would cost
// more than the rest of the start, so the digest is computed only when the file no longer looks as it was installed.
func readEntry(dir string) (entry, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return entry{}, fmt.Errorf("reading cache entry: %w", err)
	}
	e := entry{dir: dir}
	if err := json.Unmarshal(data, &e.manifest); err != nil {
		return entry{}, fmt.Errorf("reading cache entry: %w", err)
	}
	if !filepath.IsLocal(filepath.FromSlash(e.Binary)) {
		return entry{}, fmt.Errorf("cache entry %s names a file outside of itself", dir)
	}
	info, err := os.Stat(e.binaryPath())
	switch {
	case err != nil:
		return entry{}, fmt.Errorf("reading cache entry: %w", err)
	case info.Size() != e.Size || info.Mode()&0o111 == 0:
		return entry{}, fmt.Errorf("cache entry %s is damaged", dir)
	case !info.ModTime().Equal(e.ModTime):
		return e, e.verify()
	}
	return e, nil
}

// verify compares the binary with its recorded digest.
func (e entry) verify() error {
	sum, _, err := hashFile(e.binaryPath())
	if err != nil {
		return err
	}
	if sum != e.SHA256 {
		return fmt.Errorf("cache entry %s is damaged: its digest is %s, not %s", e.dir, sum, e.SHA256)
	}
	return nil
}

// stage makes a folder to work in and clears what an interrupted holder of the same key left. The caller holds the
// key's lock, so nobody else can be using those.
func (c cache) stage(key string) (string, error) {
	c.sweepKey(key)
	dir, err := os.MkdirTemp(filepath.Join(c.root, tmpDir), key+".")
	if err != nil {
		return "", classify("the cache folder cannot be written", err, "")
	}
	return dir, nil
}

func (c cache) sweepKey(key string) {
	left, err := filepath.Glob(filepath.Join(c.root, tmpDir, key+".*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		_ = os.RemoveAll(dir)
	}
}

// sweep removes the working folders of builders that are gone: those whose lock nobody holds.
func (c cache) sweep() {
	dirs, err := os.ReadDir(filepath.Join(c.root, tmpDir))
	if err != nil {
		return
	}
	for _, d := range dirs {
		key, _, ok := strings.Cut(d.Name(), ".")
		if !ok {
			continue
		}
		lock, err := tryLock(c.lockPath(key))
		if err != nil {
			continue
		}
		c.sweepKey(key)
		lock.unlock()
	}
}

// commit makes the staged folder the entry of its key: everything reaches the disk before the one rename that shows it.
func (c cache) commit(staged string, m manifest) (entry, error) {
	binary := filepath.Join(staged, filepath.FromSlash(m.Binary))
	sum, size, err := hashFile(binary)
	if err != nil {
		return entry{}, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return entry{}, fmt.Errorf("installing %s: %w", m.Tool, err)
	}
	m.SHA256, m.Size, m.ModTime, m.Platform = sum, size, info.ModTime(), platform()
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return entry{}, fmt.Errorf("writing manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(staged, manifestName), append(data, '\n'), 0o644); err != nil {
		return entry{}, fmt.Errorf("writing manifest: %w", err)
	}
	if err := syncTree(staged); err != nil {
		return entry{}, err
	}
	if err := os.Chmod(staged, 0o755); err != nil {
		return entry{}, fmt.Errorf("installing %s: %w", m.Tool, err)
	}
	final := filepath.Join(c.root, m.Key)
	if err := c.discard(final, m.Key); err != nil {
		return entry{}, err
	}
	if err := os.Rename(staged, final); err != nil {
		return entry{}, fmt.Errorf("installing %s: %w", m.Tool, err)
	}
	return entry{manifest: m, dir: final}, syncFile(c.root)
}

// discard moves a damaged entry out of the way. It is renamed first, so that no reader sees it half removed.
func (c cache) discard(final, key string) error {
	if _, err := os.Lstat(final); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := os.MkdirTemp(filepath.Join(c.root, tmpDir), key+".")
	if err != nil {
		return fmt.Errorf("replacing damaged cache entry: %w", err)
	}
	if err := os.Rename(final, filepath.Join(old, "damaged")); err != nil {
		return fmt.Errorf("replacing damaged cache entry: %w", err)
	}
	return os.RemoveAll(old)
}

func hashFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("computing digest: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("computing digest: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// syncTree brings a folder and all in it to the disk.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("writing to disk: %w", err)
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("writing to disk: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing %s to disk: %w", path, err)
	}
	return nil
}
