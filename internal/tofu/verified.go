package tofu

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
)

// verifier remembers what examining a binary told, in memory and beside the cache, because starting the binary twice
// and hashing 100 MB would be most of Berth's own start.
type verifier struct {
	file string

	mu    sync.Mutex
	known map[string]facts
}

func newVerifier(cacheRoot string) *verifier {
	return &verifier{file: filepath.Join(cacheRoot, "verified.json")}
}

// recall returns what is known of a path if the file still has the size and time it had.
func (v *verifier) recall(path string, info os.FileInfo) (facts, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]facts{}
		if data, err := os.ReadFile(v.file); err == nil {
			_ = json.Unmarshal(data, &v.known) // an unreadable file means that nothing is known
		}
	}
	f, ok := v.known[path]
	return f, ok && f.Size == info.Size() && f.ModTime.Equal(info.ModTime())
}

// remember keeps the facts. That they could not be written only costs time at the next start.
func (v *verifier) remember(path string, f facts) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]facts{}
	}
	v.known[path] = f
	data, err := json.MarshalIndent(v.known, "", "  ")
	if err != nil {
		return
	}
	if os.MkdirAll(filepath.Dir(v.file), 0o755) == nil {
		_ = writeFileAtomic(v.file, append(data, '\n'), 0o644)
	}
}

// writeFileAtomic replaces a file in one step.
func writeFileAtomic(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
