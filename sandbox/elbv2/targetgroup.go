package elbv2

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

type targetGroup struct {
	ARN, Name, Region string
	Protocol, Version string
	Port              int
	VPC               string
	TargetType        string
	IPType            string
	Check             check
	Attributes        map[string]string
	Tags              core.Tags
}

// check is a group's health check.
type check struct {
	Enabled                       bool
	Protocol, Port, Path, Matcher string
	Interval, Timeout             int
	HealthyCount, UnhealthyCount  int
}

type targetGroupOutput struct {
	TargetGroupArn             string
	TargetGroupName            string
	Protocol                   string
	Port                       int
	VpcId                      string
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckEnabled         bool
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	HealthCheckPath            string         `xml:",omitempty"`
	Matcher                    *matcherOutput `xml:",omitempty"`
	LoadBalancerArns           core.Members[string]
	TargetType                 string
	ProtocolVersion            string `xml:",omitempty"`
	IpAddressType              string
}

type matcherOutput struct{ HttpCode string }

type targetGroupsOutput struct {
	TargetGroups core.Members[targetGroupOutput]
	NextMarker   string `xml:",omitempty"`
}

func (s *Service) groupOutput(tx *core.Tx, g targetGroup) targetGroupOutput {
	out := targetGroupOutput{
		TargetGroupArn: g.ARN, TargetGroupName: g.Name, Protocol: g.Protocol, Port: g.Port, VpcId: g.VPC,
		HealthCheckProtocol: g.Check.Protocol, HealthCheckPort: g.Check.Port, HealthCheckEnabled: g.Check.Enabled,
		HealthCheckIntervalSeconds: g.Check.Interval, HealthCheckTimeoutSeconds: g.Check.Timeout,
		HealthyThresholdCount: g.Check.HealthyCount, UnhealthyThresholdCount: g.Check.UnhealthyCount,
		HealthCheckPath: g.Check.Path, LoadBalancerArns: s.balancersOf(tx, g.ARN), TargetType: g.TargetType,
		ProtocolVersion: g.Version, IpAddressType: g.IPType,
	}
	if g.Check.Matcher != "" {
		out.Matcher = &matcherOutput{g.Check.Matcher}
	}
	return out
}

// balancersOf lists the load balancers whose listeners or rules use the group.
func (s *Service) balancersOf(tx *core.Tx, group string) []string {
	var out []string
	add := func(l listener, actions []action) {
		if usesGroup(actions, group) && !slices.Contains(out, l.Balancer) {
			out = append(out, l.Balancer)
		}
	}
	for _, l := range s.listeners.List(tx, regionOf(group)) {
		add(l, l.Actions)
		for _, rl := range s.rulesOf(tx, l.ARN) {
			add(l, rl.Actions)
		}
	}
	return out
}

