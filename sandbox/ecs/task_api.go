package ecs

import (
	"context"
	"slices"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

var errTaskGone = invalidParameter("The referenced task was not found.")

type taskInput struct {
	Cluster              string        `json:"cluster"`
	TaskDefinition       string        `json:"taskDefinition"`
	Count                *int          `json:"count"`
	Group                string        `json:"group"`
	LaunchType           string        `json:"launchType"`
	StartedBy            string        `json:"startedBy"`
	NetworkConfiguration *networkInput `json:"networkConfiguration"`
	Overrides            overrides     `json:"overrides"`
	Tags                 []tag         `json:"tags"`
	PropagateTags        string        `json:"propagateTags"`
	Task                 string        `json:"task"`
	Reason               string        `json:"reason"`
	Tasks                []string      `json:"tasks"`
	Include              []string      `json:"include"`
}

type tasksOutput struct {
	Tasks    []taskOutput `json:"tasks"`
	Failures []failure    `json:"failures"`
}

type oneTask struct {
	Task taskOutput `json:"task"`
}

func (s *Service) runTask(_ context.Context, r *core.Request, in taskInput) (tasksOutput, error) {
	n := 1
	if in.Count != nil {
		n = *in.Count
	}
	if n < 1 || n > 10 {
		return tasksOutput{}, invalidParameter("Count must be from 1 to 10.")
	}
	if in.LaunchType != "" && in.LaunchType != "FARGATE" {
		return tasksOutput{}, invalidParameter("No Container Instances were found in your cluster: the sandbox has the launch type FARGATE only.")
	}
	if in.NetworkConfiguration == nil || in.NetworkConfiguration.VPC == nil {
		return tasksOutput{}, invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (tasksOutput, error) {
		out := tasksOutput{Tasks: []taskOutput{}, Failures: []failure{}}
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return out, err
		}
		rev, err := s.revision(tx, r.Region, in.TaskDefinition)
		if err != nil || rev.Definition.Status != active {
			return out, clientError("TaskDefinition not found.")
		}
		if err := s.checkPlacement(tx, r.Region, rev.Definition, *in.NetworkConfiguration.VPC); err != nil {
			return out, err
		}
		tags := toTags(in.Tags)
		if in.PropagateTags == "TASK_DEFINITION" {
			tags = rev.Tags.With(tags, nil)
		}
		if in.Group == "" {
			in.Group = "family:" + rev.Definition.Family
		}
		for range n {
			t, err := s.newTask(tx, task{
				Region: r.Region, Cluster: c.Name, Group: in.Group, StartedBy: in.StartedBy, Overrides: in.Overrides, Tags: tags,
			}, rev.Definition, *in.NetworkConfiguration.VPC)
			if err != nil {
				return out, err
			}
			out.Tasks = append(out.Tasks, t.output(true))
		}
		return out, nil
	})
}

// task finds a task of a cluster by id or ARN.
func (s *Service) task(tx *core.Tx, c cluster, id string) (task, bool) {
	t, ok := s.tasks.Get(tx, c.Region, lastPart(id))
	return t, ok && t.Cluster == c.Name
}

func (s *Service) stopTask(_ context.Context, r *core.Request, in taskInput) (oneTask, error) {
	if in.Reason == "" {
		in.Reason = "Task stopped by user"
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneTask, error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return oneTask{}, err
		}
		t, ok := s.task(tx, c, in.Task)
		if !ok {
			return oneTask{}, errTaskGone
		}
		t.stop("UserInitiated", in.Reason)
		s.tasks.Put(tx, t.Region, t.ID, t)
		return oneTask{t.output(true)}, nil
	})
}

