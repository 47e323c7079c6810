package ec2

import (
	"slices"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// SecurityGroup is a set of rules that interfaces carry.
type SecurityGroup struct {
	ID          string
	Name        string
	Description string
	VPC         string
	Default     bool
	BuiltIn     bool
	Rules       []Rule
}

func groupKind() kind[SecurityGroup] {
	rules := func(egress bool, f func(Rule) string) func(*core.Tx, SecurityGroup) []string {
		return func(_ *core.Tx, g SecurityGroup) (out []string) {
			for _, x := range g.Rules {
				if x.Egress == egress {
					out = append(out, f(x))
				}
			}
			return out
		}
	}
	filters := map[string]func(*core.Tx, SecurityGroup) []string{
		"group-id":    one(func(v SecurityGroup) string { return v.ID }),
		"group-name":  one(func(v SecurityGroup) string { return v.Name }),
		"description": one(func(v SecurityGroup) string { return v.Description }),
		"vpc-id":      one(func(v SecurityGroup) string { return v.VPC }),
		"owner-id":    owner[SecurityGroup],
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		filters[prefix+"cidr"] = rules(egress, func(x Rule) string { return x.CIDR })
		filters[prefix+"group-id"] = rules(egress, func(x Rule) string { return x.Group })
		filters[prefix+"protocol"] = rules(egress, func(x Rule) string { return x.Protocol })
		filters[prefix+"from-port"] = rules(egress, func(x Rule) string { return portText(x.From) })
		filters[prefix+"to-port"] = rules(egress, func(x Rule) string { return portText(x.To) })
	}
	return kind[SecurityGroup]{
		records: core.NewCollection[SecurityGroup]("ec2", "security-group"),
		param:   "GroupId",
		id:      func(v SecurityGroup) string { return v.ID },
		missing: notFound("InvalidGroup.NotFound", "The security group '%s' does not exist"),
		filters: filters,
	}
}

type rangeItem struct {
	CIDR        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type range6Item struct {
	CIDR        string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

type listRefItem struct {
	ID          string `xml:"prefixListId"`
	Description string `xml:"description,omitempty"`
}

type groupRefItem struct {
	UserID      string `xml:"userId"`
	GroupID     string `xml:"groupId"`
	Description string `xml:"description,omitempty"`
}

// permissionItem is the older form of rules: those with the same protocol and
// ports together.
type permissionItem struct {
	Protocol    string                   `xml:"ipProtocol"`
	From        *int                     `xml:"fromPort,omitempty"`
	To          *int                     `xml:"toPort,omitempty"`
	Groups      core.Items[groupRefItem] `xml:"groups"`
	Ranges      core.Items[rangeItem]    `xml:"ipRanges"`
	Ranges6     core.Items[range6Item]   `xml:"ipv6Ranges"`
	PrefixLists core.Items[listRefItem]  `xml:"prefixListIds"`
}

func permissions(rules []Rule, egress bool) core.Items[permissionItem] {
	var out core.Items[permissionItem]
	for _, x := range rules {
		if x.Egress != egress {
			continue
		}
		i := slices.IndexFunc(out, func(p permissionItem) bool {
			return p.Protocol == x.Protocol && samePort(p.From, x.From) && samePort(p.To, x.To)
		})
		if i < 0 {
			out = append(out, permissionItem{Protocol: x.Protocol, From: x.From, To: x.To})
			i = len(out) - 1
		}
		switch {
		case x.CIDR != "":
			out[i].Ranges = append(out[i].Ranges, rangeItem{x.CIDR, x.Description})
		case x.CIDR6 != "":
			out[i].Ranges6 = append(out[i].Ranges6, range6Item{x.CIDR6, x.Description})
		case x.PrefixList != "":
			out[i].PrefixLists = append(out[i].PrefixLists, listRefItem{x.PrefixList, x.Description})
		default:
			out[i].Groups = append(out[i].Groups, groupRefItem{core.AccountID, x.Group, x.Description})
		}
	}
	return out
}

type groupItem struct {
	ID          string                     `xml:"groupId"`
	ARN         string                     `xml:"securityGroupArn"`
	Name        string                     `xml:"groupName"`
	Description string                     `xml:"groupDescription"`
	OwnerID     string                     `xml:"ownerId"`
	VPC         string                     `xml:"vpcId"`
	Ingress     core.Items[permissionItem] `xml:"ipPermissions"`
	Egress      core.Items[permissionItem] `xml:"ipPermissionsEgress"`
	Tags        tagSet                     `xml:"tagSet"`
}

func (s *Service) describeSecurityGroups(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.groups, tx, r)
	if err != nil {
		return nil, err
	}
	names := r.Form.List("GroupName")
	var out struct {
		Groups core.Items[groupItem] `xml:"securityGroupInfo"`
		Next   string                `xml:"nextToken,omitempty"`
	}
	for _, g := range found {
		if len(names) > 0 && !slices.Contains(names, g.Name) {
			continue
		}
		out.Groups = append(out.Groups, groupItem{
			ID: g.ID, ARN: arn(r.Region, "security-group", g.ID), Name: g.Name, Description: g.Description, OwnerID: core.AccountID, VPC: g.VPC,
			Ingress: permissions(g.Rules, false), Egress: permissions(g.Rules, true), Tags: s.tagSet(tx, r.Region, g.ID),
		})
	}
	out.Next = next
	return out, nil
}

// newDefaultGroup makes the group every VPC has: its members reach each other,
// and everything outside.
func (s *Service) newDefaultGroup(tx *core.Tx, region, vpc string) {
	g := SecurityGroup{ID: core.NewID("sg"), Name: "default", Description: "default VPC security group", VPC: vpc, Default: true, BuiltIn: true}
	g.Rules = []Rule{{ID: core.NewID("sgr"), Protocol: "-1", Group: g.ID}, allowAllOut()}
	s.groups.put(tx, region, g)
}

func allowAllOut() Rule {
	return Rule{ID: core.NewID("sgr"), Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"}
}

func (s *Service) createSecurityGroup(tx *core.Tx, r *core.Request) (any, error) {
	name, err := required(r, "GroupName")
	if err != nil {
		return nil, err
	}
	description, err := required(r, "GroupDescription")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, "sg-") || len(name) > 255 {
		return nil, core.Errorf("InvalidParameterValue", "Value (%s) for parameter groupName is invalid. It must not start with sg- and may have up to 255 characters.", name)
	}
	vpc := r.Form.Get("VpcId")
	if vpc == "" {
		v, ok := s.vpcs.records.Find(tx, r.Region, func(v VPC) bool { return v.Default })
		if !ok {
			return nil, core.Errorf("VPCIdNotSpecified", "No default VPC for this user")
		}
		vpc = v.ID
	} else if _, err := s.vpcs.get(tx, r.Region, vpc); err != nil {
		return nil, err
	}
	if _, taken := s.groups.records.Find(tx, r.Region, func(g SecurityGroup) bool { return g.VPC == vpc && g.Name == name }); taken {
		return nil, core.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, vpc)
	}
	g := SecurityGroup{ID: core.NewID("sg"), Name: name, Description: description, VPC: vpc, Rules: []Rule{allowAllOut()}}
	s.groups.put(tx, r.Region, g)
	if err := s.tagNew(tx, r, "security-group", g.ID); err != nil {
		return nil, err
	}
	return struct {
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
		ARN    string `xml:"securityGroupArn"`
		Tags   tagSet `xml:"tagSet"`
	}{true, g.ID, arn(r.Region, "security-group", g.ID), s.tagSet(tx, r.Region, g.ID)}, nil
}

// groupOf finds the group a call names, by id or by name.
func (s *Service) groupOf(tx *core.Tx, r *core.Request) (SecurityGroup, error) {
	if id := r.Form.Get("GroupId"); id != "" {
		return s.groups.get(tx, r.Region, id)
	}
	name, err := required(r, "GroupName")
	if err != nil {
		return SecurityGroup{}, core.Errorf("MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	g, ok := s.groups.records.Find(tx, r.Region, func(g SecurityGroup) bool {
		v, _ := s.vpcs.records.Get(tx, r.Region, g.VPC)
		return g.Name == name && v.Default
	})
	if !ok {
		return g, core.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC", name)
	}
	return g, nil
}

func (s *Service) deleteSecurityGroup(tx *core.Tx, r *core.Request) (any, error) {
	g, err := s.groupOf(tx, r)
	if err != nil {
		return nil, err
	}
	if g.Default {
		return nil, core.Errorf("CannotDelete", "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", g.ID, g.Name)
	}
	_, attached := s.interfaces.records.Find(tx, r.Region, func(i Interface) bool { return slices.Contains(i.Groups, g.ID) })
	if attached || len(s.referencing(tx, r.Region, g.ID)) > 0 {
		return nil, core.Errorf("DependencyViolation", "resource %s has a dependent object", g.ID)
	}
	s.removeGroup(tx, r.Region, g)
	return struct {
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
	}{true, g.ID}, nil
}

// referencing lists the other groups whose rules name this one.
func (s *Service) referencing(tx *core.Tx, region, id string) (out []SecurityGroup) {
	for _, g := range s.groups.records.List(tx, region) {
		if g.ID != id && slices.ContainsFunc(g.Rules, func(x Rule) bool { return x.Group == id }) {
			out = append(out, g)
		}
	}
	return out
}

func (s *Service) removeGroup(tx *core.Tx, region string, g SecurityGroup) {
	for _, x := range g.Rules {
		s.tags.Delete(tx, region, x.ID)
	}
	remove(s, s.groups, tx, region, g.ID)
}

func (s *Service) describeSecurityGroupReferences(tx *core.Tx, r *core.Request) (any, error) {
	type item struct {
		Group string `xml:"groupId"`
		VPC   string `xml:"referencingVpcId"`
	}
	var out struct {
		References core.Items[item] `xml:"securityGroupReferenceSet"`
	}
	for _, id := range r.Form.List("GroupId") {
		for _, g := range s.referencing(tx, r.Region, id) {
			out.References = append(out.References, item{id, g.VPC})
		}
	}
	return out, nil
}
