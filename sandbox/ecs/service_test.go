package ecs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
)

func TestServiceRunsItsTasks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	definition := s.register("web", 80)
	s.create(definition, 2, 80)
	require.NoError(t, s.waitStable())

	v := s.completed()
	require.Len(t, v.Deployments, 1)
	require.EqualValues(t, 2, v.RunningCount)
	require.Contains(t, messages(v), "(service web) has reached a steady state.")
	require.Contains(t, messages(v), "(service web) registered 1 targets in (target-group "+s.group+")")

	tasks := s.tasks(types.DesiredStatusRunning)
	require.Len(t, tasks, 2)
	require.NotEqual(t, tasks[0].AvailabilityZone, tasks[1].AvailabilityZone, "tasks spread over the zones")
	eni := detail(tasks[0], "networkInterfaceId")
	found, err := s.ec2.DescribeNetworkInterfaces(t.Context(), &awsec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{eni}})
	require.NoError(t, err)
	require.NotEmpty(t, aws.ToString(found.NetworkInterfaces[0].Association.PublicIp))
	require.Equal(t, detail(tasks[0], "privateIPv4Address"), *found.NetworkInterfaces[0].PrivateIpAddress)

	require.Eventually(t, func() bool {
		events, err := s.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/ecs/web"), FilterPattern: aws.String("started")})
		return err == nil && len(events.Events) == 2
	}, 5*time.Second, 50*time.Millisecond, "each container's output reaches the log group")
}

// completed waits until the rollout is over. A waiter is content a moment earlier, when all tasks run.
func (s *stack) completed() types.Service {
	s.t.Helper()
	var v types.Service
	require.Eventually(s.t, func() bool {
		v = s.service()
		return v.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
	}, 10*time.Second, 10*time.Millisecond)
	return v
}

func detail(task types.Task, name string) string {
	for _, d := range task.Attachments[0].Details {
		if *d.Name == name {
			return *d.Value
		}
	}
	return ""
}

func TestServiceReplacesAKilledTask(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.create(s.register("web", 80), 1, 80)
	require.NoError(t, s.waitStable())
	before := s.tasks(types.DesiredStatusRunning)[0]

	require.NoError(t, s.plane.Stop(t.Context(), *before.Containers[0].RuntimeId, 0))
	require.Eventually(t, func() bool {
		now := s.tasks(types.DesiredStatusRunning)
		return len(now) == 1 && *now[0].TaskArn != *before.TaskArn && *now[0].LastStatus == "RUNNING"
	}, 10*time.Second, 50*time.Millisecond)

	stopped := s.tasks(types.DesiredStatusStopped)
	require.Len(t, stopped, 1)
	require.Equal(t, "Essential container in task exited", *stopped[0].StoppedReason)
	require.EqualValues(t, 137, *stopped[0].Containers[0].ExitCode)
	s.completed()
}

func TestNewServiceFailsVisibly(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		image, reason, event string
		port                 int32
	}{
		"wrong image": {"missing", "CannotPullContainerError: ", "CannotPullContainerError: ", 80},
		"exit":        {"exit-3", "Essential container in task exited", "ended with exit code 3", 80},
		"wrong port":  {"web", "Task failed ELB health checks in (target-group ", "(port 8080) is unhealthy in (target-group ", 8080},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.create(s.register(test.image, test.port), 1, test.port)
			require.ErrorContains(t, s.waitStable(), "waiter state transitioned to Failure")

			v := s.service()
			require.Equal(t, "ACTIVE", *v.Status, "only waiters see it as draining")
			require.Equal(t, types.DeploymentRolloutStateFailed, v.Deployments[0].RolloutState)
			require.EqualValues(t, 3, v.Deployments[0].FailedTasks)
			require.Contains(t, messages(v), test.event)
			require.Contains(t, messages(v), "deployment failed: tasks failed to start.")
			stopped := s.tasks(types.DesiredStatusStopped)
			require.Len(t, stopped, 3)
			require.Contains(t, *stopped[0].StoppedReason, test.reason)
			require.Empty(t, s.tasks(types.DesiredStatusRunning), "a failed deployment starts nothing more")
		})
	}
}

func TestFailedUpdateRollsBack(t *testing.T) {
	t.Parallel()
	s := setup(t)
	good := s.register("web", 80)
	s.create(good, 1, 80)
	require.NoError(t, s.waitStable())
	kept := s.tasks(types.DesiredStatusRunning)[0]

	bad := s.register("missing", 80)
	out, err := s.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: aws.String("web"), Service: aws.String("web"), TaskDefinition: &bad})
	require.NoError(t, err)
	require.Len(t, out.Service.Deployments, 2)
	require.NoError(t, s.waitStable())

	v := s.service()
	require.Equal(t, good, *v.TaskDefinition)
	require.Contains(t, messages(v), "rolling back to deployment ")
	require.Equal(t, *kept.TaskArn, *s.tasks(types.DesiredStatusRunning)[0].TaskArn, "the running task was never touched")
}

