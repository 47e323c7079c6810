package identity_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
)

func TestCreateUserChecksItsInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		for name, tt := range map[string]struct {
			in    identity.CreateUserInput
			field string
		}{
			"no email":       {identity.CreateUserInput{Password: password}, "email"},
			"no address":     {identity.CreateUserInput{Email: "dev", Password: password}, "email"},
			"display name":   {identity.CreateUserInput{Email: "Dev <dev@example.com>", Password: password}, "email"},
			"long email":     {identity.CreateUserInput{Email: strings.Repeat("x", 250) + "@example.com", Password: password}, "email"},
			"short password": {identity.CreateUserInput{Email: "dev@example.com", Password: "elevenchars"}, "password"},
			"long password":  {identity.CreateUserInput{Email: "dev@example.com", Password: strings.Repeat("ab", 200)}, "password"},
			"email again":    {identity.CreateUserInput{Email: "dev@example.com", Password: "DEV@example.com"}, "password"},
			"one character":  {identity.CreateUserInput{Email: "dev@example.com", Password: "aaaaaaaaaaaaaaaa"}, "password"},
		} {
			_, err := w.CreateUser(w.system, tt.in)
			e, ok := fault.As(err)
			require.True(t, ok, "%s: %v", name, err)
			require.Len(t, e.Fields, 1, name)
			require.Equal(t, tt.field, e.Fields[0].Path, name)
		}
		w.user(t, "dev@example.com")
		_, err := w.CreateUser(w.system, identity.CreateUserInput{Email: "DEV@example.com", Password: password})
		require.ErrorIs(t, err, identity.ErrEmailTaken)

		_, err = w.CreateUser(w.system, identity.CreateUserInput{Email: "weak@example.com", Password: "dev", AnyPassword: true})
		require.NoError(t, err)
		w.user(t, "admin@example.com", authz.OrganisationAdmin)
		_, err = w.CreateUser(w.as(t, "admin@example.com"), identity.CreateUserInput{Email: "weak2@example.com", Password: "dev", AnyPassword: true})
		require.Equal(t, fault.Invalid, fault.KindOf(err), "only Berth itself may set a weak password")
	})
}

func TestRolesComeFromUserAndGroups(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.project(t, "prj_1", "demo")
		w.project(t, "prj_2", "shop")
		w.user(t, "dev@example.com", authz.OrganisationReadOnly)
		w.user(t, "other@example.com")
		for _, group := range []string{"developers", "ops"} {
			_, err := w.CreateGroup(w.system, identity.CreateGroupInput{Name: group})
			require.NoError(t, err)
			require.NoError(t, w.AddGroupMember(w.system, group, "dev@example.com"))
			require.NoError(t, w.AddGroupMember(w.system, group, "dev@example.com"), "twice is no error")
			_, err = w.Grant(w.system, identity.GrantInput{ProjectID: "prj_1", GroupName: group, Role: authz.EnvironmentTemplateUser})
			require.NoError(t, err)
		}
		_, err := w.Grant(w.system, identity.GrantInput{ProjectID: "prj_2", UserEmail: "other@example.com", Role: authz.ReadOnly})
		require.NoError(t, err)

		require.ElementsMatch(t, []authz.Binding{
			{Role: authz.OrganisationReadOnly},
			{ProjectID: "prj_1", ProjectName: "demo", Role: authz.EnvironmentTemplateUser},
		}, authz.From(w.as(t, "dev@example.com")).Bindings)

		require.NoError(t, w.RemoveGroupMember(w.system, "ops", "dev@example.com"))
		require.ErrorIs(t, w.RemoveGroupMember(w.system, "ops", "dev@example.com"), identity.ErrUserNotFound)
		require.NoError(t, w.DeleteGroup(w.system, "developers"))
		require.Len(t, authz.From(w.as(t, "dev@example.com")).Bindings, 1)
	})
}

func TestGrantChecksItsInput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.project(t, "prj_1", "demo")
		w.user(t, "dev@example.com")
		for name, in := range map[string]identity.GrantInput{
			"nobody":            {ProjectID: "prj_1", Role: authz.ReadOnly},
			"both":              {ProjectID: "prj_1", Role: authz.ReadOnly, UserEmail: "dev@example.com", GroupName: "ops"},
			"unknown role":      {ProjectID: "prj_1", Role: "king", UserEmail: "dev@example.com"},
			"organisation role": {ProjectID: "prj_1", Role: authz.OrganisationAdmin, UserEmail: "dev@example.com"},
		} {
			_, err := w.Grant(w.system, in)
			require.Equal(t, fault.Invalid, fault.KindOf(err), name)
		}
		_, err := w.Grant(w.system, identity.GrantInput{ProjectID: "prj_1", Role: authz.ReadOnly, UserEmail: "nobody@example.com"})
		require.ErrorIs(t, err, identity.ErrUserNotFound)
		_, err = w.Grant(w.system, identity.GrantInput{ProjectID: "prj_1", Role: authz.ReadOnly, GroupName: "nobodies"})
		require.ErrorIs(t, err, identity.ErrGroupNotFound)

		in := identity.GrantInput{ProjectID: "prj_1", Role: authz.ReadOnly, UserEmail: "dev@example.com"}
		binding, err := w.Grant(w.system, in)
		require.NoError(t, err)
		_, err = w.Grant(w.system, in)
		require.ErrorIs(t, err, identity.ErrRoleHeld)
		require.ErrorIs(t, w.Revoke(w.system, "", binding.ID), identity.ErrBindingNotFound, "another project's role")
		require.NoError(t, w.Revoke(w.system, "prj_1", binding.ID))
	})
}

