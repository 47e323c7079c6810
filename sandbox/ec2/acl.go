package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/berthdev/berth/sandbox/core"
)

// networkACL is stored and described; the sandbox does not filter by it.
type networkACL struct {
	ID           string
	VPC          string
	Default      bool
	BuiltIn      bool
	Entries      []aclEntry
	Associations []aclAssociation
}

type aclEntry struct {
	Number   int
	Egress   bool
	Protocol string
	Action   string
	CIDR     string
	CIDR6    string
	From, To *int
	ICMPType *int
	ICMPCode *int
}

type aclAssociation struct{ ID, Subnet string }

// lastEntry is the number of the rule that denies what no other allows.
const lastEntry = 32767

func (a *networkACL) dropAssociation(match func(aclAssociation) bool) bool {
	before := len(a.Associations)
	a.Associations = slices.DeleteFunc(a.Associations, match)
	return len(a.Associations) < before
}

func (a networkACL) entry(number int, egress bool) int {
	return slices.IndexFunc(a.Entries, func(e aclEntry) bool { return e.Number == number && e.Egress == egress })
}

func aclKind() kind[networkACL] {
	associations := func(f func(aclAssociation) string) func(*core.Tx, networkACL) []string {
		return func(_ *core.Tx, a networkACL) (out []string) {
			for _, x := range a.Associations {
				out = append(out, f(x))
			}
			return out
		}
	}
	return kind[networkACL]{
		records: core.NewCollection[networkACL]("ec2", "network-acl"),
		param:   "NetworkAclId",
		id:      func(v networkACL) string { return v.ID },
		missing: notFound("InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, networkACL) []string{
			"network-acl-id":             one(func(v networkACL) string { return v.ID }),
			"vpc-id":                     one(func(v networkACL) string { return v.VPC }),
			"default":                    one(func(v networkACL) string { return boolText(v.Default) }),
			"association.association-id": associations(func(a aclAssociation) string { return a.ID }),
			"association.subnet-id":      associations(func(a aclAssociation) string { return a.Subnet }),
			"association.network-acl-id": one(func(v networkACL) string { return v.ID }),
			"owner-id":                   owner[networkACL],
		},
	}
}

type portRange struct {
	From int `xml:"from"`
	To   int `xml:"to"`
}

type icmpItem struct {
	Code int `xml:"code"`
	Type int `xml:"type"`
}

type aclEntryItem struct {
	Number   int        `xml:"ruleNumber"`
	Protocol string     `xml:"protocol"`
	Action   string     `xml:"ruleAction"`
	Egress   bool       `xml:"egress"`
	CIDR     string     `xml:"cidrBlock,omitempty"`
	CIDR6    string     `xml:"ipv6CidrBlock,omitempty"`
	ICMP     *icmpItem  `xml:"icmpTypeCode,omitempty"`
	Ports    *portRange `xml:"portRange,omitempty"`
}

type aclAssociationItem struct {
	ID     string `xml:"networkAclAssociationId"`
	ACL    string `xml:"networkAclId"`
	Subnet string `xml:"subnetId"`
}

type aclItem struct {
	ID           string                         `xml:"networkAclId"`
	VPC          string                         `xml:"vpcId"`
	OwnerID      string                         `xml:"ownerId"`
	Default      bool                           `xml:"default"`
	Entries      core.Items[aclEntryItem]       `xml:"entrySet"`
	Associations core.Items[aclAssociationItem] `xml:"associationSet"`
	Tags         tagSet                         `xml:"tagSet"`
}

