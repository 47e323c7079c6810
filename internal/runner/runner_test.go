package runner_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/tofu/tofutest"
)

func TestMain(m *testing.M) {
	runner.MaybeSupervise(valueFinder{})
	if os.Getenv(serverEnv) != "" {
		serverMain()
	}
	code := m.Run()
	runnertest.Clean()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// valueFinder finds objects of type test_thing under the ids their arguments name.
type valueFinder struct{}

func (valueFinder) Find(_ context.Context, q runner.Query) ([]string, error) {
	if q.Type != "test_thing" {
		return nil, runner.ErrCannotFind
	}
	ids, _ := q.Values["exists_as"].(string)
	return strings.Fields(ids), nil
}

const serverEnv = "BERTH_RUNNER_TEST_SERVER"

type serverOrder struct {
	Config runner.Config
	Spec   runner.Spec
}

// serverMain is a server that starts one step and then does nothing until it is killed.
func serverMain() {
	var o serverOrder
	err := json.NewDecoder(os.Stdin).Decode(&o)
	if err == nil {
		var l *runner.Local
		if l, err = runner.New(o.Config); err == nil {
			_, err = l.Start(context.Background(), o.Spec)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
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
	return setupIn(t, t.TempDir())
}

func setupIn(t testing.TB, dir string) *bench {
	t.Helper()
	cfg := runner.Config{Dir: filepath.Join(dir, "steps"), LockDir: filepath.Join(dir, "locks"), CacheDir: filepath.Join(dir, "cache")}
	l, err := runner.New(cfg)
	require.NoError(t, err)
	key := sha256.Sum256([]byte(t.Name()))
	return &bench{t: t, local: l, cfg: cfg, key: key[:]}
}

// realTofu is the OpenTofu binary tests run against.
func realTofu(t testing.TB) string {
	t.Helper()
	bin, _ := tofutest.Tools(t)
	return bin
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
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
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
	// Where a supervisor's crashes and the race detector's findings go.
	said, err := os.ReadFile(filepath.Join(h.Dir(), "supervisor.log"))
	require.True(b.t, err == nil || errors.Is(err, os.ErrNotExist))
	require.Empty(b.t, string(said))
	return last.Result, recs
}

func (b *bench) log(stepID string, attempt int) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir(stepID, attempt), "log"))
	require.NoError(b.t, err)
	return string(data)
}

func (b *bench) dir(stepID string, attempt int) string {
	return filepath.Join(b.cfg.Dir, fmt.Sprintf("%s.%d", stepID, attempt))
}

// fake returns the spec of a step that runs the fake tofu with a script.
func (b *bench) fake(s runnertest.Script, vars ...string) runner.Spec {
	b.t.Helper()
	return b.spec(runnertest.FakeTofu(b.t), s.Files(vars...))
}

// next is the spec of the attempt after one that ended, with what its records tell.
func (b *bench) next(spec runner.Spec, recs []runner.Record) runner.Spec {
	b.t.Helper()
	for _, r := range recs {
		if r.Journal != nil {
			spec.Journal = append(spec.Journal, *r.Journal)
		}
		if r.State != nil {
			var err error
			spec.State, err = b.local.ReadState(spec.StepID, spec.Attempt, r.State.Version, b.key)
			require.NoError(b.t, err)
		}
	}
	spec.Attempt++
	return spec
}

// until follows the records up to the first one that want accepts.
func (b *bench) until(h *runner.Handle, want func(runner.Record) bool) runner.Record {
	b.t.Helper()
	for r, err := range h.Records(b.ctx(), 0) {
		require.NoError(b.t, err)
		if want(r) {
			return r
		}
		require.NotEqual(b.t, runner.KindResult, r.Kind, "the step ended: %+v", r.Result)
	}
	b.t.Fatal("the records ended")
	return runner.Record{}
}

// untilLogged reads the growing log until a line holds text.
func (b *bench) untilLogged(stepID, text string) {
	b.t.Helper()
	log, err := b.local.OpenLog(b.ctx(), stepID, 1, 0, true)
	require.NoError(b.t, err)
	defer log.Close()
	for sc := bufio.NewScanner(log); sc.Scan(); {
		if strings.Contains(sc.Text(), text) {
			return
		}
	}
	b.t.Fatalf("the log ended without %q", text)
}

func objectStarted(address string) func(runner.Record) bool {
	return func(r runner.Record) bool {
		return r.Object != nil && r.Object.Address == address && r.Object.Status == runner.ObjectStarted
	}
}

func repairs(recs []runner.Record) map[string]runner.RepairOutcome {
	out := map[string]runner.RepairOutcome{}
	for _, r := range recs {
		if r.Repair != nil {
			out[r.Repair.Address] = r.Repair.Outcome
		}
	}
	return out
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(data)), "\n")
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
