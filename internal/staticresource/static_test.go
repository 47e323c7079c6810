package staticresource_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
)

type variable = staticresource.Variable

func setup(t *testing.T, d *db.DB) *staticresource.Service {
	t.Helper()
	keys, err := secret.NewKeyring(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p1', 'one', '', 1, 1), ('p2', 'two', '', 1, 1)`)
	require.NoError(t, err)
	log := audit.New(audit.Deps{DB: d})
	return staticresource.New(staticresource.Deps{DB: d, Audit: log, Keyring: keys, Projects: project.New(project.Deps{DB: d, Audit: log})})
}

func input() staticresource.Input {
	return staticresource.Input{Description: "network", Variables: []variable{
		{Name: "vpc_id", Value: "vpc-1", Description: "the network"},
		{Name: "subnets", ValueType: "json", Value: `["a","b"]`},
		{Name: "tags", ValueType: "hcl", Value: `{ team = "x", size = 3 }`},
		{Name: "port", ValueType: "json", Value: "80"},
		{Name: "token", Value: "canary-text", Sensitive: true},
		{Name: "keys", ValueType: "json", Value: `{"a":"canary-json"}`, Sensitive: true},
	}}
}

func TestSetAndResolve(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		got, created, err := s.Set(ctx, "p1", "shared", input())
		require.NoError(t, err)
		require.True(t, created)
		require.NotContains(t, fmt.Sprintf("%+v", got), "canary")
		require.Equal(t, input().Variables[:4], got.Variables[:4])

		// The same again keeps the values that are not given, and may read them as another type.
		next := input()
		next.Variables[4].Value, next.Variables[5].Value, next.Variables[5].ValueType = "", "", "text"
		next.Variables = next.Variables[1:]
		got, created, err = s.Set(ctx, "p1", "shared", next)
		require.NoError(t, err)
		require.False(t, created)
		require.Len(t, got.Variables, 5)
		values, err := s.Resolve(ctx, "p1", []string{"shared"})
		require.NoError(t, err)
		require.Equal(t, map[string]staticresource.Value{
			"subnets": {JSON: json.RawMessage(`["a","b"]`)},
			"tags":    {JSON: json.RawMessage(`{"size":3,"team":"x"}`)},
			"port":    {JSON: json.RawMessage(`80`)},
			"token":   {JSON: json.RawMessage(`"canary-text"`), Sensitive: true},
			"keys":    {JSON: json.RawMessage(`"{\"a\":\"canary-json\"}"`), Sensitive: true},
		}, values["shared"])

		outputs, err := s.Outputs(ctx, "p1", "p1", []string{"shared", "none"})
		require.NoError(t, err)
		require.Equal(t, map[string][]staticresource.Output{"shared": {
			{Name: "subnets", Kind: "list"}, {Name: "tags", Kind: "map"}, {Name: "port", Kind: "number"},
			{Name: "token", Kind: "string", Sensitive: true}, {Name: "keys", Kind: "string", Sensitive: true},
		}}, outputs)

		// Nothing in clear in the database, the audit log or a list.
		for _, table := range []string{"static_resources", "static_resource_variables", "audit_entries"} {
			require.NotContains(t, dump(t, d, table), "canary", table)
		}
		list, err := s.List(ctx, "p1")
		require.NoError(t, err)
		out, err := json.Marshal(list)
		require.NoError(t, err)
		require.NotContains(t, string(out), "canary")

		// One that is not sensitive any more does not show what it was.
		next.Variables[3].Sensitive = false
		got, _, err = s.Set(ctx, "p1", "shared", next)
		require.NoError(t, err)
		require.Empty(t, got.Variables[3].Value)

		require.NoError(t, s.Delete(ctx, "p1", "shared"))
		_, err = s.Get(ctx, "p1", "shared")
		require.ErrorIs(t, err, staticresource.ErrNotFound)
		_, err = s.Resolve(ctx, "p1", []string{"shared"})
		require.ErrorContains(t, err, "needs the static resource shared")
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
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		require.NoError(t, rows.Scan(pointers...))
		for _, v := range values {
			fmt.Fprintf(&out, "%s ", v)
		}
	}
	require.NoError(t, rows.Err())
	return out.String()
}

// The owner's own comes before one that is shared with it.
func TestOwnBeforeShared(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		set := func(project, value string) {
			_, _, err := s.Set(ctx, project, "shared", staticresource.Input{Variables: []variable{{Name: "v", Value: value}}})
			require.NoError(t, err)
		}
		value := func(owner string) string {
			v, err := s.Resolve(ctx, owner, []string{"shared"})
			if err != nil {
				require.ErrorIs(t, err, staticresource.ErrNotFound)
				return ""
			}
			return string(v["shared"]["v"].JSON)
		}
		set("", "organisation")
		require.Equal(t, `"organisation"`, value(""))
		require.Empty(t, value("p1"))
		require.NoError(t, s.Share(ctx, "", "shared", []string{"p1", "p1"}))
		require.Equal(t, `"organisation"`, value("p1"))
		require.Empty(t, value("p2"))
		set("p1", "own")
		require.Equal(t, `"own"`, value("p1"))
		require.NoError(t, s.Share(ctx, "", "shared", []string{staticresource.Everyone}))
		require.Equal(t, `"organisation"`, value("p2"))
		list, err := s.List(ctx, "p1")
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, []string{"*"}, list[0].SharedWith)
		require.ErrorContains(t, s.Share(ctx, "", "shared", []string{"nowhere"}), "is no project")
	})
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	s := setup(t, dbtest.SQLite(t))
	ctx := authz.WithSubject(t.Context(), authz.System("test"))
	for name, tc := range map[string]struct {
		name string
		v    []variable
		want string
	}{
		"name":       {"Shared", nil, `name: "Shared" is no name`},
		"variable":   {"x", []variable{{Name: "a b"}}, "variables[0].name"},
		"twice":      {"x", []variable{{Name: "a"}, {Name: "a"}}, `variables[1].name: "a" is given twice`},
		"value type": {"x", []variable{{Name: "a", ValueType: "expression"}}, "variables[0].valueType"},
		"json":       {"x", []variable{{Name: "a", ValueType: "json", Value: "{"}}, "variables[0].value: the value must be valid JSON"},
		"hcl":        {"x", []variable{{Name: "a", ValueType: "hcl", Value: `file("x")`}}, "variables[0].value: the value must be a literal HCL value"},
		"secret":     {"x", []variable{{Name: "a"}, {Name: "b", Sensitive: true}}, `variables[1].value: "b" is sensitive and new`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := s.Set(ctx, "p1", tc.name, staticresource.Input{Variables: tc.v})
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
	_, err := s.Get(ctx, "p1", "x")
	require.ErrorIs(t, err, staticresource.ErrNotFound)
}

func TestOnlyBerthReadsValues(t *testing.T) {
	t.Parallel()
	s := setup(t, dbtest.SQLite(t))
	authztest.RefusesAnonymous(t, s, nil)
	admin := authz.Subject{Kind: authz.User, Bindings: []authz.Binding{{Role: authz.OrganisationAdmin}}}
	_, err := s.Resolve(authz.WithSubject(t.Context(), admin), "p1", nil)
	require.ErrorIs(t, err, authz.ErrForbidden)
}
