package repository_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/tofu/tofutest"
)

func newService(t *testing.T, d *db.DB) *repository.Service {
	t.Helper()
	keys, err := secret.NewKeyring(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p1', 'one', '', 1, 1), ('p2', 'two', '', 1, 1)`)
	require.NoError(t, err)
	return repository.New(repository.Deps{DB: d, Audit: audit.New(audit.Deps{DB: d}), Keyring: keys, TempDir: t.TempDir()})
}

func TestRefusesWhoeverIsNotSignedIn(t *testing.T) {
	t.Parallel()
	authztest.RefusesAnonymous(t, newService(t, dbtest.SQLite(t)), map[string]string{
		"GitEnviron": "it refuses everybody but the system subject, as forbidden",
	})
	_, _, _, err := newService(t, dbtest.SQLite(t)).GitEnviron(t.Context(), "p1", "infra")
	require.ErrorIs(t, err, authz.ErrForbidden)
}

func TestSecretsAreWriteOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newService(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		in := repository.Input{Description: "code", URL: "https://127.0.0.1:1/Team/infra.git", Username: "bob", Secret: "canary-token", DefaultRevision: "main"}
		got, created, err := s.Set(ctx, "p1", "infra", in)
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, repository.Repository{
			ID: got.ID, ProjectID: "p1", Name: "infra", Description: "code", URL: in.URL, Username: "bob", Auth: repository.AuthPassword,
			DefaultRevision: "main", HasSecret: true, CreatedAt: got.CreatedAt, UpdatedAt: got.UpdatedAt,
		}, got)

		// Without a secret the stored one is kept.
		in.Secret, in.Description = "", "changed"
		got, created, err = s.Set(ctx, "p1", "infra", in)
		require.NoError(t, err)
		require.False(t, created)
		require.True(t, got.HasSecret)
		require.Equal(t, "changed", got.Description)
		stored, err := s.Get(ctx, "p1", "infra")
		require.NoError(t, err)
		require.Equal(t, got, stored)
		in.Secret = "canary-token"
		again, created, err := s.Set(ctx, "p1", "infra", in)
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, stored, again, "nothing has changed")
		env, secrets, cleanup, err := s.GitEnviron(ctx, "p1", "infra")
		require.NoError(t, err)
		cleanup()
		require.Equal(t, []string{"canary-token"}, secrets)
		require.Contains(t, env, "BERTH_GIT_PASSWORD=canary-token")

		key, _ := newKey(t, "canary-passphrase")
		_, _, err = s.Set(ctx, "p1", "keyed", repository.Input{URL: "git@127.0.0.1:team/infra.git", Secret: key, Passphrase: "canary-passphrase"})
		require.NoError(t, err)
		verdict, err := s.Test(ctx, "p1", "infra")
		require.NoError(t, err)
		require.False(t, verdict.OK)

		list, err := s.List(ctx, "p1")
		require.NoError(t, err)
		require.Len(t, list, 2)
		shown, err := json.Marshal(list)
		require.NoError(t, err)
		for _, hidden := range []string{"canary", strings.Split(key, "\n")[1]} {
			for _, table := range []string{"repositories", "audit_entries"} {
				require.NotContains(t, dump(t, d, table), hidden)
			}
			require.NotContains(t, string(shown)+fmt.Sprintf("%+v", list), hidden)
		}
		require.NoError(t, s.Delete(ctx, "p1", "infra"))
		_, err = s.Get(ctx, "p1", "infra")
		require.ErrorIs(t, err, repository.ErrNotFound)
		require.ErrorIs(t, s.Delete(ctx, "p1", "infra"), repository.ErrNotFound)

		var actions []string
		rows, err := db.List(ctx, d, db.Value[string], `SELECT action FROM audit_entries ORDER BY id`)
		require.NoError(t, err)
		actions = append(actions, rows...)
		require.Equal(t, []string{"repository.set", "repository.set", "repository.set", "repository.test", "repository.delete"}, actions)

		// A sealed secret is of no use in another row.
		_, err = d.ExecContext(ctx, `UPDATE repositories SET id = 'repo_moved' WHERE name = 'keyed'`)
		require.NoError(t, err)
		_, _, _, err = s.GitEnviron(ctx, "p1", "keyed")
		require.ErrorIs(t, err, secret.ErrCiphertext)
	})
}

