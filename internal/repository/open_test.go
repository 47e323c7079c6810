package repository_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/secret"
)

// bench is a service with a project, and a folder whose leftovers are checked.
type bench struct {
	*repository.Service
	ctx  context.Context
	temp string
}

func setup(t *testing.T, limits repository.Limits) *bench {
	t.Helper()
	d := dbtest.SQLite(t)
	keys, err := secret.NewKeyring([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p1', 'one', '', 1, 1)`)
	require.NoError(t, err)
	b := &bench{temp: t.TempDir(), ctx: authz.WithSubject(t.Context(), authz.System("test"))}
	b.Service = repository.New(repository.Deps{DB: d, Audit: audit.New(audit.Deps{DB: d}), Keyring: keys, AllowFile: true, TempDir: b.temp, Limits: limits})
	t.Cleanup(func() {
		left, err := os.ReadDir(b.temp)
		require.NoError(t, err)
		require.Empty(t, left, "temporary files are left behind")
	})
	return b
}

func (b *bench) set(t *testing.T, in repository.Input) {
	t.Helper()
	_, _, err := b.Set(b.ctx, "p1", "infra", in)
	require.NoError(t, err)
}

// read opens a revision and returns what is in main.tf.
func (b *bench) read(t *testing.T, revision string) (content, commit, name string) {
	t.Helper()
	c, err := b.Open(b.ctx, "p1", "infra", revision)
	require.NoError(t, err)
	text, err := fs.ReadFile(c.FS, "modules/vpc/main.tf")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	return string(text), c.Commit, c.Revision
}

// history is a repository with a branch, tags, and a commit that is the tip of none.
type history struct {
	*gitRepo
	first, second, branch, tag string
}

func newHistory(t *testing.T) *history {
	t.Helper()
	r := newRepo(t)
	h := &history{gitRepo: r}
	r.write("modules/vpc/main.tf", "first")
	h.first = r.commit("first")
	r.write("modules/vpc/main.tf", "second")
	h.second = r.commit("second")
	r.git("tag", "v1.0.0")
	r.write("modules/vpc/main.tf", "third")
	h.tag = r.commit("third")
	r.git("tag", "-a", "-m", "annotated", "v2.0.0")
	r.git("tag", "-a", "-m", "tag of a tag", "v2.0.0-nested", "v2.0.0")
	r.git("checkout", "-q", "-b", "feature/one")
	r.write("modules/vpc/main.tf", "feature")
	h.branch = r.commit("feature")
	r.git("checkout", "-q", "main")
	r.write("modules/vpc/main.tf", "main")
	r.commit("last")
	return h
}

func TestOpenResolvesRevisions(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	check := func(t *testing.T, b *bench) {
		for _, tc := range []struct{ revision, content, commit, name string }{
			{"", "main", h.git("rev-parse", "main"), "main"},
			{"main", "main", h.git("rev-parse", "main"), "main"},
			{"feature/one", "feature", h.branch, "feature/one"},
			{"refs/heads/feature/one", "feature", h.branch, "refs/heads/feature/one"},
			{"v1.0.0", "second", h.second, "v1.0.0"},
			{"v2.0.0", "third", h.tag, "v2.0.0"},
			{"v2.0.0-nested", "third", h.tag, "v2.0.0-nested"},
			{h.branch, "feature", h.branch, h.branch},
			{h.branch[:8], "feature", h.branch, h.branch[:8]},
			{h.first, "first", h.first, h.first},
			{h.first[:7], "first", h.first, h.first[:7]},
			{strings.ToUpper(h.first[:10]), "first", h.first, strings.ToUpper(h.first[:10])},
		} {
			content, commit, name := b.read(t, tc.revision)
			require.Equal(t, []string{tc.content, tc.commit, tc.name}, []string{content, commit, name}, "revision %q", tc.revision)
		}
		for revision, want := range map[string]string{
			"featur/one": `no branch, tag or commit "featur/one"; did you mean feature/one?`, "1.0.0": "did you mean v1.0.0",
			"deadbeef": `no branch, tag or commit "deadbeef"`, strings.Repeat("0123456789", 4): "no branch, tag or commit", "a b": "is no branch", "--upload-pack=x": "is no branch",
		} {
			_, err := b.Open(b.ctx, "p1", "infra", revision)
			require.ErrorIs(t, err, repository.ErrRevision, revision)
			require.Contains(t, message(t, err), want)
		}
	}
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: h.url()})
		check(t, b)
	})
	t.Run("https", func(t *testing.T) {
		t.Parallel()
		server := gitServer(t, h.gitRepo, "bob", "canary-password", nil)
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.URL + "/team/infra.git", Username: "bob", Secret: "canary-password", CACert: caOf(server)})
		check(t, b)
	})
	t.Run("https, commits by hash", func(t *testing.T) {
		t.Parallel()
		h := newHistory(t)
		h.git("config", "uploadpack.allowAnySHA1InWant", "true")
		server := gitServer(t, h.gitRepo, "", "", nil)
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.URL + "/team/infra.git/", CACert: caOf(server)})
		content, commit, _ := b.read(t, h.first)
		require.Equal(t, []string{"first", h.first}, []string{content, commit})
		_, err := b.Open(b.ctx, "p1", "infra", strings.Repeat("0123456789", 4))
		require.ErrorIs(t, err, repository.ErrRevision)
	})
	t.Run("ssh", func(t *testing.T) {
		t.Parallel()
		key, signer := newKey(t, "")
		server := newSSHServer(t, signer.PublicKey())
		b := setup(t, repository.Limits{})
		b.set(t, repository.Input{URL: server.url(h.gitRepo), Secret: key,
			KnownHosts: knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(server.addr))}, server.hostKey)})
		check(t, b)
	})
}

