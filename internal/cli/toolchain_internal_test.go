package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

func runToolchain(t *testing.T, args ...string) (string, string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newToolchainCommand()
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(append(args, "--cache-dir", filepath.Join(t.TempDir(), "cache"), "--checkout", t.TempDir(), "--providers", "registry"))
	cmd.SetContext(t.Context())
	err := cmd.Execute()
	return stdout.String(), stderr.String(), err
}

func TestToolchainCommands(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "tofu")
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\necho '{\"terraform_version\":\"1.12.6\"}'\n"), 0o755))

	out, _, err := runToolchain(t, "install", "--tofu", binary)
	require.NoError(t, err)
	require.Contains(t, out, "tofu        1.12.6  "+binary)
	require.Contains(t, out, "providers   from the registry")

	out, _, err = runToolchain(t, "status", "--tofu", binary, "-o", "json", "--verify")
	require.NoError(t, err)
	var status tofu.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	require.True(t, status.Ready)
	require.Equal(t, "1.12.6", status.Tofu.Version)

	out, _, err = runToolchain(t, "status", "--tofu", binary+"-absent")
	require.NoError(t, err)
	require.Contains(t, out, "cannot be used as OpenTofu")
	_, _, err = runToolchain(t, "install", "--tofu", binary+"-absent")
	require.True(t, tofu.IsReason(err, tofu.ReasonBadBinary), "%v", err)
	_, _, err = runToolchain(t, "status", "-o", "xml")
	require.ErrorContains(t, err, "--output")
}

func TestProgressInALogIsALinePerStep(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := newProgressPrinter(&log)
	progress := tofu.Progress{Tool: "tofu", Stage: tofu.StageCompiling, Unit: tofu.UnitPackages, Total: 30, Started: time.Now()}
	for progress.Done = range 30 {
		p.print(progress)
	}
	progress.Stage = tofu.StageLinking
	p.print(progress)
	p.finish()
	require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("\n")), log.String())
}
