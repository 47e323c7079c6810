package elbv2

import (
	"context"
	"errors"
	"strconv"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// apply gives the data plane a load balancer as the store holds it now.
func (s *Service) apply(ctx context.Context, balancer string) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.applyLocked(ctx, balancer)
}

func (s *Service) applyLocked(ctx context.Context, balancer string) error {
	wanted, err := core.Read(s.env.Store, func(tx *core.Tx) (*dataplane.LoadBalancer, error) {
		lb, ok := s.balancers.Get(tx, regionOf(balancer), balancer)
		if !ok {
			return nil, nil
		}
		return s.planeBalancer(tx, lb), nil
	})
	if err != nil || wanted == nil {
		return err
	}
	s.live[balancer] = true
	return s.plane.SetLoadBalancer(ctx, *wanted)
}

func (s *Service) planeBalancer(tx *core.Tx, lb loadBalancer) *dataplane.LoadBalancer {
	out := &dataplane.LoadBalancer{ID: lb.ARN, Kind: "application"}
	if lb.Type == "network" {
		out.Kind = "network"
	}
	if n, err := strconv.Atoi(lb.Attributes["idle_timeout.timeout_seconds"]); err == nil {
		out.IdleTimeout = seconds(n)
	}
	for _, l := range s.listenersOf(tx, lb.ARN) {
		// TLS and UDP are kept but not served: the sandbox has no certificates.
		if l.Protocol != "HTTP" && l.Protocol != "TCP" {
			continue
		}
		listener := dataplane.Listener{ID: l.ARN, Port: l.Port, Protocol: l.Protocol, Default: planeAction(l.Actions)}
		for _, rl := range s.rulesOf(tx, l.ARN) {
			r := dataplane.Rule{ID: rl.ARN, Priority: rl.Priority, Action: planeAction(rl.Actions)}
			for _, c := range rl.Conditions {
				r.Conditions = append(r.Conditions, dataplane.Condition{Field: c.Field, HeaderName: c.Header, Values: c.Values})
			}
			listener.Rules = append(listener.Rules, r)
		}
		out.Listeners = append(out.Listeners, listener)
	}
	return out
}

// applyGroup gives the data plane a target group as the store holds it now.
func (s *Service) applyGroup(group string) {
	s.applying.Lock()
	defer s.applying.Unlock()
	_ = s.env.Store.View(func(tx *core.Tx) error {
		if g, ok := s.groups.Get(tx, regionOf(group), group); ok {
			s.live[group] = true
			s.plane.SetTargetGroup(planeGroup(g))
		}
		return nil
	})
}

func planeGroup(g targetGroup) dataplane.TargetGroup {
	out := dataplane.TargetGroup{
		ID: g.ARN, Protocol: "TCP",
		HealthCheck: dataplane.HealthCheck{
			Protocol: "TCP", Path: g.Check.Path, Matcher: g.Check.Matcher, Interval: seconds(g.Check.Interval), Timeout: seconds(g.Check.Timeout),
			HealthyThreshold: g.Check.HealthyCount, UnhealthyThreshold: g.Check.UnhealthyCount,
		},
	}
	if g.Protocol == "HTTP" || g.Protocol == "HTTPS" {
		out.Protocol = "HTTP"
	}
	if g.Check.Protocol == "HTTP" || g.Check.Protocol == "HTTPS" {
		out.HealthCheck.Protocol = "HTTP"
	}
	if n, err := strconv.Atoi(g.Check.Port); err == nil {
		out.HealthCheck.Port = n
	}
	if n, err := strconv.Atoi(g.Attributes["deregistration_delay.timeout_seconds"]); err == nil {
		out.DeregistrationDelay = seconds(n)
	}
	return out
}

// restore gives a data plane that was just opened everything the store holds.
func (s *Service) restore(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	var balancers []loadBalancer
	err := s.env.Store.View(func(tx *core.Tx) error {
		for _, g := range s.groups.All(tx) {
			s.live[g.ARN] = true
			s.plane.SetTargetGroup(planeGroup(g))
			for _, t := range s.targetsOf(tx, g.ARN) {
				s.plane.RegisterTargets(g.ARN, t.plane())
			}
		}
		balancers = s.balancers.All(tx)
		return nil
	})
	errs := []error{err}
	for _, lb := range balancers {
		if _, err := s.plane.CreateLoadBalancer(ctx, lb.ARN); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.applyLocked(ctx, lb.ARN))
	}
	return errors.Join(errs...)
}
