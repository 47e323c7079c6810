package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contract deploys and destroys on the command line, as scripts of others do.
func contract(t *testing.T, s *server) {
	env := func(args ...string) string {
		t.Helper()
		return s.must(t, developer, append([]string{"env"}, args...)...)
	}
	env("create", "ecs-2", "-p", "demo", "--template", "ecs", "--version", "v1", "--var", "image_location="+sample, "--var", "container_port=80")
	require.Equal(t, "draft", s.status(t, developer, "demo", "ecs-2"))
	unique := s.uniqueName(t, developer, "demo", "ecs-2")
	require.Empty(t, s.inventory(t, unique), "a draft is nothing but a plan")

	r := s.cli(t, developer, "env", "deploy", "ecs-2", "-p", "demo", "--wait")
	if r.code != 0 {
		_, page := get(t, regexp.MustCompile(`http://[0-9.:]+/|$`).FindString(r.errors))
		t.Fatalf("deploy ended with %d: %s\nthe endpoint says: %s", r.code, r.errors, page)
	}
	require.Equal(t, "deployed", s.status(t, developer, "demo", "ecs-2"))
	url := s.endpoint(t, developer, "demo", "ecs-2")
	status, body := get(t, url)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "Amazon ECS")
	require.NotEmpty(t, s.inventory(t, unique))

	log := env("logs", "ecs-2", "-p", "demo")
	require.Equal(t, 2, strings.Count(log, "Apply complete!"), log)
	inOrder(t, log, "aws_vpc.this: Creating...", "aws_vpc.this: Creation complete", "Apply complete!",
		"aws_lb.this: Creating...", "aws_lb.this: Creation complete", "aws_ecs_service.this: Creation complete", "Apply complete!")
	require.NotContains(t, log, "sandbox-secret-key")
	require.NotContains(t, log, password)

	env("destroy", "ecs-2", "-p", "demo", "--wait")
	require.Equal(t, "destroyed", s.status(t, developer, "demo", "ecs-2"))
	require.Empty(t, s.inventory(t, unique))
	status, _ = get(t, url)
	require.Zero(t, status, "nobody listens where the load balancer was")
	env("delete", "ecs-2", "-p", "demo")
	require.Equal(t, 5, s.cli(t, developer, "env", "show", "ecs-2", "-p", "demo").code)
}

func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		_, after, ok := strings.Cut(text, p)
		require.True(t, ok, "%q is missing, or not in order, in\n%s", p, text)
		text = after
	}
}

// refusals are wrong inputs: each names the field and the fix, before anything is made.
func refusals(t *testing.T, s *server) {
	s.must(t, developer, "env", "create", "taken", "-p", "demo", "--template", "sample", "--version", "v1")
	create := func(name string, more ...string) []string {
		args := []string{"env", "create", name, "-p", "demo"}
		if len(more) == 0 {
			more = []string{"--template", "ecs", "--version", "v1"}
		}
		return append(args, more...)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"taken":            {create("taken"), 6, []string{"name", "taken"}},
		"too long":         {create("a" + strings.Repeat("b", 200)), 2, []string{"name", "characters"}},
		"capitals":         {create("Shop"), 2, []string{"name", "lower-case"}},
		"digit first":      {create("1shop"), 2, []string{"name", "letter"}},
		"unknown template": {create("x", "--template", "ecss", "--version", "v1"), 2, []string{"template", "ecss"}},
		"unknown version":  {create("x", "--template", "ecs", "--version", "v9"), 2, []string{"version", "v9"}},
		"port":             {create("x", "--template", "ecs", "--version", "v1", "--var", "container_port=eighty"), 2, []string{"container_port", "number", "eighty"}},
		"port range":       {create("x", "--template", "ecs", "--version", "v1", "--var", "container_port=70000"), 2, []string{"container_port", "65535"}},
		"not allowed":      {create("x", "--template", "ecs", "--version", "v1", "--var", "vpc_id=vpc-1"), 2, []string{"vpc_id"}},
		"var form":         {create("x", "--template", "ecs", "--version", "v1", "--var", "container_port"), 2, []string{"name=value"}},
		"unknown project":  {[]string{"env", "list", "-p", "nowhere"}, 5, []string{"nowhere"}},
		"no project":       {[]string{"env", "list"}, 2, []string{"-p"}},
		"unknown env":      {[]string{"env", "deploy", "nothing", "-p", "demo", "--wait"}, 5, []string{"no environment with this name"}},
		"nothing to stop":  {[]string{"env", "cancel", "taken", "-p", "demo"}, 6, []string{"cancel"}},
		"not an admin":     {[]string{"project", "create", "mine"}, 4, []string{"role", "Organisation Admin"}},
		"no credentials":   {[]string{"context", "list", "-p", "demo"}, 4, []string{"role"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.cli(t, developer, c.args...)
			require.Equal(t, c.code, r.code, r.out+r.errors)
			for _, word := range c.says {
				require.Contains(t, r.errors, word)
			}
		})
	}
}

