package sandbox_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/stretchr/testify/require"
)

// debianCLI is Debian's awscli; another aws on PATH may be an older major.
const debianCLI = "/usr/bin/aws"

func TestAWSCLI(t *testing.T) {
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
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), "aws %v: %s", args, stderr.String())
		out := map[string]any{}
		if stdout.Len() > 0 {
			require.NoError(t, json.Unmarshal(stdout.Bytes(), &out), stdout.String())
		}
		return out
	}
	require.Equal(t, "000000000000", run("sts", "get-caller-identity")["Account"])
	vpc := run("ec2", "create-vpc", "--cidr-block", "10.1.0.0/16", "--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=cli}]")["Vpc"].(map[string]any)
	id := vpc["VpcId"].(string)
	require.Equal(t, "cli", vpc["Tags"].([]any)[0].(map[string]any)["Value"])
	run("ec2", "wait", "vpc-available", "--vpc-ids", id)
	group := run("ec2", "create-security-group", "--group-name", "web", "--description", "d", "--vpc-id", id)["GroupId"].(string)
	run("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "80", "--cidr", "0.0.0.0/0")
	got := run("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"].([]any)[0].(map[string]any)
	permission := got["IpPermissions"].([]any)[0].(map[string]any)
	require.InEpsilon(t, 80, permission["FromPort"], 0)
	role := run("iam", "create-role", "--role-name", "cli", "--assume-role-policy-document", trust)["Role"].(map[string]any)
	require.Contains(t, role["AssumeRolePolicyDocument"].(map[string]any), "Statement")
	require.Len(t, run("iam", "list-roles")["Roles"], 1)
	run("iam", "delete-role", "--role-name", "cli")
	run("ec2", "delete-security-group", "--group-id", group)
	run("ec2", "delete-vpc", "--vpc-id", id)
	require.Empty(t, r.inventory(t))
}
