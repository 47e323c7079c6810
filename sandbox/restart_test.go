package sandbox_test

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox"
)

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	r := start(t, dir)
	n := makeNetwork(t, r.ec2)
	before := r.inventory(t)
	vpcs, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	require.NoError(t, err)

	_, err = sandbox.New(sandbox.Config{Addr: "127.0.0.1:0", DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "another sandbox is running")
	r.stop()

	r = start(t, dir)
	require.Equal(t, before, r.inventory(t))
	again, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	require.Equal(t, vpcs.Vpcs, again.Vpcs, "the default VPC keeps its id, too")
	_, err = r.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &n.subnet})
	require.NoError(t, err)
}

func TestStateSurvivesAKill(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill() }()
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)

	c := ec2.NewFromConfig(awsConfig(strings.TrimSpace(url), "us-west-2"))
	var ids []string
	for range 50 {
		v, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		require.NoError(t, err)
		ids = append(ids, *v.Vpc.VpcId)
	}
	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // "signal: killed" is what was asked for

	r := start(t, dir)
	// The SDK closes the body of a request as soon as the answer begins, and then its own connection when that comes
	// before the transport has seen the body's end: so fast an answer is asked for again, as the SDK does by default.
	found, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: ids}, func(o *ec2.Options) { o.RetryMaxAttempts = 5 })
	require.NoError(t, err)
	require.Len(t, found.Vpcs, 50, "everything that was answered is there")
}

func TestResetLeavesAFreshAccount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, t.TempDir())
	makeNetwork(t, r.ec2)
	resp, err := http.Post(r.URL()+"/_sandbox/reset", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, r.inventory(t))
	vpcs, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	require.Len(t, vpcs.Vpcs, 1, "the default VPC is back")
}

func TestUnknownOperationsNameThemselves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	_, err := r.ec2.DescribeFleets(ctx, &ec2.DescribeFleetsInput{})
	requireCode(t, err, "InvalidAction")
	require.ErrorContains(t, err, "DescribeFleets")
}
