package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/trial"
)

func TestTemplatesAreTestedWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1"}}, Print: []string{"port is ${var.port}"},
		Outputs: map[string]json.RawMessage{"endpoint": json.RawMessage(`"${var.port}"`)},
		Refuses: map[string]string{"token": "wrong"},
	}
	require.NoError(t, os.CopyFS(dir, apptest.Pair(nil, b)))
	dir = filepath.Join(dir, "pair")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "berth.test.yaml"), []byte(
		"cases: [{name: wrong, inputs: {token: wrong}, expect: {failure: {message: \"\"}}}]\n"), 0o644))
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("port: 0\n"), 0o644))
	fake := runnertest.FakeTofu(t)
	c := newTerminal(t)
	args := []string{"template", "test", dir, "--tofu", fake}

	ended := c.do(exitOK, "", args...)
	require.Contains(t, ended.out, "ok      pair v1  wrong")
	require.Contains(t, ended.out, "1 case, 0 failed.")
	require.Contains(t, ended.err, "deploy: b: failed", "standard error has the progress")
	require.Contains(t, ended.err, "nothing is left")

	failed := c.do(exitRunFailed, "", append(args, "--set", "token=right", "--set", "port=81", "--values", values, "-o", "json")...)
	var report trial.Report
	require.NoError(t, json.Unmarshal([]byte(failed.out), &report))
	require.Equal(t, 1, report.Failed)
	require.Equal(t, []string{"the deploy works, and must fail"}, report.Cases[0].Failures)
	require.Contains(t, failed.err, "1 case failed.")

	require.Contains(t, c.do(exitOK, "", append(args, "--values", values)...).out, "ok", "the values are refused, as the case wants")
	require.Contains(t, c.do(exitInvalid, "", append(args, "--template", "nope")...).err, "no environment template")
	require.Contains(t, c.do(exitInvalid, "", append(args, "--set", "port")...).err, "name=value")
	require.Contains(t, c.do(exitInvalid, "", append(args, "--values", values+".nope")...).err, "no such file")
	require.Contains(t, c.do(exitInvalid, "", append(args, "-o", "yaml")...).err, "table or json")
	require.Contains(t, c.do(exitRunFailed, "", append(args, "--timeout", "1ms")...).err, "--timeout")
}
