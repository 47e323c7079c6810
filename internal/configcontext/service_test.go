package configcontext_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/secret"
)

func setup(t *testing.T, d *db.DB) *configcontext.Service {
	t.Helper()
	keys, err := secret.NewKeyring(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p1', 'one', '', 1, 1), ('p2', 'two', '', 1, 1)`)
	require.NoError(t, err)
	return configcontext.New(configcontext.Deps{DB: d, Audit: audit.New(audit.Deps{DB: d}), Keyring: keys})
}

func input() configcontext.Input {
	return configcontext.Input{
		Description: "account",
		Env: []configcontext.Env{
			{Key: "AWS_ACCESS_KEY_ID", Value: "plain-id"}, {Key: "AWS_SECRET_ACCESS_KEY", Value: "canary-env", Sensitive: true},
		},
		Files:     []configcontext.File{{MountPath: "~/.aws/config", Content: []byte("canary-file\x00\xff"), Sensitive: true}},
		Variables: []configcontext.Variable{{Name: "token", Value: "canary-variable", Sensitive: true}},
		Sandbox:   &configcontext.Sandbox{Endpoint: "http://127.0.0.1:4566", Region: "us-east-1", AccessKey: "k", SecretKey: "canary-sandbox"},
	}
}

func TestSetAndResolve(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		got, created, err := s.Set(ctx, "p1", "aws", input())
		require.NoError(t, err)
		require.True(t, created)
		shown := fmt.Sprintf("%+v", got)
		require.NotContains(t, shown, "canary")
		require.Contains(t, shown, "plain-id")

		// The same again keeps what is not given.
		next := input()
		next.Env[1].Value, next.Files[0].Content, next.Sandbox.SecretKey = "", nil, ""
		next.Variables[0].Value = "canary-second"
		_, created, err = s.Set(ctx, "p1", "aws", next)
		require.NoError(t, err)
		require.False(t, created)
		values, err := s.Resolve(ctx, "p1", "", []string{"aws"})
		require.NoError(t, err)
		require.Equal(t, "canary-env", values[0].Env[1].Value)
		require.Equal(t, []byte("canary-file\x00\xff"), values[0].Files[0].Content)
		require.Equal(t, "canary-second", values[0].Variables[0].Value)
		require.Equal(t, "canary-sandbox", values[0].Sandbox.SecretKey)

		// Nothing in clear in the database, nor in the audit log.
		for _, table := range []string{"config_contexts", "config_context_entries", "audit_entries"} {
			require.NotContains(t, dump(t, d, table), "canary")
		}
		list, err := s.List(ctx, "p1")
		require.NoError(t, err)
		out, err := json.Marshal(list)
		require.NoError(t, err)
		require.NotContains(t, string(out), "canary")

		preview, err := s.Preview(ctx, "p1", "", []string{"aws", "none"})
		require.NoError(t, err)
		require.Equal(t, []string{"token"}, preview.Variables)
		require.Equal(t, "token", preview.Contexts[0].Variables[0].Name)
		require.Empty(t, preview.Contexts[0].Variables[0].Value, "it is sensitive")
		require.NoError(t, s.Delete(ctx, "p1", "aws"))
		_, err = s.Get(ctx, "p1", "aws")
		require.ErrorIs(t, err, configcontext.ErrNotFound)
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

func TestLookupOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		set := func(project, value string) {
			_, _, err := s.Set(ctx, project, "aws", configcontext.Input{Env: []configcontext.Env{{Key: "K", Value: value}}})
			require.NoError(t, err)
		}
		value := func(project, owner string) string {
			v, err := s.Resolve(ctx, project, owner, []string{"aws"})
			if err != nil {
				require.ErrorIs(t, err, configcontext.ErrNotFound)
				return ""
			}
			return v[0].Env[0].Value
		}
		set("", "organisation")
		require.Empty(t, value("p1", "p2"))
		require.Equal(t, "organisation", value("p1", ""))
		require.NoError(t, s.Share(ctx, "", "aws", []string{"p1"}))
		require.Equal(t, "organisation", value("p1", "p2"))
		require.Empty(t, value("p2", "p2"))
		set("p2", "owner")
		require.Equal(t, "owner", value("p1", "p2"))
		set("p1", "own")
		require.Equal(t, "own", value("p1", "p2"))
		require.NoError(t, s.Share(ctx, "", "aws", []string{configcontext.Everyone}))
		list, err := s.List(ctx, "p2")
		require.NoError(t, err)
		require.Len(t, list, 2)
		missing, err := s.Missing(ctx, "p1", "", []string{"aws", "gcp"})
		require.NoError(t, err)
		require.Equal(t, []string{"gcp"}, missing)
	})
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	s := setup(t, dbtest.SQLite(t))
	ctx := authz.WithSubject(t.Context(), authz.System("test"))
	for name, tc := range map[string]struct {
		name string
		in   configcontext.Input
		want string
	}{
		"name":       {"AWS", configcontext.Input{}, `name: "AWS" is no name`},
		"key":        {"aws", configcontext.Input{Env: []configcontext.Env{{Key: "A B"}}}, "env[0].key"},
		"twice":      {"aws", configcontext.Input{Env: []configcontext.Env{{Key: "A"}, {Key: "A"}}}, "given twice"},
		"outside":    {"aws", configcontext.Input{Files: []configcontext.File{{MountPath: "../x"}}}, "files[0].mountPath"},
		"absolute":   {"aws", configcontext.Input{Files: []configcontext.File{{MountPath: "/etc/passwd"}}}, "files[0].mountPath"},
		"home":       {"aws", configcontext.Input{Files: []configcontext.File{{MountPath: "~/../x"}}}, "files[0].mountPath"},
		"endpoint":   {"aws", configcontext.Input{Sandbox: &configcontext.Sandbox{Endpoint: "localhost"}}, "sandbox.endpoint"},
		"no secret":  {"aws", configcontext.Input{Env: []configcontext.Env{{Key: "A", Sensitive: true}}}, "needs a value"},
		"value type": {"aws", configcontext.Input{Variables: []configcontext.Variable{{Name: "a", ValueType: "expression"}}}, "variables[0].valueType"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Set(ctx, "p1", tc.name, tc.in)
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
}
