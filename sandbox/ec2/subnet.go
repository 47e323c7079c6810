package ec2

import (
	"encoding/binary"
	"net/netip"

	"github.com/berthdev/berth/sandbox/core"
)

// Subnet is a range of a VPC in one availability zone.
type Subnet struct {
	ID               string
	VPC              string
	CIDR             string
	Zone             string
	ZoneID           string
	MapPublicIP      bool
	AssignIPv6       bool
	DNS64            bool
	Default          bool
	BuiltIn          bool
	HostnameType     string
	ResourceNameA    bool
	ResourceNameAAAA bool
}

func subnetKind() kind[Subnet] {
	return kind[Subnet]{
		records: core.NewCollection[Subnet]("ec2", "subnet"),
		param:   "SubnetId",
		id:      func(v Subnet) string { return v.ID },
		missing: notFound("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, Subnet) []string{
			"subnet-id":               one(func(v Subnet) string { return v.ID }),
			"vpc-id":                  one(func(v Subnet) string { return v.VPC }),
			"cidr-block":              one(func(v Subnet) string { return v.CIDR }),
			"cidr":                    one(func(v Subnet) string { return v.CIDR }),
			"cidrBlock":               one(func(v Subnet) string { return v.CIDR }),
			"availability-zone":       one(func(v Subnet) string { return v.Zone }),
			"availabilityZone":        one(func(v Subnet) string { return v.Zone }),
			"availability-zone-id":    one(func(v Subnet) string { return v.ZoneID }),
			"default-for-az":          one(func(v Subnet) string { return boolText(v.Default) }),
			"defaultForAz":            one(func(v Subnet) string { return boolText(v.Default) }),
			"map-public-ip-on-launch": one(func(v Subnet) string { return boolText(v.MapPublicIP) }),
			"state":                   one(func(Subnet) string { return "available" }),
			"owner-id":                owner[Subnet],
		},
	}
}

type hostnameOptions struct {
	Type string `xml:"hostnameType"`
	A    bool   `xml:"enableResourceNameDnsARecord"`
	AAAA bool   `xml:"enableResourceNameDnsAAAARecord"`
}

type subnetItem struct {
	ID          string               `xml:"subnetId"`
	ARN         string               `xml:"subnetArn"`
	State       string               `xml:"state"`
	OwnerID     string               `xml:"ownerId"`
	VPC         string               `xml:"vpcId"`
	CIDR        string               `xml:"cidrBlock"`
	IPv6        core.Items[struct{}] `xml:"ipv6CidrBlockAssociationSet"`
	Available   int                  `xml:"availableIpAddressCount"`
	Zone        string               `xml:"availabilityZone"`
	ZoneID      string               `xml:"availabilityZoneId"`
	Default     bool                 `xml:"defaultForAz"`
	MapPublicIP bool                 `xml:"mapPublicIpOnLaunch"`
	CustomerIP  bool                 `xml:"mapCustomerOwnedIpOnLaunch"`
	AssignIPv6  bool                 `xml:"assignIpv6AddressOnCreation"`
	IPv6Native  bool                 `xml:"ipv6Native"`
	DNS64       bool                 `xml:"enableDns64"`
	Hostname    hostnameOptions      `xml:"privateDnsNameOptionsOnLaunch"`
	Tags        tagSet               `xml:"tagSet"`
}

func (s *Service) subnetItem(tx *core.Tx, region string, v Subnet) subnetItem {
	return subnetItem{
		ID: v.ID, ARN: arn(region, "subnet", v.ID), State: "available", OwnerID: core.AccountID, VPC: v.VPC, CIDR: v.CIDR,
		Available: hostCount(v.CIDR) - len(s.subnetInterfaces(tx, region, v.ID)),
		Zone:      v.Zone, ZoneID: v.ZoneID, Default: v.Default, MapPublicIP: v.MapPublicIP, AssignIPv6: v.AssignIPv6, DNS64: v.DNS64,
		Hostname: hostnameOptions{v.HostnameType, v.ResourceNameA, v.ResourceNameAAAA},
		Tags:     s.tagSet(tx, region, v.ID),
	}
}

// hostCount is what AWS leaves of a range: it keeps five addresses.
func hostCount(cidr string) int { return 1<<(32-netip.MustParsePrefix(cidr).Bits()) - 5 }

