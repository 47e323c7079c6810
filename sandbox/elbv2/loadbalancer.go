package elbv2

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/ec2"
)

type loadBalancer struct {
	ARN, Name, Region string
	Type, Scheme      string
	VPC               string
	IPType            string
	Groups            []string
	Zones             []zone
	DNSName           string
	Created           time.Time
	Attributes        map[string]string
	Tags              core.Tags
}

// zone is the load balancer's foot in one availability zone.
type zone struct{ Name, Subnet, Interface string }

type loadBalancerOutput struct {
	LoadBalancerArn       string
	DNSName               string
	CanonicalHostedZoneId string
	CreatedTime           core.Timestamp
	LoadBalancerName      string
	Scheme                string
	VpcId                 string
	State                 stateOutput
	Type                  string
	AvailabilityZones     core.Members[zoneOutput]
	SecurityGroups        core.Members[string]
	IpAddressType         string
}

type stateOutput struct{ Code string }

type zoneOutput struct {
	ZoneName              string
	SubnetId              string
	LoadBalancerAddresses core.Members[struct{}]
}

type loadBalancersOutput struct {
	LoadBalancers core.Members[loadBalancerOutput]
	NextMarker    string `xml:",omitempty"`
}

func (lb loadBalancer) output(state string) loadBalancerOutput {
	out := loadBalancerOutput{
		LoadBalancerArn: lb.ARN, DNSName: lb.DNSName, CanonicalHostedZoneId: "Z35SXDOTRQ7X7K", CreatedTime: core.At(lb.Created),
		LoadBalancerName: lb.Name, Scheme: lb.Scheme, VpcId: lb.VPC, State: stateOutput{state}, Type: lb.Type,
		SecurityGroups: lb.Groups, IpAddressType: lb.IPType,
	}
	for _, z := range lb.Zones {
		out.AvailabilityZones = append(out.AvailabilityZones, zoneOutput{ZoneName: z.Name, SubnetId: z.Subnet})
	}
	return out
}