func dump(t *testing.T, d *db.DB, table string) string {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var out bytes.Buffer
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		require.NoError(t, rows.Scan(cells...))
		for _, c := range cells {
			switch v := (*c.(*any)).(type) {
			case []byte:
				out.Write(v)
			default:
				fmt.Fprint(&out, v)
			}
			out.WriteByte('\n')
		}
	}
	require.NoError(t, rows.Err())
	return out.String()
}

// A stored secret must not follow a changed URL to somebody else's server.
func TestStoredSecretsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.SQLite(t))
	ctx := authz.WithSubject(t.Context(), authz.System("test"))
	key, _ := newKey(t, "")
	set := func(name string, in repository.Input) error {
		_, _, err := s.Set(ctx, "p1", name, in)
		return err
	}
	require.NoError(t, set("infra", repository.Input{URL: "https://git.example.com/a.git", Secret: "canary-token"}))
	require.NoError(t, set("keyed", repository.Input{URL: "git@git.example.com:a.git", Secret: key}))
	require.NoError(t, set("infra", repository.Input{URL: "https://git.example.com:443/b.git", Auth: repository.AuthPassword}))
	require.NoError(t, set("keyed", repository.Input{URL: "ssh://git@git.example.com/b.git"}))
	for name, url := range map[string]string{"infra": "https://evil.example.com/b.git", "keyed": "git@evil.example.com:a.git"} {
		err := set(name, repository.Input{URL: url})
		require.ErrorContains(t, err, "secret: give the")
		require.NotContains(t, err.Error(), "canary")
		_, err = s.TestInput(ctx, "p1", name, repository.Input{URL: url})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	require.ErrorContains(t, set("infra", repository.Input{URL: "https://git.example.com:8443/b.git", Auth: repository.AuthPassword}), "give the password or token again")
	// Nor does it outlive its use.
	require.NoError(t, set("infra", repository.Input{URL: "https://git.example.com/a.git", Auth: repository.AuthNone}))
	require.ErrorContains(t, set("infra", repository.Input{URL: "https://git.example.com/a.git", Auth: repository.AuthPassword}), "secret: is missing")
}

