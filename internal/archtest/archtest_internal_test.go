package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the top of the module.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	require.NoError(t, err)
	return filepath.Dir(strings.TrimSpace(string(out)))
}

func list(t *testing.T) []pkg {
	t.Helper()
	// With -e, because whether everything compiles is for others to say.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var packages []pkg
	for decoder := json.NewDecoder(out); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NoError(t, cmd.Wait())
	require.NotEmpty(t, packages)
	return packages
}

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		path := modulePath(p.ImportPath)
		if d := domain(path); d != "" && rank(d) < 0 && !isHarness(path) {
			t.Errorf("%s has no rank: give it one in internal/archtest, and in the picture in ARCHITECTURE.md", path)
		}
		for _, imported := range p.Imports {
			if why := violation(p.ImportPath, imported); why != "" {
				t.Errorf("%s must not import %s: %s", path, modulePath(imported), why)
			}
		}
		// Tests may reach up for harnesses and the sandbox, but sandbox tests stay inside, too.
		if isSandbox(path) {
			for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
				if to := modulePath(imported); to != "" && !isSandbox(to) && domain(to) != "tofu" {
					t.Errorf("tests of %s must not import %s: the sandbox is tested with its own clients", path, to)
				}
			}
		}
	}
}

func TestEveryPackageHasOneDocComment(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		path := modulePath(p.ImportPath)
		if len(p.GoFiles) == 0 || path == "deps" {
			continue
		}
		var documented []string
		for _, name := range p.GoFiles {
			if strings.HasSuffix(name, "_templ.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			require.NoError(t, err)
			if file.Doc.Text() != "" {
				documented = append(documented, name)
			}
		}
		if len(documented) != 1 {
			t.Errorf("%s needs one package doc comment that says what it is for and what it must not know, but has it in: %v", path, documented)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, declaration := range file.Decls {
				if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s has an init function: do it where it is used, or in app", filepath.Join(modulePath(p.ImportPath), name))
				}
			}
		}
	}
}

func TestNoAssertPackage(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if imported == "github.com/stretchr/testify/assert" || imported == "github.com/stretchr/testify/suite" {
				t.Errorf("tests of %s use %s: use require, or a plain if", modulePath(p.ImportPath), imported)
			}
		}
	}
}

func TestArchitectureNamesWhatExists(t *testing.T) {
	t.Parallel()
	dir := root(t)
	text, err := os.ReadFile(filepath.Join(dir, "ARCHITECTURE.md"))
	require.NoError(t, err)
	for _, path := range pathsIn(string(text)) {
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", path)
		}
	}
}

var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	linkTo   = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	likePath = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/?$`)
)

// pathsIn returns what a document names as a path of this repository: the targets
// of relative links, and code spans that begin with one of our folders.
func pathsIn(text string) []string {
	folders := []string{"cmd", "api", "internal", "sandbox", "toolchain", "templates", "e2e", "docs", "scripts", ".ci"}
	var paths []string
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		first, _, isPath := strings.Cut(match[1], "/")
		if isPath && likePath.MatchString(match[1]) && slices.Contains(folders, first) {
			paths = append(paths, match[1])
		}
	}
	for _, match := range linkTo.FindAllStringSubmatch(text, -1) {
		paths = append(paths, match[1])
	}
	return paths
}

// The rules themselves.
func TestViolation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		allowed  bool
	}{
		{"internal/db", "internal/fault", true},
		{"internal/fault", "internal/db", false},
		{"internal/authz", "internal/event", false},
		{"internal/environment", "internal/run", true},
		{"internal/run", "internal/environment", false},
		{"internal/web", "internal/web/ui", true},
		{"internal/web/ui", "internal/web/static", true},
		{"internal/web/views", "internal/web/ui", true},
		{"internal/web/ui", "internal/authz", false},
		{"internal/web", "internal/httpapi", false},
		{"internal/httpapi", "api", true},
		{"api", "internal/fault", false},
		{"internal/template/expr", "internal/fault", true},
		{"internal/template/expr", "internal/run", false},
		{"internal/template/expr", "internal/template", true},
		{"cmd/berth", "internal/cli", true},
		{"cmd/berth", "internal/app", false},
		{"sandbox/ec2", "sandbox/iam", true},
		{"sandbox/ec2", "internal/fault", false},
		{"internal/app", "sandbox", true},
		{"internal/runner", "sandbox", false},
		{"internal/db", "internal/dbtest", false},
		{"internal/apptest", "internal/app", true},
		{"internal/apptest", "internal/dbtest", true},
	} {
		why := violation(module+"/"+tt.from, module+"/"+tt.to)
		require.Equal(t, tt.allowed, why == "", "%s -> %s: %s", tt.from, tt.to, why)
	}
	require.Empty(t, violation(module+"/internal/db", "github.com/jackc/pgx/v5"))
}

func TestPathsIn(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"internal/db", "docs/adr/", "CONTRIBUTING.md"}, pathsIn(
		"See `internal/db`, `docs/adr/`, `application/json`, `internal/*`, `/api/v1` and [how](CONTRIBUTING.md#tests), [web](https://example.com/x)."))
}
