package runner

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A warm directory is an unpacked bundle in which `init` has run once. Steps get a copy of its few small files and a
// link to its providers, and start without an init of their own. It holds nothing of an environment.

// fileReady lies in a warm directory that is complete and tells what it must look like.
const fileReady = "ready.json"

// warmFormat is part of the key, so that a newer Berth does not use directories made in another way.
const warmFormat = "1"

// fileStamp is what a file must still be. The change time cannot be set by an ordinary user, so a provider that was
// exchanged in place is noticed without reading hundreds of megabytes at every start.
type fileStamp struct {
	Size   int64  `json:"size"`
	Mtime  int64  `json:"mtime"`
	Ctime  int64  `json:"ctime"`
	Inode  uint64 `json:"inode"`
	Target string `json:"target,omitempty"` // of a symbolic link
}

type warmStamp struct {
	Files map[string]fileStamp `json:"files"`
}

func (s *supervisor) warmKey() string {
	t := s.spec.Tool
	version := t.Version
	if st, err := os.Stat(t.Path); version == "" && err == nil {
		version = fmt.Sprintf("%s %d %d", t.Path, st.Size(), st.ModTime().UnixNano())
	}
	// It decides where providers come from: one built for the sandbox must not serve a run on the real cloud.
	rc, _ := os.ReadFile(t.CLIConfig)
	sum := sha256.Sum256([]byte(strings.Join([]string{warmFormat, string(rc), s.spec.Bundle.Digest, s.spec.Bundle.Dir, string(t.Kind),
		version, runtime.GOOS, runtime.GOARCH, string(s.spec.Backend)}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// takeWarm makes the step's private copy of the module from a warm directory, which it makes first when there is none
// or the one there is damaged.
func (s *supervisor) takeWarm(ctx context.Context) error {
	base := filepath.Join(s.CacheDir, "init")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	key := s.warmKey()
	lock, err := s.lockWarm(ctx, filepath.Join(base, key+".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	dir := filepath.Join(base, key)
	if err := checkWarm(dir); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.notice("warm_rebuilt", "the initialised directory was damaged and is made again: "+err.Error())
		}
		if err := s.buildWarm(ctx, base, key); err != nil {
			return err
		}
	} else if err := s.enter(PhaseInit); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(filepath.Join(dir, fileReady), now, now); err != nil { // for Prune
		return err
	}
	return s.cloneWarm(dir)
}

// Prune removes initialised directories that no step has used for a time, which must be longer than a step may take:
// running steps have links into theirs.
func (l *Local) Prune(ctx context.Context, unused time.Duration) error {
	stamps, err := filepath.Glob(filepath.Join(l.cfg.CacheDir, "init", "*", fileReady))
	if err != nil {
		return err
	}
	for _, stamp := range stamps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := pruneOne(filepath.Dir(stamp), stamp, unused); err != nil {
			return err
		}
	}
	return nil
}

func pruneOne(dir, stamp string, unused time.Duration) error {
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := flock(lock, 0); errors.Is(err, unix.EWOULDBLOCK) {
		return nil // in use this moment
	} else if err != nil {
		return err
	}
	st, err := os.Stat(stamp)
	if err != nil || time.Since(st.ModTime()) < unused {
		return err
	}
	return os.RemoveAll(dir)
}

func (s *supervisor) lockWarm(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// Another step may be initialising for minutes; a stop must get through meanwhile.
	for {
		err := flock(f, 200*time.Millisecond)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if !s.stop.allowed() {
			return nil, errors.Join(errStopped, f.Close())
		}
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// buildWarm is called under the key's lock.
func (s *supervisor) buildWarm(ctx context.Context, base, key string) error {
	dir := filepath.Join(base, key)
	// What a dead builder left, and the damaged directory. Running steps hold links into the latter; they are lost
	// with it anyhow.
	old, err := filepath.Glob(dir + ".tmp-*")
	if err != nil {
		return err
	}
	for _, d := range append(old, dir) {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	tmp := dir + ".tmp-" + rand.Text()
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	mod := filepath.Join(tmp, dirModule)
	if err := unpackBundle(s.spec.Bundle, mod); err != nil {
		return fail("fetch_failed", "the bundle cannot be unpacked", err)
	}
	root, err := moduleRoot(mod, s.spec.Bundle.Dir)
	if err != nil {
		return err
	}
	if err := s.enter(PhaseInit); err != nil {
		return err
	}
	if err := s.relaxLock(root); err != nil {
		return err
	}
	var env []string
	if s.spec.Backend == BackendSystem {
		if err := os.WriteFile(filepath.Join(root, fileBackendOverride), []byte(backendOverride), 0o600); err != nil {
			return err
		}
		env = s.states.env("/empty")
	}
	if err := s.initialise(ctx, toolRun{dir: root, env: env, plain: true}, s.spec.Backend == BackendSystem); err != nil {
		return err
	}
	stamp, err := stampTree(mod)
	if err != nil {
		return err
	}
	b, err := json.Marshal(stamp)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, fileReady), b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// moduleRoot is the directory of the root module, which must lie inside the bundle.
func moduleRoot(mod, sub string) (string, error) {
	if sub != "" && !filepath.IsLocal(filepath.FromSlash(sub)) {
		return "", fail("bundle_dir_invalid", fmt.Sprintf("the module folder %q leads out of the bundle", sub), nil)
	}
	root := filepath.Join(mod, filepath.FromSlash(sub))
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return "", fail("bundle_dir_missing", fmt.Sprintf("the bundle has no folder %q", sub), err)
	}
	return root, nil
}

func (s *supervisor) initialise(ctx context.Context, t toolRun, backend bool) error {
	t.args = s.dialect.Init(backend)
	if s.dialect.EventsInto() {
		if err := s.freshEvents(); err != nil {
			return err
		}
		t.args = append(t.args, "-json-into="+s.dir.path(dirWork, fileEvents))
		t.onEvents = s.onEvents
	}
	code, err := s.run(ctx, t)
	if err != nil {
		return err
	}
	if code != 0 {
		s.exit = code
		return fail("init_failed", s.firstError("initialising the module"), nil)
	}
	return nil
}

// cloneWarm copies everything but the providers, which are linked.
func (s *supervisor) cloneWarm(dir string) error {
	sub := filepath.FromSlash(s.spec.Bundle.Dir)
	providers := filepath.Join(sub, ".terraform", "providers")
	mod := s.dir.path(dirWork, dirModule)
	if err := copyTree(filepath.Join(dir, dirModule), mod, func(rel string) bool { return rel == providers }); err != nil {
		return err
	}
	src := filepath.Join(dir, dirModule, providers)
	if _, err := os.Stat(src); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Symlink(src, filepath.Join(mod, providers)); err != nil {
		return err
	}
	return dropLockHashes(filepath.Join(mod, sub, ".terraform.lock.hcl"))
}

// dropLockHashes takes the checksums out of the private lock file. init has verified the providers against them; left
// in, every single start of the tool would read all providers again (hundreds of megabytes) to verify them once more,
// which the stamps of the warm directory make needless.
func dropLockHashes(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var out bytes.Buffer
	inside := false
	for line := range bytes.Lines(b) {
		text := strings.TrimSpace(string(line))
		switch {
		case inside:
			inside = text != "]"
		case strings.HasPrefix(text, "hashes") && strings.HasSuffix(text, "["):
			inside = true
		default:
			out.Write(line)
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

func stampTree(dir string) (warmStamp, error) {
	st := warmStamp{Files: map[string]fileStamp{}}
	err := walkLinked(dir, dir, func(rel string, f fileStamp) { st.Files[rel] = f })
	return st, err
}

// walkLinked visits every file below dir, also behind links (a provider mirror is linked, not copied).
func walkLinked(base, dir string, visit func(rel string, f fileStamp)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		rel := strings.TrimPrefix(path, base+"/")
		link := ""
		if e.Type()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(path); err != nil {
				return err
			}
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			if link != "" {
				visit(rel, fileStamp{Target: link}) // a dangling link of the bundle itself
				continue
			}
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			// Only the tool's own links are followed; a link of the bundle could lead in circles.
			if link != "" && !strings.Contains(rel, ".terraform/providers/") {
				visit(rel, fileStamp{Target: link})
				continue
			}
			if err := walkLinked(base, path, visit); err != nil {
				return err
			}
			continue
		}
		visit(rel, fileStamp{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Inode: st.Ino, Target: link})
	}
	return nil
}

// checkWarm compares a warm directory with its stamps. fs.ErrNotExist means that there is none.
func checkWarm(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(dir, fileReady))
	if err != nil {
		return errors.New("it is not complete")
	}
	var want warmStamp
	if err := json.Unmarshal(b, &want); err != nil {
		return errors.New("its description is damaged")
	}
	left := len(want.Files)
	var diff error
	err = walkLinked(filepath.Join(dir, dirModule), filepath.Join(dir, dirModule), func(rel string, f fileStamp) {
		left--
		if want.Files[rel] != f && diff == nil {
			diff = fmt.Errorf("%s was changed", rel)
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("it cannot be read: %w", err)
	case diff != nil:
		return diff
	case left != 0:
		return errors.New("files are missing")
	}
	return nil
}
