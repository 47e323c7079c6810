package runner_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
)

func TestMain(m *testing.M) {
	runner.MaybeSupervise()
	os.Exit(m.Run())
}

// bench is a runner with directories of its own.
type bench struct {
	t     testing.TB
	local *runner.Local
	cfg   runner.Config
	key   []byte
}

func setup(t testing.TB) *bench {
	t.Helper()
	dir := t.TempDir()
	cfg := runner.Config{Dir: filepath.Join(dir, "steps"), LockDir: filepath.Join(dir, "locks"), CacheDir: filepath.Join(dir, "cache")}
	l, err := runner.New(cfg)
	require.NoError(t, err)
	key := sha256.Sum256([]byte(t.Name()))
	return &bench{t: t, local: l, cfg: cfg, key: key[:]}
}

// realTofu is the OpenTofu binary tests run against, where there is one.
func realTofu(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs OpenTofu")
	}
	path := os.Getenv("BERTH_TEST_TOFU")
	if path == "" {
		t.Skip("BERTH_TEST_TOFU names no OpenTofu binary")
	}
	return path
}

// bundle writes files into a folder and returns it as a bundle.
func (b *bench) bundle(files map[string]string) runner.Bundle {
	b.t.Helper()
	dir := b.t.TempDir()
	h := sha256.New()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
	}
	enc, err := json.Marshal(files) // sorted by name
	require.NoError(b.t, err)
	h.Write(enc)
	return runner.Bundle{Path: dir, Digest: hex.EncodeToString(h.Sum(nil))}
}

func (b *bench) spec(tofu string, files map[string]string) runner.Spec {
	return runner.Spec{
		StepID: "step_1", RunID: "run_1", EnvironmentID: "env_1", ResourceID: "res_1", Attempt: 1,
		Action: runner.ActionApply, Bundle: b.bundle(files), DataKey: b.key,
		Tool:     runner.Tool{Kind: runner.ToolTofu, Path: tofu, Version: "1.12.6"},
		Timeouts: runner.Timeouts{Step: time.Minute, Grace: 10 * time.Second},
	}
}

func (b *bench) start(spec runner.Spec) *runner.Handle {
	b.t.Helper()
	h, err := b.local.Start(b.ctx(), spec)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { b.end(h, spec) })
	return h
}

// end makes sure that no process outlives its test.
func (b *bench) end(h *runner.Handle, spec runner.Spec) {
	if live, err := h.Liveness(); err == nil && live == runner.Running {
		_ = h.Kill(context.Background())
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, _ = h.Wait(ctx)
	}
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

// run starts a step and waits for its end.
func (b *bench) run(spec runner.Spec) (*runner.Result, []runner.Record) {
	b.t.Helper()
	return b.finish(b.start(spec))
}

func (b *bench) finish(h *runner.Handle) (*runner.Result, []runner.Record) {
	b.t.Helper()
	var recs []runner.Record
	for r, err := range h.Records(b.ctx(), 0) {
		require.NoError(b.t, err)
		recs = append(recs, r)
	}
	require.NotEmpty(b.t, recs)
	last := recs[len(recs)-1]
	require.Equal(b.t, runner.KindResult, last.Kind)
	return last.Result, recs
}

func (b *bench) log(stepID string, attempt int) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.cfg.Dir, stepID+"."+string(rune('0'+attempt)), "log"))
	require.NoError(b.t, err)
	return string(data)
}

func phases(recs []runner.Record) string {
	var out []string
	for _, r := range recs {
		if r.Phase != nil && r.Phase.Status == runner.PhaseStarted {
			out = append(out, string(r.Phase.Phase))
		}
	}
	return strings.Join(out, " ")
}
