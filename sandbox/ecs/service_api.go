package ecs

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

type serviceInput struct {
	Cluster                 string             `json:"cluster"`
	ServiceName             string             `json:"serviceName"`
	Service                 string             `json:"service"`
	TaskDefinition          string             `json:"taskDefinition"`
	LoadBalancers           *[]loadBalancerRef `json:"loadBalancers"`
	DesiredCount            *int               `json:"desiredCount"`
	ClientToken             string             `json:"clientToken"`
	LaunchType              string             `json:"launchType"`
	Strategy                []strategyItem     `json:"capacityProviderStrategy"`
	PlatformVersion         string             `json:"platformVersion"`
	Role                    string             `json:"role"`
	DeploymentConfiguration *limitsInput       `json:"deploymentConfiguration"`
	NetworkConfiguration    *networkInput      `json:"networkConfiguration"`
	Grace                   *int               `json:"healthCheckGracePeriodSeconds"`
	SchedulingStrategy      string             `json:"schedulingStrategy"`
	DeploymentController    *controller        `json:"deploymentController"`
	Tags                    []tag              `json:"tags"`
	EnableECSManagedTags    *bool              `json:"enableECSManagedTags"`
	PropagateTags           *string            `json:"propagateTags"`
	EnableExecuteCommand    *bool              `json:"enableExecuteCommand"`
	ForceNewDeployment      bool               `json:"forceNewDeployment"`
	Force                   bool               `json:"force"`
	ServiceRegistries       []map[string]any   `json:"serviceRegistries"`
}

type controller struct {
	Type string `json:"type"`
}

type limitsInput struct {
	Breaker *breaker `json:"deploymentCircuitBreaker"`
	Maximum *int     `json:"maximumPercent"`
	Minimum *int     `json:"minimumHealthyPercent"`
}

type networkInput struct {
	VPC *network `json:"awsvpcConfiguration"`
}

type oneService struct {
	Service serviceOutput `json:"service"`
}

var serviceName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func (s *Service) createService(_ context.Context, r *core.Request, in serviceInput) (oneService, error) {
	if !serviceName.MatchString(in.ServiceName) {
		return oneService{}, invalidParameter("Creation of service failed: the service name can have letters, digits, hyphens and underscores, at most 255.")
	}
	if in.SchedulingStrategy == "DAEMON" {
		return oneService{}, invalidParameter("The daemon scheduling strategy is not supported on Fargate.")
	}
	if in.DeploymentController != nil && in.DeploymentController.Type != "" && in.DeploymentController.Type != "ECS" {
		return oneService{}, invalidParameter("The sandbox has the deployment controller ECS, not %s.", in.DeploymentController.Type)
	}
	if len(in.ServiceRegistries) > 0 {
		return oneService{}, invalidParameter("The sandbox has no service discovery; leave serviceRegistries empty.")
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneService, error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return oneService{}, err
		}
		if old, ok := s.services.Get(tx, r.Region, serviceKey(c.Name, in.ServiceName)); ok && old.Status != inactive {
			if old.Status == draining {
				return oneService{}, invalidParameter("Unable to Start a service that is still Draining.")
			}
			if in.ClientToken == "" || in.ClientToken != old.ClientToken {
				return oneService{}, invalidParameter("Creation of service was not idempotent.")
			}
			return oneService{s.serviceOutput(tx, old, true)}, nil
		}
		v := service{
			Name: in.ServiceName, Region: r.Region, Cluster: c.Name, Status: active, Scheduling: "REPLICA", LaunchType: in.LaunchType,
			Strategy: in.Strategy, PlatformVersion: "LATEST", Limits: limits{Maximum: 200, Minimum: 100}, Propagate: "NONE", Role: in.Role,
			ClientToken: in.ClientToken, Tags: toTags(in.Tags), Created: s.env.Clock.Now(),
		}
		if err := s.merge(tx, &v, c, in); err != nil {
			return oneService{}, err
		}
		if in.TaskDefinition == "" {
			return oneService{}, invalidParameter("TaskDefinition can not be blank.")
		}
		v.deploy(v.Created)
		s.services.Put(tx, r.Region, v.key(), v)
		return oneService{s.serviceOutput(tx, v, true)}, nil
	})
}

