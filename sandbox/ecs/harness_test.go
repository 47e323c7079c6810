package ecs_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	awselb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/ec2"
	"github.com/berthdev/berth/sandbox/ecs"
	"github.com/berthdev/berth/sandbox/elbv2"
	"github.com/berthdev/berth/sandbox/logs"
)

// stack is the services a task touches, on a data plane without processes.
type stack struct {
	t     *testing.T
	plane *fakePlane
	env   *core.Env
	stop  func()

	ecs  *awsecs.Client
	elb  *awselb.Client
	logs *cloudwatchlogs.Client
	ec2  *awsec2.Client

	services []core.Service
	group    string // target group
	subnets  []string
}

const region = "eu-central-1"

func setup(t *testing.T) *stack {
	t.Helper()
	store, err := core.OpenStore("", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s := &stack{t: t, plane: newFakePlane(), env: &core.Env{
		Store: store, Clock: core.SystemClock{}, Logger: slog.New(slog.DiscardHandler), Notes: &core.Notes{}, Events: &core.Events{},
	}}
	s.start()
	t.Cleanup(func() { s.stop() })
	s.network()
	return s
}

// start runs the services on the store and the data plane as they are: at
// first, or again after stop.
func (s *stack) start() {
	server := httptest.NewUnstartedServer(nil)
	s.env.Addr = server.Listener.Addr().String()
	network, logService := ec2.New(s.env), logs.New(s.env)
	balancers := elbv2.New(s.env, network, s.plane)
	containers := ecs.New(s.env, ecs.Deps{Network: network, Balancers: balancers, Logs: logService, Plane: s.plane})
	s.services = []core.Service{network, logService, balancers, containers}
	front, err := core.NewFront(s.env, s.services, false)
	require.NoError(s.t, err)
	server.Config.Handler = front
	server.Start()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- balancers.Run(ctx) }()
	go func() { ended <- containers.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				s.t.Errorf("running the services: %v", err)
			}
		}
		server.Close()
	}
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), RetryMaxAttempts: 1,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true}},
	}
	s.ecs, s.elb = awsecs.NewFromConfig(cfg), awselb.NewFromConfig(cfg)
	s.logs, s.ec2 = cloudwatchlogs.NewFromConfig(cfg), awsec2.NewFromConfig(cfg)
}

// network makes what a service stands on: a load balancer in the default VPC, a
// log group and a cluster.
func (s *stack) network() {
	ctx := s.t.Context()
	subnets, err := s.ec2.DescribeSubnets(ctx, &awsec2.DescribeSubnetsInput{})
	require.NoError(s.t, err)
	for _, v := range subnets.Subnets[:2] {
		s.subnets = append(s.subnets, *v.SubnetId)
	}
	lb, err := s.elb.CreateLoadBalancer(ctx, &awselb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: s.subnets})
	require.NoError(s.t, err)
	group, err := s.elb.CreateTargetGroup(ctx, &awselb.CreateTargetGroupInput{
		Name: aws.String("web"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, VpcId: subnets.Subnets[0].VpcId,
	})
	require.NoError(s.t, err)
	s.group = *group.TargetGroups[0].TargetGroupArn
	_, err = s.elb.CreateListener(ctx, &awselb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &s.group}},
	})
	require.NoError(s.t, err)
	_, err = s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/ecs/web")})
	require.NoError(s.t, err)
	_, err = s.ecs.CreateCluster(ctx, &awsecs.CreateClusterInput{ClusterName: aws.String("web")})
	require.NoError(s.t, err)
}

func (s *stack) register(image string, port int32) string {
	s.t.Helper()
	out, err := s.ecs.RegisterTaskDefinition(s.t.Context(), &awsecs.RegisterTaskDefinitionInput{
		Family: aws.String("web"), NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/execution"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: &image, PortMappings: []types.PortMapping{{ContainerPort: &port}},
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/ecs/web", "awslogs-region": region, "awslogs-stream-prefix": "app",
			}},
		}},
	})
	require.NoError(s.t, err)
	return *out.TaskDefinition.TaskDefinitionArn
}

func (s *stack) create(definition string, count, port int32) types.Service {
	s.t.Helper()
	out, err := s.ecs.CreateService(s.t.Context(), &awsecs.CreateServiceInput{
		Cluster: aws.String("web"), ServiceName: aws.String("web"), TaskDefinition: &definition, DesiredCount: &count, LaunchType: types.LaunchTypeFargate,
		DeploymentConfiguration: &types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}},
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: s.subnets, AssignPublicIp: types.AssignPublicIpEnabled,
		}},
		LoadBalancers: []types.LoadBalancer{{TargetGroupArn: &s.group, ContainerName: aws.String("app"), ContainerPort: &port}},
	})
	require.NoError(s.t, err)
	return *out.Service
}

func (s *stack) service() types.Service {
	s.t.Helper()
	out, err := s.ecs.DescribeServices(s.t.Context(), &awsecs.DescribeServicesInput{Cluster: aws.String("web"), Services: []string{"web"}})
	require.NoError(s.t, err)
	require.Len(s.t, out.Services, 1)
	return out.Services[0]
}

func (s *stack) tasks(status types.DesiredStatus) []types.Task {
	s.t.Helper()
	list, err := s.ecs.ListTasks(s.t.Context(), &awsecs.ListTasksInput{Cluster: aws.String("web"), DesiredStatus: status})
	require.NoError(s.t, err)
	if len(list.TaskArns) == 0 {
		return nil
	}
	out, err := s.ecs.DescribeTasks(s.t.Context(), &awsecs.DescribeTasksInput{Cluster: aws.String("web"), Tasks: list.TaskArns, Include: []types.TaskField{types.TaskFieldTags}})
	require.NoError(s.t, err)
	return out.Tasks
}

// waitStable uses the SDK's own waiter.
func (s *stack) waitStable() error {
	return awsecs.NewServicesStableWaiter(s.ecs).Wait(s.t.Context(), &awsecs.DescribeServicesInput{Cluster: aws.String("web"), Services: []string{"web"}}, 30*time.Second)
}

func messages(v types.Service) string {
	out := ""
	for _, e := range v.Events {
		out += *e.Message + "\n"
	}
	return out
}
