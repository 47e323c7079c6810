package ec2

import (
	"slices"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// internetGateway connects one VPC to the outside.
type internetGateway struct {
	ID      string
	VPC     string
	BuiltIn bool
}

func gatewayKind() kind[internetGateway] {
	return kind[internetGateway]{
		records: core.NewCollection[internetGateway]("ec2", "internet-gateway"),
		param:   "InternetGatewayId",
		id:      func(v internetGateway) string { return v.ID },
		missing: notFound("InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, internetGateway) []string{
			"internet-gateway-id": one(func(v internetGateway) string { return v.ID }),
			"attachment.vpc-id":   one(func(v internetGateway) string { return v.VPC }),
			"attachment.state": many(func(v internetGateway) []string {
				if v.VPC == "" {
					return nil
				}
				return []string{"available"}
			}),
			"owner-id": owner[internetGateway],
		},
	}
}

type gatewayAttachment struct {
	VPC   string `xml:"vpcId"`
	State string `xml:"state"`
}

type internetGatewayItem struct {
	ID          string                        `xml:"internetGatewayId"`
	OwnerID     string                        `xml:"ownerId"`
	Attachments core.Items[gatewayAttachment] `xml:"attachmentSet"`
	Tags        tagSet                        `xml:"tagSet"`
}

func (s *Service) internetGatewayItem(tx *core.Tx, region string, v internetGateway) internetGatewayItem {
	item := internetGatewayItem{ID: v.ID, OwnerID: core.AccountID, Tags: s.tagSet(tx, region, v.ID)}
	if v.VPC != "" {
		item.Attachments = append(item.Attachments, gatewayAttachment{v.VPC, "available"})
	}
	return item
}

func (s *Service) describeInternetGateways(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.gateways, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Gateways core.Items[internetGatewayItem] `xml:"internetGatewaySet"`
		Next     string                          `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Gateways = append(out.Gateways, s.internetGatewayItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) createInternetGateway(tx *core.Tx, r *core.Request) (any, error) {
	v := internetGateway{ID: core.NewID("igw")}
	s.gateways.put(tx, r.Region, v)
	if err := s.tagNew(tx, r, "internet-gateway", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Gateway internetGatewayItem `xml:"internetGateway"`
	}{s.internetGatewayItem(tx, r.Region, v)}, nil
}

func (s *Service) deleteInternetGateway(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.gateways.get(tx, r.Region, r.Form.Get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	if v.VPC != "" {
		return nil, core.Errorf("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", v.ID)
	}
	remove(s, s.gateways, tx, r.Region, v.ID)
	return succeeded, nil
}

func (s *Service) attachInternetGateway(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.gateways.get(tx, r.Region, r.Form.Get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	vpc, err := s.vpcs.get(tx, r.Region, r.Form.Get("VpcId"))
	if err != nil {
		return nil, err
	}
	if v.VPC != "" {
		return nil, core.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", v.ID, v.VPC)
	}
	if other, taken := s.gateways.records.Find(tx, r.Region, func(g internetGateway) bool { return g.VPC == vpc.ID }); taken {
		return nil, core.Errorf("InvalidParameterValue", "Network %s already has an internet gateway attached (%s)", vpc.ID, other.ID)
	}
	v.VPC = vpc.ID
	s.gateways.put(tx, r.Region, v)
	return succeeded, nil
}

func (s *Service) detachInternetGateway(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.gateways.get(tx, r.Region, r.Form.Get("InternetGatewayId"))
	if err != nil {
		return nil, err
	}
	vpc := r.Form.Get("VpcId")
	if v.VPC == "" || v.VPC != vpc {
		return nil, core.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", v.ID, vpc)
	}
	if _, mapped := s.interfaces.records.Find(tx, r.Region, func(i Interface) bool { return i.VPC == vpc && i.PublicIP != "" }); mapped {
		return nil, core.Errorf("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc)
	}
	v.VPC = ""
	s.gateways.put(tx, r.Region, v)
	return succeeded, nil
}

// natGateway lets private subnets out through an address of its own.
type natGateway struct {
	ID           string
	Subnet       string
	VPC          string
	Connectivity string // public, private
	Allocation   string
	Association  string
	Interface    string
	PrivateIP    string
	PublicIP     string
	Created      time.Time
	Deleted      *time.Time
}

// natSettling is how long a NAT gateway is pending, and then deleting. AWS
// takes minutes; long enough to be seen is enough here.
const natSettling = 500 * time.Millisecond

// natMemory is how long a deleted gateway can still be described, as on AWS.
const natMemory = time.Hour

func (v natGateway) state(now time.Time) string {
	switch {
	case v.Deleted != nil && now.Sub(*v.Deleted) < natSettling:
		return "deleting"
	case v.Deleted != nil:
		return "deleted"
	case now.Sub(v.Created) < natSettling:
		return "pending"
	default:
		return "available"
	}
}

func (s *Service) natKind() kind[natGateway] {
	return kind[natGateway]{
		records: core.NewCollection[natGateway]("ec2", "nat-gateway"),
		param:   "NatGatewayId",
		id:      func(v natGateway) string { return v.ID },
		missing: notFound("NatGatewayNotFound", "The Nat Gateway %s was not found"),
		filters: map[string]func(*core.Tx, natGateway) []string{
			"nat-gateway-id": one(func(v natGateway) string { return v.ID }),
			"subnet-id":      one(func(v natGateway) string { return v.Subnet }),
			"vpc-id":         one(func(v natGateway) string { return v.VPC }),
			"state":          one(func(v natGateway) string { return v.state(s.env.Clock.Now()) }),
		},
	}
}

type natAddressItem struct {
	Allocation  string `xml:"allocationId,omitempty"`
	Association string `xml:"associationId,omitempty"`
	Interface   string `xml:"networkInterfaceId,omitempty"`
	PrivateIP   string `xml:"privateIp,omitempty"`
	PublicIP    string `xml:"publicIp,omitempty"`
	Primary     bool   `xml:"isPrimary"`
	Status      string `xml:"status"`
}

type natGatewayItem struct {
	ID           string                     `xml:"natGatewayId"`
	Subnet       string                     `xml:"subnetId"`
	VPC          string                     `xml:"vpcId"`
	State        string                     `xml:"state"`
	Connectivity string                     `xml:"connectivityType"`
	Created      core.Timestamp             `xml:"createTime"`
	Deleted      *core.Timestamp            `xml:"deleteTime,omitempty"`
	Addresses    core.Items[natAddressItem] `xml:"natGatewayAddressSet"`
	Tags         tagSet                     `xml:"tagSet"`
}

func (s *Service) natGatewayItem(tx *core.Tx, region string, v natGateway) natGatewayItem {
	item := natGatewayItem{
		ID: v.ID, Subnet: v.Subnet, VPC: v.VPC, State: v.state(s.env.Clock.Now()), Connectivity: v.Connectivity,
		Created: core.At(v.Created), Tags: s.tagSet(tx, region, v.ID),
		Addresses: core.Items[natAddressItem]{{v.Allocation, v.Association, v.Interface, v.PrivateIP, v.PublicIP, true, "succeeded"}},
	}
	if v.Deleted != nil {
		item.Deleted = core.AtPtr(*v.Deleted)
	}
	return item
}

func (s *Service) describeNatGateways(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.nats, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Gateways core.Items[natGatewayItem] `xml:"natGatewaySet"`
		Next     string                     `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Gateways = append(out.Gateways, s.natGatewayItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) createNatGateway(tx *core.Tx, r *core.Request) (any, error) {
	s.forgetOldNats(tx, r.Region)
	subnetID, err := required(r, "SubnetId")
	if err != nil {
		return nil, err
	}
	subnet, err := s.subnets.get(tx, r.Region, subnetID)
	if err != nil {
		return nil, err
	}
	v := natGateway{ID: core.NewID("nat"), Subnet: subnet.ID, VPC: subnet.VPC, Connectivity: r.Form.Get("ConnectivityType"), Created: s.env.Clock.Now()}
	if v.Connectivity == "" {
		v.Connectivity = "public"
	}
	iface, err := s.CreateInterface(tx, r.Region, InterfaceInput{
		Subnet: subnet.ID, Description: "Interface for NAT Gateway " + v.ID, Type: "nat_gateway", RequesterID: core.AccountID, PrivateIP: r.Form.Get("PrivateIpAddress"),
	})
	if err != nil {
		return nil, err
	}
	v.Interface, v.PrivateIP = iface.ID, iface.PrivateIP
	if v.Connectivity == "public" {
		a, err := s.natAddress(tx, r, iface.ID)
		if err != nil {
			return nil, err
		}
		v.Allocation, v.Association, v.PublicIP = a.ID, a.Association, a.PublicIP
	}
	s.nats.put(tx, r.Region, v)
	if err := s.tagNew(tx, r, "natgateway", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Gateway natGatewayItem `xml:"natGateway"`
	}{s.natGatewayItem(tx, r.Region, v)}, nil
}

// natAddress checks what a public NAT gateway needs and ties its address to
// its interface.
func (s *Service) natAddress(tx *core.Tx, r *core.Request, iface string) (address, error) {
	allocation, err := required(r, "AllocationId")
	if err != nil {
		return address{}, err
	}
	a, err := s.addresses.get(tx, r.Region, allocation)
	if err != nil {
		return address{}, err
	}
	if a.Association != "" {
		return address{}, core.Errorf("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.ID)
	}
	return s.tieAddress(tx, r.Region, a, iface)
}

func (s *Service) deleteNatGateway(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.nats.get(tx, r.Region, r.Form.Get("NatGatewayId"))
	if err != nil {
		return nil, err
	}
	if v.Deleted == nil {
		if err := s.DeleteInterface(tx, r.Region, v.Interface); err != nil {
			return nil, err
		}
		now := s.env.Clock.Now()
		v.Deleted = &now
		s.nats.put(tx, r.Region, v)
	}
	return struct {
		ID string `xml:"natGatewayId"`
	}{v.ID}, nil
}

// forgetOldNats drops gateways that were deleted long ago.
func (s *Service) forgetOldNats(tx *core.Tx, region string) {
	now := s.env.Clock.Now()
	for _, v := range s.nats.records.List(tx, region) {
		if v.Deleted != nil && now.Sub(*v.Deleted) > natMemory {
			remove(s, s.nats, tx, region, v.ID)
		}
	}
}

// hasInternetGateway reports whether the VPC is connected to the outside.
func (s *Service) hasInternetGateway(tx *core.Tx, region, vpc string) bool {
	return slices.ContainsFunc(s.gateways.records.List(tx, region), func(g internetGateway) bool { return g.VPC == vpc })
}
