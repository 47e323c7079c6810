package cli

import (
	"strings"
	"testing"

	"github.com/berthdev/berth/internal/lint"
)

func TestLintNamesTheFieldOfAProblem(t *testing.T) {
	t.Parallel()
	problems := []lint.Problem{
		{Severity: lint.Warning, File: "a.yaml", Line: 3, Field: "spec.envs[0].value", Message: "is a placeholder"},
		{Severity: lint.Error, File: "b.yaml", Line: 4, Field: "spec.version", Message: "spec.version: is missing"},
	}
	for form, want := range map[string][]string{
		"table":  {"a.yaml:3: warning: spec.envs[0].value: is a placeholder\n", "b.yaml:4: error: spec.version: is missing\n"},
		"github": {"::spec.envs[0].value: is a placeholder\n", "::spec.version: is missing\n"},
	} {
		var out strings.Builder
		if err := printLint(&out, form, &lint.Report{Problems: problems}); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is not in %q", form, w, out.String())
			}
		}
	}
}
