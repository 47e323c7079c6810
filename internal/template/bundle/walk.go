package bundle

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ModulesDir is where vendored modules lie in the folder of the root module: the
// place in which the tool keeps them, so that it finds them there by itself.
const ModulesDir = ".terraform/modules"

// modulesFile tells the tool which call is answered by which folder.
const modulesFile = ModulesDir + "/modules.json"

// Call is a module block of the root module or of one that it calls.
type Call struct {
	ModuleCall
	// Key is the path of calls that leads to it, as in "network.subnets".
	Key string
	// Caller is the folder of the calling module, seen from the root module's.
	Caller string
	// Dir is the folder that answers the call, in the file system; empty when it is
	// not there. Vendored says that it came from elsewhere.
	Dir      string
	Vendored bool
}

// Local reports whether a module's source is a path inside the same source.
func (c ModuleCall) Local() bool {
	return strings.HasPrefix(c.Source, "./") || strings.HasPrefix(c.Source, "../")
}

// Place is where the call is written, seen from the root module's folder.
func (c Call) Place() Pos { return Pos{File: path.Join(c.Caller, c.Pos.File), Line: c.Pos.Line} }

// Walk is what following every module call found.
type Walk struct {
	Root  *Module
	Calls []Call
	// Problems are those of called modules, and of the calls.
	Problems []Problem
	// RequiredTool is what the modules of the source say of the tool, with places below the root module.
	RequiredTool []Required

	dirs    map[string]bool   // local modules, the root's among them
	calls   map[string][]Call // of local modules, by the folder of the caller
	modules []*Module
}

// Modules are the root module and those it calls, each once.
func (w Walk) Modules() []*Module { return w.modules }

// WalkModules follows module calls, through local paths and through vendored modules.
func WalkModules(fsys fs.FS, dir string) Walk {
	return walkModules(fsys, dir, vendoredDirs(fsys, dir))
}

// vendoredDirs reads which folders answer which calls.
func vendoredDirs(fsys fs.FS, dir string) map[string]string {
	data, err := fs.ReadFile(fsys, path.Join(dir, modulesFile))
	if err != nil {
		return nil
	}
	var list struct{ Modules []struct{ Key, Dir string } }
	if json.Unmarshal(data, &list) != nil {
		return nil
	}
	out := map[string]string{}
	for _, m := range list.Modules {
		if d := path.Join(dir, m.Dir); fs.ValidPath(d) && m.Key != "" {
			out[m.Key] = d
		}
	}
	return out
}

type moduleVisit struct {
	key, dir string
	module   *Module
	vendored bool
}

// mostCalls bounds a walk through modules that call each other.
const mostCalls = 2000

func walkModules(fsys fs.FS, dir string, vendored map[string]string) Walk {
	root := Inspect(fsys, dir)
	w := Walk{Root: root, dirs: map[string]bool{dir: true}, calls: map[string][]Call{}, modules: []*Module{root}}
	w.RequiredTool = append(w.RequiredTool, root.RequiredTool...)
	inspected := map[string]*Module{dir: root}
	queue := []moduleVisit{{dir: dir, module: root}}
	for len(queue) > 0 && len(w.Calls) < mostCalls {
		at := queue[0]
		queue = queue[1:]
		for _, mc := range at.module.Calls {
			c := Call{ModuleCall: mc, Caller: relative(dir, at.dir), Key: strings.TrimPrefix(at.key+"."+mc.Name, "."), Vendored: at.vendored}
			w.resolve(&c, at, vendored)
			w.Calls = append(w.Calls, c)
			if c.Dir == "" {
				continue
			}
			if !c.Vendored {
				w.dirs[c.Dir] = true
				if !at.vendored && !slices.ContainsFunc(w.calls[at.dir], func(o Call) bool { return o.Pos == c.Pos }) {
					w.calls[at.dir] = append(w.calls[at.dir], c)
				}
			}
			m := inspected[c.Dir]
			// A folder that was seen may be called by another one whose own vendored
			// modules lie elsewhere, so it is followed again, but reported once.
			if m == nil {
				m = Inspect(fsys, c.Dir)
				inspected[c.Dir] = m
				w.modules = append(w.modules, m)
				w.report(dir, c, m)
				w.require(dir, c, m)
			} else if vendored == nil {
				continue
			}
			queue = append(queue, moduleVisit{key: c.Key, dir: c.Dir, module: m, vendored: c.Vendored})
		}
	}
	w.circles(dir)
	return w
}

// resolve finds the folder that answers a call.
func (w *Walk) resolve(c *Call, at moduleVisit, vendored map[string]string) {
	switch {
	case c.Local():
		target := path.Join(at.dir, c.Source)
		if !fs.ValidPath(target) {
			w.problem(*c, Error, "module %q lies outside the source (%s); give the folder that holds both as the source", c.Name, c.Source)
			return
		}
		c.Dir = target
	case vendored[c.Key] != "":
		c.Dir, c.Vendored = vendored[c.Key], true
	case c.Source != "":
		w.problem(*c, Warning, "module %q comes from %s and was not vendored, so it is fetched when a run starts; "+
			"copy it into the source to be independent of it", c.Name, c.Source)
	}
}

// problem notes what is wrong with a call, once for each place.
func (w *Walk) problem(c Call, severity Severity, format string, args ...any) {
	place := c.Place()
	p := Problem{Severity: severity, File: place.File, Line: place.Line, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(w.Problems, p) {
		w.Problems = append(w.Problems, p)
	}
}

func (w *Walk) report(root string, c Call, m *Module) {
	for _, p := range m.Problems {
		if c.Vendored && p.Severity != Error {
			continue // nobody here can change that code
		}
		if p.Line == 0 && p.File == c.Dir {
			// The folder itself is wrong: the call that names it is the place to look at.
			place := c.Place()
			p.File, p.Line = place.File, place.Line
		} else {
			p.File = path.Join(relative(root, c.Dir), p.File)
		}
		p.Message = fmt.Sprintf("in module %q: %s", c.Name, p.Message)
		w.Problems = append(w.Problems, p)
	}
}

// require notes what a called module says of the tool.
func (w *Walk) require(root string, c Call, m *Module) {
	for _, r := range m.RequiredTool {
		if !c.Vendored {
			r.Pos.File = path.Join(relative(root, c.Dir), r.Pos.File)
			w.RequiredTool = append(w.RequiredTool, r)
		}
	}
}

// roots are the folders that an archive must hold, outermost first.
func (w *Walk) roots() []string { return outermost(sortedKeys(w.dirs)) }

// Dirs are the folders of the root module and of those it calls by a local path.
func (w Walk) Dirs() []string { return sortedKeys(w.dirs) }
