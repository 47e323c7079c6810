// Package ecs is the sandbox's Elastic Container Service: clusters, task
// definitions, services and tasks on Fargate. A task is real: its containers run
// on the data plane, its logs reach CloudWatch Logs, its targets are checked by
// the load balancer, and a service replaces what stops.
//
// It must not know how containers are run or traffic is balanced, and it keeps
// nothing outside the store that it could not find again after a restart.
package ecs

import (
	"context"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/ec2"
	"github.com/berthdev/berth/sandbox/elbv2"
	"github.com/berthdev/berth/sandbox/logs"
)

// plane is what this service needs of the data plane; tests bring their own.
type plane interface {
	Runtime() dataplane.Runtime
	ExposeTask(ctx context.Context, taskID string, ports []int) (dataplane.TaskAddress, error)
	HideTask(taskID string) error
}

// Deps are the services that tasks touch.
type Deps struct {
	Network   *ec2.Service
	Balancers *elbv2.Service
	Logs      *logs.Service
	Plane     plane
}

// Service answers ECS calls and runs tasks.
type Service struct {
	env  *core.Env
	deps Deps

	clusters    core.Collection[cluster]
	definitions core.Collection[revision]
	families    core.Collection[family]
	services    core.Collection[service]
	tasks       core.Collection[task]
	settings    core.Collection[setting]

	keepers keepers
}

// New makes the service.
func New(env *core.Env, deps Deps) *Service {
	return &Service{
		env: env, deps: deps,
		clusters:    core.NewCollection[cluster]("ecs", "cluster"),
		definitions: core.NewCollection[revision]("ecs", "task-definition"),
		families:    core.NewCollection[family]("ecs", "family"),
		services:    core.NewCollection[service]("ecs", "service"),
		tasks:       core.NewCollection[task]("ecs", "task"),
		settings:    core.NewCollection[setting]("ecs", "setting"),
	}
}

// Spec says how the service is called.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "ecs", Title: "Elastic Container Service", Protocol: core.ProtocolJSON11,
		TargetPrefix: "AmazonEC2ContainerServiceV20141113",
		Operations: map[string]core.Handler{
			"CreateCluster":               core.JSON(s.createCluster),
			"DescribeClusters":            core.JSON(s.describeClusters),
			"ListClusters":                core.JSON(s.listClusters),
			"UpdateCluster":               core.JSON(s.updateCluster),
			"UpdateClusterSettings":       core.JSON(s.updateCluster),
			"DeleteCluster":               core.JSON(s.deleteCluster),
			"PutClusterCapacityProviders": core.JSON(s.putClusterCapacityProviders),
			"DescribeCapacityProviders":   core.JSON(s.describeCapacityProviders),
			"ListContainerInstances":      core.JSON(s.listContainerInstances),
			"RegisterTaskDefinition":      core.JSON(s.registerTaskDefinition),
			"DescribeTaskDefinition":      core.JSON(s.describeTaskDefinition),
			"DeregisterTaskDefinition":    core.JSON(s.deregisterTaskDefinition),
			"DeleteTaskDefinitions":       core.JSON(s.deleteTaskDefinitions),
			"ListTaskDefinitions":         core.JSON(s.listTaskDefinitions),
			"ListTaskDefinitionFamilies":  core.JSON(s.listTaskDefinitionFamilies),
			"CreateService":               core.JSON(s.createService),
			"DescribeServices":            core.JSON(s.describeServices),
			"ListServices":                core.JSON(s.listServices),
			"UpdateService":               core.JSON(s.updateService),
			"DeleteService":               core.JSON(s.deleteService),
			"RunTask":                     core.JSON(s.runTask),
			"StopTask":                    core.JSON(s.stopTask),
			"DescribeTasks":               core.JSON(s.describeTasks),
			"ListTasks":                   core.JSON(s.listTasks),
			"TagResource":                 core.JSON(s.tagResource),
			"UntagResource":               core.JSON(s.untagResource),
			"ListTagsForResource":         core.JSON(s.listTagsForResource),
			"ListAccountSettings":         core.JSON(s.listAccountSettings),
			"PutAccountSetting":           core.JSON(s.putAccountSetting),
			"PutAccountSettingDefault":    core.JSON(s.putAccountSetting),
			"DeleteAccountSetting":        core.JSON(s.deleteAccountSetting),
		},
	}
}

type empty struct{}

func arn(region, resource string) string { return core.ARN("ecs", region, resource) }

// lastPart is the name at the end of an ARN, or the name itself.
func lastPart(nameOrARN string) string {
	if !strings.HasPrefix(nameOrARN, "arn:") {
		return nameOrARN
	}
	return nameOrARN[strings.LastIndex(nameOrARN, "/")+1:]
}

// The errors of the API, by the names that clients match.

func invalidParameter(format string, args ...any) *core.Error {
	return core.Errorf("InvalidParameterException", format, args...)
}

func clientError(format string, args ...any) *core.Error {
	return core.Errorf("ClientException", format, args...)
}

var (
	errNoCluster = core.Errorf("ClusterNotFoundException", "Cluster not found.")
	errNoService = core.Errorf("ServiceNotFoundException", "Service not found.")
)

// failure is how Describe calls report what they did not find.
type failure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

// tag is a tag in the spelling of this API.
type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func toTags(list []tag) core.Tags {
	out := core.Tags{}
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

func fromTags(tags core.Tags) []tag {
	out := []tag{}
	for _, t := range tags.Sorted() {
		out = append(out, tag{t.Key, t.Value})
	}
	return out
}
