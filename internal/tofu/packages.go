package tofu

import (
	"bufio"
	"io"
	"strings"
)

// packageGraph knows which packages a build needs and what each imports. go build -v names a package when it starts to
// compile it and stays silent about those its cache holds; but once a package is named, all it imports is done. So the
// graph turns the names into an honest count, also when half of it was built before.
type packageGraph struct {
	imports map[string][]string
	done    map[string]bool
}

// listFormat makes go list print one line per package: its path, then what it imports, then what those names stand for.
const listFormat = `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range $k, $v := .ImportMap}} {{$v}}{{end}}`

func readPackages(r io.Reader) (*packageGraph, error) {
	g := &packageGraph{imports: map[string][]string{}, done: map[string]bool{}}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) > 0 {
			g.imports[fields[0]] = fields[1:]
		}
	}
	return g, scanner.Err()
}

func (g *packageGraph) total() int64 { return int64(len(g.imports)) }

// started notes that a package is being compiled and returns how many are done or under way; known is false for a
// line that names no package of this build.
func (g *packageGraph) started(path string) (done int64, known bool) {
	if _, known = g.imports[path]; !known {
		return int64(len(g.done)), false
	}
	stack := []string{path}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if g.done[top] {
			continue
		}
		if _, ok := g.imports[top]; !ok {
			continue
		}
		g.done[top] = true
		stack = append(stack, g.imports[top]...)
	}
	return int64(len(g.done)), true
}
