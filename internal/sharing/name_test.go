package sharing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/sharing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]string{
		"vpc": "", "101-caas-ecs": "", "7": "", "news": "", strings.Repeat("a", 63): "",
		"": "beginning with a letter or a digit", "-a": "lower-case letters", "Vpc": "lower-case letters", "a.b": "lower-case letters",
		strings.Repeat("a", 64): "1 to 63", "new": `"new" is taken by the page that makes a repository`,
	} {
		var f fault.Fields
		sharing.CheckName(&f, name, "a repository")
		if wrong == "" {
			require.NoError(t, f.Err(), name)
			continue
		}
		require.ErrorContains(t, f.Err(), wrong, name)
	}
}
