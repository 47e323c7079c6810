package app_test

import (
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/authz"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestBrokenAuthors applies everything that authors get wrong. Each gets a message that names the place, in a dry run and
// for good, and nothing of it is kept: no row, no blob.
func TestBrokenAuthors(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	documents, uploads := brokenDocuments(), brokenUploads(t)
	var golden strings.Builder
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		said := b.apply(t, name, documents[name], true)
		require.Equal(t, said, b.apply(t, name, documents[name], false), "a dry run says the same")
		fmt.Fprintf(&golden, "# %s\n%s\n", name, said)
	}
	for _, name := range slices.Sorted(maps.Keys(uploads)) {
		before := b.kept(t)
		_, err := b.client.Upload(t.Context(), apptest.Project, uploads[name])
		require.Equal(t, before, b.kept(t), name)
		var refused *api.Error
		require.ErrorAs(t, err, &refused, name)
		require.Less(t, refused.Status, 500)
		fmt.Fprintf(&golden, "# %s\n%s\n", name, b.words(refused))
	}
	const file = "testdata/broken.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String(), "run the test with -update and read the difference")
}

// broken is a server with the repositories that broken documents refer to.
type broken struct {
	client   *api.Client
	admin    person
	dataDir  string
	database *sql.DB
	plain    *strings.Replacer
}

func newBroken(t *testing.T) *broken {
	t.Helper()
	cfg := withUsers(config(t))
	cfg.AllowLocalGit = true
	s := serve(t, cfg).ready(t)
	code := newRepository(t, brokenModules())
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(code.dir, "link", "passwd")))
	require.NoError(t, os.Symlink("/etc", filepath.Join(code.dir, "linked-module", "net")))
	require.NoError(t, os.WriteFile(filepath.Join(code.dir, "odd-name", "caf\xe9.tf"), nil, 0o600))
	code.commit(nil)
	large := newRepository(t, map[string]string{"ok/main.tf": ""})
	sparse, err := os.Create(filepath.Join(large.dir, "ok", "large.bin"))
	require.NoError(t, err)
	require.NoError(t, sparse.Truncate(200<<20))
	require.NoError(t, sparse.Close())
	large.git("config", "core.compression", "1")
	large.commit(nil)
	files := map[string]string{"main.tf": ""}
	for i := range 5000 {
		files[fmt.Sprintf("%d.txt", i)] = ""
	}
	many := newRepository(t, files)
	locked, certificate := lockedServer(t)
	quoted, err := json.Marshal(certificate)
	require.NoError(t, err)
	d, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.DataDir, "berth.db")+"?mode=ro")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	b := &broken{
		client: s.client(t, apptest.Admin), admin: newPerson(t, s.URL(), apptest.Admin, authz.OrganisationAdmin), dataDir: cfg.DataDir, database: d,
		plain: strings.NewReplacer(code.dir, "CODE", large.dir, "LARGE", locked, "LOCKED"),
	}
	for name, repository := range map[string]string{
		"code": `endpoint: "` + code.url() + `"`, "many": `endpoint: "` + many.url() + `"`, "large": `endpoint: "` + large.url() + `"`, "gone": `endpoint: "` + code.url() + `/nowhere"`,
		"unreachable": `endpoint: "https://127.0.0.1:1/infra.git"`, "locked": `endpoint: "` + locked + `", options: {caCert: ` + string(quoted) + `}`,
	} {
		b.accept(t, document+"Repository\nmetadata: {name: "+name+"}\nspec: {"+repository+"}\n")
	}
	b.accept(t, strings.Replace(resource("repository: code, path: ok"), "broken", "ok", 1))
	return b
}

func (b *broken) send(t *testing.T, file, text string, dry bool) (answer, api.Applied) {
	t.Helper()
	body, err := json.Marshal(api.Apply{DryRun: dry, Documents: []api.DocumentFile{{File: file, Text: text}}})
	require.NoError(t, err)
	a := b.admin.send(http.MethodPost, api.Prefix+"/projects/demo/apply", "application/json", string(body))
	require.Less(t, a.status, 500, "%s: %s", file, a.body)
	var out api.Applied
	if a.status == http.StatusOK {
		require.NoError(t, json.Unmarshal([]byte(a.body), &out))
	}
	return a, out
}

func (b *broken) accept(t *testing.T, text string) {
	t.Helper()
	a, out := b.send(t, "accepted.yaml", text, false)
	require.Equal(t, http.StatusOK, a.status, a.body)
	for _, r := range out.Results {
		require.Nil(t, r.Error, a.body)
	}
}

// apply applies what must be refused and returns what is said.
func (b *broken) apply(t *testing.T, name, text string, dry bool) string {
	t.Helper()
	before := b.kept(t)
	a, out := b.send(t, name+".yaml", text, dry)
	after := b.kept(t)
	if strings.HasPrefix(name, "module ") {
		// Code that could be read stays until the next collection, whether or not a version uses it.
		before["blobs"] = after["blobs"]
	}
	if !maps.Equal(before, after) {
		t.Errorf("%s is kept: %v before, %v now", name, before, after)
	}
	if a.status != http.StatusOK {
		var e api.Error
		require.NoError(t, json.Unmarshal([]byte(a.body), &e))
		return b.words(&e)
	}
	said := ""
	for _, r := range out.Results {
		if r.Error != nil {
			require.Less(t, r.Error.Status, 500, name)
			said += b.words(r.Error)
		}
	}
	if said == "" {
		t.Errorf("%s is accepted: %s", name, a.body)
	}
	return said
}

var port = regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]+`)

// words are an error as people see it, without what is different each time.
func (b *broken) words(e *api.Error) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s: %s\n", e.Status, e.Code, e.Detail)
	for _, f := range e.Fields {
		fmt.Fprintf(&out, "  %s: %s\n", f.Location, f.Message)
	}
	return port.ReplaceAllString(b.plain.Replace(out.String()), "127.0.0.1:PORT")
}

// kept counts the rows of every table, and the files that are kept.
func (b *broken) kept(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, table := range tables(t, b.database) {
		var n int
		require.NoError(t, b.database.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
		out[table] = n
	}
	require.NoError(t, filepath.WalkDir(b.dataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(b.dataDir, path)
		out[strings.SplitN(name, string(filepath.Separator), 2)[0]]++
		return err
	}))
	return out
}