// merge applies what creating and updating share, and checks the result.
func (s *Service) merge(tx *core.Tx, v *service, c cluster, in serviceInput) error {
	if in.DesiredCount != nil {
		if *in.DesiredCount < 0 {
			return invalidParameter("The desired count must not be negative.")
		}
		v.Desired = *in.DesiredCount
	}
	if in.TaskDefinition != "" {
		rev, err := s.revision(tx, v.Region, in.TaskDefinition)
		if err != nil {
			return clientError("Unable to describe task definition: %s", in.TaskDefinition)
		}
		if rev.Definition.Status != active && rev.Definition.ARN != v.TaskDefinition {
			return clientError("TaskDefinition is inactive: %s", in.TaskDefinition)
		}
		v.TaskDefinition = rev.Definition.ARN
	}
	if l := in.DeploymentConfiguration; l != nil {
		mergeLimits(&v.Limits, *l)
	}
	if in.NetworkConfiguration != nil && in.NetworkConfiguration.VPC != nil {
		v.Placement.Network = *in.NetworkConfiguration.VPC
	}
	if in.LoadBalancers != nil {
		v.Placement.LoadBalancers = *in.LoadBalancers
	}
	set(&v.Grace, in.Grace, func(n int) *int { return &n })
	set(&v.Propagate, in.PropagateTags, func(p string) string { return p })
	set(&v.ManagedTags, in.EnableECSManagedTags, func(b bool) bool { return b })
	set(&v.ExecuteCommand, in.EnableExecuteCommand, func(b bool) bool { return b })
	if v.Propagate == "" {
		v.Propagate = "NONE"
	}
	if in.PlatformVersion != "" {
		v.PlatformVersion = in.PlatformVersion
	}
	if len(in.Strategy) > 0 {
		v.Strategy, v.LaunchType = in.Strategy, ""
	}
	if v.LaunchType == "" && len(v.Strategy) == 0 {
		v.Strategy = c.Strategy
		if len(c.Strategy) == 0 {
			v.LaunchType = "EC2"
		}
	}
	return s.checkService(tx, v)
}

func set[T, V any](field *T, value *V, convert func(V) T) {
	if value != nil {
		*field = convert(*value)
	}
}

func mergeLimits(l *limits, in limitsInput) {
	if in.Breaker != nil {
		l.Breaker = *in.Breaker
	}
	if in.Maximum != nil {
		l.Maximum = *in.Maximum
	}
	if in.Minimum != nil {
		l.Minimum = *in.Minimum
	}
}

func (s *Service) checkService(tx *core.Tx, v *service) error {
	if v.LaunchType != "" && v.LaunchType != "FARGATE" {
		return invalidParameter("The sandbox has no container instances: use the launch type FARGATE, not %s.", v.LaunchType)
	}
	rev, err := s.revision(tx, v.Region, v.TaskDefinition)
	if err != nil {
		return invalidParameter("TaskDefinition can not be blank.")
	}
	if err := s.checkPlacement(tx, v.Region, rev.Definition, v.Placement.Network); err != nil {
		return err
	}
	containers, err := rev.Definition.containers()
	if err != nil {
		return err
	}
	for _, lb := range v.Placement.LoadBalancers {
		exists, used := s.deps.Balancers.GroupInUse(tx, lb.TargetGroupARN)
		if !exists {
			return invalidParameter("Unable to assume role and validate the specified targetGroupArn: the target group %s does not exist.", lb.TargetGroupARN)
		}
		if !used {
			return invalidParameter("The target group with targetGroupArn %s does not have an associated load balancer.", lb.TargetGroupARN)
		}
		if kind := s.deps.Balancers.GroupType(tx, lb.TargetGroupARN); kind != "ip" {
			return invalidParameter("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", lb.TargetGroupARN, kind)
		}
		i := slices.IndexFunc(containers, func(c container) bool { return c.Name == lb.ContainerName })
		if i < 0 {
			return invalidParameter("The container %s does not exist in the task definition.", lb.ContainerName)
		}
		if !hasPort(containers[i], lb.ContainerPort) {
			return invalidParameter("The container %s did not have a container port %d defined.", lb.ContainerName, lb.ContainerPort)
		}
	}
	return nil
}

