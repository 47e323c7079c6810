package tofu

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuildReportsAndInstalls(t *testing.T) {
	t.Parallel()
	checkout, cacheDir := fakeCheckout(t), t.TempDir()
	m := newTestManager(t, Config{Checkout: checkout, CacheDir: cacheDir, Providers: ProvidersFromMirror})
	var stages []Stage // without linking, which is over before it can be seen here
	var packages int64
	toolchain, err := m.Install(t.Context(), func(p Progress) {
		if p.Tool == "tofu" && (len(stages) == 0 || stages[len(stages)-1] != p.Stage) && p.Stage != StageLinking {
			stages = append(stages, p.Stage)
		}
		if p.Stage == StageCompiling {
			packages = max(packages, p.Total)
		}
	})
	require.NoError(t, err)
	require.Equal(t, "1.11.0", toolchain.Tofu.Version)
	require.Equal(t, OriginBuild, toolchain.Tofu.Origin)
	sum, _, err := hashFile(toolchain.Tofu.Path)
	require.NoError(t, err)
	require.Equal(t, sum, toolchain.Tofu.SHA256)
	require.Equal(t, []Stage{StageLooking, StageFetchingModules, StageCompiling, StageVerifying, StageInstalling}, stages)
	require.Greater(t, packages, int64(10), "the standard library's packages count too")
	require.Empty(t, unfinished(t, cacheDir))

	require.Equal(t, ProvidersFromMirror, toolchain.Providers.Source)
	require.True(t, toolchain.Providers.SandboxOnly())
	require.Len(t, toolchain.Providers.Packages, 2)
	require.Equal(t, "registry.opentofu.org/hashicorp/aws", toolchain.Providers.Packages[0].Address)
	require.Equal(t, "registry.terraform.io/hashicorp/aws", toolchain.Providers.Packages[1].Address)
	snapshot := m.Snapshot()
	require.Equal(t, StateReady, snapshot.State)
	require.Equal(t, []Stage{StageReady, StageReady}, []Stage{snapshot.Tools[0].Stage, snapshot.Tools[1].Stage})

	// A fresh clone at another place finds it all, even when go can no longer build.
	clone := t.TempDir()
	require.NoError(t, os.CopyFS(clone, os.DirFS(checkout)))
	second := newTestManager(t, Config{
		Checkout: clone, CacheDir: cacheDir, Providers: ProvidersFromMirror,
		LookPath: only(map[string]string{"go": wrappedGo(t, "exit 1")}),
	})
	again, err := second.Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, toolchain, again)
	status, err := second.Status(t.Context())
	require.NoError(t, err)
	require.True(t, status.Ready)
	require.Len(t, status.Cached, 2)
}

func TestKeyDependsOnEverythingThatDecidesTheResult(t *testing.T) {
	t.Parallel()
	checkout := fakeCheckout(t)
	dir := filepath.Join(checkout, "toolchain", "tofu")
	tool := goTool{Version: "go1.26.8", OS: "linux", Arch: "amd64", ArchLevel: "v1"}
	key := func(g goTool) string {
		r, err := readRecipe(dir)
		require.NoError(t, err)
		k, err := r.key(g)
		require.NoError(t, err)
		return k
	}
	first := key(tool)
	require.Equal(t, first, key(tool))
	seen := map[string]string{first: "first"}
	differs := func(what, k string) {
		require.NotContains(t, seen, k, what)
		seen[k] = what
	}
	for what, other := range map[string]goTool{
		"go version": {Version: "go1.26.9", OS: "linux", Arch: "amd64", ArchLevel: "v1"},
		"system":     {Version: "go1.26.8", OS: "darwin", Arch: "amd64", ArchLevel: "v1"},
		"processor":  {Version: "go1.26.8", OS: "linux", Arch: "arm64", ArchLevel: "v1"},
	} {
		differs(what, key(other))
	}
	for _, name := range []string{"go.mod", "go.sum", "recipe.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		writeFile(t, filepath.Join(dir, name), string(data)+"\n", 0o644)
		differs(name, key(tool))
	}
}

func TestSecondProcessWaitsAndUsesTheResult(t *testing.T) {
	t.Parallel()
	checkout, cacheDir, dir := fakeCheckout(t), t.TempDir(), t.TempDir()
	log, goAhead := filepath.Join(dir, "builds"), filepath.Join(dir, "go-ahead")
	goCommand := wrappedGo(t, "echo build >> "+log+"; while [ ! -e "+goAhead+" ]; do sleep 0.02; done")
	cfg := Config{Checkout: checkout, CacheDir: cacheDir, LookPath: only(map[string]string{"go": goCommand})}
	first, second := newTestManager(t, cfg), newTestManager(t, cfg)

	building, waiting := make(chan struct{}), make(chan struct{})
	var onceBuilding, onceWaiting sync.Once
	var results [2]Toolchain
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() {
		results[0], errs[0] = first.Install(t.Context(), func(p Progress) {
			if p.Stage == StageCompiling {
				onceBuilding.Do(func() { close(building) })
			}
		})
	})
	<-building
	both.Go(func() {
		results[1], errs[1] = second.Install(t.Context(), func(p Progress) {
			if p.Stage == StageWaiting && strings.Contains(p.Detail, "process ") {
				onceWaiting.Do(func() { close(waiting) })
			}
		})
	})
	<-waiting
	status, err := second.Status(t.Context())
	require.NoError(t, err)
	require.False(t, status.Ready)
	require.Len(t, status.Building, 1, "status shows what another process is building")
	writeFile(t, goAhead, "", 0o644)
	both.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.Equal(t, results[0], results[1])
	builds, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "build\n", string(builds))
}

