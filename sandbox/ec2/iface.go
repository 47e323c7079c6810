package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// Interface is an elastic network interface.
type Interface struct {
	ID          string
	Subnet      string
	VPC         string
	Zone        string
	PrivateIP   string
	MAC         string
	Groups      []string
	Description string
	Type        string // interface, nat_gateway, network_load_balancer
	Requester   string // who made it for the account; empty for the account itself
	PublicIP    string
	Allocation  string // of an Elastic IP, else empty
	Association string
	Attachment  *Attachment
	SourceDest  bool
	Created     time.Time
}

// Attachment says what uses an interface.
type Attachment struct {
	ID            string
	InstanceOwner string
	DeviceIndex   int
	At            time.Time
}

// InterfaceInput is what a new interface needs.
type InterfaceInput struct {
	Subnet      string
	Groups      []string // empty: the VPC's default group
	Description string
	Type        string // empty: interface
	PrivateIP   string // empty: the next free one
	// PublicIP is an address that comes with the interface and goes with it.
	PublicIP string
	// RequesterID marks an interface that a service made; such interfaces are
	// attached, and are no part of the inventory.
	RequesterID string
	Tags        core.Tags
}

func interfaceKind() kind[Interface] {
	status := func(v Interface) string {
		if v.Attachment != nil {
			return "in-use"
		}
		return "available"
	}
	return kind[Interface]{
		records: core.NewCollection[Interface]("ec2", "network-interface"),
		param:   "NetworkInterfaceId",
		id:      func(v Interface) string { return v.ID },
		missing: notFound("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, Interface) []string{
			"network-interface-id":            one(func(v Interface) string { return v.ID }),
			"subnet-id":                       one(func(v Interface) string { return v.Subnet }),
			"vpc-id":                          one(func(v Interface) string { return v.VPC }),
			"availability-zone":               one(func(v Interface) string { return v.Zone }),
			"description":                     one(func(v Interface) string { return v.Description }),
			"group-id":                        many(func(v Interface) []string { return v.Groups }),
			"interface-type":                  one(func(v Interface) string { return v.Type }),
			"mac-address":                     one(func(v Interface) string { return v.MAC }),
			"private-ip-address":              one(func(v Interface) string { return v.PrivateIP }),
			"addresses.private-ip-address":    one(func(v Interface) string { return v.PrivateIP }),
			"association.public-ip":           one(func(v Interface) string { return v.PublicIP }),
			"addresses.association.public-ip": one(func(v Interface) string { return v.PublicIP }),
			"association.allocation-id":       one(func(v Interface) string { return v.Allocation }),
			"association.association-id":      one(func(v Interface) string { return v.Association }),
			"status":                          one(status),
			"requester-id":                    one(func(v Interface) string { return v.Requester }),
			"requester-managed":               one(func(v Interface) string { return boolText(v.Requester != "") }),
			"owner-id":                        owner[Interface],
			"attachment.status": many(func(v Interface) []string {
				if v.Attachment == nil {
					return nil
				}
				return []string{"attached"}
			}),
			"attachment.attachment-id": many(func(v Interface) []string {
				if v.Attachment == nil {
					return nil
				}
				return []string{v.Attachment.ID}
			}),
			"attachment.instance-id": one(func(Interface) string { return "" }),
			"attachment.instance-owner-id": many(func(v Interface) []string {
				if v.Attachment == nil {
					return nil
				}
				return []string{v.Attachment.InstanceOwner}
			}),
		},
	}
}

type groupName struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type interfaceAssociation struct {
	PublicIP    string `xml:"publicIp"`
	DNSName     string `xml:"publicDnsName"`
	OwnerID     string `xml:"ipOwnerId"`
	Allocation  string `xml:"allocationId,omitempty"`
	Association string `xml:"associationId,omitempty"`
}

type attachmentItem struct {
	ID            string         `xml:"attachmentId"`
	InstanceOwner string         `xml:"instanceOwnerId"`
	DeviceIndex   int            `xml:"deviceIndex"`
	Status        string         `xml:"status"`
	At            core.Timestamp `xml:"attachTime"`
	DeleteOnEnd   bool           `xml:"deleteOnTermination"`
}

type privateAddressItem struct {
	IP          string                `xml:"privateIpAddress"`
	DNSName     string                `xml:"privateDnsName"`
	Primary     bool                  `xml:"primary"`
	Association *interfaceAssociation `xml:"association,omitempty"`
}

