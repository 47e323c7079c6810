package runner_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
)

type confinedResult struct {
	code     int
	err      error
	out, log string
}

func confined(t *testing.T, ctx context.Context, c runner.Confined, script string) confinedResult {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	log, err := os.Create(filepath.Join(t.TempDir(), "err"))
	require.NoError(t, err)
	defer log.Close()
	c.Path, c.Args = "/bin/sh", []string{"-c", script}
	c.Output, c.Errors = out, log
	var r confinedResult
	r.code, r.err = c.Run(ctx)
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	errs, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	r.out, r.log = string(text), string(errs)
	return r
}

func TestConfinedProgramSeesOnlyWhatIsKept(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	scratch := filepath.Join(data, "scratch")
	mirror := filepath.Join(data, "mirror")
	for _, d := range []string{scratch, mirror} {
		require.NoError(t, os.Mkdir(d, 0o700))
	}
	secret := filepath.Join(data, "berth.db")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(mirror, "p"), []byte("provider"), 0o600))
	c := runner.Confined{Dir: scratch, Env: []string{"PATH=/usr/bin:/bin", "X=1"}, Hide: []string{data}, Read: []string{mirror}, Write: []string{scratch}}
	r := confined(t, t.Context(), c, `cat "`+secret+`"; cat "`+mirror+`/p"; echo " $X $PWD"; echo w > made; echo w > "`+mirror+`/q"; exit 3`)
	require.NoError(t, r.err)
	require.Equal(t, 3, r.code)
	require.Equal(t, "provider 1 "+scratch+"\n", r.out, "the secret must not be seen: %s", r.log)
	require.FileExists(t, filepath.Join(scratch, "made"))
	require.NoFileExists(t, filepath.Join(mirror, "q"))
	require.Contains(t, r.log, "berth.db")
}

func TestConfinedProgramLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string][]string{"hidden": {t.TempDir()}, "plain": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := runner.Confined{Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}, Hide: hide}
			// The left-over holds the output open.
			r := confined(t, t.Context(), c, "sleep 987 & echo done")
			require.NoError(t, r.err)
			require.Equal(t, "done\n", r.out)
			require.False(t, runsIn(t, dir), "what the program started must not outlive it")

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			r = confined(t, ctx, c, "sleep 987 & sleep 987")
			require.ErrorIs(t, r.err, context.DeadlineExceeded)
			require.False(t, runsIn(t, dir), "what the program started must not outlive its time")
		})
	}
}

// runsIn reports whether a process has the directory as its working directory, and waits a little for killed ones to go.
func runsIn(t *testing.T, dir string) bool {
	t.Helper()
	found := false
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		found = false
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		require.NoError(t, err)
		for _, l := range links {
			if at, err := os.Readlink(l); err == nil && strings.HasPrefix(at, dir) {
				found = true
			}
		}
		if !found {
			return false
		}
	}
	return found
}