func (s *Service) aclItem(tx *core.Tx, region string, a networkACL) aclItem {
	item := aclItem{ID: a.ID, VPC: a.VPC, OwnerID: core.AccountID, Default: a.Default, Tags: s.tagSet(tx, region, a.ID)}
	for _, e := range a.Entries {
		v := aclEntryItem{Number: e.Number, Protocol: e.Protocol, Action: e.Action, Egress: e.Egress, CIDR: e.CIDR, CIDR6: e.CIDR6}
		if e.From != nil && e.To != nil {
			v.Ports = &portRange{*e.From, *e.To}
		}
		if e.ICMPType != nil && e.ICMPCode != nil {
			v.ICMP = &icmpItem{Code: *e.ICMPCode, Type: *e.ICMPType}
		}
		item.Entries = append(item.Entries, v)
	}
	for _, x := range a.Associations {
		item.Associations = append(item.Associations, aclAssociationItem{x.ID, a.ID, x.Subnet})
	}
	return item
}

func (s *Service) describeNetworkAcls(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.acls, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		ACLs core.Items[aclItem] `xml:"networkAclSet"`
		Next string              `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.ACLs = append(out.ACLs, s.aclItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

// newACL makes a network ACL: a VPC's default one lets everything through, any
// other nothing until it gets entries.
func (s *Service) newACL(tx *core.Tx, region, vpc string, isDefault bool) networkACL {
	a := networkACL{ID: core.NewID("acl"), VPC: vpc, Default: isDefault, BuiltIn: isDefault}
	for _, egress := range []bool{true, false} {
		if isDefault {
			a.Entries = append(a.Entries, aclEntry{Number: 100, Egress: egress, Protocol: "-1", Action: "allow", CIDR: "0.0.0.0/0"})
		}
		a.Entries = append(a.Entries, aclEntry{Number: lastEntry, Egress: egress, Protocol: "-1", Action: "deny", CIDR: "0.0.0.0/0"})
	}
	s.acls.put(tx, region, a)
	return a
}

func (s *Service) createNetworkAcl(tx *core.Tx, r *core.Request) (any, error) {
	vpc, err := s.vpcs.get(tx, r.Region, r.Form.Get("VpcId"))
	if err != nil {
		return nil, err
	}
	a := s.newACL(tx, r.Region, vpc.ID, false)
	if err := s.tagNew(tx, r, "network-acl", a.ID); err != nil {
		return nil, err
	}
	return struct {
		ACL aclItem `xml:"networkAcl"`
	}{s.aclItem(tx, r.Region, a)}, nil
}

func (s *Service) deleteNetworkAcl(tx *core.Tx, r *core.Request) (any, error) {
	a, err := s.acls.get(tx, r.Region, r.Form.Get("NetworkAclId"))
	if err != nil {
		return nil, err
	}
	if a.Default {
		return nil, core.Errorf("InvalidParameterValue", "cannot delete default network ACL %s", a.ID)
	}
	if len(a.Associations) > 0 {
		return nil, core.Errorf("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", a.ID)
	}
	remove(s, s.acls, tx, r.Region, a.ID)
	return succeeded, nil
}

// readEntry takes an entry from a Create or Replace call.
func readEntry(f core.Form) (aclEntry, error) {
	e := aclEntry{Egress: f.Bool("Egress"), Protocol: f.Get("Protocol"), Action: f.Get("RuleAction"), CIDR: f.Get("CidrBlock"), CIDR6: f.Get("Ipv6CidrBlock")}
	number, err := f.Int("RuleNumber", 0)
	if err != nil {
		return e, err
	}
	if number < 1 || number >= lastEntry {
		return e, core.Errorf("InvalidParameterValue", "Value (%d) for parameter ruleNumber is invalid. It must be from 1 to 32766.", number)
	}
	e.Number = number
	if e.Action != "allow" && e.Action != "deny" {
		return e, core.Errorf("InvalidParameterValue", "Value (%s) for parameter ruleAction is invalid. It must be allow or deny.", e.Action)
	}
	if (e.CIDR == "") == (e.CIDR6 == "") {
		return e, core.Errorf("MissingParameter", "The request must contain exactly one of cidrBlock and ipv6CidrBlock")
	}
	if e.CIDR != "" {
		p, err := netip.ParsePrefix(e.CIDR)
		if err != nil {
			return e, core.Errorf("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", e.CIDR)
		}
		e.CIDR = p.Masked().String()
	}
	if e.Protocol = protocolNumber(e.Protocol); e.Protocol == "" {
		return e, core.Errorf("InvalidParameterValue", "Value (%s) for parameter protocol is invalid.", f.Get("Protocol"))
	}
	for name, field := range map[string]**int{"PortRange.From": &e.From, "PortRange.To": &e.To, "Icmp.Type": &e.ICMPType, "Icmp.Code": &e.ICMPCode} {
		if f.Has(name) {
			n, err := f.Int(name, 0)
			if err != nil {
				return e, err
			}
			*field = &n
		}
	}
	if e.Protocol == "-1" {
		e.From, e.To = nil, nil
	}
	return e, nil
}

// protocolNumber is how network ACLs keep protocols.
func protocolNumber(p string) string {
	switch p {
	case "tcp":
		return "6"
	case "udp":
		return "17"
	case "icmp":
		return "1"
	case "all":
		return "-1"
	}
	if n, err := strconv.Atoi(p); err != nil || n < -1 || n > 255 {
		return ""
	}
	return p
}

func (s *Service) createNetworkAclEntry(tx *core.Tx, r *core.Request) (any, error) {
	a, err := s.acls.get(tx, r.Region, r.Form.Get("NetworkAclId"))
	if err != nil {
		return nil, err
	}
	e, err := readEntry(r.Form)
	if err != nil {
		return nil, err
	}
	if a.entry(e.Number, e.Egress) >= 0 {
		return nil, core.Errorf("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.Number)
	}
	a.Entries = append(a.Entries, e)
	slices.SortStableFunc(a.Entries, func(x, y aclEntry) int { return x.Number - y.Number })
	s.acls.put(tx, r.Region, a)
	return succeeded, nil
}

func (s *Service) replaceNetworkAclEntry(tx *core.Tx, r *core.Request) (any, error) {
	a, err := s.acls.get(tx, r.Region, r.Form.Get("NetworkAclId"))
	if err != nil {
		return nil, err
	}
	e, err := readEntry(r.Form)
	if err != nil {
		return nil, err
	}
	i := a.entry(e.Number, e.Egress)
	if i < 0 {
		return nil, core.Errorf("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", e.Number)
	}
	a.Entries[i] = e
	s.acls.put(tx, r.Region, a)
	return succeeded, nil
}

func (s *Service) deleteNetworkAclEntry(tx *core.Tx, r *core.Request) (any, error) {
	a, err := s.acls.get(tx, r.Region, r.Form.Get("NetworkAclId"))
	if err != nil {
		return nil, err
	}
	number, err := r.Form.Int("RuleNumber", 0)
	if err != nil {
		return nil, err
	}
	i := a.entry(number, r.Form.Bool("Egress"))
	if i < 0 || number == lastEntry {
		return nil, core.Errorf("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", number)
	}
	a.Entries = slices.Delete(a.Entries, i, i+1)
	s.acls.put(tx, r.Region, a)
	return succeeded, nil
}

func (s *Service) replaceNetworkAclAssociation(tx *core.Tx, r *core.Request) (any, error) {
	id := r.Form.Get("AssociationId")
	to, err := s.acls.get(tx, r.Region, r.Form.Get("NetworkAclId"))
	if err != nil {
		return nil, err
	}
	has := func(x aclAssociation) bool { return x.ID == id }
	from, ok := s.acls.records.Find(tx, r.Region, func(a networkACL) bool { return slices.ContainsFunc(a.Associations, has) })
	if !ok {
		return nil, core.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	moved := from.Associations[slices.IndexFunc(from.Associations, has)]
	moved.ID = core.NewID("aclassoc")
	if from.ID == to.ID {
		to.dropAssociation(has)
	} else {
		from.dropAssociation(has)
		s.acls.put(tx, r.Region, from)
	}
	to.Associations = append(to.Associations, moved)
	s.acls.put(tx, r.Region, to)
	return struct {
		ID string `xml:"newAssociationId"`
	}{moved.ID}, nil
}
