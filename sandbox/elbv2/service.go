// Package elbv2 is the sandbox's Elastic Load Balancing: application and network
// load balancers, target groups, listeners and rules.
//
// It keeps what callers asked for and tells the data plane, which does the
// balancing. It must not know what a target is beyond an address: ECS registers
// its tasks like any other caller.
package elbv2

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/ec2"
)

// plane is what this service needs of the data plane; tests bring their own.
type plane interface {
	CreateLoadBalancer(ctx context.Context, id string) (dataplane.Address, error)
	SetLoadBalancer(ctx context.Context, lb dataplane.LoadBalancer) error
	DeleteLoadBalancer(id string) error
	SetTargetGroup(tg dataplane.TargetGroup)
	DeleteTargetGroup(id string)
	RegisterTargets(targetGroupID string, targets ...dataplane.Target)
	DeregisterTargets(targetGroupID string, targets ...dataplane.Target)
	TargetHealth(targetGroupID string) []dataplane.TargetHealth
}

// Service answers Elastic Load Balancing v2 calls.
type Service struct {
	env     *core.Env
	network *ec2.Service
	plane   plane

	balancers core.Collection[loadBalancer]
	groups    core.Collection[targetGroup]
	listeners core.Collection[listener]
	rules     core.Collection[rule]
	targets   core.Collection[target]

	// applying makes what the data plane gets follow the order of the store, and
	// guards live: what the data plane was given, for Reset to take back.
	applying sync.Mutex
	live     map[string]bool
}

// New makes the service on its network and data plane.
func New(env *core.Env, network *ec2.Service, plane plane) *Service {
	return &Service{
		env: env, network: network, plane: plane, live: map[string]bool{},
		balancers: core.NewCollection[loadBalancer]("elasticloadbalancing", "loadbalancer"),
		groups:    core.NewCollection[targetGroup]("elasticloadbalancing", "targetgroup"),
		listeners: core.NewCollection[listener]("elasticloadbalancing", "listener"),
		rules:     core.NewCollection[rule]("elasticloadbalancing", "rule"),
		targets:   core.NewCollection[target]("elasticloadbalancing", "target"),
	}
}

// Spec says how the service is called.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "elasticloadbalancing", Title: "Elastic Load Balancing", Protocol: core.ProtocolQuery,
		Namespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", Version: "2015-12-01",
		Operations: map[string]core.Handler{
			"CreateLoadBalancer":             s.createLoadBalancer,
			"DescribeLoadBalancers":          s.describeLoadBalancers,
			"DeleteLoadBalancer":             s.deleteLoadBalancer,
			"DescribeLoadBalancerAttributes": s.describeLoadBalancerAttributes,
			"ModifyLoadBalancerAttributes":   s.modifyLoadBalancerAttributes,
			"SetSecurityGroups":              s.setSecurityGroups,
			"SetSubnets":                     s.setSubnets,
			"SetIpAddressType":               s.setIPAddressType,
			"CreateTargetGroup":              s.createTargetGroup,
			"DescribeTargetGroups":           s.describeTargetGroups,
			"ModifyTargetGroup":              s.modifyTargetGroup,
			"DeleteTargetGroup":              s.deleteTargetGroup,
			"DescribeTargetGroupAttributes":  s.describeTargetGroupAttributes,
			"ModifyTargetGroupAttributes":    s.modifyTargetGroupAttributes,
			"RegisterTargets":                s.registerTargets,
			"DeregisterTargets":              s.deregisterTargets,
			"DescribeTargetHealth":           s.describeTargetHealth,
			"CreateListener":                 s.createListener,
			"DescribeListeners":              s.describeListeners,
			"ModifyListener":                 s.modifyListener,
			"DeleteListener":                 s.deleteListener,
			"DescribeListenerAttributes":     s.describeListenerAttributes,
			"ModifyListenerAttributes":       s.modifyListenerAttributes,
			"DescribeListenerCertificates":   s.describeListenerCertificates,
			"AddListenerCertificates":        s.addListenerCertificates,
			"RemoveListenerCertificates":     s.removeListenerCertificates,
			"CreateRule":                     s.createRule,
			"DescribeRules":                  s.describeRules,
			"ModifyRule":                     s.modifyRule,
			"DeleteRule":                     s.deleteRule,
			"SetRulePriorities":              s.setRulePriorities,
			"AddTags":                        s.addTags,
			"RemoveTags":                     s.removeTags,
			"DescribeTags":                   s.describeTags,
			"DescribeAccountLimits":          s.describeAccountLimits,
			"DescribeSSLPolicies":            s.describeSSLPolicies,
			"DescribeCapacityReservation":    s.describeCapacityReservation,
		},
	}
}

func arn(region, resource string) string { return core.ARN("elasticloadbalancing", region, resource) }

// regionOf reads the region out of an ARN.
func regionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[3]
}

// resourceOf reads what follows the account in an ARN: targetgroup/name/id.
func resourceOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[5]
}

func invalid(format string, args ...any) *core.Error {
	return core.Errorf("ValidationError", format, args...)
}

// paged cuts a list as the call's Marker and PageSize say.
func paged[T any](r *core.Request, list []T, key func(T) string) ([]T, string, error) {
	size, err := r.Form.Int("PageSize", 400)
	if err != nil {
		return nil, "", err
	}
	if size < 1 || size > 400 {
		return nil, "", invalid("1 validation error detected: Value '%d' at 'pageSize' failed to satisfy constraint: Member must be between 1 and 400", size)
	}
	return core.Page(list, key, r.Form.Get("Marker"), size)
}

// Run gives the data plane back what the store holds, then has nothing to do:
// every later change is applied by the call that makes it.
func (s *Service) Run(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		s.env.Logger.Error("restoring load balancers", "error", err)
	}
	<-ctx.Done()
	return ctx.Err()
}

// Reset takes every load balancer and target group back from the data plane.
func (s *Service) Reset(context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	var errs []error
	for id := range s.live {
		if strings.HasPrefix(resourceOf(id), "loadbalancer/") {
			errs = append(errs, s.plane.DeleteLoadBalancer(id))
		} else {
			s.plane.DeleteTargetGroup(id)
		}
	}
	s.live = map[string]bool{}
	return errors.Join(errs...)
}

// Allow says whether security groups let a load balancer reach a target; it is
// the data plane's question for every connection.
func (s *Service) Allow(loadBalancerID string, t dataplane.Target) bool {
	region := regionOf(loadBalancerID)
	allowed, err := core.Read(s.env.Store, func(tx *core.Tx) (bool, error) {
		lb, ok := s.balancers.Get(tx, region, loadBalancerID)
		if !ok {
			return false, nil
		}
		to := ec2.Peer{IP: t.ID}
		if eni, found := s.interfaceAt(tx, region, t); found {
			to.Groups = eni.Groups
		}
		return s.network.Allows(tx, region, ec2.Peer{Groups: lb.Groups}, to, "tcp", t.Port), nil
	})
	return err == nil && allowed
}

// interfaceAt finds the interface a target was registered with. Networks may use the same addresses, so an address
// and a port alone do not tell whose target it is.
func (s *Service) interfaceAt(tx *core.Tx, region string, t dataplane.Target) (ec2.Interface, bool) {
	for _, known := range s.targets.List(tx, region) {
		if known.plane() == t && known.Interface != "" {
			eni, err := s.network.Interface(tx, region, known.Interface)
			return eni, err == nil
		}
	}
	return ec2.Interface{}, false
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