func TestAProjectAdminGrantsInTheirProjectOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.project(t, "prj_1", "demo")
		w.project(t, "prj_2", "shop")
		w.user(t, "lead@example.com")
		w.user(t, "dev@example.com")
		_, err := w.Grant(w.system, identity.GrantInput{ProjectID: "prj_1", UserEmail: "lead@example.com", Role: authz.ProjectAdmin})
		require.NoError(t, err)
		foreign, err := w.Grant(w.system, identity.GrantInput{ProjectID: "prj_2", UserEmail: "dev@example.com", Role: authz.ReadOnly})
		require.NoError(t, err)
		lead := w.as(t, "lead@example.com")

		_, err = w.Grant(lead, identity.GrantInput{ProjectID: "prj_1", UserEmail: "dev@example.com", Role: authz.EnvironmentTemplateUser})
		require.NoError(t, err)
		_, err = w.Grant(lead, identity.GrantInput{ProjectID: "prj_2", UserEmail: "dev@example.com", Role: authz.EnvironmentTemplateUser})
		require.ErrorIs(t, err, authz.ErrForbidden)
		_, err = w.Grant(lead, identity.GrantInput{UserEmail: "lead@example.com", Role: authz.OrganisationAdmin})
		require.ErrorIs(t, err, authz.ErrForbidden)
		require.ErrorIs(t, w.Revoke(lead, "prj_1", foreign.ID), identity.ErrBindingNotFound)
		bindings, err := w.ListBindings(lead, "prj_1")
		require.NoError(t, err)
		require.Len(t, bindings, 2)
		require.Equal(t, "demo", bindings[0].ProjectName)
	})
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.user(t, "admin@example.com")
		_, err := w.CreateGroup(w.system, identity.CreateGroupInput{Name: "admins"})
		require.NoError(t, err)
		require.NoError(t, w.AddGroupMember(w.system, "admins", "admin@example.com"))
		binding, err := w.Grant(w.system, identity.GrantInput{GroupName: "admins", Role: authz.OrganisationAdmin})
		require.NoError(t, err)
		admin := w.as(t, "admin@example.com")

		require.ErrorIs(t, w.Revoke(admin, "", binding.ID), identity.ErrLastAdmin)
		require.ErrorIs(t, w.RemoveGroupMember(admin, "admins", "admin@example.com"), identity.ErrLastAdmin)
		require.ErrorIs(t, w.DeleteGroup(admin, "admins"), identity.ErrLastAdmin)
		_, err = w.DisableUser(admin, "admin@example.com")
		require.ErrorIs(t, err, identity.ErrLastAdmin)

		w.user(t, "second@example.com", authz.OrganisationAdmin)
		require.NoError(t, w.Revoke(admin, "", binding.ID))
	})
}

func TestPeopleReadThemselvesOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.user(t, "dev@example.com")
		w.user(t, "other@example.com")
		dev := w.as(t, "dev@example.com")
		renamed, err := w.RenameUser(dev, "dev@example.com", "Dev")
		require.NoError(t, err)
		require.Equal(t, "Dev", renamed.Name)
		same, err := w.GetUser(dev, "dev@example.com")
		require.NoError(t, err)
		require.Equal(t, "Dev", same.Name)
		require.False(t, same.LastSignInAt.IsZero())
		for _, err := range []error{
			second(w.GetUser(dev, "other@example.com")), second(w.RenameUser(dev, "other@example.com", "x")),
			second(w.ListUsers(dev)), second(w.DisableUser(dev, "other@example.com")), second(w.EnableUser(dev, "other@example.com")),
			second(w.CreateUser(dev, identity.CreateUserInput{})), second(w.CreateGroup(dev, identity.CreateGroupInput{})),
			second(w.ListGroups(dev)), w.DeleteGroup(dev, "x"), w.AddGroupMember(dev, "x", "y"), w.RemoveGroupMember(dev, "x", "y"),
			second(w.ListBindings(dev, "")), w.Revoke(dev, "", "x"), w.Prune(dev), second(w.PrepareSetup(dev)),
		} {
			require.ErrorIs(t, err, authz.ErrForbidden)
		}
		page, err := w.audit.List(w.system, audit.ListFilter{Outcome: audit.Refused})
		require.NoError(t, err)
		require.Len(t, page.Entries, 13, "all but the two that only Berth itself calls")
	})
}

func second[T any](_ T, err error) error { return err }

func TestGroups(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		_, err := w.CreateGroup(w.system, identity.CreateGroupInput{Name: " - "})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		_, err = w.CreateGroup(w.system, identity.CreateGroupInput{Name: "Platform team", Description: "builds"})
		require.NoError(t, err)
		_, err = w.CreateGroup(w.system, identity.CreateGroupInput{Name: "Platform team"})
		require.ErrorIs(t, err, identity.ErrGroupNameTaken)
		w.user(t, "dev@example.com")
		require.NoError(t, w.AddGroupMember(w.system, "Platform team", "dev@example.com"))
		require.ErrorIs(t, w.AddGroupMember(w.system, "Platform team", "x@example.com"), identity.ErrUserNotFound)
		group, members, err := w.GetGroup(w.system, "Platform team")
		require.NoError(t, err)
		require.Equal(t, 1, group.Members)
		require.Equal(t, "dev@example.com", members[0].Email)
		groups, err := w.ListGroups(w.system)
		require.NoError(t, err)
		require.Equal(t, []identity.Group{group}, groups)
	})
}

func TestEveryMethodRefusesAnonymous(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		authztest.RefusesAnonymous(t, w.Service, map[string]string{
			"Authenticate": "it finds out who the subject is",
			"SignIn":       "it needs the password",
			"SignOut":      "it needs the token",
			"NeedsSetup":   "the sign-in page asks it",
			"Setup":        "it needs the set-up token",
		})
	})
}
