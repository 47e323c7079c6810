package cli

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSandboxCommandServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	logs, out := io.Pipe()
	cmd := newSandboxCommand()
	cmd.SetErr(out)
	cmd.SetArgs([]string{"--addr", "127.0.0.1:0", "--data-dir", t.TempDir()})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()

	lines := bufio.NewScanner(logs)
	url := ""
	for url == "" && lines.Scan() {
		url = regexp.MustCompile(`http://[0-9.:]+`).FindString(lines.Text())
	}
	require.NotEmpty(t, url)
	go func() { _, _ = io.Copy(io.Discard, logs) }()
	resp, err := http.Get(url + "/_sandbox/health")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)

	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, out.Close())
}

func TestSandboxCommandRefusesTwoPlacesForItsState(t *testing.T) {
	t.Parallel()
	cmd := newSandboxCommand()
	cmd.SilenceUsage = true
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"--in-memory", "--data-dir", t.TempDir()})
	require.ErrorContains(t, cmd.Execute(), "exclude each other")
}