func (s *Service) createTargetGroup(_ context.Context, r *core.Request) (any, error) {
	g, err := s.requestedGroup(r)
	if err != nil {
		return nil, err
	}
	out, err := core.Write(s.env.Store, func(tx *core.Tx) (targetGroupsOutput, error) {
		if existing, ok := s.groups.Find(tx, r.Region, func(v targetGroup) bool { return v.Name == g.Name }); ok {
			if existing.Port != g.Port || existing.Protocol != g.Protocol || existing.VPC != g.VPC || existing.Check != g.Check || existing.TargetType != g.TargetType {
				return targetGroupsOutput{}, core.Errorf("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.Name)
			}
			g = existing
		}
		if _, err := s.network.VPC(tx, r.Region, g.VPC); g.TargetType != "lambda" && err != nil {
			return targetGroupsOutput{}, invalid("The VPC ID '%s' is not found", g.VPC)
		}
		s.groups.Put(tx, r.Region, g.ARN, g)
		return targetGroupsOutput{TargetGroups: core.Members[targetGroupOutput]{s.groupOutput(tx, g)}}, nil
	})
	if err == nil {
		s.applyGroup(g.ARN)
	}
	return out, err
}

func (s *Service) requestedGroup(r *core.Request) (targetGroup, error) {
	f := r.Form
	g := targetGroup{
		Name: f.Get("Name"), Region: r.Region, Protocol: f.Get("Protocol"), Version: f.Get("ProtocolVersion"), VPC: f.Get("VpcId"),
		TargetType: f.Get("TargetType"), IPType: f.Get("IpAddressType"), Tags: f.Tags("Tags"),
	}
	if err := checkName("Target group", g.Name); err != nil {
		return g, err
	}
	if g.TargetType == "" {
		g.TargetType = "instance"
	}
	if g.IPType == "" {
		g.IPType = "ipv4"
	}
	if !slices.Contains([]string{"HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"}, g.Protocol) {
		return g, invalid("Value '%s' at 'protocol' is not one the sandbox's target groups have: HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP", g.Protocol)
	}
	web := g.Protocol == "HTTP" || g.Protocol == "HTTPS"
	if web && g.Version == "" {
		g.Version = "HTTP1"
	}
	var err error
	if g.Port, err = f.Int("Port", 0); err != nil {
		return g, err
	}
	if g.Port < 1 || g.Port > 65535 {
		return g, invalid("A port must be specified, from 1 to 65535")
	}
	g.Check = check{Enabled: true, Protocol: "TCP", Port: "traffic-port", Interval: 30, Timeout: 10, HealthyCount: 5, UnhealthyCount: 2}
	if web {
		g.Check.Protocol, g.Check.Timeout = "HTTP", 5
	}
	if err := mergeCheck(&g.Check, f); err != nil {
		return g, err
	}
	g.ARN = arn(r.Region, "targetgroup/"+g.Name+"/"+core.Hex(16))
	g.Attributes = defaultGroupAttributes(web)
	return g, nil
}

func mergeCheck(c *check, f core.Form) error {
	text := map[string]*string{
		"HealthCheckProtocol": &c.Protocol, "HealthCheckPort": &c.Port, "HealthCheckPath": &c.Path, "Matcher.HttpCode": &c.Matcher, "Matcher.GrpcCode": &c.Matcher,
	}
	for name, field := range text {
		if f.Has(name) {
			*field = f.Get(name)
		}
	}
	if f.Has("HealthCheckEnabled") {
		c.Enabled = f.Bool("HealthCheckEnabled")
	}
	web := c.Protocol == "HTTP" || c.Protocol == "HTTPS"
	if web && c.Path == "" {
		c.Path = "/"
	}
	if web && c.Matcher == "" {
		c.Matcher = "200"
	}
	numbers := []struct {
		name     string
		field    *int
		min, max int
	}{
		{"HealthCheckIntervalSeconds", &c.Interval, 5, 300}, {"HealthCheckTimeoutSeconds", &c.Timeout, 2, 120},
		{"HealthyThresholdCount", &c.HealthyCount, 2, 10}, {"UnhealthyThresholdCount", &c.UnhealthyCount, 2, 10},
	}
	for _, n := range numbers {
		v, err := f.Int(n.name, *n.field)
		if err != nil {
			return err
		}
		if v < n.min || v > n.max {
			return invalid("%s '%d' must be between %d and %d", n.name, v, n.min, n.max)
		}
		*n.field = v
	}
	if c.Timeout >= c.Interval && web {
		return invalid("Health check timeout '%d' must be smaller than the interval '%d'", c.Timeout, c.Interval)
	}
	if port, err := strconv.Atoi(c.Port); c.Port != "traffic-port" && (err != nil || port < 1 || port > 65535) {
		return invalid("Health check port '%s' must be 'traffic-port' or a port number", c.Port)
	}
	return nil
}

func defaultGroupAttributes(web bool) map[string]string {
	out := map[string]string{
		"deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false", "stickiness.type": "source_ip",
		"load_balancing.cross_zone.enabled":                                              "use_load_balancer_configuration",
		"target_group_health.dns_failover.minimum_healthy_targets.count":                 "1",
		"target_group_health.dns_failover.minimum_healthy_targets.percentage":            "off",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      "1",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
	}
	if web {
		maps.Copy(out, map[string]string{
			"slow_start.duration_seconds": "0", "load_balancing.algorithm.type": "round_robin", "load_balancing.algorithm.anomaly_mitigation": "off",
			"stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
			"stickiness.app_cookie.cookie_name": "", "stickiness.app_cookie.duration_seconds": "86400",
		})
		return out
	}
	maps.Copy(out, map[string]string{
		"proxy_protocol_v2.enabled": "false", "preserve_client_ip.enabled": "false", "deregistration_delay.connection_termination.enabled": "false",
		"target_health_state.unhealthy.connection_termination.enabled": "true", "target_health_state.unhealthy.draining_interval_seconds": "0",
	})
	return out
}

func (s *Service) group(tx *core.Tx, arn string) (targetGroup, error) {
	g, ok := s.groups.Get(tx, regionOf(arn), arn)
	if !ok {
		return g, core.Errorf("TargetGroupNotFound", "Target group '%s' not found", arn)
	}
	return g, nil
}

func (s *Service) describeTargetGroups(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		arns, names, lb := r.Form.List("TargetGroupArns"), r.Form.List("Names"), r.Form.Get("LoadBalancerArn")
		if lb != "" {
			if _, err := s.balancer(tx, lb); err != nil {
				return nil, err
			}
		}
		var found []targetGroup
		for _, g := range s.groups.List(tx, r.Region) {
			named := len(arns)+len(names) == 0 || slices.Contains(arns, g.ARN) || slices.Contains(names, g.Name)
			if named && (lb == "" || slices.Contains(s.balancersOf(tx, g.ARN), lb)) {
				found = append(found, g)
			}
		}
		if len(found) < len(arns)+len(names) {
			return nil, core.Errorf("TargetGroupNotFound", "One or more target groups not found")
		}
		page, next, err := paged(r, found, func(g targetGroup) string { return g.ARN })
		out := targetGroupsOutput{NextMarker: next}
		for _, g := range page {
			out.TargetGroups = append(out.TargetGroups, s.groupOutput(tx, g))
		}
		return out, err
	})
}

