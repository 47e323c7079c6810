package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestMain(m *testing.M) { apptest.Main(m) }

const (
	eventually = 15 * time.Second
	often      = 5 * time.Millisecond
)

// terminal runs commands as somebody with files and an environment of their own does.
type terminal struct {
	t           *testing.T
	env         map[string]string
	credentials string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings", "credentials.json")
	return &terminal{t, map[string]string{"BERTH_CREDENTIALS": path}, path}
}

// signedIn returns a terminal that has signed in.
func signedIn(t *testing.T, s *apptest.Server, email string) *terminal {
	t.Helper()
	term := newTerminal(t)
	term.do(exitOK, apptest.Password+"\n", "login", "--url", s.URL, "--email", email, "--password-stdin")
	return term
}

type result struct{ out, err string }

// do runs a command, which must end with this code.
func (c *terminal) do(code int, input string, args ...string) result {
	c.t.Helper()
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) {
		value, ok := c.env[name]
		return value, ok
	}
	got := run(c.t.Context(), args, stdio{strings.NewReader(input), &out, &errs, lookup})
	require.Equal(c.t, code, got, "berth %s\n%s\n%s", strings.Join(args, " "), out.String(), errs.String())
	return result{out.String(), errs.String()}
}

var varying = []struct {
	is   *regexp.Regexp
	show string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`\b(env|run|stp|step|prj|usr|ctx)_[a-z0-9_]+`), "${1}_ID"},
	{regexp.MustCompile(`one-[a-z0-9]{5}\b`), "one-RANDOM"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d{2,}`), "URL"},
	{regexp.MustCompile(`faketofu[^"\s]*|"tool": "[^"]*"`), "TOOL"},
}

// golden compares what a command printed with a file, without what is new each time.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, v := range varying {
		got = v.is.ReplaceAllString(got, v.show)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update and read the difference")
}
