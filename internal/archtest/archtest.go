// Package archtest holds the tests that keep the shape of the project: which
// package may import which, one doc comment each, no init functions, and documents
// that name only what exists. It looks at source alone and must not import what it
// checks.
package archtest

import (
	"slices"
	"strings"
)

const module = "github.com/berthdev/berth"

// ranks is the order of the packages, the lowest first. A package may import
// lower ranks only; packages of one rank do not know each other.
func ranks() [][]string {
	return [][]string{
		{"fault", "api"},
		{"secret", "tofu", "awsapi", "literal"},
		{"db", "explain"},
		{"authz", "event"},
		{"audit"},
		{"identity", "sharing"},
		{"project"},
		{"repository", "configcontext", "staticresource", "runner"},
		{"template"},
		{"run"},
		{"environment"},
		{"schedule", "notify", "manifest"},
		{"httpapi", "web", "agent"},
		{"app"},
		{"lint"},
		{"trial"},
		{"cli"},
	}
}

// rank returns the place of a domain, or -1 when it has none.
func rank(domain string) int {
	return slices.IndexFunc(ranks(), func(row []string) bool { return slices.Contains(row, domain) })
}

// pkg is what the rules need to know of a package.
type pkg struct {
	ImportPath                         string
	Dir                                string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

// modulePath is the package's path in the module, or empty for other modules.
func modulePath(importPath string) string {
	path, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return path
}

// domain is the unit that has a rank: the folder under internal, or api.
func domain(path string) string {
	if path == "api" || strings.HasPrefix(path, "api/") {
		return "api"
	}
	rest, ok := strings.CutPrefix(path, "internal/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func isSandbox(path string) bool { return path == "sandbox" || strings.HasPrefix(path, "sandbox/") }

func isUI(path string) bool {
	return path == "internal/web/ui" || strings.HasPrefix(path, "internal/web/ui/")
}

// isHarness reports whether a package serves tests only: dbtest, apptest and the like.
func isHarness(path string) bool {
	return strings.HasSuffix(path[strings.LastIndex(path, "/")+1:], "test")
}

// violation says why a package may not import another one, or is empty.
func violation(importer, imported string) string {
	from, to := modulePath(importer), modulePath(imported)
	if from == "" || to == "" || from == to {
		return ""
	}
	switch {
	case isSandbox(from) && !isSandbox(to):
		return "the sandbox imports nothing of Berth"
	case isSandbox(to) && !isSandbox(from) && !slices.Contains([]string{"cli", "app", "trial"}, domain(from)) && !isHarness(from):
		return "only cli, app, trial and tests import the sandbox"
	case isHarness(to) && !isHarness(from):
		return "only tests import a test harness"
	case domain(from) == "" || domain(to) == "" || isHarness(from):
		return violationOutside(from, to)
	case isUI(from) && domain(to) != domain(from):
		return "presentational components know no domain"
	case domain(from) != domain(to) && rank(domain(to)) >= rank(domain(from)):
		return "it is not of a lower rank"
	default:
		return ""
	}
}

// violationOutside looks at the packages that have no rank.
func violationOutside(from, to string) string {
	if strings.HasPrefix(from, "cmd/") && to != "internal/cli" {
		return "a command calls cli and nothing else"
	}
	return ""
}