func TestKilledBuilderLeavesNothingBroken(t *testing.T) {
	t.Parallel()
	checkout, cacheDir := fakeCheckout(t), t.TempDir()
	exe, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(exe)
	child.Env = append(os.Environ(), "BERTH_TEST_CHECKOUT="+checkout, "BERTH_TEST_CACHE="+cacheDir, "BERTH_TEST_GO="+wrappedGo(t, "exec sleep 600"))
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != string(StageCompiling) {
	}
	require.Equal(t, string(StageCompiling), lines.Text())
	require.NotEmpty(t, unfinished(t, cacheDir))
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()

	m := newTestManager(t, Config{Checkout: checkout, CacheDir: cacheDir})
	status, err := m.Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, status.Tofu, "what a killed build left is never taken for a tool")
	toolchain, err := m.Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.11.0", toolchain.Tofu.Version)
	require.Empty(t, unfinished(t, cacheDir))
}

func TestStoppedBuildEndsAtOnceAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	checkout, cacheDir, dir := fakeCheckout(t), t.TempDir(), t.TempDir()
	once := filepath.Join(dir, "once")
	goCommand := wrappedGo(t, "if [ ! -e "+once+" ]; then touch "+once+"; sleep 600; fi")
	m := newTestManager(t, Config{Checkout: checkout, CacheDir: cacheDir, LookPath: only(map[string]string{"go": goCommand})})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.Install(ctx, func(p Progress) {
		if p.Stage == StageCompiling {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, IsReason(err, ReasonCanceled))
	require.Empty(t, unfinished(t, cacheDir))
	require.Equal(t, StateIdle, m.Snapshot().State)
	writeFile(t, once, "", 0o644)
	toolchain, err := m.Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.11.0", toolchain.Tofu.Version)
}

func TestDamagedEntryIsBuiltAnew(t *testing.T) {
	t.Parallel()
	checkout, cacheDir := fakeCheckout(t), t.TempDir()
	first, err := newTestManager(t, Config{Checkout: checkout, CacheDir: cacheDir}).Ensure(t.Context())
	require.NoError(t, err)
	data, err := os.ReadFile(first.Tofu.Path)
	require.NoError(t, err)
	data[len(data)/2] ^= 0xff
	require.NoError(t, writeExecutable(first.Tofu.Path, data))

	again, err := newTestManager(t, Config{Checkout: checkout, CacheDir: cacheDir}).Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.Tofu, again.Tofu, "the same key gives the same bytes")
	sum, _, err := hashFile(again.Tofu.Path)
	require.NoError(t, err)
	require.Equal(t, first.Tofu.SHA256, sum)
}

func TestBuildErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		shell  string
		reason Reason
	}{
		"disk full": {`echo "write /x: no space left on device" >&2; exit 1`, ReasonDiskFull},
		"memory":    {`echo "example.test/fake: compile: signal: killed" >&2; exit 1`, ReasonNoMemory},
		"network":   {`echo "dial tcp: lookup proxy: no such host" >&2; exit 1`, ReasonNoNetwork},
		"old go":    {`echo "go: go.mod requires go >= 1.99 (running go 1.26; GOTOOLCHAIN=local)" >&2; exit 1`, ReasonGoTooOld},
		"code":      {`echo "words.go:3: syntax error" >&2; exit 1`, ReasonBuildFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cacheDir := t.TempDir()
			m := newTestManager(t, Config{
				Checkout: fakeCheckout(t), CacheDir: cacheDir, LookPath: only(map[string]string{"go": wrappedGo(t, test.shell)}),
			})
			_, err := m.Ensure(t.Context())
			require.True(t, IsReason(err, test.reason), "%v", err)
			e := AsError(err)
			require.NotEmpty(t, e.Cause)
			require.NotEmpty(t, e.Action)
			require.Empty(t, unfinished(t, cacheDir))
			snapshot := m.Snapshot()
			require.Equal(t, StateFailed, snapshot.State)
			require.Equal(t, test.reason, snapshot.Err.Reason)
			require.Equal(t, StageFailed, snapshot.Tools[0].Stage)
		})
	}
}

func TestNoGoInstalled(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, Config{Checkout: fakeCheckout(t), LookPath: only(nil)})
	_, err := m.Ensure(t.Context())
	require.True(t, IsReason(err, ReasonNoGo), "%v", err)
	require.Contains(t, err.Error(), "install Go")
}
