package tofu

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test binary be a process that builds a tool, to be killed in the middle of it.
func TestMain(m *testing.M) {
	if checkout := os.Getenv("BERTH_TEST_CHECKOUT"); checkout != "" {
		os.Exit(buildInChild(checkout, os.Getenv("BERTH_TEST_CACHE"), os.Getenv("BERTH_TEST_GO")))
	}
	os.Exit(m.Run())
}

func buildInChild(checkout, cacheDir, goCommand string) int {
	m, err := NewManager(Config{
		Checkout: checkout, CacheDir: cacheDir, NoDownload: true, Providers: ProvidersFromRegistry,
		LookPath: only(map[string]string{"go": goCommand}),
	})
	if err != nil {
		return 2
	}
	_, err = m.Install(context.Background(), func(p Progress) { fmt.Println(p.Stage) })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
