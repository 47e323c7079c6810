package tofu_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

func TestProgressSaysWhatAndHowFar(t *testing.T) {
	t.Parallel()
	tests := map[string]tofu.Progress{
		"tofu: compiling, 312 of 1782 packages (net/http)": {Stage: tofu.StageCompiling, Done: 312, Total: 1782, Unit: tofu.UnitPackages, Detail: "net/http"},
		"tofu: downloading modules, 3 of 255 modules":      {Stage: tofu.StageFetchingModules, Done: 3, Total: 255, Unit: tofu.UnitModules},
		"tofu: downloading 10 of 30 MB":                    {Stage: tofu.StageDownloading, Done: 10 << 20, Total: 30 << 20, Unit: tofu.UnitBytes},
		"tofu: linking":                                    {Stage: tofu.StageLinking},
	}
	for want, p := range tests {
		p.Tool = "tofu"
		require.Equal(t, want, p.String())
	}
	p := tofu.Progress{Started: time.Unix(100, 0), Done: 1, Total: 4}
	require.Equal(t, 90*time.Second, p.Elapsed(time.Unix(190, 0)))
	fraction, known := p.Fraction()
	require.True(t, known)
	require.InDelta(t, 0.25, fraction, 0)
	_, known = tofu.Progress{Stage: tofu.StageLinking}.Fraction()
	require.False(t, known)
}
