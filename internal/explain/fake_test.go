package explain_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthdev/berth/internal/awsapi"
	"github.com/berthdev/berth/internal/explain"
)

const (
	clusterARN = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop-1a2b"
	serviceARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop-1a2b/shop-1a2b-80"
	groupARN   = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-1a2b/0123456789abcdef"
	address    = "aws_ecs_service.this"
)

type object = map[string]any

// cloud answers as AWS does: services in one cluster, with stopped tasks, a log and a target group.
type cloud struct {
	*httptest.Server

	mu       sync.Mutex
	services []object
	tasks    []object
	log      []string
	asked    map[string]int
	ahead    time.Duration // of its clock
	describe chan struct{} // gets one for each time the service is described
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{asked: map[string]int{}, describe: make(chan struct{}, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) explainer(every time.Duration) *explain.Explainer {
	return explain.New(explain.Deps{Every: every, Now: time.Now, UniqueName: "shop-1a2b", Access: awsapi.Access{
		Keys: aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "secret"}, Region: "eu-west-1", Endpoint: c.URL}})
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
	raw, _ := io.ReadAll(r.Body)
	if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in object
	_ = json.Unmarshal(raw, &in)
	if operation == "" {
		form, _ := url.ParseQuery(string(raw))
		operation = form.Get("Action")
	}
	c.asked[operation]++
	out := c.answer(operation, in)
	if text, ok := out.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (c *cloud) answer(operation string, in object) any {
	switch operation {
	case "ListClusters":
		return object{"clusterArns": []string{clusterARN, strings.Replace(clusterARN, "shop-1a2b", "other", 1)}}
	case "ListServices":
		return object{"serviceArns": arns(c.services, "serviceArn")}
	case "DescribeServices":
		c.describe <- struct{}{}
		return object{"services": c.services, "failures": []any{}}
	case "ListTasks":
		if in["desiredStatus"] != "STOPPED" || in["serviceName"] != "shop-1a2b-80" {
			return object{"taskArns": []string{}}
		}
		return object{"taskArns": arns(c.tasks, "taskArn")}
	case "DescribeTasks":
		return object{"tasks": c.tasks}
	case "DescribeTaskDefinition":
		return object{"taskDefinition": object{"containerDefinitions": []object{{"name": "app", "image": "shop:1", "logConfiguration": object{
			"logDriver": "awslogs", "options": object{"awslogs-group": "/ecs/shop-1a2b", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app"}}}}}}
	case "GetLogEvents":
		var events []object
		for _, l := range c.log {
			events = append(events, object{"timestamp": 1, "message": l})
		}
		return object{"events": events, "asked": in}
	case "DescribeTargetHealth":
		return `<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Id>10.0.1.7</Id><Port>8081</Port></Target>` +
			`<TargetHealth><State>unhealthy</State><Reason>Target.FailedHealthChecks</Reason><Description>Health checks failed</Description></TargetHealth></member>` +
			`</TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>`
	case "DescribeTargetGroups":
		return `<DescribeTargetGroupsResponse><DescribeTargetGroupsResult><TargetGroups><member><HealthCheckPath>/up</HealthCheckPath><HealthCheckPort>traffic-port</HealthCheckPort>` +
			`<HealthCheckProtocol>HTTP</HealthCheckProtocol><Matcher><HttpCode>200-399</HttpCode></Matcher></member></TargetGroups></DescribeTargetGroupsResult></DescribeTargetGroupsResponse>`
	}
	return object{}
}

func arns(list []object, key string) []any {
	out := []any{}
	for _, o := range list {
		out = append(out, o[key])
	}
	return out
}

// set changes what the cloud answers.
func (c *cloud) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// now is the cloud's time as ECS writes it.
func (c *cloud) now() float64 { return float64(time.Now().Add(c.ahead).UnixMilli())/1000 + 0.001 }

// service is one with a deployment that has just begun.
func (c *cloud) service(rollout, reason string, events ...string) object {
	var list []object
	for _, e := range events {
		list = append(list, object{"createdAt": c.now(), "message": e})
	}
	return object{"serviceArn": serviceARN, "serviceName": "shop-1a2b-80", "clusterArn": clusterARN, "status": "ACTIVE", "desiredCount": 1,
		"createdAt": c.now(), "healthCheckGracePeriodSeconds": 15, "events": list,
		"loadBalancers": []object{{"targetGroupArn": groupARN, "containerName": "app", "containerPort": 8081}},
		"deployments": []object{{"id": "ecs-svc/2", "status": "PRIMARY", "createdAt": c.now(), "rolloutState": rollout, "rolloutStateReason": reason,
			"taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-1a2b:2"}}}
}

// task is a stopped task of a deployment.
func (c *cloud) task(n int, deployment, code, reason string, container object) object {
	container["name"], container["image"] = "app", "shop:1"
	return object{"taskArn": fmt.Sprintf("arn:aws:ecs:eu-west-1:123456789012:task/shop-1a2b/%032d", n), "startedBy": deployment, "lastStatus": "STOPPED",
		"stopCode": code, "stoppedReason": reason, "createdAt": c.now() + float64(n)/1000, "containers": []object{container},
		"taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-1a2b:2"}
}