func TestUpdateKeepsEnoughTasks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.create(s.register("web", 80), 2, 80)
	require.NoError(t, s.waitStable())
	next := s.register("web-2", 80)
	_, err := s.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: aws.String("web"), Service: aws.String("web"), TaskDefinition: &next})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		v := s.service()
		require.GreaterOrEqual(t, v.RunningCount, int32(2), "a rolling update must not go below the desired count")
		return len(v.Deployments) == 1 && v.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
	}, 20*time.Second, 20*time.Millisecond)
	for _, task := range s.tasks(types.DesiredStatusRunning) {
		require.Equal(t, next, *task.TaskDefinitionArn)
	}
}

func TestScaleAndDelete(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.create(s.register("web", 80), 1, 80)
	require.NoError(t, s.waitStable())
	for _, count := range []int32{3, 0} {
		_, err := s.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: aws.String("web"), Service: aws.String("web"), DesiredCount: &count})
		require.NoError(t, err)
		require.NoError(t, s.waitStable())
		require.Equal(t, count, s.service().RunningCount)
	}
	_, err := s.ecs.DeleteCluster(t.Context(), &awsecs.DeleteClusterInput{Cluster: aws.String("web")})
	var contains *types.ClusterContainsServicesException
	require.ErrorAs(t, err, &contains)

	_, err = s.ecs.DeleteService(t.Context(), &awsecs.DeleteServiceInput{Cluster: aws.String("web"), Service: aws.String("web")})
	require.NoError(t, err)
	require.NoError(t, awsecs.NewServicesInactiveWaiter(s.ecs).Wait(t.Context(), &awsecs.DescribeServicesInput{Cluster: aws.String("web"), Services: []string{"web"}}, 20*time.Second))
	require.Zero(t, s.plane.count())
	_, err = s.ecs.DeleteCluster(t.Context(), &awsecs.DeleteClusterInput{Cluster: aws.String("web")})
	require.NoError(t, err)
	_, err = s.ecs.DeregisterTaskDefinition(t.Context(), &awsecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:1")})
	require.NoError(t, err)
	require.NoError(t, s.env.Store.View(func(tx *core.Tx) error {
		require.NotContains(t, core.Inventory(tx, s.services), "ecs")
		return nil
	}))
}

func TestRestartKeepsTasks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.create(s.register("web", 80), 1, 80)
	require.NoError(t, s.waitStable())
	before := s.tasks(types.DesiredStatusRunning)[0]

	s.stop()
	s.start()
	require.NoError(t, s.waitStable())
	after := s.tasks(types.DesiredStatusRunning)
	require.Len(t, after, 1)
	require.Equal(t, *before.TaskArn, *after[0].TaskArn)

	// What ended while nobody looked is replaced.
	s.stop()
	require.NoError(t, s.plane.Stop(t.Context(), *before.Containers[0].RuntimeId, 0))
	s.start()
	require.Eventually(t, func() bool {
		now := s.tasks(types.DesiredStatusRunning)
		return len(now) == 1 && *now[0].TaskArn != *before.TaskArn && *now[0].LastStatus == "RUNNING"
	}, 10*time.Second, 50*time.Millisecond)
}

func TestRunTaskEndsWithItsExitCode(t *testing.T) {
	t.Parallel()
	s := setup(t)
	definition := s.register("exit-7", 80)
	out, err := s.ecs.RunTask(t.Context(), &awsecs.RunTaskInput{
		Cluster: aws.String("web"), TaskDefinition: &definition, LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: s.subnets}},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stopped := s.tasks(types.DesiredStatusStopped)
		return len(stopped) == 1 && *stopped[0].LastStatus == "STOPPED" && *stopped[0].TaskArn == *out.Tasks[0].TaskArn && *stopped[0].Containers[0].ExitCode == 7
	}, 10*time.Second, 50*time.Millisecond)
}

func TestFargateSizesAreChecked(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, err := s.ecs.RegisterTaskDefinition(t.Context(), &awsecs.RegisterTaskDefinitionInput{
		Family: aws.String("odd"), NetworkMode: types.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("4096"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions:    []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("web")}},
	})
	require.ErrorContains(t, err, "No Fargate configuration exists for given values: 256 CPU, 4096 memory.")
}
