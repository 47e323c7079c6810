package ec2

import (
	"fmt"

	"github.com/berthdev/berth/sandbox/core"
)

// address is an Elastic IP.
type address struct {
	ID          string
	PublicIP    string
	Association string
	Interface   string
	PrivateIP   string
}

func addressKind() kind[address] {
	return kind[address]{
		records: core.NewCollection[address]("ec2", "elastic-ip"),
		param:   "AllocationId",
		id:      func(v address) string { return v.ID },
		missing: notFound("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, address) []string{
			"allocation-id":        one(func(v address) string { return v.ID }),
			"association-id":       one(func(v address) string { return v.Association }),
			"public-ip":            one(func(v address) string { return v.PublicIP }),
			"private-ip-address":   one(func(v address) string { return v.PrivateIP }),
			"network-interface-id": one(func(v address) string { return v.Interface }),
			"domain":               one(func(address) string { return "vpc" }),
			"instance-id":          one(func(address) string { return "" }),
		},
	}
}

type addressItem struct {
	ID             string `xml:"allocationId"`
	PublicIP       string `xml:"publicIp"`
	Domain         string `xml:"domain"`
	Pool           string `xml:"publicIpv4Pool"`
	BorderGroup    string `xml:"networkBorderGroup"`
	Association    string `xml:"associationId,omitempty"`
	Interface      string `xml:"networkInterfaceId,omitempty"`
	InterfaceOwner string `xml:"networkInterfaceOwnerId,omitempty"`
	PrivateIP      string `xml:"privateIpAddress,omitempty"`
	Tags           tagSet `xml:"tagSet"`
}

func (s *Service) addressItem(tx *core.Tx, region string, v address) addressItem {
	item := addressItem{
		ID: v.ID, PublicIP: v.PublicIP, Domain: "vpc", Pool: "amazon", BorderGroup: region,
		Association: v.Association, Interface: v.Interface, PrivateIP: v.PrivateIP, Tags: s.tagSet(tx, region, v.ID),
	}
	if v.Interface != "" {
		item.InterfaceOwner = core.AccountID
	}
	return item
}

func (s *Service) describeAddresses(tx *core.Tx, r *core.Request) (any, error) {
	found, _, err := describe(s, s.addresses, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Addresses core.Items[addressItem] `xml:"addressesSet"`
	}
	wanted := map[string]bool{}
	for _, ip := range r.Form.List("PublicIp") {
		if _, err := s.addressByIP(tx, r.Region, ip); err != nil {
			return nil, err
		}
		wanted[ip] = true
	}
	for _, v := range found {
		if len(wanted) == 0 || wanted[v.PublicIP] {
			out.Addresses = append(out.Addresses, s.addressItem(tx, r.Region, v))
		}
	}
	return out, nil
}

func (s *Service) addressByIP(tx *core.Tx, region, ip string) (address, error) {
	a, ok := s.addresses.records.Find(tx, region, func(a address) bool { return a.PublicIP == ip })
	if !ok {
		return a, core.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", ip)
	}
	return a, nil
}

