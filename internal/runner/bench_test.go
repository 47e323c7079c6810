package runner_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
)

const trivialBench = `
resource "terraform_data" "a" { input = "x" }
output "o" { value = terraform_data.a.output }
`

// BenchmarkStartToFirstTool measures how long a warm step takes from Start until its tool runs.
func BenchmarkStartToFirstTool(b *testing.B) {
	x := setup(b)
	stamp := filepath.Join(b.TempDir(), "stamp")
	tool := filepath.Join(b.TempDir(), "tofu")
	require.NoError(b, os.WriteFile(tool, []byte("#!/bin/sh\n: > "+stamp+"\n"), 0o700))
	spec := x.spec(tool, map[string]string{"main.tf": trivialBench})
	spec.StepID = "step_warm"
	_, err := x.start(spec).Wait(x.ctx())
	require.NoError(b, err)
	var all []time.Duration
	for i := 0; b.Loop(); i++ {
		require.NoError(b, os.RemoveAll(stamp))
		spec.StepID = fmt.Sprintf("step_%d", i)
		began := time.Now()
		h, err := x.local.Start(b.Context(), spec)
		require.NoError(b, err)
		_, err = h.Wait(b.Context())
		require.NoError(b, err)
		st, err := os.Stat(stamp)
		require.NoError(b, err)
		all = append(all, st.ModTime().Sub(began))
	}
	report(b, all, "first-tool")
}

// BenchmarkStepAgainstBareTool compares a whole warm step with the same apply run by hand.
func BenchmarkStepAgainstBareTool(b *testing.B) {
	tofu := realTofu(b)
	x := setup(b)
	spec := x.spec(tofu, map[string]string{"main.tf": trivialBench})
	spec.StepID = "step_warm"
	_, err := x.start(spec).Wait(x.ctx())
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(trivialBench), 0o600))
	bare := func(args ...string) {
		cmd := exec.CommandContext(b.Context(), tofu, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TF_CLI_CONFIG_FILE=/dev/null", "CHECKPOINT_DISABLE=1")
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%s", out)
	}
	bare("init")
	var steps, bares []time.Duration
	for i := 0; b.Loop(); i++ {
		require.NoError(b, os.RemoveAll(filepath.Join(dir, "terraform.tfstate")))
		began := time.Now()
		bare("apply", "-auto-approve", "-input=false")
		bares = append(bares, time.Since(began))
		spec.StepID = fmt.Sprintf("step_%d", i)
		began = time.Now()
		h, err := x.local.Start(b.Context(), spec)
		require.NoError(b, err)
		res, err := h.Wait(b.Context())
		steps = append(steps, time.Since(began))
		require.NoError(b, err)
		require.Equal(b, runner.StatusSucceeded, res.Status)
	}
	report(b, bares, "bare")
	report(b, steps, "step")
}

func report(b *testing.B, all []time.Duration, name string) {
	b.Helper()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-p50-ms")
	b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, name+"-p95-ms")
}
