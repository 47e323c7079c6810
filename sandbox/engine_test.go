package sandbox_test

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox"
	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/dataplane/conformance"
)

// TestAnApplicationOnAContainerEngine runs what the other tests run on the built-in runner behind the Docker API: a service
// with a load balancer, opened from outside, whose container is killed and replaced.
func TestAnApplicationOnAContainerEngine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a container engine")
	}
	r := startWith(t, sandbox.Config{
		Addr: "127.0.0.1:0", DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler),
		Engine: dataplane.EngineDocker, DockerHost: conformance.Podman(t),
	})
	ctx := t.Context()
	cfg := awsConfig(r.URL(), "us-west-2")
	subnets, err := ec2.NewFromConfig(cfg).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.NoError(t, err)
	ids := []string{*subnets.Subnets[0].SubnetId, *subnets.Subnets[1].SubnetId}
	balancers := elb.NewFromConfig(cfg)
	lb, err := balancers.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("front"), Subnets: ids})
	require.NoError(t, err)
	group, err := balancers.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("front"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, VpcId: subnets.Subnets[0].VpcId,
	})
	require.NoError(t, err)
	groupARN := group.TargetGroups[0].TargetGroupArn
	_, err = balancers.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: groupARN}},
	})
	require.NoError(t, err)
	c := ecs.NewFromConfig(cfg)
	_, err = c.CreateCluster(ctx, &ecs.CreateClusterInput{})
	require.NoError(t, err)
	_, err = c.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("sample"), NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"),
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}},
		}},
	})
	require.NoError(t, err)
	_, err = c.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: aws.String("sample"), TaskDefinition: aws.String("sample"), DesiredCount: aws.Int32(1), LaunchType: types.LaunchTypeFargate,
		LoadBalancers:        []types.LoadBalancer{{ContainerName: aws.String("app"), ContainerPort: aws.Int32(80), TargetGroupArn: groupARN}},
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: ids}},
	})
	require.NoError(t, err)
	require.NoError(t, ecs.NewServicesStableWaiter(c).Wait(ctx, &ecs.DescribeServicesInput{Services: []string{"sample"}}, 2*time.Minute))

	resp, err := http.Get("http://" + *lb.LoadBalancers[0].DNSName)
	require.NoError(t, err)
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, string(page), "It works")

	before := runningTasks(t, c)
	_, err = c.StopTask(ctx, &ecs.StopTaskInput{Task: &before[0]})
	require.NoError(t, err)
	require.NoError(t, ecs.NewServicesStableWaiter(c).Wait(ctx, &ecs.DescribeServicesInput{Services: []string{"sample"}}, 2*time.Minute))
	require.NotEqual(t, before, runningTasks(t, c))
}
