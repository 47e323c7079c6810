package web_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// tokens reads the colours of the style sheet's source: light, dark by wish of the system, dark by choice.
func tokens(t *testing.T) []map[string]string {
	t.Helper()
	css, err := os.ReadFile("assets/app.css")
	require.NoError(t, err)
	var all []map[string]string
	for _, block := range regexp.MustCompile(`(?s)color-scheme: (light|dark);(.*?)\}`).FindAllSubmatch(css, -1) {
		set := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllSubmatch(block[2], -1) {
			set[string(m[1])] = string(m[2])
		}
		all = append(all, set)
	}
	require.Len(t, all, 3)
	return all
}

func luminance(hex string) float64 {
	channel := func(from int) float64 {
		n, err := strconv.ParseUint(hex[from:from+2], 16, 8)
		if err != nil {
			return 0
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(1) + 0.7152*channel(3) + 0.0722*channel(5)
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestContrast holds text to 4.5 to 1 and the edges of fields to 3 to 1, in both themes.
func TestContrast(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	require.Equal(t, all[1], all[2], "dark is dark, however it was chosen")
	for i, set := range all {
		for _, text := range []string{"ink", "soft", "muted", "link", "red", "green", "amber", "blue"} {
			for _, ground := range []string{"canvas", "panel", "hover"} {
				require.GreaterOrEqual(t, contrast(set[text], set[ground]), 4.5, "set %d: %s on %s", i, text, ground)
			}
		}
		for _, tone := range []string{"red", "green", "amber", "blue"} {
			require.GreaterOrEqual(t, contrast(set[tone], set[tone+"-wash"]), 4.5, "set %d: %s on its wash", i, tone)
		}
		require.GreaterOrEqual(t, contrast(set["accent-ink"], set["accent"]), 4.5, "set %d: button", i)
		require.GreaterOrEqual(t, contrast(set["link"], set["accent-wash"]), 4.5, "set %d: tag", i)
		require.GreaterOrEqual(t, contrast("#ffffff", set["red-solid"]), 4.5, "set %d: danger button", i)
		require.GreaterOrEqual(t, contrast(set["field-line"], set["panel"]), 3.0, "set %d: field edge", i)
	}
}
