package explain

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berthdev/berth/internal/awsapi"
)

// client asks the questions.
type client struct {
	access     awsapi.Access
	uniqueName string
	now        func() time.Time
	skew       *skew
}

// skew is how far the other side's clock is ahead of ours. Deployments carry its times, objects ours.
type skew struct{ nanos atomic.Int64 }

// slack is how exactly clocks are known: the other side tells whole seconds.
const slack = 2 * time.Second

func (s *skew) learn(date, now time.Time) {
	if d := date.Sub(now); !date.IsZero() && d.Abs() > slack {
		s.nanos.Store(int64(d))
	}
}

// theirs turns one of our times into the other side's, a little early.
func (s *skew) theirs(t time.Time) time.Time {
	return t.Add(time.Duration(s.nanos.Load()) - slack)
}

func (c client) json(ctx context.Context, service, region, target string, body map[string]any, out any) error {
	answer, err := c.access.In(region).Send(ctx, service, &awsapi.Call{Target: target, Body: body})
	if err != nil {
		return err
	}
	c.skew.learn(answer.Date, c.now())
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("reading the answer to %s: %w", target, err)
	}
	return nil
}

func (c client) ecs(ctx context.Context, region, operation string, body map[string]any, out any) error {
	return c.json(ctx, "ecs", region, "AmazonEC2ContainerServiceV20141113."+operation, body, out)
}

const (
	describeMost = 10 // services in one call
	listMost     = 5  // pages of a list
)

// list reads the ARNs of a paged list.
func (c client) list(ctx context.Context, region, operation, field string, body map[string]any) ([]string, error) {
	var out []string
	for range listMost {
		page := map[string]json.RawMessage{}
		if err := c.ecs(ctx, region, operation, body, &page); err != nil {
			return nil, err
		}
		var arns []string
		var next string
		if err := json.Unmarshal(page[field], &arns); err != nil {
			return nil, fmt.Errorf("reading the answer to %s: %w", operation, err)
		}
		out = append(out, arns...)
		if raw := page["nextToken"]; raw == nil || json.Unmarshal(raw, &next) != nil || next == "" {
			break
		}
		body["nextToken"] = next
	}
	return out, nil
}

