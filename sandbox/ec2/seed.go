package ec2

import (
	"fmt"

	"github.com/berthdev/berth/sandbox/core"
)

// seed marks a region whose built-in objects were made.
type seed struct{ DHCPOptions string }

// Ensure makes what every AWS account has in a region from the start: the
// default VPC with a subnet per zone and an internet gateway. Every EC2 call
// does this first; other services call it only to use the default VPC.
func (s *Service) Ensure(region string) error {
	seeded, err := core.Read(s.env.Store, func(tx *core.Tx) (bool, error) { return s.seeds.Has(tx, region, "seed"), nil })
	if err != nil || seeded {
		return err
	}
	return s.env.Store.Update(func(tx *core.Tx) error {
		if !s.seeds.Has(tx, region, "seed") {
			s.plant(tx, region)
		}
		return nil
	})
}

func (s *Service) plant(tx *core.Tx, region string) {
	options := dhcpOptions{ID: core.NewID("dopt"), BuiltIn: true, Configs: []dhcpConfig{
		{"domain-name", []string{dhcpDomain(region)}}, {"domain-name-servers", []string{"AmazonProvidedDNS"}},
	}}
	s.dhcpOptions.put(tx, region, options)
	s.seeds.Put(tx, region, "seed", seed{DHCPOptions: options.ID})
	vpc := s.newVPC(tx, region, "172.31.0.0/16", "default", true)
	for i, zone := range core.Zones(region) {
		s.newSubnet(tx, region, Subnet{
			VPC: vpc.ID, CIDR: fmt.Sprintf("172.31.%d.0/20", i*16), Zone: zone.Name, ZoneID: zone.ID, MapPublicIP: true, Default: true, BuiltIn: true,
		})
	}
	gateway := internetGateway{ID: core.NewID("igw"), VPC: vpc.ID, BuiltIn: true}
	s.gateways.put(tx, region, gateway)
	table, _ := s.tables.records.Find(tx, region, func(t routeTable) bool { return t.VPC == vpc.ID })
	table.Routes = append(table.Routes, route{CIDR: "0.0.0.0/0", Target: "GatewayId", ID: gateway.ID, Origin: "CreateRoute"})
	s.tables.put(tx, region, table)
}

func dhcpDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

func (s *Service) defaultDHCP(tx *core.Tx, region string) string {
	v, _ := s.seeds.Get(tx, region, "seed")
	return v.DHCPOptions
}