func TestProjectsSeeTheirOwnAndTheOrganisations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newService(t, d)
		system := authz.WithSubject(t.Context(), authz.System("test"))
		for project, names := range map[string][]string{"": {"infra", "shared"}, "p1": {"infra"}, "p2": {"other"}} {
			for _, name := range names {
				_, _, err := s.Set(system, project, name, repository.Input{Description: "of " + project, URL: "https://git.example.com/a.git"})
				require.NoError(t, err)
			}
		}
		list, err := s.List(system, "p1")
		require.NoError(t, err)
		var seen []string
		for _, r := range list {
			seen = append(seen, r.Name+" "+r.Description)
		}
		require.Equal(t, []string{"infra of p1", "shared of "}, seen)
		got, err := s.Get(system, "p1", "shared")
		require.NoError(t, err)
		require.Empty(t, got.ProjectID)
		require.ErrorIs(t, s.Delete(system, "p1", "shared"), repository.ErrNotFound)
		_, err = s.Get(system, "p1", "other")
		require.ErrorIs(t, err, repository.ErrNotFound)
		_, _, err = s.Set(system, "none", "infra", repository.Input{URL: "https://git.example.com/a.git"})
		require.ErrorContains(t, err, "project: does not exist")
	})
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.SQLite(t))
	ctx := authz.WithSubject(t.Context(), authz.System("test"))
	const url = "https://git.example.com/a.git"
	key, signer := newKey(t, "")
	locked, _ := newKey(t, "canary-passphrase")
	public := knownhosts.Line([]string{"h"}, signer.PublicKey())[2:]
	for name, tc := range map[string]struct {
		in   repository.Input
		want string
	}{
		"no url":            {repository.Input{}, "url: is missing"},
		"no address":        {repository.Input{URL: "infra"}, "url: is no address"},
		"scheme":            {repository.Input{URL: "git://git.example.com/a.git"}, "url: must begin with https:// or ssh://; git:// is not supported"},
		"ext":               {repository.Input{URL: "ext::sh -c x"}, "url: must not hold spaces"},
		"http":              {repository.Input{URL: "http://git.example.com/a.git"}, "which sends passwords and code in clear"},
		"file":              {repository.Input{URL: "file:///etc"}, "reads the server's own disk"},
		"credentials":       {repository.Input{URL: "https://bob:canary-x@git.example.com/a.git"}, "put them into the user name and password fields"},
		"user":              {repository.Input{URL: "https://canary-x@git.example.com/a.git"}, "must not hold credentials"},
		"ssh password":      {repository.Input{URL: "ssh://git:canary-x@git.example.com/a.git"}, "must not hold credentials"},
		"query":             {repository.Input{URL: url + "?ref=main"}, "a field of its own"},
		"metadata":          {repository.Input{URL: "https://169.254.169.254/a.git"}, "link-local"},
		"mapped metadata":   {repository.Input{URL: "https://[::ffff:169.254.169.254]/a.git"}, "link-local"},
		"no path":           {repository.Input{URL: "https://git.example.com/"}, "names no repository"},
		"option as host":    {repository.Input{URL: "ssh://-oProxyCommand=x/a.git"}, "names a host that cannot be"},
		"option as user":    {repository.Input{URL: "ssh://-x@git.example.com/a.git"}, "user name that no SSH server has"},
		"auth":              {repository.Input{URL: url, Auth: "oauth"}, `auth: there is no way to sign in called "oauth"`},
		"password for ssh":  {repository.Input{URL: "git@git.example.com:a.git", Auth: repository.AuthPassword, Secret: "canary-x"}, "a password needs an https address"},
		"key for https":     {repository.Input{URL: url, Auth: repository.AuthSSH, Secret: key}, "a private key needs an ssh address"},
		"none for ssh":      {repository.Input{URL: "git@git.example.com:a.git", Auth: repository.AuthNone}, "needs a private key"},
		"no secret":         {repository.Input{URL: url, Username: "bob"}, "secret: is missing"},
		"line break":        {repository.Input{URL: url, Secret: "canary\nx"}, "must not hold a line break"},
		"two users":         {repository.Input{URL: "git@git.example.com:a.git", Username: "bob", Secret: key}, `the URL says "git"`},
		"no key":            {repository.Input{URL: "git@git.example.com:a.git", Secret: "canary-x"}, "secret: is no private key"},
		"public key":        {repository.Input{URL: "git@git.example.com:a.git", Secret: public}, "secret: is a public key"},
		"no passphrase":     {repository.Input{URL: "git@git.example.com:a.git", Secret: locked}, "passphrase: is missing"},
		"wrong passphrase":  {repository.Input{URL: "git@git.example.com:a.git", Secret: locked, Passphrase: "canary-y"}, "passphrase: does not open"},
		"known hosts":       {repository.Input{URL: "git@git.example.com:a.git", Secret: key, KnownHosts: "# fine\n\nnonsense"}, "knownHosts: line 3 is none"},
		"CA":                {repository.Input{URL: url, CACert: "nonsense"}, "caCert: is no certificate in PEM form"},
		"CA with a key":     {repository.Input{URL: url, CACert: key}, `caCert: must hold nothing but certificates, but holds "OPENSSH PRIVATE KEY"`},
		"default revision":  {repository.Input{URL: url, DefaultRevision: "--x"}, "defaultRevision"},
		"username of none":  {repository.Input{URL: url, Auth: repository.AuthNone, Username: "bob"}, "username: belongs to a password"},
		"secret of none":    {repository.Input{URL: url, Auth: repository.AuthNone, Secret: "canary-x"}, "secret: belongs to a way to sign in"},
		"colon in username": {repository.Input{URL: url, Username: "a:b", Secret: "canary-x"}, "username: must not hold a colon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := s.Set(ctx, "p1", "infra", tc.in)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
	_, _, err := s.Set(ctx, "p1", "Infra", repository.Input{URL: url})
	require.ErrorContains(t, err, `name: "Infra" is no name`)
}

func TestAddressesAreStoredInOneForm(t *testing.T) {
	t.Parallel()
	s := newService(t, dbtest.SQLite(t))
	ctx := authz.WithSubject(t.Context(), authz.System("test"))
	key, _ := newKey(t, "")
	for in, want := range map[string]string{
		" HTTPS://Git.Example.com/Team/a.git ": "https://git.example.com/Team/a.git", "git@git.example.com:team/a.git": "ssh://git@git.example.com/team/a.git",
		"git.example.com:team/a.git": "ssh://git.example.com/team/a.git", "ssh://git@git.example.com:2222/a": "ssh://git@git.example.com:2222/a",
		"git@[::1]:a.git": "ssh://git@[::1]/a.git", "https://[::1]:8443/a.git": "https://[::1]:8443/a.git", "http://localhost:3000/a": "http://localhost:3000/a",
		"https://10.0.0.1/a": "https://10.0.0.1/a",
	} {
		input := repository.Input{URL: in}
		if strings.HasPrefix(want, "ssh") {
			input.Secret = key
		}
		got, _, err := s.Set(ctx, "p1", "infra", input)
		require.NoError(t, err, in)
		require.Equal(t, want, got.URL)
		require.NoError(t, s.Delete(ctx, "p1", "infra"))
	}
}

func TestCleanRemovesWhatAKilledServerLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "berth-repository-1", "objects"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	require.NoError(t, repository.New(repository.Deps{TempDir: dir}).Clean())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, repository.New(repository.Deps{}).Clean())
}