func (s *Service) changeGroup(r *core.Request, change func(g *targetGroup) error) (targetGroup, targetGroupsOutput, error) {
	var g targetGroup
	out, err := core.Write(s.env.Store, func(tx *core.Tx) (out targetGroupsOutput, err error) {
		if g, err = s.group(tx, r.Form.Get("TargetGroupArn")); err != nil {
			return out, err
		}
		if err := change(&g); err != nil {
			return out, err
		}
		s.groups.Put(tx, g.Region, g.ARN, g)
		return targetGroupsOutput{TargetGroups: core.Members[targetGroupOutput]{s.groupOutput(tx, g)}}, nil
	})
	if err == nil {
		s.applyGroup(g.ARN)
	}
	return g, out, err
}

func (s *Service) modifyTargetGroup(_ context.Context, r *core.Request) (any, error) {
	_, out, err := s.changeGroup(r, func(g *targetGroup) error { return mergeCheck(&g.Check, r.Form) })
	return out, err
}

func (s *Service) deleteTargetGroup(_ context.Context, r *core.Request) (any, error) {
	id := r.Form.Get("TargetGroupArn")
	s.applying.Lock()
	defer s.applying.Unlock()
	err := s.env.Store.Update(func(tx *core.Tx) error {
		if len(s.balancersOf(tx, id)) > 0 {
			return core.Errorf("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", id)
		}
		for _, t := range s.targetsOf(tx, id) {
			s.targets.Delete(tx, regionOf(id), t.key())
		}
		s.groups.Delete(tx, regionOf(id), id)
		return nil
	})
	if err == nil {
		s.plane.DeleteTargetGroup(id)
		delete(s.live, id)
	}
	return nil, err
}

func (s *Service) describeTargetGroupAttributes(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		g, err := s.group(tx, r.Form.Get("TargetGroupArn"))
		return attributes(g.Attributes), err
	})
}

func (s *Service) modifyTargetGroupAttributes(_ context.Context, r *core.Request) (any, error) {
	g, _, err := s.changeGroup(r, func(g *targetGroup) (err error) {
		g.Attributes, err = mergeAttributes("Target group", g.Attributes, r.Form)
		if delay, ok := strings.CutPrefix(g.Attributes["deregistration_delay.timeout_seconds"], "-"); ok {
			return invalid("The deregistration delay '-%s' must be between 0 and 3600", delay)
		}
		return err
	})
	return attributes(g.Attributes), err
}