func hasPort(c container, port int) bool {
	for _, p := range c.Ports {
		if p.ContainerPort == port {
			return true
		}
	}
	return false
}

// checkPlacement checks what a task needs to run: Fargate's network and its
// subnets and security groups.
func (s *Service) checkPlacement(tx *core.Tx, region string, d definition, n network) error {
	if !slices.Contains(d.Compatibilities, "FARGATE") {
		return invalidParameter("Task definition does not support launch_type FARGATE.")
	}
	if len(n.Subnets) == 0 {
		return invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	vpc := ""
	for _, id := range n.Subnets {
		subnet, err := s.deps.Network.Subnet(tx, region, id)
		if err != nil {
			return invalidParameter("Error retrieving subnet information for [%s]: The subnet ID '%s' does not exist (ErrorCode: InvalidSubnetID.NotFound)", id, id)
		}
		if vpc != "" && vpc != subnet.VPC {
			return invalidParameter("subnets must belong to the same VPC.")
		}
		vpc = subnet.VPC
	}
	for _, id := range n.SecurityGroups {
		group, err := s.deps.Network.SecurityGroup(tx, region, id)
		if err != nil {
			return invalidParameter("Error retrieving security group information for [%s]: The security group '%s' does not exist (ErrorCode: InvalidGroup.NotFound)", id, id)
		}
		if group.VPC != vpc {
			return invalidParameter("The security group %s does not belong to the VPC %s of the subnets.", id, vpc)
		}
	}
	return nil
}

// service finds a service that is not deleted.
func (s *Service) service(tx *core.Tx, region, clusterName, name string) (service, cluster, error) {
	c, err := s.cluster(tx, region, clusterName)
	if err != nil {
		return service{}, c, err
	}
	v, ok := s.services.Get(tx, region, serviceKey(c.Name, lastPart(name)))
	if !ok {
		return v, c, errNoService
	}
	return v, c, nil
}

func (s *Service) updateService(_ context.Context, r *core.Request, in serviceInput) (oneService, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (oneService, error) {
		v, c, err := s.service(tx, r.Region, in.Cluster, in.Service)
		if err != nil {
			return oneService{}, err
		}
		if v.Status != active {
			return oneService{}, core.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
		}
		definitionBefore, placementBefore, versionBefore := v.TaskDefinition, v.Placement, v.PlatformVersion
		if err := s.merge(tx, &v, c, in); err != nil {
			return oneService{}, err
		}
		if in.Tags != nil {
			v.Tags = toTags(in.Tags)
		}
		if in.ForceNewDeployment || v.TaskDefinition != definitionBefore || !samePlacement(v.Placement, placementBefore) || v.PlatformVersion != versionBefore {
			v.deploy(s.env.Clock.Now())
		}
		s.services.Put(tx, v.Region, v.key(), v)
		return oneService{s.serviceOutput(tx, v, true)}, nil
	})
}

func samePlacement(a, b placement) bool {
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	return slices.Equal(sorted(a.Network.Subnets), sorted(b.Network.Subnets)) &&
		slices.Equal(sorted(a.Network.SecurityGroups), sorted(b.Network.SecurityGroups)) &&
		a.Network.AssignPublicIP == b.Network.AssignPublicIP && slices.Equal(a.LoadBalancers, b.LoadBalancers)
}

func (s *Service) deleteService(_ context.Context, r *core.Request, in serviceInput) (oneService, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (oneService, error) {
		v, _, err := s.service(tx, r.Region, in.Cluster, in.Service)
		if err != nil {
			return oneService{}, err
		}
		if v.Status == inactive {
			return oneService{}, core.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
		}
		if v.Desired > 0 && !in.Force {
			return oneService{}, invalidParameter("The service cannot be stopped while it is scaled above 0.")
		}
		v.Desired, v.Status = 0, draining
		s.services.Put(tx, v.Region, v.key(), v)
		return oneService{s.serviceOutput(tx, v, true)}, nil
	})
}

