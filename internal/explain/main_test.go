package explain_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// TestMain also serves as the supervisors and the containers' shims that the tests start.
func TestMain(m *testing.M) {
	runner.MaybeSupervise()
	dataplane.MaybeRunShim()
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
