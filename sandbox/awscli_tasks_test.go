package sandbox_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/stretchr/testify/require"
)

func TestAWSCLIRunsATask(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the AWS CLI takes a second per call: left out by -short")
	}
	if _, err := os.Stat(debianCLI); err != nil {
		tofutest.SkipOrFail(t, "needs Debian's awscli: apt-get install awscli")
	}
	r := start(t, "")
	run := func(args ...string) map[string]any {
		t.Helper()
		cmd := exec.Command(debianCLI, append([]string{"--endpoint-url", r.URL(), "--output", "json"}, args...)...)
		cmd.Env = []string{
			"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any",
			"AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		}
		stdout, err := cmd.Output()
		require.NoError(t, err, "aws %v", args)
		out := map[string]any{}
		if len(stdout) > 0 {
			require.NoError(t, json.Unmarshal(stdout, &out), string(stdout))
		}
		return out
	}
	subnet := run("ec2", "describe-subnets")["Subnets"].([]any)[0].(map[string]any)["SubnetId"].(string)
	run("ecs", "create-cluster", "--cluster-name", "cli")
	run("logs", "create-log-group", "--log-group-name", "/cli")
	run("ecs", "register-task-definition", "--family", "cli", "--network-mode", "awsvpc", "--requires-compatibilities", "FARGATE",
		"--cpu", "256", "--memory", "512", "--execution-role-arn", "arn:aws:iam::000000000000:role/any", "--container-definitions",
		`[{"name":"app","image":"public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest","portMappings":[{"containerPort":80}],
		  "logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"/cli","awslogs-region":"us-east-1","awslogs-stream-prefix":"x"}}}]`)
	arn := run("ecs", "run-task", "--cluster", "cli", "--task-definition", "cli", "--launch-type", "FARGATE", "--network-configuration",
		"awsvpcConfiguration={subnets=["+subnet+"],assignPublicIp=ENABLED}")["tasks"].([]any)[0].(map[string]any)["taskArn"].(string)
	status := func() string {
		return run("ecs", "describe-tasks", "--cluster", "cli", "--tasks", arn)["tasks"].([]any)[0].(map[string]any)["lastStatus"].(string)
	}
	require.Eventually(t, func() bool { return status() == "RUNNING" }, time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		return len(run("logs", "filter-log-events", "--log-group-name", "/cli")["events"].([]any)) > 0
	}, time.Minute, 100*time.Millisecond)
	run("ecs", "stop-task", "--cluster", "cli", "--task", arn)
	run("ecs", "wait", "tasks-stopped", "--cluster", "cli", "--tasks", arn)
	run("ecs", "deregister-task-definition", "--task-definition", "cli:1")
	run("ecs", "delete-cluster", "--cluster", "cli")
	run("logs", "delete-log-group", "--log-group-name", "/cli")
	require.Empty(t, r.inventory(t))
}
