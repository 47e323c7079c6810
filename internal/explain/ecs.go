package explain

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// What is read of ECS's answers.

type service struct {
	ARN                string        `json:"serviceArn"`
	Name               string        `json:"serviceName"`
	Cluster            string        `json:"clusterArn"`
	Status             string        `json:"status"`
	Desired            int           `json:"desiredCount"`
	Created            instant       `json:"createdAt"`
	Deployments        []deployment  `json:"deployments"`
	Events             []event       `json:"events"` // newest first
	LoadBalancers      []balancerRef `json:"loadBalancers"`
	HealthGraceSeconds int           `json:"healthCheckGracePeriodSeconds"`
}

type balancerRef struct {
	TargetGroup   string `json:"targetGroupArn"`
	Container     string `json:"containerName"`
	ContainerPort int    `json:"containerPort"`
}

type deployment struct {
	ID             string  `json:"id"`
	Status         string  `json:"status"` // PRIMARY, ACTIVE
	Desired        int     `json:"desiredCount"`
	Created        instant `json:"createdAt"`
	TaskDefinition string  `json:"taskDefinition"`
	Rollout        string  `json:"rolloutState"` // IN_PROGRESS, COMPLETED, FAILED
	Reason         string  `json:"rolloutStateReason"`
}

type event struct {
	Created instant `json:"createdAt"`
	Message string  `json:"message"`
}

type task struct {
	ARN            string      `json:"taskArn"`
	StartedBy      string      `json:"startedBy"`
	TaskDefinition string      `json:"taskDefinitionArn"`
	LastStatus     string      `json:"lastStatus"`
	StopCode       string      `json:"stopCode"`
	StoppedReason  string      `json:"stoppedReason"`
	Created        instant     `json:"createdAt"`
	Stopped        instant     `json:"stoppedAt"`
	Containers     []container `json:"containers"`
}

type container struct {
	Name     string `json:"name"`
	Image    string `json:"image"`
	ExitCode *int   `json:"exitCode"`
	Reason   string `json:"reason"`
}

// id is the task's short name, which events and log streams use.
func (t *task) id() string { return lastPart(t.ARN) }

type definition struct {
	Containers []struct {
		Name  string `json:"name"`
		Image string `json:"image"`
		Log   *struct {
			Driver  string            `json:"logDriver"`
			Options map[string]string `json:"options"`
		} `json:"logConfiguration"`
	} `json:"containerDefinitions"`
}

// instant is a time as ECS writes it, seconds since 1970 with a fraction.
type instant struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	whole, part := math.Modf(seconds)
	i.Time = time.Unix(int64(whole), int64(part*1e9))
	return nil
}

// parseARN reads the region and the rest behind "kind/" of an ECS ARN.
func parseARN(arn, kind string) (region, rest string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "ecs" {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(parts[5], kind+"/")
	return parts[3], rest, ok && rest != ""
}

func lastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
