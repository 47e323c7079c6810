package trial_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/berthdev/berth/internal/trial"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// pair writes the template pair into a folder; b is its second resource, whose endpoint answers.
func pair(t *testing.T, b *runnertest.Script, cases string) string {
	t.Helper()
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "hello") }))
	t.Cleanup(answers.Close)
	if b == nil {
		b = &runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1"}}}
	}
	if b.Outputs == nil {
		b.Outputs = map[string]json.RawMessage{"endpoint": json.RawMessage(`"` + answers.URL + `/"`)}
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, apptest.Pair(nil, b)))
	dir = filepath.Join(dir, "pair")
	if cases != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "berth.test.yaml"), []byte(cases), 0o644))
	}
	return dir
}

func options(t *testing.T) trial.Options {
	t.Helper()
	return trial.Options{
		Toolchain: tofu.Config{TofuPath: runnertest.FakeTofu(t), Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true},
		Say:       func(format string, args ...any) { t.Logf(format, args...) },
	}
}

func try(t *testing.T, dir string, o trial.Options) *trial.Report {
	t.Helper()
	set, err := trial.Load([]string{dir}, o)
	require.NoError(t, err)
	report, err := set.Run(t.Context(), o)
	require.NoError(t, err)
	return report
}

func TestCasesPassAndFail(t *testing.T) {
	t.Parallel()
	dir := pair(t, nil, `
cases:
  - name: works
    inputs: {port: 8080}
    expect:
      outputs: [{name: a.id, equals: a-1}, {name: b.endpoint, matches: "^http://"}, {name: b.none, exists: false}]
      endpoint: {status: 200, contains: hello}
  - name: refused
    inputs: {port: 0}
    expect: {failure: {message: from 1 to 65535}}
  - name: not refused
    expect: {failure: {message: anything}}
  - name: refused otherwise
    inputs: {port: 0}
    expect: {failure: {message: something else}}
  - name: other outputs
    expect:
      outputs: [{name: a.id, equals: a-2}, {name: a.nothing}, {name: b.endpoint, matches: "^ftp"}]
  - name: other status
    expect: {outputs: [{name: a.id, exists: false}]}
`)
	report := try(t, dir, options(t))
	said := map[string]string{}
	for _, c := range report.Cases {
		said[c.Name] = strings.Join(c.Failures, "\n")
		require.Equal(t, c.Passed, len(c.Failures) == 0)
	}
	require.Equal(t, 4, report.Failed)
	require.Empty(t, said["works"])
	require.Empty(t, said["refused"])
	require.Equal(t, "the deploy works, and must fail", said["not refused"])
	require.Contains(t, said["refused otherwise"], "not with")
	require.Equal(t, "output a.id is \"a-1\", and must be \"a-2\"\noutput a.nothing does not exist", strings.Join(strings.Split(said["other outputs"], "\n")[:2], "\n"))
	require.Contains(t, said["other outputs"], `does not match "^ftp"`)
	require.Equal(t, "output a.id exists, and must not", said["other status"])
}

func TestADeployThatFailsIsToldWithTheEndOfItsLog(t *testing.T) {
	t.Parallel()
	dir := pair(t, &runnertest.Script{
		Print:   []string{"pulling the image"},
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1", Error: "The image cannot be pulled"}},
	}, "")
	report := try(t, dir, options(t))
	require.Equal(t, 1, report.Failed)
	require.Equal(t, "defaults", report.Cases[0].Name)
	require.Contains(t, report.Cases[0].Failures[0], "The image cannot be pulled")
	require.Contains(t, report.Cases[0].Log, "pulling the image")
}

func TestADeclaredOutputNeedsAValue(t *testing.T) {
	t.Parallel()
	none := &runnertest.Script{Outputs: map[string]json.RawMessage{}}
	require.Contains(t, try(t, pair(t, none, ""), options(t)).Cases[0].Failures, "output b.endpoint has no value; list it in optionalOutputs if it need not have one")
	require.Zero(t, try(t, pair(t, none, "cases: [{name: optional, optionalOutputs: [b.endpoint]}]"), options(t)).Failed)
}

// What a template leaves in the cloud is seen, also when no state knows of it.
func TestWhatIsLeftInTheSandboxFails(t *testing.T) {
	t.Parallel()
	dir := pair(t, nil, "")
	file := filepath.Join(dir, "template.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	with := strings.Replace(string(text), "  allowFreeVariables: true\n", "  allowFreeVariables: true\n  contexts: [{name: aws}]\n", 1)
	require.NoError(t, os.WriteFile(file, []byte(with), 0o644))
	o := options(t)
	var once sync.Once
	var url string
	o.Say = func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		t.Log(line)
		if m := regexp.MustCompile(`sandbox at (http://\S+) is used`).FindStringSubmatch(line); m != nil {
			url = m[1]
		}
		if strings.Contains(line, "a: apply") {
			once.Do(func() { makeNetwork(t, url) })
		}
	}
	report := try(t, dir, o)
	require.Equal(t, 1, report.Failed)
	require.Contains(t, strings.Join(report.Cases[0].Failures, "\n"), "left in the sandbox: ec2 vpc")
}

func makeNetwork(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0%2F16"))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("making a network outside: %v, %v", err, resp)
		return
	}
	_ = resp.Body.Close()
}

// Ctrl-C ends the run that is going on and destroys what was made.
func TestStoppingCleansUp(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "never")
	dir := pair(t, &runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1", WaitFor: gate}}}, "")
	o := options(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	destroyed := false
	o.Say = func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		t.Log(line)
		switch {
		case strings.Contains(line, "b: apply"):
			stop()
			require.NoError(t, os.WriteFile(gate, nil, 0o600))
		case strings.Contains(line, "destroy: a: fake_thing.a delete finished"):
			destroyed = true
		}
	}
	set, err := trial.Load([]string{dir}, o)
	require.NoError(t, err)
	_, err = set.Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, destroyed)
}

func TestTestFilesAreReadStrictly(t *testing.T) {
	t.Parallel()
	for cases, want := range map[string]string{
		"cases: [{name: x, inptus: {}}]":                                       "inptus",
		"cases: [{inputs: {}}]":                                                "name is missing",
		"cases: [{name: x}, {name: x}]":                                        "another case",
		"cases: [{name: x, expect: {outputs: [{name: endpoint}]}}]":            "RESOURCE.OUTPUT",
		"cases: [{name: x, expect: {outputs: [{name: a.b, matches: \"(\"}]}}]": "matches",
		"cases: [": "berth.test.yaml",
	} {
		_, err := trial.Load([]string{pair(t, nil, cases)}, options(t))
		require.ErrorContains(t, err, want)
	}
	_, err := trial.Load([]string{t.TempDir()}, options(t))
	require.ErrorContains(t, err, "no environment template")
}

// The sample with the real program, which needs no cloud.
func TestTheSampleForReal(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the real OpenTofu; left out of short runs")
	}
	m, err := tofu.NewManager(tofu.Config{Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true})
	require.NoError(t, err)
	status, err := m.Status(t.Context())
	require.NoError(t, err)
	if status.Tofu == nil {
		tofutest.SkipOrFail(t, "needs OpenTofu: make setup installs it")
	}
	o := options(t)
	o.Toolchain = tofu.Config{TofuPath: status.Tofu.Path, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true}
	begun := time.Now()
	report := try(t, "../../templates/sample", o)
	require.Zero(t, report.Failed, "%+v", report.Cases)
	require.Len(t, report.Cases, 3)
	t.Log("took", time.Since(begun))
}
