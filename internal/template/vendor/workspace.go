package vendor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// workspace is a scratch folder in which one bundle is completed.
type workspace struct {
	opts Options
	req  Request
	dir  string
	tree *os.Root // the unpacked bundle
}

// Folders and files of a workspace.
const (
	dirTree    = "tree"
	dirHome    = "home"
	dirTmp     = "tmp"
	fileConfig = "tofurc"

	dirPlugins = "plugins" // below Options.Dir, shared
)

const scratchPrefix = "berth-vendor-"

// forgotten is how old a scratch folder must be to belong to a server that died: longer than any work takes.
const forgotten = time.Hour

// sweep removes what dead servers left. Failing to is no reason to stop the work.
func sweep(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, scratchPrefix+"*"))
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > forgotten {
			_ = os.RemoveAll(dir)
		}
	}
}

// maxDir leaves room for the names of sockets, which providers make in the workspace's folder for temporary files and
// which may have 107 bytes.
const maxDir = 60

// maxOutput bounds what is read of the tool's output.
const maxOutput = 16 << 20

func newWorkspace(ctx context.Context, opts Options, req Request) (_ *workspace, err error) {
	parent := opts.Dir
	if parent != "" {
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return nil, err
		}
		sweep(parent)
	}
	if len(parent) > maxDir {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return nil, err
	}
	w := &workspace{opts: opts, req: req, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	// Hidden and kept paths are compared as text.
	if w.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{dirTree, dirHome, dirTmp} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := req.Bundle.Unpack(ctx, filepath.Join(w.dir, dirTree)); err != nil {
		return nil, err
	}
	w.tree, err = os.OpenRoot(filepath.Join(w.dir, dirTree))
	return w, err
}

func (w *workspace) remove() error {
	var err error
	if w.tree != nil {
		err = w.tree.Close()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// inTree is a path of the module's folder as one of the tree.
func (w *workspace) inTree(name string) string { return path.Join(w.req.Bundle.Dir, name) }

// output is what a command printed.
type output struct {
	code     int
	out, err []byte
	late     bool // it was ended because it took too long
}

// run runs one command of the tool in the module's folder.
func (w *workspace) run(ctx context.Context, t *tool, fetching bool, limit time.Duration, args []string) (output, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(w.dir, "output-")
		if err != nil {
			return output{}, err
		}
		defer f.Close()
		files[i] = f
	}
	c := runner.Confined{
		Path: t.binary.Path, Args: args, Dir: filepath.Join(w.dir, dirTree, filepath.FromSlash(w.req.Bundle.Dir)),
		Env: w.env(fetching), Output: files[0], Errors: files[1],
		Hide: w.opts.Hide, Write: []string{w.dir}, Read: w.readable(t, fetching),
	}
	if plugins := w.plugins(t); plugins != "" {
		if fetching {
			c.Write = append(c.Write, plugins)
		} else {
			c.Read = append(c.Read, plugins)
		}
	}
	code, err := c.Run(limited)
	res := output{code: code, late: limited.Err() != nil && ctx.Err() == nil}
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil && !res.late {
		return res, fmt.Errorf("running %s: %w", t.binary.Kind.Product(), err)
	}
	if res.out, err = readOutput(files[0]); err == nil {
		res.err, err = readOutput(files[1])
	}
	return res, err
}

func readOutput(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxOutput))
}

// plainPath is what git is found in when nothing else is said.
const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// env makes the environment from nothing: what the server has in its own does not get in, and what git needs reaches
// init alone, which starts no code of the module's.
func (w *workspace) env(fetching bool) []string {
	search := w.opts.Path
	if search == "" {
		search = plainPath
	}
	env := []string{
		"PATH=" + search, "HOME=" + filepath.Join(w.dir, dirHome), "TMPDIR=" + filepath.Join(w.dir, dirTmp), "LANG=C.UTF-8",
		"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + filepath.Join(w.dir, fileConfig),
	}
	for _, name := range slices.Sorted(maps.Keys(w.opts.Env)) {
		env = append(env, name+"="+w.opts.Env[name])
	}
	if !fetching {
		return env
	}
	protocols := "https:ssh"
	if w.req.AllowFileGit {
		protocols += ":file"
	}
	env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
	for _, pair := range w.req.GitEnv {
		if name, _, _ := strings.Cut(pair, "="); forGit(name) {
			env = append(env, pair)
		}
	}
	return append(env, "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL="+protocols, "SSH_ASKPASS_REQUIRE=never")
}

