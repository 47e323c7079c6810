package sandbox_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox"
	"github.com/berthdev/berth/sandbox/core"
)

// running is a sandbox under test with clients for it.
type running struct {
	*sandbox.Sandbox
	stop func()
	ec2  *ec2.Client
	iam  *iam.Client
	sts  *sts.Client
}

// start runs a sandbox on a free port and stops it with the test.
func start(t *testing.T, dir string) *running {
	t.Helper()
	return startWith(t, sandbox.Config{Addr: "127.0.0.1:0", DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
}

func startWith(t *testing.T, config sandbox.Config) *running {
	t.Helper()
	s, err := sandbox.New(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	r := &running{Sandbox: s, stop: func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("stopping the sandbox: %v", err)
			}
		}
	}}
	t.Cleanup(r.stop)
	cfg := awsConfig(r.URL(), "us-west-2")
	r.ec2, r.iam, r.sts = ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	return r
}

func awsConfig(url, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
		RetryMaxAttempts: 1, HTTPClient: &http.Client{},
	}
}

// inventory is what the sandbox says is left to delete.
func (r *running) inventory(t *testing.T) map[string]map[string][]core.Item {
	t.Helper()
	resp, err := http.Get(r.URL() + "/_sandbox/inventory")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var out map[string]map[string][]core.Item
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	return out
}

// kinds lists the inventory's types with their counts.
func (r *running) kinds(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for service, types := range r.inventory(t) {
		for kind, items := range types {
			out[service+"/"+kind] = len(items)
		}
	}
	return out
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	require.Error(t, err)
	var api interface{ ErrorCode() string }
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), err.Error())
}