func (s *Service) describeTasks(_ context.Context, r *core.Request, in taskInput) (tasksOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (tasksOutput, error) {
		out := tasksOutput{Tasks: []taskOutput{}, Failures: []failure{}}
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return out, err
		}
		for _, id := range in.Tasks {
			t, ok := s.task(tx, c, id)
			if !ok {
				out.Failures = append(out.Failures, failure{arn(r.Region, "task/"+c.Name+"/"+lastPart(id)), "MISSING"})
				continue
			}
			out.Tasks = append(out.Tasks, t.output(slices.Contains(in.Include, "TAGS")))
		}
		return out, nil
	})
}

type listTasksInput struct {
	pageInput
	Cluster       string `json:"cluster"`
	Family        string `json:"family"`
	ServiceName   string `json:"serviceName"`
	StartedBy     string `json:"startedBy"`
	DesiredStatus string `json:"desiredStatus"`
	LaunchType    string `json:"launchType"`
}

type listTasksOutput struct {
	ARNs      []string `json:"taskArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listTasks(_ context.Context, r *core.Request, in listTasksInput) (listTasksOutput, error) {
	if in.DesiredStatus == "" || in.DesiredStatus == statusPending {
		in.DesiredStatus = statusRunning
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (out listTasksOutput, err error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return out, err
		}
		if in.ServiceName != "" {
			if _, _, err := s.service(tx, r.Region, in.Cluster, in.ServiceName); err != nil {
				return out, err
			}
		}
		var arns []string
		for _, t := range s.tasksOf(tx, r.Region, c.Name) {
			rev, _ := s.revision(tx, r.Region, t.Definition)
			matches := t.Desired == in.DesiredStatus && (in.ServiceName == "" || t.Service == lastPart(in.ServiceName)) &&
				(in.Family == "" || rev.Definition.Family == in.Family) && (in.StartedBy == "" || t.StartedBy == in.StartedBy) &&
				(in.LaunchType == "" || t.LaunchType == in.LaunchType)
			if matches {
				arns = append(arns, t.arn())
			}
		}
		slices.Sort(arns)
		out.ARNs, out.NextToken, err = in.page(arns)
		return out, err
	})
}

type taskOutput struct {
	Attachments          []attachmentOutput    `json:"attachments"`
	Attributes           []nameValue           `json:"attributes"`
	AvailabilityZone     string                `json:"availabilityZone"`
	ClusterARN           string                `json:"clusterArn"`
	Connectivity         string                `json:"connectivity,omitempty"`
	Containers           []taskContainerOutput `json:"containers"`
	CPU                  string                `json:"cpu"`
	CreatedAt            *core.Timestamp       `json:"createdAt,omitempty"`
	DesiredStatus        string                `json:"desiredStatus"`
	EnableExecuteCommand bool                  `json:"enableExecuteCommand"`
	ExecutionStoppedAt   *core.Timestamp       `json:"executionStoppedAt,omitempty"`
	Group                string                `json:"group"`
	HealthStatus         string                `json:"healthStatus"`
	LastStatus           string                `json:"lastStatus"`
	LaunchType           string                `json:"launchType"`
	Memory               string                `json:"memory"`
	Overrides            overrides             `json:"overrides"`
	PlatformVersion      string                `json:"platformVersion"`
	PlatformFamily       string                `json:"platformFamily"`
	PullStartedAt        *core.Timestamp       `json:"pullStartedAt,omitempty"`
	PullStoppedAt        *core.Timestamp       `json:"pullStoppedAt,omitempty"`
	StartedAt            *core.Timestamp       `json:"startedAt,omitempty"`
	StartedBy            string                `json:"startedBy,omitempty"`
	StopCode             string                `json:"stopCode,omitempty"`
	StoppedAt            *core.Timestamp       `json:"stoppedAt,omitempty"`
	StoppedReason        string                `json:"stoppedReason,omitempty"`
	StoppingAt           *core.Timestamp       `json:"stoppingAt,omitempty"`
	Tags                 []tag                 `json:"tags"`
	TaskARN              string                `json:"taskArn"`
	TaskDefinitionARN    string                `json:"taskDefinitionArn"`
	Version              int                   `json:"version"`
}

type attachmentOutput struct {
	ID      string      `json:"id"`
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Details []nameValue `json:"details"`
}

type taskContainerOutput struct {
	ContainerARN      string            `json:"containerArn"`
	TaskARN           string            `json:"taskArn"`
	Name              string            `json:"name"`
	Image             string            `json:"image"`
	ImageDigest       string            `json:"imageDigest,omitempty"`
	RuntimeID         string            `json:"runtimeId,omitempty"`
	LastStatus        string            `json:"lastStatus"`
	ExitCode          *int              `json:"exitCode,omitempty"`
	Reason            string            `json:"reason,omitempty"`
	NetworkBindings   []empty           `json:"networkBindings"`
	NetworkInterfaces []interfaceOutput `json:"networkInterfaces"`
	HealthStatus      string            `json:"healthStatus"`
	CPU               string            `json:"cpu"`
}

type interfaceOutput struct {
	AttachmentID string `json:"attachmentId"`
	PrivateIP    string `json:"privateIpv4Address"`
}

func moment(t time.Time) *core.Timestamp {
	if t.IsZero() {
		return nil
	}
	return core.AtPtr(t)
}

func (t task) output(withTags bool) taskOutput {
	out := taskOutput{
		Attributes: []nameValue{{"ecs.cpu-architecture", "x86_64"}}, AvailabilityZone: t.Zone, ClusterARN: arn(t.Region, "cluster/"+t.Cluster),
		Containers: []taskContainerOutput{}, CPU: t.CPU, CreatedAt: moment(t.Created), DesiredStatus: t.Desired, ExecutionStoppedAt: moment(t.ExecutionStopped),
		Group: t.Group, HealthStatus: "UNKNOWN", LastStatus: t.Status, LaunchType: t.LaunchType, Memory: t.Memory, Overrides: t.Overrides,
		PlatformVersion: fargateVersion, PlatformFamily: "Linux", PullStartedAt: moment(t.PullStarted), PullStoppedAt: moment(t.PullStopped),
		StartedAt: moment(t.Started), StartedBy: t.StartedBy, StopCode: t.StopCode, StoppedAt: moment(t.Stopped), StoppedReason: t.StoppedReason,
		StoppingAt: moment(t.Stopping), Tags: []tag{}, TaskARN: t.arn(), TaskDefinitionARN: t.Definition, Version: 1,
	}
	if out.Overrides.Containers == nil {
		out.Overrides.Containers = []containerOverride{}
	}
	if withTags {
		out.Tags = fromTags(t.Tags)
	}
	if t.Status == statusRunning {
		out.Connectivity = "CONNECTED"
	}
	attachment := attachmentOutput{ID: t.AttachmentID, Type: "ElasticNetworkInterface", Status: "ATTACHED", Details: []nameValue{
		{"subnetId", t.Subnet}, {"networkInterfaceId", t.Interface}, {"macAddress", t.MAC}, {"privateIPv4Address", t.IP},
	}}
	switch t.Status {
	case statusProvisioning:
		attachment.Status = "ATTACHING"
	case statusStopped:
		attachment.Status = "DELETED"
	}
	out.Attachments = []attachmentOutput{attachment}
	for _, c := range t.Containers {
		o := taskContainerOutput{
			ContainerARN: arn(t.Region, "container/"+t.Cluster+"/"+t.ID+"/"+c.Name), TaskARN: t.arn(), Name: c.Name, Image: c.Image, ImageDigest: c.Digest,
			RuntimeID: c.RuntimeID, LastStatus: c.Status, ExitCode: c.ExitCode, Reason: c.Reason, NetworkBindings: []empty{}, HealthStatus: "UNKNOWN", CPU: "0",
			NetworkInterfaces: []interfaceOutput{{t.AttachmentID, t.IP}},
		}
		out.Containers = append(out.Containers, o)
	}
	return out
}
