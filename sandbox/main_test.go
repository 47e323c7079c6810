package sandbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/berthdev/berth/sandbox"
)

// childDir makes this test binary a sandbox on that data directory, for tests
// that kill one.
const childDir = "BERTH_SANDBOX_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(runChild(dir))
	}
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runChild(dir string) int {
	s, err := sandbox.New(sandbox.Config{Addr: "127.0.0.1:0", DataDir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.URL())
	if err := s.Run(context.Background()); err != nil {
		return 1
	}
	return 0
}