type interfaceItem struct {
	ID          string                         `xml:"networkInterfaceId"`
	Subnet      string                         `xml:"subnetId"`
	VPC         string                         `xml:"vpcId"`
	Zone        string                         `xml:"availabilityZone"`
	Description string                         `xml:"description"`
	OwnerID     string                         `xml:"ownerId"`
	Requester   string                         `xml:"requesterId,omitempty"`
	Managed     bool                           `xml:"requesterManaged"`
	Status      string                         `xml:"status"`
	MAC         string                         `xml:"macAddress"`
	PrivateIP   string                         `xml:"privateIpAddress"`
	DNSName     string                         `xml:"privateDnsName"`
	SourceDest  bool                           `xml:"sourceDestCheck"`
	Groups      core.Items[groupName]          `xml:"groupSet"`
	Attachment  *attachmentItem                `xml:"attachment,omitempty"`
	Association *interfaceAssociation          `xml:"association,omitempty"`
	Addresses   core.Items[privateAddressItem] `xml:"privateIpAddressesSet"`
	Type        string                         `xml:"interfaceType"`
	Tags        tagSet                         `xml:"tagSet"`
}

func (s *Service) interfaceItem(tx *core.Tx, region string, v Interface) interfaceItem {
	item := interfaceItem{
		ID: v.ID, Subnet: v.Subnet, VPC: v.VPC, Zone: v.Zone, Description: v.Description, OwnerID: core.AccountID,
		Requester: v.Requester, Managed: v.Requester != "", Status: "available", MAC: v.MAC, PrivateIP: v.PrivateIP,
		DNSName: privateName(region, v.PrivateIP), SourceDest: v.SourceDest, Type: v.Type, Tags: s.tagSet(tx, region, v.ID),
	}
	for _, id := range v.Groups {
		g, _ := s.groups.records.Get(tx, region, id)
		item.Groups = append(item.Groups, groupName{id, g.Name})
	}
	if v.PublicIP != "" {
		item.Association = &interfaceAssociation{PublicIP: v.PublicIP, DNSName: v.PublicIP, OwnerID: "amazon", Allocation: v.Allocation, Association: v.Association}
		if v.Allocation != "" {
			item.Association.OwnerID = core.AccountID
		}
	}
	if v.Attachment != nil {
		item.Status = "in-use"
		item.Attachment = &attachmentItem{v.Attachment.ID, v.Attachment.InstanceOwner, v.Attachment.DeviceIndex, "attached", core.At(v.Attachment.At), v.Requester != ""}
	}
	item.Addresses = core.Items[privateAddressItem]{{v.PrivateIP, item.DNSName, true, item.Association}}
	return item
}

func privateName(region, ip string) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(ip, ".", "-") + "." + domain
}

