package template_test

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
)

func TestReadSavesNothing(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		r := f.repo(t, map[string]string{"modules/app/main.tf": smallModule, "modules/net/main.tf": "", "readme.md": "x"})
		before := f.counts(t)
		got, err := f.Read(f.system, demo, fromRepo("modules/app"))
		require.NoError(t, err)
		require.Empty(t, got.Problems)
		require.Equal(t, r.git("rev-parse", "HEAD"), got.Source.Commit)
		require.Equal(t, []string{"main.tf"}, got.Files)
		require.NotEmpty(t, got.Bundle.Digest)
		require.Equal(t, got.Bundle.Digest, got.Bundle.Source)
		names := []string{}
		for _, v := range got.Module.Variables {
			names = append(names, v.Name)
		}
		require.Equal(t, []string{"name", "size"}, names)
		require.Equal(t, "id", got.Module.Outputs[0].Name)
		require.Equal(t, before, f.counts(t))
	})
}

func TestSaveFromRepository(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		r := f.repo(t, map[string]string{"app/main.tf": smallModule})
		first := r.git("rev-parse", "HEAD")

		draft, change, err := f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Created, change)
		require.Equal(t, first, draft.Spec.Source.Commit)
		_, change, err = f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)

		// The branch moves: a draft that is saved again follows it.
		second := r.commit(map[string]string{"app/more.tf": "output \"more\" {\n  value = 1\n}\n"})
		moved, change, err := f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Updated, change)
		require.Equal(t, second, moved.Spec.Source.Commit)
		require.NotEqual(t, draft.Spec.Bundle.Digest, moved.Spec.Bundle.Digest)

		// A commit that is given is what is read.
		pinned := fromRepo("app")
		pinned.Source.Commit = first
		old, _, err := f.SaveResource(f.system, version("app", "v0", template.Active), pinned)
		require.NoError(t, err)
		require.Equal(t, draft.Spec.Bundle, old.Spec.Bundle)

		active, _, err := f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Active, active.State)
		require.Equal(t, moved.Spec.Bundle.Digest, active.Spec.Bundle.Digest)

		// The branch moves on and the repository goes away: an active version is what it is.
		r.commit(map[string]string{"app/more.tf": "output \"less\" {\n  value = 1\n}\n"})
		_, change, err = f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		require.NoError(t, os.RemoveAll(r.dir))
		calls := f.vendor.calls
		_, change, err = f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		require.Equal(t, calls, f.vendor.calls)
		fsys, closer, err := f.OpenSource(f.system, demo, "app", "v1")
		require.NoError(t, err)
		_, err = fsys.Open("more.tf")
		require.NoError(t, err)
		require.NoError(t, closer.Close())

		entry := f.lastAudit(t, "resource_template.save")
		require.Contains(t, string(jsonOf(t, entry.Before)), `"state":"draft"`)
		require.Contains(t, string(jsonOf(t, entry.After)), second)
	})
}

// Whoever reads a source publishes it next; the tool has done its work by then. What it was not content with, it is asked
// again.
func TestWhatWasReadIsPublishedWithoutTheToolAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	f.repo(t, map[string]string{"app/main.tf": smallModule, "bad/main.tf": smallModule + "output \"o\" {\n  value = 1\n}\n"})
	reading, err := f.Read(f.system, demo, fromRepo("app"))
	require.NoError(t, err)
	v, _, err := f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
	require.NoError(t, err)
	require.Equal(t, reading.Bundle, v.Spec.Bundle)
	require.Equal(t, 1, f.vendor.calls)
	terraform := fromRepo("app")
	terraform.Provider.Name = template.Terraform
	_, err = f.Read(f.system, demo, terraform)
	require.NoError(t, err)
	require.Equal(t, 2, f.vendor.calls, "another tool has not seen it")

	f.vendor.problems = []bundle.Problem{{Severity: bundle.Error, File: "main.tf", Line: 3, Message: "module far cannot be fetched"}}
	for calls := 3; calls <= 4; calls++ {
		reading, err = f.Read(f.system, demo, fromRepo("bad"))
		require.NoError(t, err)
		require.Contains(t, problemsText(reading.Problems), "module far cannot be fetched")
		require.Equal(t, calls, f.vendor.calls)
	}
}

