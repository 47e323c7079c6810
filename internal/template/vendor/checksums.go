package vendor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/tofu"
)

// A provider is downloaded once and then taken from the folder of plugins. The tool then knows only its checksum for this
// platform, while a registry names those of all. What the registry said at the download is kept, so that each lock file
// gets it and two versions of one source stay the same.

const dirChecksums = "checksums" // below Options.Dir

// completeChecksums adds what was said at the download, or keeps it when this was the download.
func (w *workspace) completeChecksums(t *tool, lock []byte) ([]byte, error) {
	if w.plugins(t) == "" {
		return lock, nil
	}
	var failure error
	out, err := tofu.AddLockHashes(lock, func(p tofu.LockedProvider) []string {
		known, err := w.checksums(p)
		failure = errors.Join(failure, err)
		return known
	})
	return out, errors.Join(err, failure)
}

// checksums returns the kept checksums of a provider, which it first replaces when the lock file knows others: those come
// from a new download.
func (w *workspace) checksums(p tofu.LockedProvider) ([]string, error) {
	sum := sha256.Sum256([]byte(p.Address + " " + p.Version))
	name := filepath.Join(w.opts.Dir, dirChecksums, hex.EncodeToString(sum[:16]))
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := strings.Fields(string(data))
	if !slices.ContainsFunc(p.Hashes, func(h string) bool { return !slices.Contains(known, h) }) {
		return known, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	temp := filepath.Join(w.dir, dirTmp, filepath.Base(name))
	if err := os.WriteFile(temp, []byte(strings.Join(p.Hashes, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	err = os.Rename(temp, name)
	if err != nil { // the scratch folder may be on another disk
		err = os.WriteFile(name, []byte(strings.Join(p.Hashes, "\n")+"\n"), 0o600)
	}
	return nil, err
}