// nothingMade checks what refusals must not have done; it runs after them.
func nothingMade(t *testing.T, s *server) {
	t.Helper()
	out := s.must(t, developer, "env", "list", "-p", "demo", "-o", "json", "-q", "x")
	require.NotRegexp(t, regexp.MustCompile(`"name": ?"(x|Shop|1shop)"`), out)
}

// failures are deploys that AWS would refuse or that never become healthy. The cause is said, soon.
func failures(t *testing.T, s *server) {
	for name, c := range map[string]struct {
		vars []string
		says string
	}{
		"no-image":   {[]string{"image_location=127.0.0.1:9/nothing/here:latest"}, "CannotPullContainerError"},
		"wrong-port": {[]string{"image_location=" + sample, "container_port=8099"}, "health check"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"env", "create", name, "-p", "demo", "--template", "ecs", "--version", "v1"}
			for _, v := range c.vars {
				args = append(args, "--var", v)
			}
			s.must(t, developer, args...)
			unique := s.uniqueName(t, developer, "demo", name)
			r := s.cli(t, developer, "env", "deploy", name, "-p", "demo", "--wait")
			require.Equal(t, 8, r.code, r.out+r.errors)
			require.Contains(t, r.errors, c.says)
			// What comes before the service, the provider's own waits above all, takes 75 s on a machine that has nothing else
			// to do, and this one has ten deploys to do: so that 2 minutes hold, 45 s are left.
			require.Less(t, serviceTook(t, s, name), 45*time.Second, "a deploy that fails must not wait long")
			require.Equal(t, "failed", s.status(t, developer, "demo", name))
			var e struct{ Cause string }
			decode(t, s.must(t, developer, "env", "show", name, "-p", "demo", "-o", "json"), &e)
			require.Contains(t, e.Cause, c.says, "the cause must say what is wrong")

			s.must(t, developer, "env", "destroy", name, "-p", "demo", "--wait")
			require.Empty(t, s.inventory(t, unique))
		})
	}
}

// serviceTook is how long the first run of an environment went on after ECS was asked for the service.
func serviceTook(t *testing.T, s *server, name string) time.Duration {
	t.Helper()
	r, err := s.client(t).Run(t.Context(), "demo", name, 1)
	require.NoError(t, err)
	require.NotNil(t, r.FinishedAt)
	for _, step := range r.Steps {
		for _, o := range step.Objects {
			if o.Type == "aws_ecs_service" && o.StartedAt != nil {
				return r.FinishedAt.Sub(*o.StartedAt)
			}
		}
	}
	require.Fail(t, "no service was asked for")
	return 0
}

// secrets asks for what a developer must not see; the refusal is on record.
func secrets(t *testing.T, s *server) {
	for _, path := range []string{"/p/demo/contexts", "/p/demo/settings/audit"} {
		status, _ := get(t, s.url()+path)
		require.Equal(t, http.StatusOK, status, "somebody who is not signed in is sent to sign in")
	}
	r := s.cli(t, developer, "context", "list", "-p", "demo")
	require.Equal(t, 4, r.code)
	require.Contains(t, r.errors, "Admin", fmt.Sprintf("the missing role is named: %s", r.errors))
}
