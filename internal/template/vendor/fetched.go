package vendor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template/bundle"
)

// Fetched modules are somebody else's files. Before they get into a bundle it is seen to it that they call nothing that
// is not allowed, and that no link in them leads to a file that is not theirs.

// moduleEntry is one line of the tool's list of modules.
type moduleEntry struct {
	Key     string
	Source  string
	Version string `json:",omitempty"`
	Dir     string
}

const modulesList = bundle.ModulesDir + "/modules.json"

// settleModules checks what init fetched and brings it into the form in which it is packed. It reports whether anything
// came from elsewhere.
func (w *workspace) settleModules(ctx context.Context) (bool, []bundle.Problem, error) {
	data, err := w.tree.ReadFile(w.inTree(modulesList))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	var list struct{ Modules []moduleEntry }
	if err := json.Unmarshal(data, &list); err != nil {
		return false, nil, fmt.Errorf("reading the list of modules: %w", err)
	}
	if !slices.ContainsFunc(list.Modules, func(m moduleEntry) bool { return m.Key != "" && !isLocal(m.Source) }) {
		return false, nil, w.tree.RemoveAll(w.inTree(bundle.ModulesDir))
	}
	// The calls come first, because they have a place in the code; the list may hold what they do not tell.
	calls := bundle.WalkModules(w.tree.FS(), w.req.Bundle.Dir).Calls
	problems := checkCalls(calls, w.req.AllowFileGit)
	if len(problems) == 0 {
		problems = w.checkEntries(calls, list.Modules)
	}
	if len(problems) > 0 {
		return false, problems, nil
	}
	if problems, err = w.settlePackages(ctx, calls, list.Modules); err != nil || len(problems) > 0 {
		return false, problems, err
	}
	for i := range list.Modules {
		list.Modules[i].Dir = path.Clean(list.Modules[i].Dir)
	}
	// The tool writes it in no particular order.
	slices.SortFunc(list.Modules, func(a, b moduleEntry) int { return strings.Compare(a.Key, b.Key) })
	if data, err = json.Marshal(list); err != nil {
		return false, nil, err
	}
	return true, nil, w.tree.WriteFile(w.inTree(modulesList), data, 0o644)
}

func isLocal(source string) bool {
	return strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")
}

// checkEntries looks at what the tool made of the sources.
func (w *workspace) checkEntries(calls []bundle.Call, entries []moduleEntry) []bundle.Problem {
	var problems []bundle.Problem
	for _, m := range entries {
		why := ""
		if m.Key != "" && !isLocal(m.Source) {
			why = refusal(m.Source, w.req.AllowFileGit)
		}
		if why == "" && !fs.ValidPath(w.inTree(m.Dir)) {
			why = "it lies outside the source"
		}
		if why != "" {
			problems = append(problems, unusable(calls, m.Key, why))
		}
	}
	return problems
}

// unusable is the problem of a fetched module, at the place where it is called.
func unusable(calls []bundle.Call, key, why string) bundle.Problem {
	p := bundle.Problem{Severity: bundle.Error, Message: fmt.Sprintf("module %q cannot be used: %s", key, why)}
	if i := slices.IndexFunc(calls, func(c bundle.Call) bool { return c.Key == key }); i >= 0 {
		place := calls[i].Place()
		p.File, p.Line = place.File, place.Line
	}
	return p
}

// settlePackages goes through the folders that init made.
func (w *workspace) settlePackages(ctx context.Context, calls []bundle.Call, entries []moduleEntry) ([]bundle.Problem, error) {
	base := w.inTree(bundle.ModulesDir)
	found, err := fs.ReadDir(w.tree.FS(), base)
	if err != nil {
		return nil, err
	}
	p := packages{w: w, calls: calls, left: w.opts.Limits.Bytes}
	for _, e := range found {
		if e.Type().IsRegular() {
			continue // the list
		}
		used := slices.ContainsFunc(entries, func(m moduleEntry) bool { return m.Key == e.Name() })
		switch {
		case !used:
			err = w.tree.RemoveAll(path.Join(base, e.Name()))
		case !e.IsDir():
			p.problem(e.Name(), "its folder is a link to somewhere else on this server")
		default:
			err = p.settle(ctx, base, e.Name())
		}
		if err != nil {
			return nil, err
		}
	}
	return p.problems, nil
}

// packages settles the folders of fetched modules.
type packages struct {
	w        *workspace
	calls    []bundle.Call
	left     int64 // bytes that links may still add
	problems []bundle.Problem
}

func (p *packages) problem(key, format string, args ...any) {
	p.problems = append(p.problems, unusable(p.calls, key, fmt.Sprintf(format, args...)))
}

// settle removes version control from one package and resolves its links. It is opened as a root of its own, so that a
// link cannot lead into another one or into the source.
func (p *packages) settle(ctx context.Context, base, key string) (err error) {
	root, err := p.w.tree.OpenRoot(path.Join(base, key))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var links, drop []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.Name() == ".git" || d.Name() == ".terraform":
			drop = append(drop, name)
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type()&fs.ModeSymlink != 0:
			links = append(links, name)
		case !d.IsDir() && !d.Type().IsRegular():
			drop = append(drop, name) // a socket or the like is no part of a module
		}
		return nil
	})
	for _, name := range drop {
		err = errors.Join(err, root.RemoveAll(name))
	}
	for _, name := range links {
		if err == nil {
			err = p.resolve(root, key, name)
		}
	}
	return err
}

// resolve puts what a link leads to in its place. One that leads nowhere helps nobody and is left out.
func (p *packages) resolve(root *os.Root, key, name string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	info, err := root.Stat(name)
	inside := fs.ValidPath(path.Join(path.Dir(name), target)) && !path.IsAbs(target)
	switch {
	case err != nil && inside && errors.Is(err, fs.ErrNotExist):
		return root.Remove(name)
	case err != nil:
		p.problem(key, "its file %s is a link that leads out of it (to %s)", name, target)
		return nil
	case !info.IsDir():
		return nil // packed as the file it leads to
	}
	real := path.Join(path.Dir(name), target)
	if real == "." || strings.HasPrefix(name+"/", real+"/") {
		return root.Remove(name) // a folder within itself has no end
	}
	copied := name + ".berth-copy"
	if err := p.copyFolder(root, key, real, copied); err != nil {
		return err
	}
	if err := root.Remove(name); err != nil {
		return err
	}
	return root.Rename(copied, name)
}

// copyFolder copies plain files; links within a linked folder are followed to files only.
func (p *packages) copyFolder(root *os.Root, key, from, to string) error {
	return fs.WalkDir(root.FS(), from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dst := path.Join(to, strings.TrimPrefix(strings.TrimPrefix(name, from), "/"))
		if d.IsDir() {
			return root.MkdirAll(dst, 0o755)
		}
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		if p.left -= info.Size(); p.left < 0 {
			p.problem(key, "its links lead in circles or make it too big")
			return fs.SkipAll
		}
		src, err := root.Open(name)
		if err != nil {
			return err
		}
		var data bytes.Buffer
		_, err = io.Copy(&data, io.LimitReader(src, info.Size()))
		if err := errors.Join(err, src.Close()); err != nil {
			return err
		}
		return root.WriteFile(dst, data.Bytes(), info.Mode().Perm()|0o600)
	})
}
