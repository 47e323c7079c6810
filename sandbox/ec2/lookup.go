package ec2

import (
	"net/netip"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

// Subnet returns a subnet, or AWS's own not-found error.
func (s *Service) Subnet(tx *core.Tx, region, id string) (Subnet, error) {
	return s.subnets.get(tx, region, id)
}

// SecurityGroup returns a security group, or AWS's own not-found error.
func (s *Service) SecurityGroup(tx *core.Tx, region, id string) (SecurityGroup, error) {
	return s.groups.get(tx, region, id)
}

// DefaultSecurityGroup returns the group that a VPC was made with.
func (s *Service) DefaultSecurityGroup(tx *core.Tx, region, vpc string) (SecurityGroup, bool) {
	return s.groups.records.Find(tx, region, func(g SecurityGroup) bool { return g.VPC == vpc && g.Default })
}

// VPC returns a VPC, or AWS's own not-found error.
func (s *Service) VPC(tx *core.Tx, region, id string) (VPC, error) {
	return s.vpcs.get(tx, region, id)
}

// Interface returns a network interface, or AWS's own not-found error.
func (s *Service) Interface(tx *core.Tx, region, id string) (Interface, error) {
	return s.interfaces.get(tx, region, id)
}

// Peer is one end of a connection, for Allows.
type Peer struct {
	Groups []string
	IP     string
}

// Allows reports whether the security groups of both ends let a connection
// from one to the other's port pass: some egress rule of from, and some ingress
// rule of to. An end without groups (a client outside) is not asked.
func (s *Service) Allows(tx *core.Tx, region string, from, to Peer, protocol string, port int) bool {
	return (len(from.Groups) == 0 || s.anyRule(tx, region, from.Groups, true, to, protocol, port)) &&
		(len(to.Groups) == 0 || s.anyRule(tx, region, to.Groups, false, from, protocol, port))
}

func (s *Service) anyRule(tx *core.Tx, region string, groups []string, egress bool, peer Peer, protocol string, port int) bool {
	for _, id := range groups {
		g, ok := s.groups.records.Get(tx, region, id)
		if ok && slices.ContainsFunc(g.Rules, func(x Rule) bool { return x.Egress == egress && x.covers(peer, protocol, port) }) {
			return true
		}
	}
	return false
}

func (x Rule) covers(peer Peer, protocol string, port int) bool {
	if x.Protocol != "-1" {
		if x.Protocol != protocol || x.From != nil && port < *x.From || x.To != nil && port > *x.To {
			return false
		}
	}
	if x.Group != "" {
		return slices.Contains(peer.Groups, x.Group)
	}
	prefix, err := netip.ParsePrefix(x.CIDR + x.CIDR6)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(peer.IP)
	// 0.0.0.0/0 admits a peer whose address is not known.
	return err == nil && prefix.Contains(ip) || err != nil && prefix.Bits() == 0
}
