// Package tofutest gives tests the real OpenTofu and the real AWS provider. It must be used by tests only.
package tofutest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

const missing = `needs OpenTofu and the AWS provider: run "make setup", or set BERTH_TEST_TOFU and BERTH_TEST_PROVIDER_MIRROR`

// Tools finds OpenTofu and a provider mirror: where the environment says, else in the product's own cache. Short runs leave
// the test out; where CI is set, missing tools are a failure.
func Tools(t testing.TB) (bin, mirror string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the real OpenTofu and AWS provider are left out of short runs")
	}
	bin, mirror = os.Getenv("BERTH_TEST_TOFU"), os.Getenv("BERTH_TEST_PROVIDER_MIRROR")
	if bin != "" && mirror != "" {
		return bin, mirror
	}
	m, err := tofu.NewManager(tofu.Config{NoPath: true, NoDownload: true, Providers: tofu.ProvidersFromMirror})
	require.NoError(t, err)
	status, err := m.Status(t.Context())
	require.NoError(t, err)
	if !status.Ready {
		SkipOrFail(t, missing)
	}
	return status.Tofu.Path, status.Providers.Mirror
}

// SkipOrFail leaves a test out whose real part this machine lacks. Where CI is set, nothing may be left out.
func SkipOrFail(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