func message(t *testing.T, err error) string {
	t.Helper()
	f, ok := fault.As(err)
	require.True(t, ok, "no fault: %v", err)
	require.NotContains(t, err.Error(), "canary")
	return f.Message
}

func TestTreeIsAFileSystem(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.write("modules/vpc/main.tf", "vpc")
	r.write("modules/ecs/main.tf", "ecs")
	r.write("README.md", strings.Repeat("long ", 50_000))
	r.write("empty", "")
	require.NoError(t, os.Chmod(r.dir+"/empty", 0o755))
	require.NoError(t, os.Symlink("../vpc/main.tf", r.dir+"/modules/ecs/link.tf"))
	require.NoError(t, os.Symlink("modules/ecs", r.dir+"/ecs"))
	commit := r.commit("files")
	r.git("tag", "plain")
	require.NoError(t, os.Symlink("/etc/passwd", r.dir+"/absolute"))
	require.NoError(t, os.Symlink("../../../etc/passwd", r.dir+"/modules/outside"))
	require.NoError(t, os.Symlink("loop", r.dir+"/loop"))
	r.commit("links")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+commit+",modules/sub")
	r.git("commit", "-q", "-m", "submodule")

	b := setup(t, repository.Limits{})
	b.set(t, repository.Input{URL: r.url()})
	c, err := b.Open(b.ctx, "p1", "infra", "plain")
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(c.FS, "modules/vpc/main.tf", "modules/ecs/main.tf", "README.md", "empty", "modules/ecs/link.tf"))
	text, err := fs.ReadFile(c.FS, "ecs/link.tf")
	require.NoError(t, err)
	require.Equal(t, "vpc", string(text))
	info, err := fs.Stat(c.FS, "empty")
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o755), info.Mode())
	require.NoError(t, c.Close())

	c, err = b.Open(b.ctx, "p1", "infra", "main")
	require.NoError(t, err)
	for name, want := range map[string]error{
		"absolute": repository.ErrUnsafe, "modules/outside": repository.ErrUnsafe, "../x": fs.ErrInvalid, "/etc/passwd": fs.ErrInvalid,
		"modules/none": fs.ErrNotExist, "modules/sub/main.tf": repository.ErrSubmodule, ".git/config": fs.ErrNotExist,
	} {
		_, err := fs.ReadFile(c.FS, name)
		require.ErrorIs(t, err, want, name)
	}
	_, err = fs.ReadFile(c.FS, "loop")
	require.ErrorContains(t, err, "too many symbolic links")
	entries, err := fs.ReadDir(c.FS, "modules/sub")
	require.NoError(t, err)
	require.Empty(t, entries)
	for asked, want := range map[string]string{"": ".", "/": ".", "./modules/vpc/": "modules/vpc", "ecs": "ecs", "/modules": "modules"} {
		got, err := c.Folder(asked)
		require.NoError(t, err, asked)
		require.Equal(t, want, got)
	}
	for asked, want := range map[string]string{
		"modules/vpcs": "no folder modules/vpcs at main; did you mean modules/vpc?", "vpc": "did you mean modules/vpc?", "../x": "leads out of the repository",
		"modules/sub": "is a git submodule", "modules/sub/x": "is a git submodule", "README.md": "is a file", "absolute": "outside the repository",
	} {
		_, err := c.Folder(asked)
		require.Contains(t, message(t, err), want, asked)
	}
	require.NoError(t, c.Close())
}

