package views_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web/views"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"just now": now.Add(-3 * time.Second), "45 s ago": now.Add(-45 * time.Second), "7 min ago": now.Add(-7*time.Minute - 50*time.Second),
		"5 h ago": now.Add(-5 * time.Hour), "3 d ago": now.Add(-80 * time.Hour), "in 2 h": now.Add(2*time.Hour + time.Minute),
	} {
		require.Equal(t, want, views.At(at, now).Text)
	}
	require.True(t, views.At(time.Time{}, now).IsZero())
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{"0 s": 0, "59 s": 59 * time.Second, "2 min 04 s": 124 * time.Second, "1 h 00 min": time.Hour} {
		require.Equal(t, want, views.Duration(d))
	}
	require.Equal(t, "1,234,567", views.Number(1234567))
	require.Equal(t, "1 file", views.Count(1, "file", "files"))
}

func TestInitials(t *testing.T) {
	t.Parallel()
	require.Equal(t, "DD", views.User{Name: "Dana Developer"}.Initials())
	require.Equal(t, "A", views.User{Email: "admin@example.com"}.Initials())
	require.Empty(t, views.User{}.Initials())
}

func TestEveryStatusHasItsOwnLook(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range views.EnvironmentStatuses() {
		look := s.Look()
		require.NotEqual(t, string(s), look.Label, "a status needs a word of its own")
		require.False(t, seen[look.Label], look.Label)
		seen[look.Label] = true
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	g := views.Layout([]views.GraphNode{
		{Name: "app", DependsOn: []string{"vpc", "db"}}, {Name: "vpc"}, {Name: "db", DependsOn: []string{"vpc", "missing"}}, {Name: "logs"},
	})
	at := map[string]views.GraphNode{}
	for i, n := range g.Nodes {
		at[n.Name] = n
		for _, other := range g.Nodes[:i] {
			apart := n.X != other.X || n.Y >= other.Y+views.NodeHeight || other.Y >= n.Y+views.NodeHeight
			require.True(t, apart, "%s and %s overlap", n.Name, other.Name)
		}
		require.LessOrEqual(t, n.X+views.NodeWidth, g.Width)
		require.LessOrEqual(t, n.Y+views.NodeHeight, g.Height)
	}
	require.Less(t, at["vpc"].X, at["db"].X)
	require.Less(t, at["db"].X, at["app"].X)
	require.Equal(t, at["vpc"].X, at["logs"].X)
	require.Len(t, g.Edges, 3, "one for each known dependency")
	require.Zero(t, views.Layout(nil).Width)
}

func TestLayoutEndsOnACircle(t *testing.T) {
	t.Parallel()
	g := views.Layout([]views.GraphNode{{Name: "a", DependsOn: []string{"b"}}, {Name: "b", DependsOn: []string{"a"}}, {Name: "c", DependsOn: []string{"c"}}})
	require.Len(t, g.Nodes, 3)
}

func TestEffect(t *testing.T) {
	t.Parallel()
	v := views.PlanPage{Update: 2, Replace: 1, Changes: []views.Change{{Kind: views.ChangeReplace, DataLoss: true}}}
	var text string
	for _, p := range v.Effect() {
		text += p.Text
		require.Equal(t, p.Text == "1 replaced: data is lost", p.Strong)
	}
	require.Equal(t, "2 changed in place, 1 replaced: data is lost", text)
	require.Equal(t, []views.Part{{Text: "Nothing to change"}}, views.PlanPage{}.Effect())
}

func TestPathsAreEscaped(t *testing.T) {
	t.Parallel()
	require.Equal(t, "/p/demo/environments/a%2Fb", views.ProjectPath("demo", "environments", "a/b"))
}