// servicesOf finds the service of an object: by its ARN, else among those of the environment that are as young as the
// object, because the tool does not tell what it is about to make.
func (c client) servicesOf(ctx context.Context, o object, clusters []string) ([]service, error) {
	if o.id != "" {
		region, rest, _ := parseARN(o.id, "service")
		cluster, _, ok := strings.Cut(rest, "/")
		if !ok {
			cluster = "default" // an ARN of the old form names none
		}
		return c.describeServices(ctx, region, cluster, []string{o.id})
	}
	if len(clusters) == 0 {
		var err error
		if clusters, err = c.ownClusters(ctx); err != nil {
			return nil, err
		}
	}
	var out []service
	var errs []error
	for _, cluster := range clusters {
		services, err := c.servicesIn(ctx, cluster)
		errs = append(errs, err)
		for _, s := range services {
			if !s.Created.Before(c.skew.theirs(o.since)) {
				out = append(out, s)
			}
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, errors.Join(errs...)
}

func (c client) ownClusters(ctx context.Context) ([]string, error) {
	if c.uniqueName == "" || c.access.Region == "" {
		return nil, nil
	}
	all, err := c.list(ctx, c.access.Region, "ListClusters", "clusterArns", map[string]any{})
	return slices.DeleteFunc(all, func(arn string) bool { return !strings.Contains(lastPart(arn), c.uniqueName) }), err
}

// servicesIn reads the services of a cluster, only those of the environment when it shares the cluster with others.
func (c client) servicesIn(ctx context.Context, cluster string) ([]service, error) {
	region, name, _ := parseARN(cluster, "cluster")
	arns, err := c.list(ctx, region, "ListServices", "serviceArns", map[string]any{"cluster": cluster, "maxResults": 100})
	if err != nil {
		return nil, err
	}
	if c.uniqueName != "" && !strings.Contains(name, c.uniqueName) {
		arns = slices.DeleteFunc(arns, func(arn string) bool { return !strings.Contains(lastPart(arn), c.uniqueName) })
	}
	return c.describeServices(ctx, region, cluster, arns)
}

func (c client) describeServices(ctx context.Context, region, cluster string, arns []string) ([]service, error) {
	var out []service
	for some := range slices.Chunk(arns, describeMost) {
		var answer struct {
			Services []service `json:"services"`
		}
		if err := c.ecs(ctx, region, "DescribeServices", map[string]any{"cluster": cluster, "services": some}, &answer); err != nil {
			return nil, err
		}
		out = append(out, answer.Services...)
	}
	return out, nil
}

// stoppedTasks reads the service's tasks that ended, the last first. ECS remembers them for about an hour.
func (c client) stoppedTasks(ctx context.Context, s *service) ([]task, error) {
	region, _, _ := parseARN(s.ARN, "service")
	arns, err := c.list(ctx, region, "ListTasks", "taskArns", map[string]any{"cluster": s.Cluster, "serviceName": s.Name, "desiredStatus": "STOPPED"})
	if err != nil {
		return nil, err
	}
	var out []task
	for some := range slices.Chunk(arns, 100) {
		var answer struct {
			Tasks []task `json:"tasks"`
		}
		if err := c.ecs(ctx, region, "DescribeTasks", map[string]any{"cluster": s.Cluster, "tasks": some}, &answer); err != nil {
			return nil, err
		}
		out = append(out, answer.Tasks...)
	}
	slices.SortStableFunc(out, func(a, b task) int { return b.Created.Compare(a.Created.Time) })
	return out, nil
}

// examine asks what became of a service since then.
func (c client) examine(ctx context.Context, s *service, since time.Time) (verdict, error) {
	tasks, err := c.stoppedTasks(ctx, s)
	if err != nil {
		return verdict{}, err
	}
	return judge(s, tasks, c.skew.theirs(since)), nil
}

func (c client) definition(ctx context.Context, region, arn string) (definition, error) {
	var answer struct {
		Definition definition `json:"taskDefinition"`
	}
	err := c.ecs(ctx, region, "DescribeTaskDefinition", map[string]any{"taskDefinition": arn}, &answer)
	return answer.Definition, err
}

// logTail is how many lines of a container's log are quoted.
const logTail = 20

// logLines reads the last lines a container of a task wrote, where they went to CloudWatch Logs.
func (c client) logLines(ctx context.Context, d definition, t *task, container string) (stream string, lines []string) {
	region, _, _ := parseARN(t.ARN, "task")
	for _, def := range d.Containers {
		if def.Name != container || def.Log == nil || def.Log.Driver != "awslogs" || def.Log.Options["awslogs-stream-prefix"] == "" {
			continue
		}
		if r := def.Log.Options["awslogs-region"]; r != "" {
			region = r
		}
		group := def.Log.Options["awslogs-group"]
		stream = def.Log.Options["awslogs-stream-prefix"] + "/" + container + "/" + t.id()
		var answer struct {
			Events []struct {
				Message string `json:"message"`
			} `json:"events"`
		}
		err := c.json(ctx, "logs", region, "Logs_20140328.GetLogEvents",
			map[string]any{"logGroupName": group, "logStreamName": stream, "limit": logTail, "startFromHead": false}, &answer)
		if err != nil {
			return "", nil
		}
		for _, e := range answer.Events {
			lines = append(lines, strings.Split(strings.TrimRight(e.Message, "\r\n"), "\n")...)
		}
		return group + ", " + stream, lines[max(0, len(lines)-logTail):]
	}
	return "", nil
}

// target is one target of a load balancer.
type target struct {
	IP          string `xml:"Target>Id"`
	Port        int    `xml:"Target>Port"`
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason"`
	Description string `xml:"TargetHealth>Description"`
}

// healthCheck is what a target group asks its targets.
type healthCheck struct {
	Path     string `xml:"HealthCheckPath"`
	Port     string `xml:"HealthCheckPort"`
	Protocol string `xml:"HealthCheckProtocol"`
	Codes    string `xml:"Matcher>HttpCode"`
}

func (c client) elb(ctx context.Context, group string, form url.Values, out any) error {
	parts := strings.SplitN(group, ":", 6)
	if len(parts) != 6 {
		return fmt.Errorf("%q is no ARN", group)
	}
	form.Set("Version", "2015-12-01")
	answer, err := c.access.In(parts[3]).Send(ctx, "elasticloadbalancing", &awsapi.Call{Form: form})
	if err != nil {
		return err
	}
	return xml.Unmarshal(answer.Body, out)
}

func (c client) targets(ctx context.Context, group string) []target {
	var answer struct {
		Targets []target `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	}
	if c.elb(ctx, group, url.Values{"Action": {"DescribeTargetHealth"}, "TargetGroupArn": {group}}, &answer) != nil {
		return nil
	}
	return answer.Targets
}

// check describes a target group's health check as a request, "" when that is not known.
func (c client) check(ctx context.Context, group string, port int) string {
	var answer struct {
		Groups []healthCheck `xml:"DescribeTargetGroupsResult>TargetGroups>member"`
	}
	err := c.elb(ctx, group, url.Values{"Action": {"DescribeTargetGroups"}, "TargetGroupArns.member.1": {group}}, &answer)
	if err != nil || len(answer.Groups) == 0 {
		return ""
	}
	h := answer.Groups[0]
	at := h.Port
	if at == "traffic-port" || at == "" {
		at = strconv.Itoa(port)
	}
	text := fmt.Sprintf("The load balancer asks each task for %s on port %s over %s", h.Path, at, h.Protocol)
	if h.Codes != "" {
		text += ", and wants a status of " + h.Codes
	}
	return text + "."
}
