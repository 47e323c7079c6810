package ecs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// service is the record of a service. The first deployment is the primary one.
type service struct {
	Name, Region, Cluster string
	Status                string
	Desired               int
	TaskDefinition        string // of the primary deployment
	Placement             placement
	LaunchType            string
	Strategy              []strategyItem
	PlatformVersion       string
	Scheduling            string
	Limits                limits
	Grace                 *int // seconds
	Propagate             string
	ManagedTags           bool
	ExecuteCommand        bool
	Role                  string
	ClientToken           string
	Tags                  core.Tags
	Created               time.Time
	Deployments           []deployment
	// Stable is the last deployment that completed: what a rollback goes back to.
	Stable *deployment
	// Steady is true once the steady state was announced.
	Steady bool
	Events []event // newest first
}

// placement is where tasks run and what sends them traffic; each deployment
// keeps its own, so that a rollback restores it.
type placement struct {
	Network       network
	LoadBalancers []loadBalancerRef
}

type network struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups"`
	AssignPublicIP string   `json:"assignPublicIp"`
}

type loadBalancerRef struct {
	TargetGroupARN string `json:"targetGroupArn,omitempty"`
	ContainerName  string `json:"containerName"`
	ContainerPort  int    `json:"containerPort"`
}

// limits is the deployment configuration.
type limits struct {
	Breaker breaker `json:"deploymentCircuitBreaker"`
	Maximum int     `json:"maximumPercent"`
	Minimum int     `json:"minimumHealthyPercent"`
}

type breaker struct {
	Enable   bool `json:"enable"`
	Rollback bool `json:"rollback"`
}

// The states of a rollout.
const (
	rolloutInProgress = "IN_PROGRESS"
	rolloutCompleted  = "COMPLETED"
	rolloutFailed     = "FAILED"
)

type deployment struct {
	ID             string
	TaskDefinition string
	Placement      placement
	Rollout        string
	Reason         string
	Created        time.Time
	Updated        time.Time
	// Failed counts tasks that failed in a row.
	Failed int
	// NotBefore delays the next start after a failure.
	NotBefore time.Time
	// Rollback is true for a deployment that was brought back by the breaker.
	Rollback bool
}

type event struct {
	ID      string         `json:"id"`
	Created core.Timestamp `json:"createdAt"`
	Message string         `json:"message"`
}

// keptEvents is how many events ECS shows.
const keptEvents = 100

func (v *service) say(now time.Time, format string, args ...any) {
	e := event{ID: core.NewUUID(), Created: core.At(now), Message: "(service " + v.Name + ") " + fmt.Sprintf(format, args...)}
	v.Events = slices.Insert(v.Events, 0, e)
	if len(v.Events) > keptEvents {
		v.Events = v.Events[:keptEvents]
	}
}

func (v *service) arn() string { return arn(v.Region, "service/"+v.Cluster+"/"+v.Name) }

func (v *service) key() string { return serviceKey(v.Cluster, v.Name) }

func serviceKey(cluster, name string) string { return cluster + "/" + name }

func (v *service) primary() *deployment { return &v.Deployments[0] }

func (v *service) deployment(id string) *deployment {
	for i := range v.Deployments {
		if v.Deployments[i].ID == id {
			return &v.Deployments[i]
		}
	}
	return nil
}

// deploy makes a new primary deployment of what the service asks for now.
func (v *service) deploy(now time.Time) {
	d := deployment{
		ID: "ecs-svc/" + digits(19), TaskDefinition: v.TaskDefinition, Placement: v.Placement, Rollout: rolloutInProgress, Created: now, Updated: now,
	}
	d.Reason = "ECS deployment " + d.ID + " in progress."
	v.Deployments = slices.Insert(v.Deployments, 0, d)
	v.Steady = false
}

func digits(n int) string {
	var b strings.Builder
	b.WriteByte(byte('1' + core.RandomInt(9)))
	for range n - 1 {
		b.WriteByte(byte('0' + core.RandomInt(10)))
	}
	return b.String()
}

// givenUp reports whether the newest deployment failed and nothing is left to
// go back to: the service will not become stable by itself.
func (v *service) givenUp() bool {
	return v.Status == active && len(v.Deployments) > 0 && v.primary().Rollout == rolloutFailed
}

// count counts the tasks of a service, or of one of its deployments.
func count(tasks []task, match func(t task) bool) int {
	n := 0
	for _, t := range tasks {
		if match(t) {
			n++
		}
	}
	return n
}

// stable is the condition that waiters wait for.
func (v *service) stable(tasks []task) bool {
	return len(v.Deployments) == 1 && v.primary().Rollout != rolloutFailed &&
		count(tasks, task.running) == v.Desired && count(tasks, task.starting) == 0
}