// describeAddressesAttribute tells the reverse names of addresses; they have none.
func (s *Service) describeAddressesAttribute(tx *core.Tx, r *core.Request) (any, error) {
	type item struct {
		ID       string `xml:"allocationId"`
		PublicIP string `xml:"publicIp"`
	}
	found, next, err := describe(s, s.addresses, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Addresses core.Items[item] `xml:"addressSet"`
		Next      string           `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Addresses = append(out.Addresses, item{v.ID, v.PublicIP})
	}
	out.Next = next
	return out, nil
}

func (s *Service) allocateAddress(tx *core.Tx, r *core.Request) (any, error) {
	v := address{ID: core.NewID("eipalloc"), PublicIP: s.newPublicIP(tx)}
	s.addresses.put(tx, r.Region, v)
	if err := s.tagNew(tx, r, "elastic-ip", v.ID); err != nil {
		return nil, err
	}
	return s.addressItem(tx, r.Region, v), nil
}

// newPublicIP picks an unused address of 198.18.0.0/15, the range that is set
// aside for benchmarks: it belongs to nobody, so it cannot lead anywhere real.
func (s *Service) newPublicIP(tx *core.Tx) string {
	used := map[string]bool{}
	for _, a := range s.addresses.records.All(tx) {
		used[a.PublicIP] = true
	}
	for {
		ip := fmt.Sprintf("198.%d.%d.%d", 18+core.RandomInt(2), core.RandomInt(256), 1+core.RandomInt(254))
		if !used[ip] {
			return ip
		}
	}
}

func (s *Service) releaseAddress(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.addressOf(tx, r)
	if err != nil {
		return nil, err
	}
	if v.Association != "" {
		return nil, core.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", v.PublicIP)
	}
	remove(s, s.addresses, tx, r.Region, v.ID)
	return succeeded, nil
}

// addressOf finds the address a call names, by allocation or by address.
func (s *Service) addressOf(tx *core.Tx, r *core.Request) (address, error) {
	if ip := r.Form.Get("PublicIp"); ip != "" && r.Form.Get("AllocationId") == "" {
		return s.addressByIP(tx, r.Region, ip)
	}
	id, err := required(r, "AllocationId")
	if err != nil {
		return address{}, err
	}
	return s.addresses.get(tx, r.Region, id)
}

func (s *Service) associateAddress(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.addressOf(tx, r)
	if err != nil {
		return nil, err
	}
	if r.Form.Get("InstanceId") != "" {
		return nil, core.Errorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", r.Form.Get("InstanceId"))
	}
	id, err := required(r, "NetworkInterfaceId")
	if err != nil {
		return nil, err
	}
	if v.Association != "" {
		if v.Interface != id && !r.Form.Bool("AllowReassociation") {
			return nil, core.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", v.ID, v.Association)
		}
		v = s.untieAddress(tx, r.Region, v)
	}
	if v, err = s.tieAddress(tx, r.Region, v, id); err != nil {
		return nil, err
	}
	return struct {
		Return      bool   `xml:"return"`
		Association string `xml:"associationId"`
	}{true, v.Association}, nil
}

func (s *Service) disassociateAddress(tx *core.Tx, r *core.Request) (any, error) {
	id := r.Form.Get("AssociationId")
	if id == "" {
		v, err := s.addressByIP(tx, r.Region, r.Form.Get("PublicIp"))
		if err != nil {
			return nil, err
		}
		s.untieAddress(tx, r.Region, v)
		return succeeded, nil
	}
	v, ok := s.addresses.records.Find(tx, r.Region, func(a address) bool { return a.Association == id })
	if !ok {
		return nil, core.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	s.untieAddress(tx, r.Region, v)
	return succeeded, nil
}

// tieAddress gives an interface the address. The interface's VPC must lead outside.
func (s *Service) tieAddress(tx *core.Tx, region string, a address, ifaceID string) (address, error) {
	i, err := s.interfaces.get(tx, region, ifaceID)
	if err != nil {
		return a, err
	}
	if !s.hasInternetGateway(tx, region, i.VPC) {
		return a, core.Errorf("Gateway.NotAttached", "Network %s is not attached to any internet gateway", i.VPC)
	}
	a.Association, a.Interface, a.PrivateIP = core.NewID("eipassoc"), i.ID, i.PrivateIP
	i.PublicIP, i.Allocation, i.Association = a.PublicIP, a.ID, a.Association
	s.addresses.put(tx, region, a)
	s.interfaces.put(tx, region, i)
	return a, nil
}

func (s *Service) untieAddress(tx *core.Tx, region string, a address) address {
	if i, ok := s.interfaces.records.Get(tx, region, a.Interface); ok {
		i.PublicIP, i.Allocation, i.Association = "", "", ""
		s.interfaces.put(tx, region, i)
	}
	a.Association, a.Interface, a.PrivateIP = "", "", ""
	s.addresses.put(tx, region, a)
	return a
}
