package httpapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	codeName = regexp.MustCompile(`^[cC]ode[A-Z]`)
	codeText = regexp.MustCompile(`^[a-z][a-z0-9_]+$`)
	codeRow  = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| [0-9, ]+ \\| .+ \\|$")
)

// docs/errors.md lists the codes that the source has, no more and no fewer.
func TestEveryErrorCodeIsDocumented(t *testing.T) {
	t.Parallel()
	inSource := map[string]bool{"internal": true}
	for _, dir := range []string{"../../internal", "../../api"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if code := codeIn(n); codeText.MatchString(code) {
					inSource[code] = true
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	text, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	var documented []string
	for _, m := range codeRow.FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	require.Equal(t, slices.Sorted(maps.Keys(inSource)), documented)
}

// codeIn returns the error code that a node makes: the argument of fault.New and fault.Wrap, the Code of an error that is
// written out, and constants named code….
func codeIn(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		for name, position := range map[string]int{"New": 1, "Wrap": 2} {
			if selects(n.Fun, "fault", name) && len(n.Args) > position {
				return literal(n.Args[position])
			}
		}
	case *ast.CompositeLit:
		if !selects(n.Type, "fault", "Error") && !selects(n.Type, "api", "Error") {
			if id, ok := n.Type.(*ast.Ident); !ok || id.Name != "Error" {
				return ""
			}
		}
		for _, e := range n.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				if id, ok := pair.Key.(*ast.Ident); ok && id.Name == "Code" {
					return literal(pair.Value)
				}
			}
		}
	case *ast.ValueSpec:
		if len(n.Names) == 1 && len(n.Values) == 1 && codeName.MatchString(n.Names[0].Name) {
			return literal(n.Values[0])
		}
	}
	return ""
}

func selects(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}