func TestSameSourceHasTheSameDigest(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		r := f.repo(t, map[string]string{"app/main.tf": smallModule})
		a, _, err := f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
		require.NoError(t, err)
		r.commit(map[string]string{"readme.md": "elsewhere"})
		calls := f.vendor.calls
		b, _, err := f.SaveResource(f.system, version("app", "v2", template.Active), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, a.Spec.Bundle, b.Spec.Bundle)
		require.NotEqual(t, a.Spec.Source.Commit, b.Spec.Source.Commit)
		require.Equal(t, calls, f.vendor.calls, "what was completed once is taken again")

		up, err := f.AddUpload(f.system, demo, archive(t, map[string]string{"x/main.tf": smallModule, "y/z/main.tf": "", ".git/main.tf": ""}))
		require.NoError(t, err)
		require.Equal(t, []string{"x", "y/z"}, up.Folders)
		c, _, err := f.SaveResource(f.system, version("up", "v1", template.Active), template.ResourceSpec{Source: template.Source{Upload: up.Digest, Path: "x"}})
		require.NoError(t, err)
		require.Equal(t, a.Spec.Bundle.Digest, c.Spec.Bundle.Digest)

		// Another archive with the same module in it.
		again, err := f.AddUpload(f.system, demo, archive(t, map[string]string{"x/main.tf": smallModule, "new.md": "x"}))
		require.NoError(t, err)
		require.NotEqual(t, up.Digest, again.Digest)
		_, change, err := f.SaveResource(f.system, version("up", "v1", template.Active), template.ResourceSpec{Source: template.Source{Upload: again.Digest, Path: "x"}})
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		_, _, err = f.SaveResource(f.system, version("up", "v1", template.Active), template.ResourceSpec{Source: template.Source{Upload: again.Digest, Path: "x"}, Variables: []template.Variable{{Name: "size", Value: text("3")}}})
		require.ErrorIs(t, err, template.ErrFixedVersion)
	})
}

// What authors get wrong: a draft keeps the problem, an active version is refused, and nothing is written.
func TestBrokenSources(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	r := f.repo(t, map[string]string{
		"bad/main.tf":     "variable \"x\" {\n  type = string\n",
		"missing/main.tf": "\nmodule \"net\" {\n  source = \"./nothing\"\n}\n",
		"outside/main.tf": "module \"net\" {\n  source = \"../../net\"\n}\n",
		"type/main.tf":    "variable \"x\" {\n  type = strin\n}\n",
		"ok/main.tf":      smallModule,
		"empty/readme.md": "x",
		"link/main.tf":    smallModule,
	})
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(r.dir, "link", "passwd")))
	r.commit(nil)
	locked := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(locked.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: locked.Certificate().Raw}))
	_, _, err := f.repositories.Set(f.system, demo, "locked", repository.Input{URL: locked.URL + "/infra.git", CACert: ca})
	require.NoError(t, err)
	_, _, err = f.repositories.Set(f.system, demo, "gone", repository.Input{URL: "file://" + filepath.Join(r.dir, "nowhere")})
	require.NoError(t, err)

	source := func(repo, revision, path string) template.ResourceSpec {
		return template.ResourceSpec{Source: template.Source{Repository: repo, Revision: revision, Path: path}}
	}
	variable := func(name, value string) template.ResourceSpec {
		s := fromRepo("ok")
		s.Variables = []template.Variable{{Name: name, Value: &value}}
		return s
	}
	for name, tc := range map[string]struct {
		spec template.ResourceSpec
		want string
	}{
		"bad HCL":             {fromRepo("bad"), "main.tf:1"},
		"missing module":      {fromRepo("missing"), "main.tf:2"},
		"module outside":      {fromRepo("outside"), "main.tf:1"},
		"bad type":            {fromRepo("type"), "main.tf:2"},
		"no module":           {fromRepo("empty"), "holds no .tf"},
		"no folder":           {fromRepo("nothing"), "nothing"},
		"link out":            {fromRepo("link"), "passwd"},
		"no branch":           {source("infra", "release", "ok"), "spec.source.revision"},
		"no repository":       {source("typo", "", "ok"), "spec.source.repository"},
		"repository gone":     {source("gone", "", "ok"), "spec.source.repository"},
		"asks for a password": {source("locked", "", "ok"), "|spec.source.repository|:0|127.0.0.1 asks for a user name and a password"},
		"no upload":           {template.ResourceSpec{Source: template.Source{Upload: strings.Repeat("0", 64)}}, "spec.source.upload"},
		"unknown variable":    {variable("sise", "1"), `spec.variables[0].name|`},
		"type error":          {variable("size", "many"), `spec.variables[0].value|`},
	} {
		t.Run(name, func(t *testing.T) {
			in := version("broken", "v1", template.Active)
			before := f.counts(t)
			_, _, err := f.SaveResource(f.system, in, tc.spec)
			require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", err)
			e, _ := fault.As(err)
			require.NotEmpty(t, e.Fields)
			require.Equal(t, before, f.counts(t))

			reading, err := f.Read(f.system, demo, tc.spec)
			require.NoError(t, err)
			require.Contains(t, problemsText(reading.Problems), tc.want)
			require.Equal(t, before, f.counts(t))

			in.State = template.Draft
			in.Name = strings.ReplaceAll(strings.ToLower(name), " ", "-")
			v, change, err := f.SaveResource(f.system, in, tc.spec)
			require.NoError(t, err)
			require.Equal(t, template.Created, change)
			require.Contains(t, problemsText(v.Problems), tc.want)
			require.ErrorContains(t, f.SetResourceState(f.system, demo, in.Name, "v1", template.Active), e.Fields[0].Message)

			// Environment templates that use it say so, and nothing falls over.
			env, _, err := f.SaveEnvironment(f.system, version(in.Name, "v1", template.Draft), template.EnvironmentSpec{
				Resources: []template.Resource{{Name: "a", Kind: template.KindResourceTemplate, Template: in.Name, Version: "v1"}},
				Variables: []template.Variable{{Name: "size", Value: text("2")}},
			})
			require.NoError(t, err)
			require.NotEmpty(t, env.Problems)
			_, err = f.CompareEnvironment(f.system, demo, in.Name, "v1", "v1")
			require.NoError(t, err)
			_, err = f.CompareResource(f.system, demo, in.Name, "v1", "v1")
			require.NoError(t, err)
		})
	}
}

