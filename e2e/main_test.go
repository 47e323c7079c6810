// Package e2e_test tries the product as its users do: the real binary, the real OpenTofu and AWS provider, the sandbox and
// a browser. It knows the pages, the API, the command line and the processes, and nothing of what is inside.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the berth program, built once.
var binary string //nolint:gochecknoglobals // TestMain has no other way to tell the tests

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "berth-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "berth")
	build := exec.Command("go", "build", "-o", binary, "../cmd/berth")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building berth: %w\n%s", err, out)
	}
	// Deploys wait for the provider most of the time, whatever the number of processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// needs skips a test in short runs, and where a part is missing. In CI a part that is missing is a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("CI") == "" && testing.Short() {
		t.Skip("uses the whole product; left out of short runs")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing; make setup installs it", p)
			}
			t.Skipf("%s is missing; make setup installs it", p)
		}
	}
}