var objectName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$`)

func checkName(what, name string) error {
	switch {
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case !objectName.MatchString(name):
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-), and must not begin or end with a hyphen", what, name)
	default:
		return nil
	}
}

func (s *Service) createLoadBalancer(ctx context.Context, r *core.Request) (any, error) {
	lb, err := s.requestedBalancer(r)
	if err != nil {
		return nil, err
	}
	if existing, found, err := s.sameBalancer(lb); found || err != nil {
		return loadBalancersOutput{LoadBalancers: core.Members[loadBalancerOutput]{existing.output("active")}}, err
	}
	// The address comes first: its DNS name is part of the record.
	address, err := s.plane.CreateLoadBalancer(ctx, lb.ARN)
	if err != nil {
		return nil, core.Errorf("InternalFailure", "The sandbox has no address for the load balancer: %v", err).WithStatus(500)
	}
	lb.DNSName = address.Name()
	err = s.env.Store.Update(func(tx *core.Tx) error {
		if err := s.place(tx, &lb, requestedSubnets(r), r.Form.List("SecurityGroups")); err != nil {
			return err
		}
		s.balancers.Put(tx, r.Region, lb.ARN, lb)
		return nil
	})
	if err != nil {
		_ = s.plane.DeleteLoadBalancer(lb.ARN) // nothing refers to it
		return nil, err
	}
	if err := s.apply(ctx, lb.ARN); err != nil {
		return nil, err
	}
	return loadBalancersOutput{LoadBalancers: core.Members[loadBalancerOutput]{lb.output("provisioning")}}, nil
}

func (s *Service) requestedBalancer(r *core.Request) (loadBalancer, error) {
	lb := loadBalancer{
		Name: r.Form.Get("Name"), Region: r.Region, Type: r.Form.Get("Type"), Scheme: r.Form.Get("Scheme"), IPType: r.Form.Get("IpAddressType"),
		Created: s.env.Clock.Now(), Tags: r.Form.Tags("Tags"),
	}
	if err := checkName("Load balancer", lb.Name); err != nil {
		return lb, err
	}
	if strings.HasPrefix(lb.Name, "internal-") {
		return lb, invalid("Load balancer name '%s' cannot begin with 'internal-'", lb.Name)
	}
	if lb.Type == "" {
		lb.Type = "application"
	}
	if lb.Scheme == "" {
		lb.Scheme = "internet-facing"
	}
	if lb.IPType == "" {
		lb.IPType = "ipv4"
	}
	short, ok := map[string]string{"application": "app", "network": "net"}[lb.Type]
	if !ok {
		return lb, invalid("The sandbox has application and network load balancers, not '%s'.", lb.Type)
	}
	if lb.Scheme != "internet-facing" && lb.Scheme != "internal" {
		return lb, invalid("'%s' is not a valid load balancer scheme", lb.Scheme)
	}
	lb.ARN = arn(r.Region, "loadbalancer/"+short+"/"+lb.Name+"/"+core.Hex(16))
	lb.Attributes = defaultAttributes(lb.Type)
	return lb, nil
}

func defaultAttributes(kind string) map[string]string {
	out := map[string]string{
		"deletion_protection.enabled": "false", "access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
		"ipv6.deny_all_igw_traffic": "false", "load_balancing.cross_zone.enabled": "false",
	}
	if kind == "application" {
		maps.Copy(out, map[string]string{
			"load_balancing.cross_zone.enabled": "true", "idle_timeout.timeout_seconds": "60", "client_keep_alive.seconds": "3600",
			"routing.http2.enabled": "true", "routing.http.drop_invalid_header_fields.enabled": "false",
			"routing.http.desync_mitigation_mode": "defensive", "routing.http.preserve_host_header.enabled": "false",
			"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false", "routing.http.xff_client_port.enabled": "false",
			"routing.http.xff_header_processing.mode": "append", "waf.fail_open.enabled": "false",
			"connection_logs.s3.enabled": "false", "connection_logs.s3.bucket": "", "connection_logs.s3.prefix": "",
			"zonal_shift.config.enabled": "false",
		})
	} else {
		out["dns_record.client_routing_policy"] = "any_availability_zone"
		out["zonal_shift.config.enabled"] = "false"
	}
	return out
}

// sameBalancer finds an existing load balancer of that name: a repeated request
// is answered with it, one with other settings is refused.
func (s *Service) sameBalancer(lb loadBalancer) (existing loadBalancer, found bool, err error) {
	existing, err = core.Read(s.env.Store, func(tx *core.Tx) (loadBalancer, error) {
		v, ok := s.balancers.Find(tx, lb.Region, func(v loadBalancer) bool { return v.Name == lb.Name })
		found = ok
		if ok && (v.Type != lb.Type || v.Scheme != lb.Scheme || !maps.Equal(v.Tags, lb.Tags)) {
			return v, core.Errorf("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", lb.Name)
		}
		return v, nil
	})
	return existing, found, err
}

func requestedSubnets(r *core.Request) []string {
	if subnets := r.Form.List("Subnets"); len(subnets) > 0 {
		return subnets
	}
	var out []string
	for _, m := range r.Form.Structs("SubnetMappings") {
		out = append(out, m.Get("SubnetId"))
	}
	return out
}

// place puts the load balancer into subnets and security groups, with a network
// interface in each subnet, and removes the interfaces it had before.
func (s *Service) place(tx *core.Tx, lb *loadBalancer, subnets, groups []string) error {
	if len(subnets) == 0 {
		return invalid("You must specify subnets")
	}
	if lb.Type == "application" && len(subnets) < 2 {
		return invalid("At least two subnets in two different Availability Zones must be specified")
	}
	for _, z := range lb.Zones {
		if err := s.network.DeleteInterface(tx, lb.Region, z.Interface); err != nil {
			return err
		}
	}
	lb.Zones, lb.VPC = nil, ""
	for _, id := range subnets {
		subnet, err := s.network.Subnet(tx, lb.Region, id)
		if err != nil {
			return core.Errorf("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		if lb.VPC != "" && subnet.VPC != lb.VPC {
			return core.Errorf("InvalidSubnet", "All subnets must belong to the same VPC")
		}
		if slices.ContainsFunc(lb.Zones, func(z zone) bool { return z.Name == subnet.Zone }) {
			return core.Errorf("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		lb.VPC = subnet.VPC
		eni, err := s.network.CreateInterface(tx, lb.Region, ec2.InterfaceInput{
			Subnet: id, Groups: groups, Description: "ELB " + strings.TrimPrefix(resourceOf(lb.ARN), "loadbalancer/"),
			RequesterID: "amazon-elb",
		})
		if err != nil {
			return core.Errorf("InvalidSecurityGroup", "%v", err)
		}
		lb.Zones = append(lb.Zones, zone{Name: subnet.Zone, Subnet: id, Interface: eni.ID})
		if lb.Type == "application" || len(groups) > 0 {
			lb.Groups = eni.Groups
		}
	}
	return nil
}

func (s *Service) balancer(tx *core.Tx, arn string) (loadBalancer, error) {
	lb, ok := s.balancers.Get(tx, regionOf(arn), arn)
	if !ok {
		return lb, core.Errorf("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
	}
	return lb, nil
}

func (s *Service) describeLoadBalancers(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		arns, names := r.Form.List("LoadBalancerArns"), r.Form.List("Names")
		var found []loadBalancer
		for _, lb := range s.balancers.List(tx, r.Region) {
			if len(arns)+len(names) == 0 || slices.Contains(arns, lb.ARN) || slices.Contains(names, lb.Name) {
				found = append(found, lb)
			}
		}
		if len(found) < len(arns)+len(names) {
			return nil, core.Errorf("LoadBalancerNotFound", "One or more load balancers not found")
		}
		page, next, err := paged(r, found, func(lb loadBalancer) string { return lb.ARN })
		out := loadBalancersOutput{NextMarker: next}
		for _, lb := range page {
			out.LoadBalancers = append(out.LoadBalancers, lb.output("active"))
		}
		return out, err
	})
}

func (s *Service) deleteLoadBalancer(_ context.Context, r *core.Request) (any, error) {
	id := r.Form.Get("LoadBalancerArn")
	s.applying.Lock()
	defer s.applying.Unlock()
	existed, err := core.Write(s.env.Store, func(tx *core.Tx) (bool, error) {
		lb, ok := s.balancers.Get(tx, regionOf(id), id)
		if !ok {
			return false, nil // as AWS: deleting what is gone succeeds
		}
		if lb.Attributes["deletion_protection.enabled"] == "true" {
			return false, core.Errorf("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", id)
		}
		for _, l := range s.listenersOf(tx, lb.ARN) {
			s.removeListener(tx, l)
		}
		for _, z := range lb.Zones {
			if err := s.network.DeleteInterface(tx, lb.Region, z.Interface); err != nil {
				return false, err
			}
		}
		s.balancers.Delete(tx, lb.Region, lb.ARN)
		return true, nil
	})
	if err != nil || !existed {
		return nil, err
	}
	delete(s.live, id)
	return nil, s.plane.DeleteLoadBalancer(id)
}

type attribute struct{ Key, Value string }

type attributesOutput struct{ Attributes core.Members[attribute] }

func attributes(values map[string]string) attributesOutput {
	var out attributesOutput
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out.Attributes = append(out.Attributes, attribute{key, values[key]})
	}
	return out
}

// mergeAttributes applies the call's Attributes; keys must be known.
func mergeAttributes(what string, values map[string]string, f core.Form) (map[string]string, error) {
	out := maps.Clone(values)
	for _, a := range f.Structs("Attributes") {
		if _, known := values[a.Get("Key")]; !known {
			return nil, invalid("%s attribute key '%s' is not recognized", what, a.Get("Key"))
		}
		out[a.Get("Key")] = a.Get("Value")
	}
	return out, nil
}

func (s *Service) describeLoadBalancerAttributes(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		lb, err := s.balancer(tx, r.Form.Get("LoadBalancerArn"))
		return attributes(lb.Attributes), err
	})
}

// changeBalancer applies a change to the record and then to the data plane.
func (s *Service) changeBalancer(ctx context.Context, r *core.Request, change func(tx *core.Tx, lb *loadBalancer) error) (loadBalancer, error) {
	lb, err := core.Write(s.env.Store, func(tx *core.Tx) (loadBalancer, error) {
		lb, err := s.balancer(tx, r.Form.Get("LoadBalancerArn"))
		if err != nil {
			return lb, err
		}
		if err := change(tx, &lb); err != nil {
			return lb, err
		}
		s.balancers.Put(tx, lb.Region, lb.ARN, lb)
		return lb, nil
	})
	if err != nil {
		return lb, err
	}
	return lb, s.apply(ctx, lb.ARN)
}

func (s *Service) modifyLoadBalancerAttributes(ctx context.Context, r *core.Request) (any, error) {
	lb, err := s.changeBalancer(ctx, r, func(_ *core.Tx, lb *loadBalancer) (err error) {
		lb.Attributes, err = mergeAttributes("Load balancer", lb.Attributes, r.Form)
		return err
	})
	return attributes(lb.Attributes), err
}

func (s *Service) setSecurityGroups(ctx context.Context, r *core.Request) (any, error) {
	lb, err := s.changeBalancer(ctx, r, func(tx *core.Tx, lb *loadBalancer) error {
		return s.place(tx, lb, subnetsOf(*lb), r.Form.List("SecurityGroups"))
	})
	return struct{ SecurityGroupIds core.Members[string] }{lb.Groups}, err
}

func (s *Service) setSubnets(ctx context.Context, r *core.Request) (any, error) {
	lb, err := s.changeBalancer(ctx, r, func(tx *core.Tx, lb *loadBalancer) error {
		return s.place(tx, lb, requestedSubnets(r), lb.Groups)
	})
	out := lb.output("active")
	return struct {
		AvailabilityZones core.Members[zoneOutput]
		IpAddressType     string
	}{out.AvailabilityZones, lb.IPType}, err
}

func subnetsOf(lb loadBalancer) []string {
	var out []string
	for _, z := range lb.Zones {
		out = append(out, z.Subnet)
	}
	return out
}

func (s *Service) setIPAddressType(ctx context.Context, r *core.Request) (any, error) {
	lb, err := s.changeBalancer(ctx, r, func(_ *core.Tx, lb *loadBalancer) error {
		if kind := r.Form.Get("IpAddressType"); kind != "ipv4" {
			return core.Errorf("InvalidConfigurationRequest", "The sandbox's load balancers have IPv4 addresses only, not '%s'.", kind)
		}
		lb.IPType = "ipv4"
		return nil
	})
	return struct{ IpAddressType string }{lb.IPType}, err
}
