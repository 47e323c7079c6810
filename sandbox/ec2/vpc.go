package ec2

import (
	"net/netip"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

// VPC is a virtual private cloud.
type VPC struct {
	ID             string
	CIDR           string
	Blocks         []CIDRBlock
	DHCPOptions    string
	Tenancy        string
	Default        bool
	BuiltIn        bool
	DNSSupport     bool
	DNSHostnames   bool
	NetworkMetrics bool
}

// CIDRBlock is one address range of a VPC.
type CIDRBlock struct{ AssociationID, CIDR string }

func vpcKind() kind[VPC] {
	cidrs := func(v VPC) []string {
		var out []string
		for _, b := range v.Blocks {
			out = append(out, b.CIDR)
		}
		return out
	}
	return kind[VPC]{
		records: core.NewCollection[VPC]("ec2", "vpc"),
		param:   "VpcId",
		id:      func(v VPC) string { return v.ID },
		missing: notFound("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, VPC) []string{
			"vpc-id":                            one(func(v VPC) string { return v.ID }),
			"cidr":                              one(func(v VPC) string { return v.CIDR }),
			"cidr-block-association.cidr-block": many(cidrs),
			"dhcp-options-id":                   one(func(v VPC) string { return v.DHCPOptions }),
			"is-default":                        one(func(v VPC) string { return boolText(v.Default) }),
			"isDefault":                         one(func(v VPC) string { return boolText(v.Default) }),
			"state":                             one(func(VPC) string { return "available" }),
			"owner-id":                          owner[VPC],
		},
	}
}

type stateCode struct {
	State string `xml:"state"`
}

type cidrAssociationItem struct {
	AssociationID string    `xml:"associationId"`
	CIDR          string    `xml:"cidrBlock"`
	State         stateCode `xml:"cidrBlockState"`
}

type vpcItem struct {
	ID          string                          `xml:"vpcId"`
	OwnerID     string                          `xml:"ownerId"`
	State       string                          `xml:"state"`
	CIDR        string                          `xml:"cidrBlock"`
	Blocks      core.Items[cidrAssociationItem] `xml:"cidrBlockAssociationSet"`
	DHCPOptions string                          `xml:"dhcpOptionsId"`
	Tenancy     string                          `xml:"instanceTenancy"`
	Default     bool                            `xml:"isDefault"`
	Tags        tagSet                          `xml:"tagSet"`
}

func (s *Service) vpcItem(tx *core.Tx, region string, v VPC) vpcItem {
	item := vpcItem{
		ID: v.ID, OwnerID: core.AccountID, State: "available", CIDR: v.CIDR, DHCPOptions: v.DHCPOptions,
		Tenancy: v.Tenancy, Default: v.Default, Tags: s.tagSet(tx, region, v.ID),
	}
	for _, b := range v.Blocks {
		item.Blocks = append(item.Blocks, cidrAssociationItem{b.AssociationID, b.CIDR, stateCode{"associated"}})
	}
	return item
}

func (s *Service) describeVpcs(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.vpcs, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Vpcs core.Items[vpcItem] `xml:"vpcSet"`
		Next string              `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Vpcs = append(out.Vpcs, s.vpcItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) createVpc(tx *core.Tx, r *core.Request) (any, error) {
	cidr, err := required(r, "CidrBlock")
	if err != nil {
		return nil, err
	}
	if r.Form.Bool("AmazonProvidedIpv6CidrBlock") {
		return nil, core.Errorf("UnsupportedOperation", "The sandbox's VPCs have no IPv6; leave out AmazonProvidedIpv6CidrBlock.")
	}
	block, err := vpcBlock(cidr)
	if err != nil {
		return nil, err
	}
	tenancy := r.Form.Get("InstanceTenancy")
	if tenancy == "" {
		tenancy = "default"
	}
	v := s.newVPC(tx, r.Region, block, tenancy, false)
	if err := s.tagNew(tx, r, "vpc", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Vpc vpcItem `xml:"vpc"`
	}{s.vpcItem(tx, r.Region, v)}, nil
}

// vpcBlock checks a VPC's range and clears its host bits, as AWS does.
func vpcBlock(cidr string) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return "", core.Errorf("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", cidr)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return "", core.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid. The block size must be between /16 and /28.", cidr)
	}
	return p.Masked().String(), nil
}

// newVPC makes a VPC with what AWS gives every VPC: a main route table, a
// default network ACL and a default security group.
func (s *Service) newVPC(tx *core.Tx, region, cidr, tenancy string, builtIn bool) VPC {
	v := VPC{
		ID: core.NewID("vpc"), CIDR: cidr, Tenancy: tenancy, Default: builtIn, BuiltIn: builtIn,
		Blocks:      []CIDRBlock{{core.NewID("vpc-cidr-assoc"), cidr}},
		DHCPOptions: s.defaultDHCP(tx, region), DNSSupport: true, DNSHostnames: builtIn,
	}
	s.vpcs.put(tx, region, v)
	s.newRouteTable(tx, region, v, true)
	s.newACL(tx, region, v.ID, true)
	s.newDefaultGroup(tx, region, v.ID)
	return v
}

func (s *Service) deleteVpc(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "VpcId")
	if err != nil {
		return nil, err
	}
	if _, err := s.vpcs.get(tx, r.Region, id); err != nil {
		return nil, err
	}
	if s.vpcInUse(tx, r.Region, id) {
		return nil, core.Errorf("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", id)
	}
	for _, t := range s.tables.records.List(tx, r.Region) {
		if t.VPC == id {
			remove(s, s.tables, tx, r.Region, t.ID)
		}
	}
	for _, a := range s.acls.records.List(tx, r.Region) {
		if a.VPC == id {
			remove(s, s.acls, tx, r.Region, a.ID)
		}
	}
	for _, g := range s.groups.records.List(tx, r.Region) {
		if g.VPC == id {
			s.removeGroup(tx, r.Region, g)
		}
	}
	remove(s, s.vpcs, tx, r.Region, id)
	return succeeded, nil
}

// vpcInUse reports whether anything is left in the VPC that AWS does not remove with it.
func (s *Service) vpcInUse(tx *core.Tx, region, id string) bool {
	_, subnet := s.subnets.records.Find(tx, region, func(v Subnet) bool { return v.VPC == id })
	_, group := s.groups.records.Find(tx, region, func(v SecurityGroup) bool { return v.VPC == id && !v.Default })
	_, gateway := s.gateways.records.Find(tx, region, func(v internetGateway) bool { return v.VPC == id })
	_, table := s.tables.records.Find(tx, region, func(v routeTable) bool { return v.VPC == id && !v.isMain() })
	_, acl := s.acls.records.Find(tx, region, func(v networkACL) bool { return v.VPC == id && !v.Default })
	_, iface := s.interfaces.records.Find(tx, region, func(v Interface) bool { return v.VPC == id })
	return subnet || group || gateway || table || acl || iface
}

type boolValue struct {
	Value bool `xml:"value"`
}

func (s *Service) describeVpcAttribute(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "VpcId")
	if err != nil {
		return nil, err
	}
	v, err := s.vpcs.get(tx, r.Region, id)
	if err != nil {
		return nil, err
	}
	out := struct {
		ID             string     `xml:"vpcId"`
		DNSSupport     *boolValue `xml:"enableDnsSupport,omitempty"`
		DNSHostnames   *boolValue `xml:"enableDnsHostnames,omitempty"`
		NetworkMetrics *boolValue `xml:"enableNetworkAddressUsageMetrics,omitempty"`
	}{ID: id}
	switch r.Form.Get("Attribute") {
	case "enableDnsSupport":
		out.DNSSupport = &boolValue{v.DNSSupport}
	case "enableDnsHostnames":
		out.DNSHostnames = &boolValue{v.DNSHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.NetworkMetrics = &boolValue{v.NetworkMetrics}
	default:
		return nil, core.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", r.Form.Get("Attribute"))
	}
	return out, nil
}

func (s *Service) modifyVpcAttribute(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "VpcId")
	if err != nil {
		return nil, err
	}
	v, err := s.vpcs.get(tx, r.Region, id)
	if err != nil {
		return nil, err
	}
	set := false
	for name, field := range map[string]*bool{
		"EnableDnsSupport": &v.DNSSupport, "EnableDnsHostnames": &v.DNSHostnames,
		"EnableNetworkAddressUsageMetrics": &v.NetworkMetrics,
	} {
		if r.Form.Has(name + ".Value") {
			*field, set = r.Form.Bool(name+".Value"), true
		}
	}
	if !set {
		return nil, core.Errorf("InvalidParameterCombination", "No attributes specified.")
	}
	s.vpcs.put(tx, r.Region, v)
	return succeeded, nil
}

func (s *Service) associateVpcCidrBlock(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.vpcs.get(tx, r.Region, r.Form.Get("VpcId"))
	if err != nil {
		return nil, err
	}
	cidr, err := required(r, "CidrBlock")
	if err != nil {
		return nil, err
	}
	block, err := vpcBlock(cidr)
	if err != nil {
		return nil, err
	}
	for _, b := range v.Blocks {
		if netip.MustParsePrefix(b.CIDR).Overlaps(netip.MustParsePrefix(block)) {
			return nil, core.Errorf("CidrConflict", "The CIDR '%s' conflicts with another CIDR of the VPC.", cidr)
		}
	}
	added := CIDRBlock{core.NewID("vpc-cidr-assoc"), block}
	v.Blocks = append(v.Blocks, added)
	s.vpcs.put(tx, r.Region, v)
	s.addLocalRoutes(tx, r.Region, v)
	return struct {
		Association cidrAssociationItem `xml:"cidrBlockAssociation"`
		VPC         string              `xml:"vpcId"`
	}{cidrAssociationItem{added.AssociationID, added.CIDR, stateCode{"associating"}}, v.ID}, nil
}

func (s *Service) disassociateVpcCidrBlock(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "AssociationId")
	if err != nil {
		return nil, err
	}
	v, ok := s.vpcs.records.Find(tx, r.Region, func(v VPC) bool {
		return slices.ContainsFunc(v.Blocks, func(b CIDRBlock) bool { return b.AssociationID == id })
	})
	if !ok {
		return nil, core.Errorf("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", id)
	}
	i := slices.IndexFunc(v.Blocks, func(b CIDRBlock) bool { return b.AssociationID == id })
	gone := v.Blocks[i]
	if gone.CIDR == v.CIDR {
		return nil, core.Errorf("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", id)
	}
	prefix := netip.MustParsePrefix(gone.CIDR)
	if _, used := s.subnets.records.Find(tx, r.Region, func(n Subnet) bool {
		return n.VPC == v.ID && prefix.Overlaps(netip.MustParsePrefix(n.CIDR))
	}); used {
		return nil, core.Errorf("DependencyViolation", "The CIDR block %s has subnets and cannot be disassociated.", gone.CIDR)
	}
	v.Blocks = slices.Delete(v.Blocks, i, i+1)
	s.vpcs.put(tx, r.Region, v)
	s.removeLocalRoute(tx, r.Region, v.ID, gone.CIDR)
	return struct {
		Association cidrAssociationItem `xml:"cidrBlockAssociation"`
		VPC         string              `xml:"vpcId"`
	}{cidrAssociationItem{gone.AssociationID, gone.CIDR, stateCode{"disassociating"}}, v.ID}, nil
}

// classicLinkRetired answers as AWS does since EC2-Classic ended.
func classicLinkRetired(*core.Tx, *core.Request) (any, error) {
	return nil, core.Errorf("UnsupportedOperation", "The functionality you requested is not available in this region.")
}
