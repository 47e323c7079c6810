package ecs

import (
	"github.com/berthdev/berth/sandbox/core"
)

type serviceOutput struct {
	ServiceARN                    string             `json:"serviceArn"`
	ServiceName                   string             `json:"serviceName"`
	ClusterARN                    string             `json:"clusterArn"`
	LoadBalancers                 []loadBalancerRef  `json:"loadBalancers"`
	ServiceRegistries             []empty            `json:"serviceRegistries"`
	Status                        string             `json:"status"`
	DesiredCount                  int                `json:"desiredCount"`
	RunningCount                  int                `json:"runningCount"`
	PendingCount                  int                `json:"pendingCount"`
	LaunchType                    string             `json:"launchType,omitempty"`
	CapacityProviderStrategy      []strategyItem     `json:"capacityProviderStrategy,omitempty"`
	PlatformVersion               string             `json:"platformVersion"`
	PlatformFamily                string             `json:"platformFamily"`
	TaskDefinition                string             `json:"taskDefinition"`
	DeploymentConfiguration       limitsOutput       `json:"deploymentConfiguration"`
	Deployments                   []deploymentOutput `json:"deployments"`
	RoleARN                       string             `json:"roleArn,omitempty"`
	Events                        []event            `json:"events"`
	CreatedAt                     core.Timestamp     `json:"createdAt"`
	PlacementConstraints          []empty            `json:"placementConstraints"`
	PlacementStrategy             []empty            `json:"placementStrategy"`
	NetworkConfiguration          networkOutput      `json:"networkConfiguration"`
	HealthCheckGracePeriodSeconds *int               `json:"healthCheckGracePeriodSeconds,omitempty"`
	SchedulingStrategy            string             `json:"schedulingStrategy"`
	DeploymentController          controller         `json:"deploymentController"`
	CreatedBy                     string             `json:"createdBy"`
	EnableECSManagedTags          bool               `json:"enableECSManagedTags"`
	PropagateTags                 string             `json:"propagateTags"`
	EnableExecuteCommand          bool               `json:"enableExecuteCommand"`
	AvailabilityZoneRebalancing   string             `json:"availabilityZoneRebalancing"`
	Tags                          []tag              `json:"tags,omitempty"`
}

// limitsOutput adds what the newer API shows.
type limitsOutput struct {
	limits
	Strategy string `json:"strategy"`
}

type networkOutput struct {
	VPC network `json:"awsvpcConfiguration"`
}

type deploymentOutput struct {
	ID                       string         `json:"id"`
	Status                   string         `json:"status"`
	TaskDefinition           string         `json:"taskDefinition"`
	DesiredCount             int            `json:"desiredCount"`
	PendingCount             int            `json:"pendingCount"`
	RunningCount             int            `json:"runningCount"`
	FailedTasks              int            `json:"failedTasks"`
	CreatedAt                core.Timestamp `json:"createdAt"`
	UpdatedAt                core.Timestamp `json:"updatedAt"`
	LaunchType               string         `json:"launchType,omitempty"`
	CapacityProviderStrategy []strategyItem `json:"capacityProviderStrategy,omitempty"`
	PlatformVersion          string         `json:"platformVersion"`
	PlatformFamily           string         `json:"platformFamily"`
	NetworkConfiguration     networkOutput  `json:"networkConfiguration"`
	RolloutState             string         `json:"rolloutState"`
	RolloutStateReason       string         `json:"rolloutStateReason"`
}

// fargateVersion is what LATEST means on Linux.
const fargateVersion = "1.4.0"

func (s *Service) serviceOutput(tx *core.Tx, v service, withTags bool) serviceOutput {
	tasks := s.tasksOfService(tx, v)
	out := serviceOutput{
		ServiceARN: v.arn(), ServiceName: v.Name, ClusterARN: arn(v.Region, "cluster/"+v.Cluster),
		LoadBalancers: append([]loadBalancerRef{}, v.Placement.LoadBalancers...), ServiceRegistries: []empty{}, Status: v.Status,
		DesiredCount: v.Desired, RunningCount: count(tasks, task.running), PendingCount: count(tasks, task.starting),
		LaunchType: v.LaunchType, CapacityProviderStrategy: v.Strategy, PlatformVersion: v.PlatformVersion, PlatformFamily: "Linux",
		TaskDefinition: v.TaskDefinition, DeploymentConfiguration: limitsOutput{v.Limits, "ROLLING"}, Deployments: []deploymentOutput{},
		RoleARN: v.Role, Events: append([]event{}, v.Events...), CreatedAt: core.At(v.Created), PlacementConstraints: []empty{}, PlacementStrategy: []empty{},
		NetworkConfiguration: networkOutput{networkWithLists(v.Placement.Network)}, HealthCheckGracePeriodSeconds: v.Grace, SchedulingStrategy: v.Scheduling,
		DeploymentController: controller{"ECS"}, CreatedBy: "arn:aws:iam::" + core.AccountID + ":root", EnableECSManagedTags: v.ManagedTags,
		PropagateTags: v.Propagate, EnableExecuteCommand: v.ExecuteCommand, AvailabilityZoneRebalancing: "DISABLED",
	}
	if v.roleNeeded() {
		out.RoleARN = "arn:aws:iam::" + core.AccountID + ":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
	}
	if withTags {
		out.Tags = fromTags(v.Tags)
	}
	for i, d := range v.Deployments {
		of := func(t task) bool { return t.Deployment == d.ID }
		o := deploymentOutput{
			ID: d.ID, Status: active, TaskDefinition: d.TaskDefinition,
			PendingCount: count(tasks, func(t task) bool { return of(t) && t.starting() }), RunningCount: count(tasks, func(t task) bool { return of(t) && t.running() }),
			FailedTasks: d.Failed, CreatedAt: core.At(d.Created), UpdatedAt: core.At(d.Updated), LaunchType: v.LaunchType, CapacityProviderStrategy: v.Strategy,
			PlatformVersion: fargateVersion, PlatformFamily: "Linux", NetworkConfiguration: networkOutput{networkWithLists(d.Placement.Network)},
			RolloutState: d.Rollout, RolloutStateReason: d.Reason,
		}
		if i == 0 {
			o.Status = "PRIMARY"
			if d.Rollout != rolloutFailed {
				o.DesiredCount = v.Desired
			}
		}
		out.Deployments = append(out.Deployments, o)
	}
	return out
}

// roleNeeded reports whether ECS acts in the account for the service, which it
// does with its own role unless another was named.
func (v *service) roleNeeded() bool { return v.Role == "" && len(v.Placement.LoadBalancers) > 0 }

func networkWithLists(n network) network {
	n.Subnets, n.SecurityGroups = append([]string{}, n.Subnets...), append([]string{}, n.SecurityGroups...)
	if n.AssignPublicIP == "" {
		n.AssignPublicIP = "DISABLED"
	}
	return n
}