func TestHostileRepositories(t *testing.T) {
	t.Parallel()
	limits := repository.DefaultLimits()
	limits.PackBytes, limits.TreeBytes, limits.TreeFiles = 1<<20, 2<<20, 50
	for name, tc := range map[string]struct {
		make func(r *gitRepo)
		want error
		says string
	}{
		"dots":  {func(r *gitRepo) { r.tree("100644 blob %s\t..", "x") }, repository.ErrUnsafe, `".."`},
		"slash": {func(r *gitRepo) { r.tree("100644 blob %s\ta/../../b", "x") }, repository.ErrUnsafe, "lead out"},
		"git":   {func(r *gitRepo) { r.tree("100644 blob %s\t.GIT", "x") }, repository.ErrUnsafe, `".GIT"`},
		"pack": {func(r *gitRepo) {
			noise := make([]byte, 1200<<10)
			for i, x := 0, uint32(1); i < len(noise); i++ {
				x = x*1664525 + 1013904223
				noise[i] = byte(x >> 24)
			}
			r.write("noise", string(noise))
			r.commit("noise")
		}, repository.ErrTooLarge, "sends more than the limit of 1 MB"},
		"inflation": {func(r *gitRepo) {
			r.write("one", strings.Repeat("\x00", 1<<20))
			r.write("two", strings.Repeat("\x01", 3<<19))
			r.commit("zeros")
		}, repository.ErrTooLarge, "larger than the limit of 2 MB"},
		"one object": {func(r *gitRepo) {
			r.write("zeros", strings.Repeat("\x00", 3<<20))
			r.commit("zeros")
		}, repository.ErrTooLarge, "a file of more than 2 MB"},
		"files": {func(r *gitRepo) {
			for i := range 60 {
				r.write(strings.Repeat("x", i+1), "")
			}
			r.commit("files")
		}, repository.ErrTooLarge, "limit of 50 files"},
		"empty": {func(*gitRepo) {}, repository.ErrEmpty, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			tc.make(r)
			b := setup(t, limits)
			b.set(t, repository.Input{URL: r.url()})
			_, err := b.Open(b.ctx, "p1", "infra", "")
			require.ErrorIs(t, err, tc.want)
			require.Contains(t, message(t, err), tc.says)
		})
	}
}