func (s *Service) describeNetworkInterfaces(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.interfaces, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Interfaces core.Items[interfaceItem] `xml:"networkInterfaceSet"`
		Next       string                    `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Interfaces = append(out.Interfaces, s.interfaceItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) describeNetworkInterfaceAttribute(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.interfaces.get(tx, r.Region, r.Form.Get("NetworkInterfaceId"))
	if err != nil {
		return nil, err
	}
	type text struct {
		Value string `xml:"value"`
	}
	out := struct {
		ID          string                 `xml:"networkInterfaceId"`
		Description *text                  `xml:"description,omitempty"`
		SourceDest  *boolValue             `xml:"sourceDestCheck,omitempty"`
		Groups      *core.Items[groupName] `xml:"groupSet,omitempty"`
		Attachment  *attachmentItem        `xml:"attachment,omitempty"`
	}{ID: v.ID}
	item := s.interfaceItem(tx, r.Region, v)
	switch r.Form.Get("Attribute") {
	case "description":
		out.Description = &text{v.Description}
	case "sourceDestCheck":
		out.SourceDest = &boolValue{v.SourceDest}
	case "groupSet":
		out.Groups = &item.Groups
	case "attachment":
		out.Attachment = item.Attachment
	default:
		return nil, core.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid.", r.Form.Get("Attribute"))
	}
	return out, nil
}

func (s *Service) createNetworkInterface(tx *core.Tx, r *core.Request) (any, error) {
	subnet, err := required(r, "SubnetId")
	if err != nil {
		return nil, err
	}
	v, err := s.CreateInterface(tx, r.Region, InterfaceInput{
		Subnet: subnet, Groups: r.Form.List("SecurityGroupId"), Description: r.Form.Get("Description"), PrivateIP: r.Form.Get("PrivateIpAddress"),
	})
	if err != nil {
		return nil, err
	}
	if err := s.tagNew(tx, r, "network-interface", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Interface interfaceItem `xml:"networkInterface"`
	}{s.interfaceItem(tx, r.Region, v)}, nil
}

func (s *Service) deleteNetworkInterface(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.interfaces.get(tx, r.Region, r.Form.Get("NetworkInterfaceId"))
	if err != nil {
		return nil, err
	}
	if v.Attachment != nil {
		return nil, core.Errorf("InvalidParameterValue", "Network interface '%s' is currently in use.", v.ID)
	}
	if err := s.DeleteInterface(tx, r.Region, v.ID); err != nil {
		return nil, err
	}
	return succeeded, nil
}

func (s *Service) modifyNetworkInterfaceAttribute(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.interfaces.get(tx, r.Region, r.Form.Get("NetworkInterfaceId"))
	if err != nil {
		return nil, err
	}
	if r.Form.Has("Description.Value") {
		v.Description = r.Form.Get("Description.Value")
	}
	if r.Form.Has("SourceDestCheck.Value") {
		v.SourceDest = r.Form.Bool("SourceDestCheck.Value")
	}
	if groups := r.Form.List("SecurityGroupId"); len(groups) > 0 {
		if v.Groups, err = s.interfaceGroups(tx, r.Region, v.VPC, groups); err != nil {
			return nil, err
		}
	}
	s.interfaces.put(tx, r.Region, v)
	return succeeded, nil
}

// CreateInterface makes an interface in a subnet. One with a RequesterID is
// attached at once: a task or a load balancer uses it.
func (s *Service) CreateInterface(tx *core.Tx, region string, in InterfaceInput) (Interface, error) {
	n, err := s.subnets.get(tx, region, in.Subnet)
	if err != nil {
		return Interface{}, err
	}
	v := Interface{
		ID: core.NewID("eni"), Subnet: n.ID, VPC: n.VPC, Zone: n.Zone, PrivateIP: in.PrivateIP, Description: in.Description,
		Type: in.Type, Requester: in.RequesterID, PublicIP: in.PublicIP, SourceDest: in.Type != "nat_gateway", Created: s.env.Clock.Now(),
		MAC: fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", core.RandomInt(256), core.RandomInt(256), core.RandomInt(256), core.RandomInt(256), core.RandomInt(256)),
	}
	if v.Type == "" {
		v.Type = "interface"
	}
	if in.Type != "nat_gateway" {
		if v.Groups, err = s.interfaceGroups(tx, region, n.VPC, in.Groups); err != nil {
			return Interface{}, err
		}
	}
	if v.PrivateIP, err = s.chooseAddress(tx, region, n, in.PrivateIP); err != nil {
		return Interface{}, err
	}
	if in.RequesterID != "" {
		v.Attachment = &Attachment{ID: core.NewID("eni-attach"), InstanceOwner: "amazon-aws", DeviceIndex: 1, At: v.Created}
	}
	s.interfaces.put(tx, region, v)
	if len(in.Tags) > 0 {
		s.tags.Put(tx, region, v.ID, in.Tags)
	}
	return v, nil
}

func (s *Service) chooseAddress(tx *core.Tx, region string, n Subnet, want string) (string, error) {
	if want == "" {
		return s.freeAddress(tx, region, n)
	}
	ip, err := netip.ParseAddr(want)
	if err != nil || !netip.MustParsePrefix(n.CIDR).Contains(ip) {
		return "", core.Errorf("InvalidParameterValue", "Address %s does not fall within the subnet's address range", want)
	}
	for _, i := range s.subnetInterfaces(tx, region, n.ID) {
		if i.PrivateIP == want {
			return "", core.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", want)
		}
	}
	return want, nil
}

// interfaceGroups checks that the groups are the VPC's own; none means the
// VPC's default group.
func (s *Service) interfaceGroups(tx *core.Tx, region, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, ok := s.groups.records.Find(tx, region, func(g SecurityGroup) bool { return g.VPC == vpc && g.Default })
		if !ok {
			return nil, core.Errorf("InvalidGroup.NotFound", "The VPC '%s' has no default security group", vpc)
		}
		return []string{g.ID}, nil
	}
	for _, id := range ids {
		g, err := s.groups.get(tx, region, id)
		if err != nil {
			return nil, err
		}
		if g.VPC != vpc {
			return nil, core.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks: %s and the VPC %s.", id, vpc)
		}
	}
	return slices.Clone(ids), nil
}

// DeleteInterface removes an interface, whatever uses it, and lets go of its
// Elastic IP. It does nothing when there is none.
func (s *Service) DeleteInterface(tx *core.Tx, region, id string) error {
	v, ok := s.interfaces.records.Get(tx, region, id)
	if !ok {
		return nil
	}
	if v.Allocation != "" {
		if a, ok := s.addresses.records.Get(tx, region, v.Allocation); ok {
			s.untieAddress(tx, region, a)
		}
	}
	remove(s, s.interfaces, tx, region, id)
	return nil
}

// SetInterfacePublicIP gives an interface a public address after it was made,
// or takes it away with "". It is for services whose address is known late.
func (s *Service) SetInterfacePublicIP(tx *core.Tx, region, id, ip string) error {
	v, err := s.interfaces.get(tx, region, id)
	if err != nil {
		return err
	}
	v.PublicIP = ip
	s.interfaces.put(tx, region, v)
	return nil
}

func (s *Service) subnetInterfaces(tx *core.Tx, region, subnet string) (out []Interface) {
	for _, i := range s.interfaces.records.List(tx, region) {
		if i.Subnet == subnet {
			out = append(out, i)
		}
	}
	return out
}
