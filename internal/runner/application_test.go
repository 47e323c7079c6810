package runner_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

// failingECS answers as ECS does for a service whose containers end with code 3.
func failingECS(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const prefix = "arn:aws:ecs:us-east-1:123456789012:"
		now := time.Now().Unix() + 2
		var tasks []any
		for i := range 3 {
			tasks = append(tasks, map[string]any{"taskArn": fmt.Sprintf("%stask/shop/%d", prefix, i), "startedBy": "ecs-svc/1", "createdAt": now,
				"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
				"containers": []any{map[string]any{"name": "app", "exitCode": 3, "reason": "told hunter2-the-secret"}}})
		}
		var out any
		switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
		case "ListServices":
			out = map[string]any{"serviceArns": []string{prefix + "service/shop/shop"}}
		case "DescribeServices":
			out = map[string]any{"services": []any{map[string]any{"serviceArn": prefix + "service/shop/shop", "serviceName": "shop", "desiredCount": 1, "createdAt": now,
				"deployments": []any{map[string]any{"id": "ecs-svc/1", "status": "PRIMARY", "createdAt": now, "rolloutState": "IN_PROGRESS"}}}}}
		case "ListTasks":
			out = map[string]any{"taskArns": []string{prefix + "task/shop/0"}}
		case "DescribeTasks":
			out = map[string]any{"tasks": tasks}
		default:
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// shop is a step that makes a cluster, a service and something after it.
func (b *bench) shop(t *testing.T, service runnertest.Object) runner.Spec {
	t.Helper()
	service.Address, service.Type = "aws_ecs_service.shop", "aws_ecs_service"
	service.ID = "arn:aws:ecs:us-east-1:123456789012:service/shop/shop"
	spec := b.fake(runnertest.Script{Objects: []runnertest.Object{
		{Address: "aws_ecs_cluster.shop", Type: "aws_ecs_cluster", ID: "arn:aws:ecs:us-east-1:123456789012:cluster/shop"},
		service,
		{Address: "terraform_data.after", Type: "terraform_data", ID: "1"},
	}})
	spec.UniqueName, spec.Secrets = "shop", []string{"hunter2-the-secret"}
	spec.Sandbox = &runner.Sandbox{Endpoint: failingECS(t).URL, Region: "us-east-1", AccessKey: "AK", SecretKey: "secret"}
	return spec
}

func isApplication(r runner.Record) bool {
	return r.Diagnostic != nil && r.Diagnostic.Source == runner.SourceApplication
}

const exitSummary = "The container app exits by itself with code 3."

// The tool would wait on; the cause is told and the tool asked to end.
func TestFailingApplicationEndsTheWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	release := filepath.Join(t.TempDir(), "release")
	h := b.start(b.shop(t, runnertest.Object{WaitFor: release}))
	d := b.until(h, isApplication).Diagnostic
	require.Equal(t, exitSummary, d.Summary)
	require.Equal(t, "aws_ecs_service.shop", d.Address)
	require.Equal(t, runner.SeverityError, d.Severity)
	require.NotEmpty(t, d.Try)
	require.Contains(t, d.Detail, "Essential container in task exited")
	require.NotContains(t, d.Detail, "hunter2-the-secret")
	b.untilLogged("step_1", "Interrupt received")
	require.NoError(t, os.WriteFile(release, nil, 0o600))
	res, _ := b.finish(h)
	require.Equal(t, runner.StatusFailed, res.Status)
	require.Equal(t, "application_failed", res.Code)
	require.Equal(t, exitSummary, res.Message)
	require.True(t, res.Reconciled, "the tool came to its end and wrote its state")
	require.Equal(t, 2, res.Resources)
}

// The tool gave up before anybody looked: its error is explained afterwards.
func TestFailedApplicationIsExplained(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, recs := b.run(b.shop(t, runnertest.Object{Error: "timeout while waiting for state"}))
	require.Equal(t, runner.StatusFailed, res.Status)
	require.Equal(t, "apply_failed", res.Code)
	require.Equal(t, exitSummary, res.Message)
	count := 0
	for _, r := range recs {
		if isApplication(r) {
			count++
		}
	}
	require.Equal(t, 1, count)
}
