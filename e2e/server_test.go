package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	password  = "correct horse battery staple"
	developer = "developer@example.com"
	admin     = "admin@example.com"
	sample    = "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"

	// readyWithin holds for a machine with the toolchain; one without it builds it first, for which CI has make setup.
	readyWithin  = 2 * time.Minute
	deployWithin = 5 * time.Minute
	pollEvery    = 50 * time.Millisecond
)

// server is a `berth dev` on its own data folder, which can be killed and started again.
type server struct {
	addr, sandbox, dir string
	home               string // of the sign-ins
	cmd                *exec.Cmd
	ended              chan struct{}
	out                *lockedBuffer
}

// newServer starts a server and signs in both users on the command line. The sandbox and everything else ends with t.
func newServer(t *testing.T) *server {
	t.Helper()
	home := t.TempDir()
	s := &server{addr: freeAddr(t), sandbox: freeAddr(t), dir: filepath.Join(home, "data"), home: home, out: &lockedBuffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			_, events := get(t, "http://"+s.sandbox+"/_sandbox/events")
			t.Logf("what happened in the sandbox:\n%s", events)
		}
		s.stop(t)
		if t.Failed() {
			t.Logf("the server said:\n%s", s.out)
			if text, err := os.ReadFile(filepath.Join(s.dir, "sandbox", "sandbox.log")); err == nil {
				t.Logf("the sandbox said:\n%s", text)
			}
		}
	})
	s.start(t)
	for _, email := range []string{developer, admin} {
		s.login(t, email, password)
	}
	return s
}

func (s *server) url() string { return "http://" + s.addr }

// start starts the server and waits until environments can be deployed.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(binary, "dev", "--addr", s.addr, "--sandbox-addr", s.sandbox, "--data-dir", s.dir, "--workers", "8")
	s.cmd.Env = append(os.Environ(), "BERTH_DEV_PASSWORD="+password)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	require.NoError(t, s.cmd.Start())
	ended := make(chan struct{})
	s.ended = ended
	go func() { _ = s.cmd.Wait(); close(ended) }()
	s.awaitReady(t)
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	var last string
	until(t, readyWithin, func() bool {
		select {
		case <-s.ended:
			t.Fatalf("berth dev ended at once:\n%s", s.out)
		default:
		}
		status, body := get(t, s.url()+"/readyz")
		last = body
		return status == http.StatusOK
	}, func() string { return "berth dev is not ready: " + last })
}

// kill ends the server as a crash would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Kill())
	<-s.ended
}

// stop ends the server as Ctrl-C does, then whatever a failed test left of it.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err == nil {
		select {
		case <-s.ended:
		case <-time.After(time.Minute):
			t.Errorf("berth dev did not end within a minute of SIGTERM")
			_ = s.cmd.Process.Kill()
			<-s.ended
		}
	}
	for _, p := range s.processes(t) {
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
		if !p.gone(40 * time.Second) {
			t.Errorf("a process was left and did not end: %s", p.line)
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// result is how a command ended.
type result struct {
	code        int
	out, errors string
}

// cli runs a client command as a user.
func (s *server) cli(t *testing.T, email string, args ...string) result {
	t.Helper()
	return s.cliWith(t, email, "", args...)
}

func (s *server) cliWith(t *testing.T, email, in string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deployWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "BERTH_CREDENTIALS="+filepath.Join(s.home, email+".json"))
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("berth %s: %v", strings.Join(args, " "), err)
	}
	require.NoError(t, ctx.Err(), "berth %s did not end:\n%s", strings.Join(args, " "), errs.String())
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must runs a client command that has to succeed, and returns what it printed.
func (s *server) must(t *testing.T, email string, args ...string) string {
	t.Helper()
	r := s.cli(t, email, args...)
	require.Zero(t, r.code, "berth %s\n%s%s", strings.Join(args, " "), r.out, r.errors)
	return r.out
}

func (s *server) login(t *testing.T, email, secret string) {
	t.Helper()
	r := s.cliWith(t, email, secret+"\n", "login", "--url", s.url(), "--email", email, "--password-stdin")
	require.Zero(t, r.code, r.errors)
}

// endpoint reads the address of an environment as the contract has it.
func (s *server) endpoint(t *testing.T, email, project, name string) string {
	t.Helper()
	var outputs map[string]map[string]struct{ Value json.RawMessage }
	decode(t, s.must(t, email, "env", "outputs", name, "-p", project, "-o", "json"), &outputs)
	var url string
	decode(t, string(outputs["aws-ecs"]["endpoint"].Value), &url)
	require.True(t, strings.HasPrefix(url, "http://"), url)
	return url
}

// status reads an environment's status as the contract has it.
func (s *server) status(t *testing.T, email, project, name string) string {
	t.Helper()
	var e struct{ Status string }
	decode(t, s.must(t, email, "env", "show", name, "-p", project, "-o", "json"), &e)
	return e.Status
}

// inventory is what an owner would still have to delete: "service type name" lines of the objects that concern the
// environment with this unique name; all when it is empty.
func (s *server) inventory(t *testing.T, unique string) []string {
	t.Helper()
	status, body := get(t, "http://"+s.sandbox+"/_sandbox/inventory")
	require.Equal(t, http.StatusOK, status, body)
	var all map[string]map[string][]json.RawMessage
	decode(t, body, &all)
	left := []string{}
	for service, types := range all {
		for kind, items := range types {
			for _, item := range items {
				if strings.Contains(string(item), unique) {
					left = append(left, service+" "+kind+" "+string(item))
				}
			}
		}
	}
	return left
}

func (s *server) uniqueName(t *testing.T, email, project, name string) string {
	t.Helper()
	var e struct {
		UniqueName string `json:"unique_name"`
	}
	decode(t, s.must(t, email, "env", "show", name, "-p", project, "-o", "json"), &e)
	require.NotEmpty(t, e.UniqueName)
	return e.UniqueName
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into), text)
}

// get fetches an address over a connection of its own; status 0 means no answer.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second) // asked in clean-up as well
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// until asks again and again, for changes that nothing announces.
func until(t *testing.T, within time.Duration, ok func() bool, otherwise func() string) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %s: %s", within, otherwise())
		}
	}
}

// freeAddr returns an address on which nothing listens. It is needed again after a restart, so it cannot be port 0.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
