package ecs

import (
	"slices"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/ec2"
)

// The states a task passes through.
const (
	statusProvisioning   = "PROVISIONING"
	statusPending        = "PENDING"
	statusActivating     = "ACTIVATING"
	statusRunning        = "RUNNING"
	statusDeactivating   = "DEACTIVATING"
	statusStopping       = "STOPPING"
	statusDeprovisioning = "DEPROVISIONING"
	statusStopped        = "STOPPED"
)

// task is the record of a task.
type task struct {
	ID, Region, Cluster string
	Service             string // name, or empty
	Deployment          string
	Definition          string // ARN
	Group, StartedBy    string
	Status, Desired     string
	CPU, Memory         string
	LaunchType          string
	Overrides           overrides
	Containers          []taskContainer
	LoadBalancers       []loadBalancerRef
	Grace               int // seconds
	// Attempt is how many tasks of the deployment failed in a row before it.
	Attempt int

	AttachmentID, Interface, Subnet, Zone string
	IP, MAC, PublicIP                     string
	AssignPublicIP                        bool

	Created                             time.Time
	PullStarted, PullStopped            time.Time
	Launched, Started                   time.Time // containers up; task RUNNING
	Stopping, ExecutionStopped, Stopped time.Time
	StopCode, StoppedReason             string
	// Failed is true when the task ended for a reason of its own, Accounted once
	// its service took note of that.
	Failed, Accounted bool
	Tags              core.Tags
}

type taskContainer struct {
	Name, Image, Digest string
	RuntimeID           string // of the data plane; empty until it was started
	Status              string
	ExitCode            *int
	Reason              string
	Essential           bool
	LogOffset           int64
}

type overrides struct {
	Containers []containerOverride `json:"containerOverrides"`
	CPU        string              `json:"cpu,omitempty"`
	Memory     string              `json:"memory,omitempty"`
}

type containerOverride struct {
	Name        string      `json:"name"`
	Command     []string    `json:"command,omitempty"`
	Environment []nameValue `json:"environment,omitempty"`
}

func (t task) arn() string { return arn(t.Region, "task/"+t.Cluster+"/"+t.ID) }

func (t task) running() bool { return t.Status == statusRunning && t.Desired == statusRunning }

// starting is what ECS counts as pending.
func (t task) starting() bool {
	return t.Desired == statusRunning && slices.Contains([]string{statusProvisioning, statusPending, statusActivating}, t.Status)
}

func (s *Service) tasksOf(tx *core.Tx, region, clusterName string) []task {
	return slices.DeleteFunc(s.tasks.List(tx, region), func(t task) bool { return t.Cluster != clusterName })
}

func (s *Service) tasksOfService(tx *core.Tx, v service) []task {
	return slices.DeleteFunc(s.tasks.List(tx, v.Region), func(t task) bool { return t.Cluster != v.Cluster || t.Service != v.Name })
}

// newTask makes the record of a task and its network interface; the scheduler
// finds it and starts it.
func (s *Service) newTask(tx *core.Tx, base task, d definition, n network) (task, error) {
	containers, err := d.containers()
	if err != nil {
		return base, err
	}
	t := base
	t.ID, t.Definition, t.Status, t.Desired, t.Created = core.Hex(32), d.ARN, statusProvisioning, statusRunning, s.env.Clock.Now()
	t.CPU, t.Memory, t.LaunchType = d.CPU, d.Memory, "FARGATE"
	t.AssignPublicIP = n.AssignPublicIP == "ENABLED"
	for _, c := range containers {
		t.Containers = append(t.Containers, taskContainer{Name: c.Name, Image: c.Image, Status: statusPending, Essential: c.essential()})
	}
	// Spread over the zones: as many tasks in one subnet as in the next.
	t.Subnet = n.Subnets[count(s.tasksOf(tx, t.Region, t.Cluster), func(o task) bool { return o.Service == t.Service && o.Status != statusStopped })%len(n.Subnets)]
	t.AttachmentID = core.NewUUID()
	eni, err := s.deps.Network.CreateInterface(tx, t.Region, ec2.InterfaceInput{
		Subnet: t.Subnet, Groups: n.SecurityGroups, Description: arn(t.Region, "attachment/"+t.AttachmentID), RequesterID: "amazon-ecs", Tags: t.Tags,
	})
	if err != nil {
		return t, err
	}
	t.Interface, t.Zone, t.IP, t.MAC = eni.ID, eni.Zone, eni.PrivateIP, eni.MAC
	s.tasks.Put(tx, t.Region, t.ID, t)
	return t, nil
}

// change applies a change to a task's record, if the task is still there.
func (s *Service) change(region, id string, f func(t *task)) (task, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (task, error) {
		t, ok := s.tasks.Get(tx, region, id)
		if !ok {
			return t, errTaskGone
		}
		f(&t)
		s.tasks.Put(tx, region, id, t)
		return t, nil
	})
}

// stop asks a task to stop; its keeper does it.
func (t *task) stop(code, reason string) {
	if t.Desired == statusStopped {
		return
	}
	t.Desired, t.StopCode, t.StoppedReason = statusStopped, code, reason
}
