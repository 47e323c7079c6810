package repository

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/stretchr/testify/require"
)

// smallPack is a pack with a commit, folders, a link and a delta, made by git.
func smallPack(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	git := func(stdin string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
		out, err := cmd.Output()
		require.NoError(t, err)
		return out
	}
	git("", "init", "-q", "-b", "main")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "m"), 0o755))
	var text strings.Builder
	for i := range 300 {
		text.WriteString(strings.Repeat("x", i%17) + "\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m", "a.tf"), []byte(text.String()+"a"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m", "b.tf"), []byte(text.String()+"b"), 0o644))
	require.NoError(t, os.Symlink("m/a.tf", filepath.Join(dir, "link")))
	git("", "add", "-A")
	git("", "commit", "-q", "-m", "c")
	return git("HEAD\n", "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset")
}

// Whatever a server sends instead of a pack, it is an error and no crash.
func FuzzUnpack(f *testing.F) {
	pack := smallPack(f)
	f.Add(pack)
	f.Add(pack[:len(pack)/2])
	f.Add([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"))
	f.Add([]byte{})
	s := &Service{limits: Limits{PackBytes: 1 << 20, TreeBytes: 1 << 20, TreeFiles: 100, Timeout: time.Minute}}
	f.Fuzz(func(t *testing.T, pack []byte) {
		if len(pack) > sha1.Size {
			pack = sealed(pack[:len(pack)-sha1.Size]) // a hostile server gets this right
		}
		a, err := parseAddress("https://git.example.com/a", false)
		require.NoError(t, err)
		to := target{address: a, timeout: time.Minute}
		objects, err := s.unpack(t.Context(), to, &httpWire{target: to}, bytes.NewReader(pack), t.TempDir())
		if err != nil {
			return
		}
		defer func() { require.NoError(t, objects.Close()) }()
		readEverything(objects, s.limits)
	})
}

// sealed ends a pack with its checksum.
func sealed(pack []byte) []byte {
	sum := sha1.Sum(pack)
	return append(bytes.Clone(pack), sum[:]...)
}

// A few bytes of delta can stand for more than there is memory.
func TestUnpackRefusesBombs(t *testing.T) {
	t.Parallel()
	deflate := func(b ...byte) []byte {
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, err := w.Write(b)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.Bytes()
	}
	base := append([]byte{3<<4 | 1}, deflate('x')...)
	delta := append([]byte{1}, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x90, 1) // from 1 byte to 1 TB
	bomb := slices.Concat([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x02"), base, []byte{6<<4 | byte(len(delta)), byte(len(base))}, deflate(delta...))
	huge := slices.Concat([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"), []byte{0xbf, 0xff, 0xff, 0xff, 0x7f}, deflate('x'))
	many := []byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff")
	s := &Service{limits: DefaultLimits()}
	a, err := parseAddress("https://git.example.com/a", false)
	require.NoError(t, err)
	to := target{address: a, timeout: time.Minute}
	for name, pack := range map[string][]byte{"delta": bomb, "file": huge, "count": many} {
		_, err = s.unpack(t.Context(), to, &httpWire{target: to}, bytes.NewReader(sealed(pack)), t.TempDir())
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
}

func readEverything(objects storer.EncodedObjectStorer, limits Limits) {
	commits, err := objects.IterEncodedObjects(plumbing.CommitObject)
	if err != nil {
		return
	}
	_ = commits.ForEach(func(o plumbing.EncodedObject) error {
		commit, err := object.GetCommit(objects, o.Hash())
		if err != nil {
			return err
		}
		files, err := readTree(objects, commit, limits, "x")
		if err != nil {
			return err
		}
		return fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			_, err = fs.ReadFile(files, p)
			return err
		})
	})
}

func TestUnpackReadsWhatGitPacks(t *testing.T) {
	t.Parallel()
	s := &Service{limits: DefaultLimits()}
	a, err := parseAddress("https://git.example.com/a", false)
	require.NoError(t, err)
	to := target{address: a, timeout: time.Minute}
	objects, err := s.unpack(t.Context(), to, &httpWire{target: to}, bytes.NewReader(smallPack(t)), t.TempDir())
	require.NoError(t, err)
	readEverything(objects, s.limits)
	require.NoError(t, objects.Close())
}