func TestTooMuchCode(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	r := f.repo(t, map[string]string{"main.tf": smallModule})
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "blob.bin"), make([]byte, 51<<20), 0o644))
	r.commit(nil)
	reading, err := f.Read(f.system, demo, fromRepo(""))
	require.NoError(t, err)
	require.Empty(t, reading.Bundle)
	require.Contains(t, problemsText(reading.Problems), "error|spec.source.path|:0|the source is 51.0 MB, a template may hold at most 50.0 MB; its largest file is blob.bin")
}

func TestRefusedSpecifications(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	for name, tc := range map[string]struct {
		source template.Source
		field  string
	}{
		"none":            {template.Source{}, "spec.source"},
		"two":             {template.Source{Repository: "a", Upload: "b"}, "spec.source"},
		"leads out":       {template.Source{Repository: "a", Path: "../x"}, "spec.source.path"},
		"leads out later": {template.Source{Repository: "a", Path: "x/../../y"}, "spec.source.path"},
		"lone revision":   {template.Source{Upload: "b", Revision: "main"}, "spec.source.revision"},
	} {
		_, _, err := f.SaveResource(f.system, version("x", "v1", template.Draft), template.ResourceSpec{Source: tc.source})
		e, ok := fault.As(err)
		require.True(t, ok, name)
		require.Equal(t, tc.field, e.Fields[0].Path, name)
		_, err = f.Read(f.system, demo, template.ResourceSpec{Source: tc.source})
		require.Error(t, err, name)
	}
}

func TestBadUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	link := func() *bytes.Buffer {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}))
		require.NoError(t, w.Close())
		return &out
	}
	before := f.counts(t)
	_, err := f.AddUpload(f.system, demo, archive(t, map[string]string{"../main.tf": "x"}))
	require.ErrorContains(t, err, "../main.tf")
	_, err = f.AddUpload(f.system, demo, link())
	require.ErrorContains(t, err, `"x" in the archive is a link`)
	_, err = f.AddUpload(f.system, demo, strings.NewReader("no archive at all"))
	require.ErrorContains(t, err, "tar")
	_, err = f.AddUpload(f.system, demo, archive(t, nil))
	require.Error(t, err)
	require.Equal(t, before, f.counts(t))
}