// tree commits a tree with one entry of a name that git would not write itself.
func (r *gitRepo) tree(format, content string) {
	r.t.Helper()
	blob := r.gitWith(content, "hash-object", "-w", "--stdin")
	mode, rest, _ := strings.Cut(format, " ")
	_, name, _ := strings.Cut(rest, "\t")
	raw := mode + " " + name + "\x00" + unhex(r.t, blob)
	tree := r.gitWith(raw, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
	commit := r.git("commit-tree", "-m", "hostile", tree)
	r.git("update-ref", "refs/heads/main", commit)
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	server := gitServer(t, h.gitRepo, "bob", "canary-password", nil)
	ca := caOf(server)
	key, signer := newKey(t, "")
	other, _ := newKey(t, "")
	sshd := newSSHServer(t, signer.PublicKey())
	stranger := newSSHServer(t, signer.PublicKey())
	known := knownhosts.Line([]string{knownhosts.Normalize(sshd.addr)}, sshd.hostKey)
	wrong := knownhosts.Line([]string{knownhosts.Normalize(sshd.addr)}, stranger.hostKey)
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	t.Cleanup(page.Close)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("the redirect was followed, with authorisation %q", req.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	moved := gitServer(t, h.gitRepo, "bob", "canary-password", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasPrefix(req.URL.Path, "/old") {
				http.Redirect(w, req, strings.Replace(req.URL.String(), "/old", "/team", 1), http.StatusMovedPermanently)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	away := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/team/infra.git/info/refs", http.StatusFound))
	t.Cleanup(away.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	https := server.URL + "/team/infra.git"
	login := func(url, user, password string) repository.Input {
		return repository.Input{URL: url, Username: user, Secret: password, Auth: repository.AuthPassword, CACert: ca}
	}

	for name, tc := range map[string]struct {
		in              repository.Input
		message, advice string // empty message: it works
	}{
		"https":          {login(https, "bob", "canary-password"), "", ""},
		"ssh":            {repository.Input{URL: sshd.url(h.gitRepo), Secret: key, KnownHosts: known}, "", ""},
		"file":           {repository.Input{URL: h.url()}, "", ""},
		"default":        {repository.Input{URL: h.url(), DefaultRevision: "v1.0.0"}, "", ""},
		"moved":          {repository.Input{URL: moved.URL + "/old/infra.git", Username: "bob", Secret: "canary-password", CACert: caOf(moved)}, "", ""},
		"wrong password": {login(https, "bob", "canary-wrong"), "does not accept the user name and password", "token"},
		"no password":    {repository.Input{URL: https, CACert: ca}, "asks for a user name and a password", "Choose password"},
		"no CA":          {repository.Input{URL: https}, "signed by an authority that is not trusted", "CA certificate field"},
		"no repository":  {login(server.URL+"/team/other.git", "bob", "canary-password"), "has no repository /team/other.git", "Check the path"},
		"not there":      {repository.Input{URL: web.URL + "/x.git"}, "has no repository /x.git", "private"},
		"web page":       {repository.Input{URL: page.URL + "/x.git"}, "not as a git server does", "git clone"},
		"redirect":       {login(away.URL+"/team/infra.git", "bob", "canary-password"), "redirects to another server", elsewhere.Listener.Addr().String()},
		"no TLS":         {repository.Input{URL: strings.Replace(page.URL, "http:", "https:", 1) + "/x.git"}, "does not speak TLS", "port"},
		"refused":        {repository.Input{URL: "https://" + free.Addr().String() + "/x.git"}, "refuses the connection", "port"},
		"refused ssh":    {repository.Input{URL: "ssh://git@" + free.Addr().String() + "/x.git", Secret: key}, "refuses the connection", "port"},
		"unknown host":   {repository.Input{URL: "https://git.invalid/x.git"}, "git.invalid", "can resolve"},
		"host key":       {repository.Input{URL: sshd.url(h.gitRepo), Secret: key}, "host key of 127.0.0.1 is not known; the server shows ssh-ed25519 SHA256:", known},
		"changed key":    {repository.Input{URL: sshd.url(h.gitRepo), Secret: key, KnownHosts: wrong}, "not the one in known hosts", "stand in between"},
		"wrong key":      {repository.Input{URL: sshd.url(h.gitRepo), Secret: other, KnownHosts: known}, "does not accept the private key for user git", "public key"},
		"wrong user":     {repository.Input{URL: strings.Replace(sshd.url(h.gitRepo), "git@", "bob@", 1), Secret: key, KnownHosts: known}, "for user bob", "user name"},
		"no repo by ssh": {repository.Input{URL: sshd.url(h.gitRepo) + "-none", Secret: key, KnownHosts: known}, "has no repository", "path"},
		"no folder":      {repository.Input{URL: h.url() + "-none"}, "There is no folder", "path"},
		"no git folder":  {repository.Input{URL: "file://" + t.TempDir()}, "has no repository", "path"},
		"no such branch": {repository.Input{URL: h.url(), DefaultRevision: "mian"}, "did you mean main?", "pushed"},
		"empty":          {repository.Input{URL: newRepo(t).url()}, "is empty", "first commit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, repository.Limits{})
			v, err := b.TestInput(b.ctx, "p1", "infra", tc.in)
			require.NoError(t, err)
			require.NotContains(t, v.Message+v.Advice, "canary")
			require.Contains(t, v.Message, tc.message)
			require.Contains(t, v.Advice, tc.advice)
			if tc.message != "" {
				require.False(t, v.OK)
				require.Equal(t, strings.Contains(tc.message, "host key") || name == "changed key", v.HostKey != "")
				return
			}
			require.True(t, v.OK, v.Message)
			require.Equal(t, "main", v.DefaultBranch)
			require.Equal(t, []string{"feature/one", "main"}, v.Branches)
			require.Equal(t, []string{"v1.0.0", "v2.0.0", "v2.0.0-nested"}, v.Tags)
			want := "main"
			if tc.in.DefaultRevision != "" {
				want = tc.in.DefaultRevision
			}
			require.Equal(t, h.git("rev-parse", want), v.Commit)
			// What was tested is what is stored.
			b.set(t, tc.in)
			stored, err := b.Test(b.ctx, "p1", "infra")
			require.NoError(t, err)
			require.Equal(t, v, stored)
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	limits := repository.DefaultLimits()
	limits.Timeout = 200 * time.Millisecond
	key, _ := newKey(t, "")
	b := setup(t, limits)
	for _, in := range []repository.Input{
		{URL: "https://" + silent.Addr().String() + "/x.git"}, {URL: "ssh://git@" + silent.Addr().String() + "/x.git", Secret: key},
	} {
		v, err := b.TestInput(b.ctx, "p1", "infra", in)
		require.NoError(t, err)
		require.Contains(t, v.Message, "did not answer in time (200ms at most)")
		_, _, err = b.Set(b.ctx, "p1", "infra", in)
		require.NoError(t, err)
		_, err = b.Open(b.ctx, "p1", "infra", "")
		require.ErrorIs(t, err, repository.ErrTimeout)
		require.NoError(t, b.Delete(b.ctx, "p1", "infra"))
	}
	// Whoever goes away is no timeout of the remote.
	b.set(t, repository.Input{URL: "https://" + silent.Addr().String() + "/x.git"})
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err = b.Open(ctx, "p1", "infra", "")
	require.True(t, errors.Is(err, context.Canceled), err)
}