func (s *Service) servicesOf(tx *core.Tx, region, clusterName string) []service {
	return slices.DeleteFunc(s.services.List(tx, region), func(v service) bool { return v.Cluster != clusterName })
}

type listServicesInput struct {
	pageInput
	Cluster            string `json:"cluster"`
	LaunchType         string `json:"launchType"`
	SchedulingStrategy string `json:"schedulingStrategy"`
}

type listServicesOutput struct {
	ARNs      []string `json:"serviceArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listServices(_ context.Context, r *core.Request, in listServicesInput) (listServicesOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (out listServicesOutput, err error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return out, err
		}
		var arns []string
		for _, v := range s.servicesOf(tx, r.Region, c.Name) {
			if v.Status != inactive && (in.LaunchType == "" || v.LaunchType == in.LaunchType) {
				arns = append(arns, v.arn())
			}
		}
		out.ARNs, out.NextToken, err = in.page(arns)
		return out, err
	})
}

type describeServicesInput struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
	Include  []string `json:"include"`
}

type describeServicesOutput struct {
	Services []serviceOutput `json:"services"`
	Failures []failure       `json:"failures"`
}

// describeServices answers at once, except to a waiter of an SDK: that one is
// held until what it waits for has happened, or for a few seconds. SDKs ask only
// every 15 seconds, which would make every deployment as slow.
func (s *Service) describeServices(ctx context.Context, r *core.Request, in describeServicesInput) (describeServicesOutput, error) {
	if len(in.Services) == 0 || len(in.Services) > 10 {
		return describeServicesOutput{}, invalidParameter("Services must name 1 to 10 services.")
	}
	if !isWaiter(r.Header) {
		out, _, err := s.describe(r, in, false)
		return out, err
	}
	changed, stop := s.env.Store.Watch()
	defer stop()
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	for {
		out, settled, err := s.describe(r, in, true)
		if err != nil || settled {
			return out, err
		}
		select {
		case <-changed:
		case <-patience.C:
			return out, nil
		case <-ctx.Done():
			return out, nil
		}
	}
}

// isWaiter recognises the SDKs' waiters by what they add to their user agent:
// "Waiter" in Go v1, the feature "B" in those of the newer generation.
func isWaiter(h http.Header) bool {
	for _, word := range strings.Fields(h.Get("User-Agent")) {
		features, ok := strings.CutPrefix(word, "m/")
		if word == "Waiter" || ok && slices.Contains(strings.Split(features, ","), "B") {
			return true
		}
	}
	return false
}

// describe lists the services asked for; settled is true when none of them is
// on the way to somewhere.
//
// A waiter sees a service that has given up as DRAINING. On AWS such a service
// looks the same for ever and waiters need ten minutes to lose hope; this is the
// one state that tells all of them that the service will not become stable.
func (s *Service) describe(r *core.Request, in describeServicesInput, waiter bool) (describeServicesOutput, bool, error) {
	settled := true
	out, err := core.Read(s.env.Store, func(tx *core.Tx) (describeServicesOutput, error) {
		out := describeServicesOutput{Services: []serviceOutput{}, Failures: []failure{}}
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return out, err
		}
		for _, name := range in.Services {
			v, ok := s.services.Get(tx, r.Region, serviceKey(c.Name, lastPart(name)))
			if !ok {
				out.Failures = append(out.Failures, failure{arn(r.Region, "service/"+c.Name+"/"+lastPart(name)), "MISSING"})
				continue
			}
			o := s.serviceOutput(tx, v, slices.Contains(in.Include, "TAGS"))
			if waiter && v.givenUp() {
				o.Status = draining
			}
			settled = settled && (v.Status == inactive || v.givenUp() || v.Status == active && v.stable(s.tasksOfService(tx, v)))
			out.Services = append(out.Services, o)
		}
		return out, nil
	})
	return out, settled, err
}
