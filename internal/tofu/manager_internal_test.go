package tofu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// blockedManager returns a manager whose build waits until the returned function is called.
func blockedManager(t *testing.T) (*Manager, func()) {
	t.Helper()
	goAhead := filepath.Join(t.TempDir(), "go-ahead")
	goCommand := wrappedGo(t, "while [ ! -e "+goAhead+" ]; do sleep 0.02; done")
	m := newTestManager(t, Config{Checkout: fakeCheckout(t), LookPath: only(map[string]string{"go": goCommand})})
	return m, func() { writeFile(t, goAhead, "", 0o644) }
}

// await reads snapshots until one fits.
func await(t *testing.T, snapshots <-chan Snapshot, fits func(Snapshot) bool) Snapshot {
	t.Helper()
	for {
		select {
		case s := <-snapshots:
			if fits(s) {
				return s
			}
		case <-t.Context().Done():
			t.Fatal("the snapshot did not come")
		}
	}
}

func compiling(s Snapshot) bool {
	return len(s.Tools) == 1 && s.Tools[0].Stage == StageCompiling
}

func TestSubscribersSeeTheWayToReady(t *testing.T) {
	t.Parallel()
	m, goAhead := blockedManager(t)
	snapshots, stop := m.Subscribe()
	defer stop()
	require.Equal(t, StateIdle, (<-snapshots).State)
	var wait sync.WaitGroup
	wait.Go(func() { _, _ = m.Ensure(t.Context()) })
	at := await(t, snapshots, compiling)
	require.Equal(t, StateWorking, at.State)
	require.Positive(t, at.Tools[0].Total)
	require.False(t, at.Tools[0].Started.IsZero())
	goAhead()
	ready := await(t, snapshots, func(s Snapshot) bool { return s.State == StateReady })
	require.Equal(t, "1.11.0", ready.Toolchain.Tofu.Version)
	require.Equal(t, ready.Toolchain.Tofu, *ready.Tofu)
	require.Equal(t, StageReady, ready.Tools[0].Stage)
	wait.Wait()

	late, stopLate := m.Subscribe()
	require.Equal(t, StateReady, (<-late).State)
	stopLate()
	stopLate()
	_, open := <-late
	require.False(t, open)
}

func TestCallersShareOneAttempt(t *testing.T) {
	t.Parallel()
	m, goAhead := blockedManager(t)
	snapshots, stop := m.Subscribe()
	defer stop()
	impatient, giveUp := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var errs [2]error
	wait.Go(func() { _, errs[0] = m.Ensure(impatient) })
	await(t, snapshots, compiling)
	joined := make(chan struct{})
	var once sync.Once
	wait.Go(func() {
		_, errs[1] = m.Install(t.Context(), func(Progress) { once.Do(func() { close(joined) }) })
	})
	<-joined // reports come each second, so the second caller is in
	giveUp()
	goAhead()
	wait.Wait()
	require.True(t, errs[0] == nil || IsReason(errs[0], ReasonCanceled), "%v", errs[0])
	require.NoError(t, errs[1], "one caller's end is not the other's")
}

func TestNothingIsLeftRunning(t *testing.T) {
	// Not parallel: it looks at all goroutines.
	before := goleak.IgnoreCurrent()
	m, _ := blockedManager(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.Install(ctx, func(p Progress) {
		if p.Stage == StageCompiling {
			cancel()
		}
	})
	require.True(t, IsReason(err, ReasonCanceled), "%v", err)
	goleak.VerifyNone(t, before)
}

func TestLockIsHeldByChildrenLeftBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.lock")
	lock, err := tryLock(path)
	require.NoError(t, err)
	child := exec.Command("sh", "-c", "read line")
	child.ExtraFiles = []*os.File{lock.file}
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lock.unlock()
	_, err = tryLock(path)
	require.ErrorIs(t, err, errLocked)
	require.NoError(t, stdin.Close())
	_ = child.Wait()
	again, err := waitLock(t.Context(), path, func(holder) {})
	require.NoError(t, err)
	again.unlock()
}

func TestPackageGraphCountsWhatTheCacheHeld(t *testing.T) {
	t.Parallel()
	g, err := readPackages(strings.NewReader("a\nb a\nc b\nd a\nmain c d\n"))
	require.NoError(t, err)
	require.Equal(t, int64(5), g.total())
	done, known := g.started("c")
	require.True(t, known)
	require.Equal(t, int64(3), done, "c is compiled only after a and b")
	_, known = g.started("# c")
	require.False(t, known)
	done, _ = g.started("main")
	require.Equal(t, int64(5), done)
}

func TestCompilersFitMemory(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2, compilers(2, 24<<30))
	require.Equal(t, 3, compilers(16, 4<<30))
	require.Equal(t, 1, compilers(8, 300<<20))
	require.Equal(t, 8, compilers(8, 0), "unknown")
}

func TestSweepSparesTheLiving(t *testing.T) {
	t.Parallel()
	c := cache{root: t.TempDir()}
	require.NoError(t, c.prepare())
	lock, err := tryLock(c.lockPath("alive"))
	require.NoError(t, err)
	defer lock.unlock()
	alive, err := c.stage("alive")
	require.NoError(t, err)
	dead, err := c.stage("dead")
	require.NoError(t, err)
	c.sweep()
	require.DirExists(t, alive)
	require.NoDirExists(t, dead)
}

func TestDefaultCacheDir(t *testing.T) {
	t.Parallel()
	dir, err := DefaultCacheDir(func(string) string { return "/somewhere" })
	require.NoError(t, err)
	require.Equal(t, "/somewhere/toolchain", dir)
}
