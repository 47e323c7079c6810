package elbv2

import (
	"context"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// tagged is one object that can carry tags, with the way to change them.
type tagged struct {
	kind, arn, name string
	tags            core.Tags
	put             func(tx *core.Tx, tags core.Tags)
}

func (s *Service) objects(tx *core.Tx, region string) []tagged {
	var out []tagged
	for _, v := range s.balancers.List(tx, region) {
		out = append(out, tagged{"load-balancer", v.ARN, v.Name, v.Tags, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.balancers.Put(tx, v.Region, v.ARN, v) }})
	}
	for _, v := range s.groups.List(tx, region) {
		out = append(out, tagged{"target-group", v.ARN, v.Name, v.Tags, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.groups.Put(tx, v.Region, v.ARN, v) }})
	}
	for _, v := range s.listeners.List(tx, region) {
		out = append(out, tagged{"listener", v.ARN, "", v.Tags, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.listeners.Put(tx, v.Region, v.ARN, v) }})
	}
	for _, v := range s.rules.List(tx, region) {
		out = append(out, tagged{"listener-rule", v.ARN, "", v.Tags, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.rules.Put(tx, v.Region, v.ARN, v) }})
	}
	return out
}

func (s *Service) find(tx *core.Tx, arn string) (tagged, error) {
	for _, o := range s.objects(tx, regionOf(arn)) {
		if o.arn == arn {
			return o, nil
		}
	}
	kind, _, _ := strings.Cut(resourceOf(arn), "/")
	switch kind {
	case "targetgroup":
		return tagged{}, core.Errorf("TargetGroupNotFound", "Target group '%s' not found", arn)
	case "listener":
		return tagged{}, core.Errorf("ListenerNotFound", "Listener '%s' not found", arn)
	case "listener-rule":
		return tagged{}, core.Errorf("RuleNotFound", "Rule '%s' not found", arn)
	default:
		return tagged{}, core.Errorf("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
	}
}

func (s *Service) changeTags(r *core.Request, set core.Tags, unset []string) (any, error) {
	return nil, s.env.Store.Update(func(tx *core.Tx) error {
		for _, id := range r.Form.List("ResourceArns") {
			o, err := s.find(tx, id)
			if err != nil {
				return err
			}
			o.put(tx, o.tags.With(set, unset))
		}
		return nil
	})
}

func (s *Service) addTags(_ context.Context, r *core.Request) (any, error) {
	return s.changeTags(r, r.Form.Tags("Tags"), nil)
}

func (s *Service) removeTags(_ context.Context, r *core.Request) (any, error) {
	return s.changeTags(r, nil, r.Form.List("TagKeys"))
}

type tagDescription struct {
	ResourceArn string
	Tags        core.Members[core.Tag]
}

func (s *Service) describeTags(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		var out struct {
			TagDescriptions core.Members[tagDescription]
		}
		for _, id := range r.Form.List("ResourceArns") {
			o, err := s.find(tx, id)
			if err != nil {
				return nil, err
			}
			out.TagDescriptions = append(out.TagDescriptions, tagDescription{id, o.tags.Sorted()})
		}
		return out, nil
	})
}

// Inventory lists load balancers, target groups, listeners and rules.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	out := map[string][]core.Item{}
	for _, region := range s.regions(tx) {
		for _, o := range s.objects(tx, region) {
			out[o.kind] = append(out[o.kind], core.Item{ID: o.arn, ARN: o.arn, Name: o.name, Tags: o.tags})
		}
	}
	return out
}

func (s *Service) regions(tx *core.Tx) []string {
	seen := map[string]bool{}
	var out []string
	for _, scopes := range [][]string{s.balancers.Scopes(tx), s.groups.Scopes(tx)} {
		for _, region := range scopes {
			if !seen[region] {
				seen[region] = true
				out = append(out, region)
			}
		}
	}
	return out
}

// TaggedResources lists a region's objects with their tags.
func (s *Service) TaggedResources(tx *core.Tx, region string) []core.Item {
	var out []core.Item
	for _, o := range s.objects(tx, region) {
		out = append(out, core.Item{ID: o.arn, ARN: o.arn, Name: o.name, Tags: o.tags})
	}
	return out
}

// SetTags changes the tags of the object with this ARN.
func (s *Service) SetTags(tx *core.Tx, arn string, set core.Tags, unset []string) (bool, error) {
	for _, o := range s.objects(tx, regionOf(arn)) {
		if o.arn == arn {
			o.put(tx, o.tags.With(set, unset))
			return true, nil
		}
	}
	return false, nil
}

type limit struct{ Name, Max string }

func (s *Service) describeAccountLimits(context.Context, *core.Request) (any, error) {
	return struct{ Limits core.Members[limit] }{core.Members[limit]{
		{"application-load-balancers", "50"}, {"network-load-balancers", "50"}, {"target-groups", "3000"},
		{"listeners-per-application-load-balancer", "50"}, {"rules-per-application-load-balancer", "100"}, {"targets-per-target-group", "1000"},
	}}, nil
}

type sslPolicy struct {
	Name         string
	SslProtocols core.Members[string]
	Ciphers      core.Members[string]
}

func (s *Service) describeSSLPolicies(context.Context, *core.Request) (any, error) {
	return struct{ SslPolicies core.Members[sslPolicy] }{core.Members[sslPolicy]{
		{Name: "ELBSecurityPolicy-2016-08", SslProtocols: core.Members[string]{"TLSv1", "TLSv1.1", "TLSv1.2"}},
		{Name: "ELBSecurityPolicy-TLS13-1-2-2021-06", SslProtocols: core.Members[string]{"TLSv1.2", "TLSv1.3"}},
	}}, nil
}

func (s *Service) describeCapacityReservation(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		_, err := s.balancer(tx, r.Form.Get("LoadBalancerArn"))
		return struct {
			DecreaseRequestsRemaining int
			CapacityReservationState  core.Members[struct{}]
		}{}, err
	})
}