// forGit reports whether a variable may be set for git: not those that would change the tool or the workspace.
func forGit(name string) bool {
	switch name {
	case "PATH", "HOME", "TMPDIR", "GIT_DIR", "GIT_WORK_TREE", "GIT_ALLOW_PROTOCOL":
		return false
	}
	return !strings.HasPrefix(name, "TF_") && !strings.HasPrefix(name, "TOFU_") && !strings.HasPrefix(name, "LD_")
}

// readable lists what must stay visible: the providers, and files that git's environment names.
func (w *workspace) readable(t *tool, fetching bool) []string {
	out := []string{t.binary.Path}
	if t.providers.Mirror != "" {
		out = append(out, t.providers.Mirror)
	}
	if !fetching {
		return out
	}
	for _, pair := range w.req.GitEnv {
		_, value, _ := strings.Cut(pair, "=")
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\"'=,;", r) }) {
			if filepath.IsAbs(word) && len(word) > 1 {
				out = append(out, word)
				out = append(out, w.neighbours(word)...)
			}
		}
	}
	return out
}

// neighbours is the folder of a file for git, which may name others that lie beside it: a configuration of ssh names a
// key. It is left out where that would show the server's data itself.
func (w *workspace) neighbours(file string) []string {
	dir := filepath.Dir(file)
	for _, hidden := range w.opts.Hide {
		if rel, err := filepath.Rel(hidden, dir); err == nil && rel != "." && filepath.IsLocal(rel) {
			return []string{dir}
		}
	}
	return nil
}

// plugins is the folder in which downloaded providers are kept. Terraform cannot share one between processes.
func (w *workspace) plugins(t *tool) string {
	if w.opts.Dir == "" || t.dialect.Terraform || t.providers.Source == tofu.ProvidersFromMirror {
		return ""
	}
	return filepath.Join(w.opts.Dir, dirPlugins)
}

func (w *workspace) writeConfig(t *tool, locked bool) error {
	c := t.providers.CLIConfig()
	if c.PluginCacheDir = w.plugins(t); c.PluginCacheDir != "" {
		c.TrustPluginCache = !locked // checksums.go puts right what this leaves out
		if err := os.MkdirAll(c.PluginCacheDir, 0o700); err != nil {
			return err
		}
	}
	return c.WriteFile(filepath.Join(w.dir, fileConfig))
}

// lockFile is the lock file of the source; nil when it has none.
func (w *workspace) lockFile() ([]byte, error) {
	data, err := w.tree.ReadFile(w.inTree(tofu.LockFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// takeLock returns the lock file to record, nil when there is none or the source has its own, and takes the checksums
// out of the one in the tree: init has verified the providers, and validate would read all of them again.
func (w *workspace) takeLock(t *tool, own []byte) ([]byte, error) {
	made, err := w.lockFile()
	if err != nil || made == nil {
		return nil, err
	}
	unhashed, err := tofu.EditLock(made, func(tofu.LockedProvider) tofu.LockEdit { return tofu.LockDropHashes })
	if err != nil {
		return nil, err
	}
	if err := w.tree.WriteFile(w.inTree(tofu.LockFileName), unhashed, 0o644); err != nil {
		return nil, err
	}
	if own != nil {
		return own, nil
	}
	if made, err = w.completeChecksums(t, made); err != nil {
		return nil, err
	}
	// A provider that Berth built has other bytes on every machine, and after every upgrade of Go. Its version is
	// recorded, its checksum is not: it would refuse the same version built elsewhere. Such a provider meets the
	// sandbox only.
	built := map[string]bool{}
	for _, p := range t.providers.Packages {
		built[p.Address] = built[p.Address] || p.SandboxOnly
	}
	return tofu.EditLock(made, func(p tofu.LockedProvider) tofu.LockEdit {
		if built[p.Address] {
			return tofu.LockDropHashes
		}
		return tofu.LockKeep
	})
}

// place turns a file name of the tool, seen from the module's folder, into one as bundle.Inspect gives it.
func (w *workspace) place(name string) string {
	return bundle.Relative(w.req.Bundle.Dir, w.inTree(filepath.ToSlash(name)))
}
