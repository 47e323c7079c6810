package sandbox_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	taggingtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/stretchr/testify/require"
)

// runService starts the sample as a service in the default VPC.
func runService(t *testing.T, url string) *ecs.Client {
	t.Helper()
	ctx := t.Context()
	cfg := awsConfig(url, "us-west-2")
	subnets, err := ec2.NewFromConfig(cfg).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
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
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{*subnets.Subnets[0].SubnetId}}},
	})
	require.NoError(t, err)
	require.NoError(t, stable(ctx, c))
	return c
}

func stable(ctx context.Context, c *ecs.Client) error {
	return ecs.NewServicesStableWaiter(c).Wait(ctx, &ecs.DescribeServicesInput{Services: []string{"sample"}}, time.Minute)
}

func runningTasks(t *testing.T, c *ecs.Client) []string {
	t.Helper()
	list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{})
	require.NoError(t, err)
	return list.TaskArns
}

func TestTasksSurviveAKilledSandbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill() }()
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	before := runningTasks(t, runService(t, strings.TrimSpace(url)))
	require.Len(t, before, 1)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // "signal: killed" is what was asked for

	r := start(t, dir)
	c := ecs.NewFromConfig(awsConfig(r.URL(), "us-west-2"))
	require.NoError(t, stable(t.Context(), c))
	require.Equal(t, before, runningTasks(t, c), "the same task still runs")
}

func TestLoadBalancingObjects(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := start(t, "")
	cfg := awsConfig(r.URL(), "us-west-2")
	c := elb.NewFromConfig(cfg)
	subnets, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.NoError(t, err)
	_, err = c.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("one"), Subnets: []string{*subnets.Subnets[0].SubnetId}})
	requireCode(t, err, "ValidationError")
	two := []string{*subnets.Subnets[0].SubnetId, *subnets.Subnets[1].SubnetId}
	made, err := c.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: two, Tags: []elbtypes.Tag{{Key: aws.String("team"), Value: aws.String("a")}}})
	require.NoError(t, err)
	lb := made.LoadBalancers[0].LoadBalancerArn
	require.NoError(t, elb.NewLoadBalancerAvailableWaiter(c).Wait(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{*lb}}, time.Minute))

	group, err := c.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("web"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, VpcId: subnets.Subnets[0].VpcId,
	})
	require.NoError(t, err)
	tg := group.TargetGroups[0].TargetGroupArn
	forward := []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: tg}}
	listener, err := c.CreateListener(ctx, &elb.CreateListenerInput{LoadBalancerArn: lb, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: forward})
	require.NoError(t, err)
	_, err = c.CreateListener(ctx, &elb.CreateListenerInput{LoadBalancerArn: lb, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: forward})
	requireCode(t, err, "DuplicateListener")
	_, err = c.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: listener.Listeners[0].ListenerArn, Priority: aws.Int32(5), Actions: forward,
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/api/*"}}}},
	})
	require.NoError(t, err)
	rules, err := c.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: listener.Listeners[0].ListenerArn})
	require.NoError(t, err)
	require.Len(t, rules.Rules, 2)
	require.Equal(t, []string{"/api/*"}, rules.Rules[0].Conditions[0].Values)
	require.True(t, *rules.Rules[1].IsDefault)
	_, err = c.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: tg})
	requireCode(t, err, "ResourceInUse")
	health, err := c.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: tg, Targets: []elbtypes.TargetDescription{{Id: aws.String("10.0.0.9"), Port: aws.Int32(80)}}})
	require.NoError(t, err)
	require.EqualValues(t, "Target.NotRegistered", health.TargetHealthDescriptions[0].TargetHealth.Reason)

	found, err := tagging.NewFromConfig(cfg).GetResources(ctx, &tagging.GetResourcesInput{TagFilters: []taggingtypes.TagFilter{{Key: aws.String("team"), Values: []string{"a"}}}})
	require.NoError(t, err)
	require.Len(t, found.ResourceTagMappingList, 1)
	require.Equal(t, *lb, *found.ResourceTagMappingList[0].ResourceARN)

	_, err = c.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: lb})
	require.NoError(t, err)
	require.NoError(t, elb.NewLoadBalancersDeletedWaiter(c).Wait(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{*lb}}, time.Minute))
	_, err = c.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: tg})
	require.NoError(t, err)
	require.Empty(t, r.inventory(t))
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := start(t, "")
	c := ecr.NewFromConfig(awsConfig(r.URL(), "us-west-2"))
	made, err := c.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("team/app")})
	require.NoError(t, err)
	require.Equal(t, r.Addr()+"/team/app", *made.Repository.RepositoryUri)
	_, err = c.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RepositoryName: aws.String("team/app")})
	requireCode(t, err, "LifecyclePolicyNotFoundException")
	_, err = c.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"nobody"}})
	requireCode(t, err, "RepositoryNotFoundException")
	token, err := c.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	require.NoError(t, err)
	require.NotEmpty(t, *token.AuthorizationData[0].AuthorizationToken)
	_, err = c.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/app")})
	require.NoError(t, err)
	require.Empty(t, r.inventory(t))
}
