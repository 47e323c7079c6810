package authz_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
)

var update = flag.Bool("update", false, "write golden files")

func TestPermissionTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	fmt.Fprintf(&b, "%-22s", "permission")
	for _, r := range authz.Roles() {
		fmt.Fprintf(&b, "  %s", r)
	}
	b.WriteString("\n")
	for _, p := range authz.Permissions() {
		fmt.Fprintf(&b, "%-22s", p)
		for _, r := range authz.Roles() {
			mark := "-"
			if r.Grants(p) {
				mark = "yes"
			}
			fmt.Fprintf(&b, "  %-*s", len(r), mark)
		}
		require.NotEmpty(t, p.Action())
		b.WriteString("\n")
	}
	got := strings.ReplaceAll(b.String(), " \n", "\n")
	for strings.Contains(got, " \n") {
		got = strings.ReplaceAll(got, " \n", "\n")
	}
	const golden = "testdata/permissions.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update and read the difference")
}

func subject(bindings ...authz.Binding) context.Context {
	return authz.WithSubject(context.Background(), authz.Subject{
		Kind: authz.User, UserID: "usr_1", Email: "dev@example.com", Bindings: bindings,
	})
}

func TestRequire(t *testing.T) {
	t.Parallel()
	reader := authz.Binding{ProjectID: "prj_1", ProjectName: "demo", Role: authz.ReadOnly}
	user := authz.Binding{ProjectID: "prj_1", ProjectName: "demo", Role: authz.EnvironmentTemplateUser}
	for name, tt := range map[string]struct {
		ctx     context.Context
		perm    authz.Permission
		project string
		kind    fault.Kind
		message string
	}{
		"nobody":                         {ctx: context.Background(), perm: authz.ProjectRead, project: "prj_1", kind: fault.Unauthenticated},
		"system":                         {ctx: authz.WithSubject(context.Background(), authz.System("scheduler")), perm: authz.SettingsWrite},
		"no binding":                     {ctx: subject(), perm: authz.ProjectRead, project: "prj_1", kind: fault.Forbidden},
		"user creates":                   {ctx: subject(user), perm: authz.EnvironmentCreate, project: "prj_1"},
		"user elsewhere":                 {ctx: subject(user), perm: authz.EnvironmentRead, project: "prj_2", kind: fault.Forbidden, message: "You have no role in this project. Ask an Organisation Admin, or a Project Admin of the project, for one."},
		"user organisation":              {ctx: subject(user), perm: authz.ProjectCreate, kind: fault.Forbidden, message: "Creating a project needs the role Organisation Admin. Ask an Organisation Admin."},
		"user reads state":               {ctx: subject(user), perm: authz.StateRead, project: "prj_1", kind: fault.Forbidden, message: "Reading state in project demo needs the role Infrastructure Admin. Ask a Project Admin of demo."},
		"project admin deletes":          {ctx: subject(authz.Binding{ProjectID: "prj_1", ProjectName: "demo", Role: authz.ProjectAdmin}), perm: authz.ProjectDelete, project: "prj_1", kind: fault.Forbidden, message: "Deleting a project needs the role Organisation Admin. Ask an Organisation Admin."},
		"organisation role in a project": {ctx: subject(authz.Binding{ProjectID: "prj_1", ProjectName: "demo", Role: authz.OrganisationAdmin}), perm: authz.StateRead, project: "prj_1", kind: fault.Forbidden},
		"reader creates": {ctx: subject(reader), perm: authz.EnvironmentCreate, project: "prj_1", kind: fault.Forbidden,
			message: "Creating an environment in project demo needs the role Environment Template User (or Infrastructure Admin, Project Admin). Ask a Project Admin of demo."},
		"two roles":             {ctx: subject(reader, user), perm: authz.EnvironmentCreate, project: "prj_1"},
		"organisation wide":     {ctx: subject(authz.Binding{Role: authz.EnvironmentTemplateUser}), perm: authz.EnvironmentCreate, project: "prj_9"},
		"organisation admin":    {ctx: subject(authz.Binding{Role: authz.OrganisationAdmin}), perm: authz.StateRead, project: "prj_9"},
		"organisation reader":   {ctx: subject(authz.Binding{Role: authz.OrganisationReadOnly}), perm: authz.UserRead},
		"organisation reader w": {ctx: subject(authz.Binding{Role: authz.OrganisationReadOnly}), perm: authz.UserWrite, kind: fault.Forbidden},
		"project admin of one is none of the organisation": {ctx: subject(authz.Binding{ProjectID: "prj_1", ProjectName: "demo", Role: authz.ProjectAdmin}), perm: authz.MemberWrite, kind: fault.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := authz.Require(tt.ctx, tt.perm, tt.project)
			require.Equal(t, tt.kind, fault.KindOf(err))
			if tt.message != "" {
				require.EqualError(t, err, tt.message)
			}
		})
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	s := authz.From(subject(
		authz.Binding{ProjectID: "prj_1", Role: authz.ReadOnly},
		authz.Binding{ProjectID: "prj_2", Role: authz.InfrastructureAdmin},
		authz.Binding{ProjectID: "prj_2", Role: authz.ReadOnly},
	))
	ids, all := s.Scope(authz.EnvironmentRead)
	require.Equal(t, []string{"prj_1", "prj_2"}, ids)
	require.False(t, all)
	ids, _ = s.Scope(authz.StateRead)
	require.Equal(t, []string{"prj_2"}, ids)
	require.True(t, s.CanAnywhere(authz.StateRead))
	require.False(t, s.CanAnywhere(authz.UserRead))
	_, all = authz.System("x").Scope(authz.StateRead)
	require.True(t, all)
	ids, all = authz.Subject{}.Scope(authz.EnvironmentRead)
	require.Empty(t, ids)
	require.False(t, all)
}