func TestUploadsBelongToAProject(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		up, err := f.AddUploadFiles(f.system, demo, mapFS(map[string]string{"main.tf": smallModule}))
		require.NoError(t, err)
		require.Equal(t, []string{"."}, up.Folders)
		same, err := f.AddUpload(f.system, demo, archive(t, map[string]string{"main.tf": smallModule}))
		require.NoError(t, err)
		require.Equal(t, up, same)
		got, err := f.Upload(f.system, demo, up.Digest)
		require.NoError(t, err)
		require.Equal(t, up, got)
		for project, want := range map[string]bool{demo: true, other: false, "": false} {
			has, err := f.HasUpload(f.system, project, up.Digest)
			require.NoError(t, err)
			require.Equal(t, want, has, project)
		}
		in := version("x", "v1", template.Active)
		in.ProjectID = other
		_, _, err = f.SaveResource(f.system, in, template.ResourceSpec{Source: template.Source{Upload: up.Digest}})
		require.ErrorContains(t, err, "holds no upload")
		_, err = f.AddUpload(as(t, demo, authz.EnvironmentTemplateUser), demo, archive(t, nil))
		require.ErrorIs(t, err, authz.ErrForbidden)
	})
}

// What the tool finds counts as the code's own problems; what is missing now may be there later.
func TestIncompleteDraft(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		f.repo(t, map[string]string{"app/main.tf": smallModule})
		f.vendor.problems = []bundle.Problem{{Severity: bundle.Error, File: "main.tf", Line: 3, Message: "module far cannot be fetched"}}
		_, _, err := f.SaveResource(f.system, version("app", "v1", template.Active), fromRepo("app"))
		e, ok := fault.As(err)
		require.True(t, ok)
		require.Equal(t, []fault.Field{{Path: "main.tf:3", Message: "module far cannot be fetched"}}, e.Fields)
		v, _, err := f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.Contains(t, problemsText(v.Problems), "main.tf:3|module far")
		require.True(t, v.Spec.Bundle.Incomplete)
		require.Error(t, f.SetResourceState(f.system, demo, "app", "v1", template.Active))
		require.True(t, f.vendor.last.AllowFileGit == false && len(f.vendor.last.GitEnv) > 0)

		f.vendor.problems = nil
		require.NoError(t, f.SetResourceState(f.system, demo, "app", "v1", template.Active))
		v, err = f.ResourceVersion(f.system, demo, "app", "v1")
		require.NoError(t, err)
		require.Equal(t, template.Active, v.State)
		require.Empty(t, v.Problems)
		require.False(t, v.Spec.Bundle.Incomplete)
	})
}

// While the tool is not there, code that calls modules from elsewhere cannot be published: its runs would have to fetch them.
func TestNoToolYet(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	f.repo(t, map[string]string{"far/main.tf": smallModule + "module \"far\" {\n  source = \"example.com/far/away\"\n}\n", "near/main.tf": smallModule})
	f.vendor.problems, f.vendor.skipped = []bundle.Problem{{Severity: bundle.Warning, Message: "OpenTofu is not ready"}}, true
	_, _, err := f.SaveResource(f.system, version("far", "v1", template.Active), fromRepo("far"))
	require.ErrorContains(t, err, `main.tf:12: module "far" comes from example.com/far/away and could not be fetched yet`)
	_, _, err = f.SaveResource(f.system, version("far", "v1", template.Draft), fromRepo("far"))
	require.NoError(t, err)
	near, _, err := f.SaveResource(f.system, version("near", "v1", template.Active), fromRepo("near"))
	require.NoError(t, err)
	require.Equal(t, "warning||:0|OpenTofu is not ready\n", problemsText(near.Problems))
	f.vendor.problems, f.vendor.skipped = nil, false
	require.NoError(t, f.SetResourceState(f.system, demo, "far", "v1", template.Active))
}

// A draft that was read once can become active when its repository is gone.
func TestDraftOutlivesItsRepository(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		r := f.repo(t, map[string]string{"app/main.tf": smallModule})
		draft, _, err := f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(r.dir))
		kept, change, err := f.SaveResource(f.system, version("app", "v1", template.Draft), fromRepo("app"))
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		require.Equal(t, draft.Spec, kept.Spec)
		require.Contains(t, problemsText(kept.Problems), "warning|spec.source.repository|:0|the source cannot be read again")
		require.NoError(t, f.SetResourceState(f.system, demo, "app", "v1", template.Active))
	})
}

func TestEveryMethodRefusesAnonymous(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	authztest.RefusesAnonymous(t, f.Service, map[string]string{
		"Resolve": "only the system subject gets through configcontext.Resolve, which it calls first",
	})
}
