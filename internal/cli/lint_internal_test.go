package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/lint"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

func TestLintTellsEveryProblemWithItsPlace(t *testing.T) {
	t.Parallel()
	c := newTerminal(t)
	for _, form := range []string{"table", "json", "github"} {
		golden(t, "lint-"+form, c.do(exitInvalid, "", "template", "lint", "--offline", "--format", form, "testdata/lint").out)
	}
	out := c.do(exitInvalid, "", "template", "lint", "--offline", "-o", "json", "testdata/lint").out
	var report lint.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Problems, report.Errors+report.Warnings+infos(report))
}

func infos(r lint.Report) int {
	n := 0
	for _, p := range r.Problems {
		if p.Severity == lint.Info {
			n++
		}
	}
	return n
}

func TestTheTemplatesThatShipAreClean(t *testing.T) {
	t.Parallel()
	out := newTerminal(t).do(exitOK, "", "template", "lint", "--offline", "--strict", "../../templates").out
	require.Contains(t, out, "0 errors and 0 warnings")
}

func TestLintChecksCodeWithTheTool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := runnertest.Script{ValidateError: "no such argument"}
	files := script.Files()
	files["main.tf"] = "output \"x\" {\n  value = 1\n}\n"
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "m"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "m", name), []byte(text), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "t.yaml"), []byte(
		"apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: m}\nspec: {version: v1, versionState: active, source: {folder: m}}\n"), 0o644))
	c := newTerminal(t)
	require.Contains(t, c.do(exitInvalid, "", "template", "lint", "--tofu", runnertest.FakeTofu(t), dir).out, "no such argument")
	require.Contains(t, c.do(exitOK, "", "template", "lint", "--offline", dir).out, "0 errors")
}

func TestLintStrictAndWrongUse(t *testing.T) {
	t.Parallel()
	c := newTerminal(t)
	file := filepath.Join(t.TempDir(), "t.yaml")
	require.NoError(t, os.WriteFile(file, []byte(
		"apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: m}\nspec: {version: v1, source: {repository: elsewhere}}\n"), 0o644))
	require.Contains(t, c.do(exitOK, "", "template", "lint", "--offline", file).out, "warning: ResourceTemplate m: not checked")
	c.do(exitInvalid, "", "template", "lint", "--offline", "--strict", file)
	require.Contains(t, c.do(exitInvalid, "", "template", "lint", "--format", "xml", file).err, "table, json or github")
	require.Contains(t, c.do(exitInvalid, "", "template", "lint", "--offline", file+".nope").err, "There is no file")
}
