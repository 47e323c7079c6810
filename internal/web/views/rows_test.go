package views_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web/views"
)

func rows() views.Rows {
	return views.Rows{Name: "env", Item: "environment variable", Columns: []views.Column{
		{Name: "key", Kind: views.CellText}, {Name: "type", Kind: views.CellSelect, Initial: "text"},
		{Name: "value", Kind: views.CellLong, Secret: "sensitive"}, {Name: "sensitive", Kind: views.CellCheck}, {Name: "rule", Kind: views.CellText, More: true},
	}}
}

func TestRowsAreReadInTheirOrder(t *testing.T) {
	t.Parallel()
	r := rows()
	r.Read(url.Values{
		"env.10.key": {"C"}, "env.2.key": {"B"}, "env.0.key": {"A"}, "env.0.value": {"1\r\n2"}, "env.0.sensitive": {"false", "true"}, "env.2.value.kept": {"sealed"},
		"env.x.key": {"no"}, "env.-1.key": {"no"}, "env.3": {"no"}, "environment.0.key": {"no"}, "other": {"no"},
	})
	require.Len(t, r.Rows, 3)
	require.Equal(t, []string{"A", "B", "C"}, []string{r.Rows[0].Get("key"), r.Rows[1].Get("key"), r.Rows[2].Get("key")})
	require.Equal(t, []int{0, 2, 10}, []int{r.Rows[0].Number, r.Rows[1].Number, r.Rows[2].Number})
	require.Equal(t, "1\n2", r.Rows[0].Get("value"), "a browser sends other line breaks than were typed")
	require.True(t, r.IsSecret(r.Rows[0], r.Columns[2]))
	require.False(t, r.IsSecret(r.Rows[1], r.Columns[2]))
	require.Equal(t, "sealed", r.Rows[1].Cells["value"].Kept)
	require.Equal(t, "env.1.key", r.Field(1, "key"))
}

func TestRowsComeAndGo(t *testing.T) {
	t.Parallel()
	r := rows()
	require.True(t, r.Press("env.add"))
	require.True(t, r.Rows[0].Focus)
	require.Equal(t, "text", r.Rows[0].Get("type"))
	require.False(t, r.Press("files.add"))
	require.False(t, r.Press("env.turn"))
	require.False(t, r.Press(""))
	require.True(t, r.Press("env.remove.7"), "a row that is gone already")
	require.Len(t, r.Rows, 1)
	require.True(t, r.Press("env.remove.0"))
	require.Empty(t, r.Rows)
	require.True(t, r.FocusAdd)
	for range 600 {
		r.Add()
	}
	require.Len(t, r.Rows, 500)
	require.NotEmpty(t, r.Error)
}

func TestBlankRowsAreNone(t *testing.T) {
	t.Parallel()
	r := rows()
	r.Rows = []views.Row{
		{Cells: views.Cells("type", "json", "sensitive", "true")}, {Cells: views.Cells("key", "A")},
		{Cells: map[string]views.Cell{"value": {Kept: "sealed"}}}, {Cells: views.Cells("rule", "x")}, {},
	}
	r.DropBlank()
	require.Len(t, r.Rows, 3)
}

func TestErrorsStandAtTheirCells(t *testing.T) {
	t.Parallel()
	r := rows()
	r.Rows = []views.Row{{Cells: views.Cells("key", "A")}, {}}
	require.False(t, r.Invalid())
	require.True(t, r.Place("env[1].key", "Enter a name."))
	require.True(t, r.Place("env[1].key", "It is given twice."))
	require.Equal(t, "Enter a name. It is given twice.", r.Rows[1].Cells["key"].Error)
	require.False(t, r.Unfolded(r.Rows[1]))
	require.True(t, r.Place("env[0].rule", "No."))
	require.True(t, r.Unfolded(r.Rows[0]), "what is folded away opens")
	require.True(t, r.Place("env[0].unknown", "Odd."))
	require.Equal(t, "Odd.", r.Rows[0].Error)
	require.True(t, r.Place("env[0]", "Odder."))
	require.True(t, r.Place("env", "Too many."))
	require.Equal(t, "Too many.", r.Error)
	for _, path := range []string{"files[0].key", "env[2].key", "env[x].key", "env[-1]", "environment", "env.key"} {
		require.False(t, r.Place(path, "x"), path)
	}
	require.True(t, r.Invalid())
}

func FuzzRows(f *testing.F) {
	f.Add("env.0.key", "a", "env.add", "env[0].key")
	f.Add("env.99999999999.key", "", "env.remove.0", "env[")
	f.Fuzz(func(_ *testing.T, name, value, press, path string) {
		r := rows()
		r.Read(url.Values{name: {value}})
		r.Press(press)
		r.Place(path, value)
		r.DropBlank()
	})
}