func (s *Service) describeSubnets(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.subnets, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Subnets core.Items[subnetItem] `xml:"subnetSet"`
		Next    string                 `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Subnets = append(out.Subnets, s.subnetItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) createSubnet(tx *core.Tx, r *core.Request) (any, error) {
	vpcID, err := required(r, "VpcId")
	if err != nil {
		return nil, err
	}
	vpc, err := s.vpcs.get(tx, r.Region, vpcID)
	if err != nil {
		return nil, err
	}
	cidr, err := required(r, "CidrBlock")
	if err != nil {
		return nil, err
	}
	block, err := s.subnetBlock(tx, r.Region, vpc, cidr)
	if err != nil {
		return nil, err
	}
	zone, err := chooseZone(r)
	if err != nil {
		return nil, err
	}
	v := s.newSubnet(tx, r.Region, Subnet{VPC: vpc.ID, CIDR: block, Zone: zone.Name, ZoneID: zone.ID})
	if err := s.tagNew(tx, r, "subnet", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Subnet subnetItem `xml:"subnet"`
	}{s.subnetItem(tx, r.Region, v)}, nil
}

// newSubnet stores a subnet and puts it under the VPC's default network ACL.
func (s *Service) newSubnet(tx *core.Tx, region string, v Subnet) Subnet {
	v.ID, v.HostnameType = core.NewID("subnet"), "ip-name"
	s.subnets.put(tx, region, v)
	acl, _ := s.acls.records.Find(tx, region, func(a networkACL) bool { return a.VPC == v.VPC && a.Default })
	acl.Associations = append(acl.Associations, aclAssociation{core.NewID("aclassoc"), v.ID})
	s.acls.put(tx, region, acl)
	return v
}

func (s *Service) subnetBlock(tx *core.Tx, region string, vpc VPC, cidr string) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return "", core.Errorf("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", cidr)
	}
	p = p.Masked()
	inside := false
	for _, b := range vpc.Blocks {
		block := netip.MustParsePrefix(b.CIDR)
		inside = inside || block.Contains(p.Addr()) && p.Bits() >= block.Bits()
	}
	if !inside || p.Bits() > 28 {
		return "", core.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	if _, taken := s.subnets.records.Find(tx, region, func(v Subnet) bool {
		return v.VPC == vpc.ID && netip.MustParsePrefix(v.CIDR).Overlaps(p)
	}); taken {
		return "", core.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", cidr)
	}
	return p.String(), nil
}

func chooseZone(r *core.Request) (core.Zone, error) {
	name, id := r.Form.Get("AvailabilityZone"), r.Form.Get("AvailabilityZoneId")
	zones := core.Zones(r.Region)
	if name == "" && id == "" {
		return zones[0], nil
	}
	for _, z := range zones {
		if z.Name == name || z.ID == id {
			return z, nil
		}
	}
	return core.Zone{}, core.Errorf("InvalidParameterValue", "Value (%s%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the availability zones of %s.", name, id, r.Region)
}

func (s *Service) deleteSubnet(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "SubnetId")
	if err != nil {
		return nil, err
	}
	if _, err := s.subnets.get(tx, r.Region, id); err != nil {
		return nil, err
	}
	if len(s.subnetInterfaces(tx, r.Region, id)) > 0 {
		return nil, core.Errorf("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", id)
	}
	s.forgetSubnet(tx, r.Region, id)
	remove(s, s.subnets, tx, r.Region, id)
	return succeeded, nil
}

// forgetSubnet ends the subnet's route table and network ACL associations,
// which AWS removes with it.
func (s *Service) forgetSubnet(tx *core.Tx, region, id string) {
	for _, t := range s.tables.records.List(tx, region) {
		if t.dropAssociation(func(a tableAssociation) bool { return a.Subnet == id }) {
			s.tables.put(tx, region, t)
		}
	}
	for _, a := range s.acls.records.List(tx, region) {
		if a.dropAssociation(func(x aclAssociation) bool { return x.Subnet == id }) {
			s.acls.put(tx, region, a)
		}
	}
}

func (s *Service) modifySubnetAttribute(tx *core.Tx, r *core.Request) (any, error) {
	id, err := required(r, "SubnetId")
	if err != nil {
		return nil, err
	}
	v, err := s.subnets.get(tx, r.Region, id)
	if err != nil {
		return nil, err
	}
	for name, field := range map[string]*bool{
		"MapPublicIpOnLaunch": &v.MapPublicIP, "AssignIpv6AddressOnCreation": &v.AssignIPv6, "EnableDns64": &v.DNS64,
		"EnableResourceNameDnsARecordOnLaunch": &v.ResourceNameA, "EnableResourceNameDnsAAAARecordOnLaunch": &v.ResourceNameAAAA,
	} {
		if r.Form.Has(name + ".Value") {
			*field = r.Form.Bool(name + ".Value")
		}
	}
	if t := r.Form.Get("PrivateDnsHostnameTypeOnLaunch"); t != "" {
		v.HostnameType = t
	}
	s.subnets.put(tx, r.Region, v)
	return succeeded, nil
}

// freeAddress finds the lowest unused host address of the subnet.
func (s *Service) freeAddress(tx *core.Tx, region string, n Subnet) (string, error) {
	used := map[string]bool{}
	for _, i := range s.subnetInterfaces(tx, region, n.ID) {
		used[i.PrivateIP] = true
	}
	base := netip.MustParsePrefix(n.CIDR).Addr().As4()
	first := binary.BigEndian.Uint32(base[:])
	// The first four addresses and the last are AWS's own.
	for i := range hostCount(n.CIDR) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], first+4+uint32(i))
		if ip := netip.AddrFrom4(b).String(); !used[ip] {
			return ip, nil
		}
	}
	return "", core.Errorf("InsufficientFreeAddressesInSubnet", "The specified subnet %s does not have enough free addresses to satisfy the request.", n.ID)
}