// The environment is tried with the git program itself.
func TestGitEnviron(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	clone := func(t *testing.T, b *bench, url string) error {
		env, secrets, cleanup, err := b.GitEnviron(b.ctx, "p1", "infra")
		require.NoError(t, err)
		defer cleanup()
		for _, v := range env {
			if name, value, _ := strings.Cut(v, "="); name != "BERTH_GIT_PASSWORD" {
				for _, s := range secrets {
					require.NotContains(t, value, s)
				}
			}
		}
		cmd := exec.CommandContext(t.Context(), "git", "clone", "-q", "--depth", "1", url, filepath.Join(t.TempDir(), "clone"))
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }), env...)
		cmd.Env = append(cmd.Env, "HOME="+t.TempDir(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		server := gitServer(t, h.gitRepo, "bob", "canary-password", nil)
		other := gitServer(t, h.gitRepo, "bob", "canary-password", nil)
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.URL + "/team/infra.git", Username: "bob", Secret: "canary-password", CACert: caOf(server)})
		require.NoError(t, clone(t, b, server.URL+"/team/infra.git"))
		err := clone(t, b, other.URL+"/team/infra.git")
		require.Error(t, err, "another host gets the credentials")
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		server := gitServer(t, h.gitRepo, "git", "canary-password", nil)
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.URL + "/team/infra.git", Secret: "canary-password", CACert: caOf(server)})
		require.NoError(t, clone(t, b, server.URL+"/team/infra.git"))
	})
	t.Run("ssh", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("ssh"); err != nil {
			tofutest.SkipOrFail(t, "needs ssh on PATH: make setup installs it")
		}
		key, signer := newKey(t, "canary-passphrase")
		server, other := newSSHServer(t, signer.PublicKey()), newSSHServer(t, signer.PublicKey())
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.url(h.gitRepo), Secret: key, Passphrase: "canary-passphrase",
			KnownHosts: knownhosts.Line([]string{knownhosts.Normalize(server.addr)}, server.hostKey)})
		require.NoError(t, clone(t, b, server.url(h.gitRepo)))
		require.ErrorContains(t, clone(t, b, other.url(h.gitRepo)), "Host key verification failed")
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: h.url()})
		require.NoError(t, clone(t, b, h.url()))
		env, secrets, cleanup, err := b.GitEnviron(b.ctx, "p1", "")
		require.NoError(t, err)
		cleanup()
		require.Empty(t, secrets)
		require.Contains(t, env, "GIT_TERMINAL_PROMPT=0")
	})
}
