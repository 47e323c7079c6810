package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// Rule allows traffic of one protocol and port range between a group's
// interfaces and one peer: a range, a prefix list or another group.
type Rule struct {
	ID          string
	Egress      bool
	Protocol    string // -1 is every protocol
	From        *int
	To          *int
	CIDR        string
	CIDR6       string
	PrefixList  string
	Group       string
	Description string
}

func (x Rule) peer() string { return x.CIDR + x.CIDR6 + x.PrefixList + x.Group }

// same compares what makes a rule unique; its description does not.
func (x Rule) same(y Rule) bool {
	return x.Egress == y.Egress && x.Protocol == y.Protocol && samePort(x.From, y.From) && samePort(x.To, y.To) && x.peer() == y.peer()
}

func samePort(a, b *int) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func portText(p *int) string {
	if p == nil {
		return ""
	}
	return strconv.Itoa(*p)
}

func (x Rule) describe() string {
	ports := ""
	if x.From != nil && x.To != nil {
		ports = fmt.Sprintf(", from port: %d, to port: %d", *x.From, *x.To)
	}
	protocol := strings.ToUpper(x.Protocol)
	if x.Protocol == "-1" {
		protocol = "ALL"
	}
	return fmt.Sprintf("peer: %s, %s%s, ALLOW", x.peer(), protocol, ports)
}

// readRules takes the rules of an Authorize or Revoke call: IpPermissions, or
// one rule in parameters of its own.
func (s *Service) readRules(tx *core.Tx, r *core.Request, g SecurityGroup, egress bool) ([]Rule, error) {
	forms := r.Form.Structs("IpPermissions")
	if len(forms) == 0 && r.Form.Has("IpProtocol") {
		x, err := readPorts(r.Form, egress)
		if err != nil {
			return nil, err
		}
		x.CIDR = r.Form.Get("CidrIp")
		if name := r.Form.Get("SourceSecurityGroupName"); name != "" {
			peer, ok := s.groups.records.Find(tx, r.Region, func(o SecurityGroup) bool { return o.VPC == g.VPC && o.Name == name })
			if !ok {
				return nil, s.groups.missing(name)
			}
			x.Group = peer.ID
		}
		return s.checkRules(tx, r.Region, []Rule{x})
	}
	var out []Rule
	for _, f := range forms {
		rules, err := readPermission(f, g, egress)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	if len(out) == 0 {
		return nil, core.Errorf("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
	}
	return s.checkRules(tx, r.Region, out)
}

// readPermission splits one permission into its rules.
func readPermission(f core.Form, g SecurityGroup, egress bool) ([]Rule, error) {
	base, err := readPorts(f, egress)
	if err != nil {
		return nil, err
	}
	var out []Rule
	for _, p := range []struct{ list, key string }{
		{"IpRanges", "CidrIp"}, {"Ipv6Ranges", "CidrIpv6"}, {"PrefixListIds", "PrefixListId"}, {"Groups", "GroupId"},
	} {
		for _, e := range f.Structs(p.list) {
			x := base
			x.Description = e.Get("Description")
			v := e.Get(p.key)
			switch p.key {
			case "CidrIp":
				x.CIDR = v
			case "CidrIpv6":
				x.CIDR6 = v
			case "PrefixListId":
				x.PrefixList = v
			default:
				if x.Group = v; v == "" && e.Get("GroupName") == g.Name {
					x.Group = g.ID
				}
			}
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		return nil, core.Errorf("InvalidParameterValue", "Invalid value '' for IP permission: it must name a CIDR block, a prefix list or a security group")
	}
	return out, nil
}

func readPorts(f core.Form, egress bool) (Rule, error) {
	x := Rule{Egress: egress, Protocol: protocolName(f.Get("IpProtocol"))}
	if x.Protocol == "" {
		return x, core.Errorf("InvalidPermission.Malformed", "Missing IP protocol")
	}
	if x.Protocol == "-1" {
		return x, nil
	}
	for name, field := range map[string]**int{"FromPort": &x.From, "ToPort": &x.To} {
		if !f.Has(name) {
			continue
		}
		n, err := f.Int(name, 0)
		if err != nil {
			return x, err
		}
		*field = &n
	}
	if x.Protocol == "tcp" || x.Protocol == "udp" {
		if x.From == nil || x.To == nil {
			return x, core.Errorf("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if *x.From < 0 || *x.To > 65535 || *x.From > *x.To {
			return x, core.Errorf("InvalidParameterValue", "Invalid value '%d-%d' for portRange: ports go from 0 to 65535 and the first must not be above the last.", *x.From, *x.To)
		}
	}
	return x, nil
}

func protocolName(p string) string {
	switch p = strings.ToLower(p); p {
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "1":
		return "icmp"
	case "58":
		return "icmpv6"
	case "all":
		return "-1"
	default:
		return p
	}
}

func (s *Service) checkRules(tx *core.Tx, region string, rules []Rule) ([]Rule, error) {
	for i := range rules {
		x := &rules[i]
		for _, cidr := range []*string{&x.CIDR, &x.CIDR6} {
			if *cidr == "" {
				continue
			}
			p, err := netip.ParsePrefix(*cidr)
			if err != nil {
				return nil, core.Errorf("InvalidParameterValue", "CIDR block %s is malformed", *cidr)
			}
			*cidr = p.Masked().String()
		}
		if x.Group != "" && !s.groups.records.Has(tx, region, x.Group) {
			return nil, s.groups.missing(x.Group)
		}
	}
	return rules, nil
}

type ruleGroupItem struct {
	Group  string `xml:"groupId"`
	UserID string `xml:"userId"`
}

type ruleItem struct {
	ID          string         `xml:"securityGroupRuleId"`
	ARN         string         `xml:"securityGroupRuleArn"`
	Group       string         `xml:"groupId"`
	GroupOwner  string         `xml:"groupOwnerId"`
	Egress      bool           `xml:"isEgress"`
	Protocol    string         `xml:"ipProtocol"`
	From        int            `xml:"fromPort"`
	To          int            `xml:"toPort"`
	CIDR        string         `xml:"cidrIpv4,omitempty"`
	CIDR6       string         `xml:"cidrIpv6,omitempty"`
	PrefixList  string         `xml:"prefixListId,omitempty"`
	Peer        *ruleGroupItem `xml:"referencedGroupInfo,omitempty"`
	Description string         `xml:"description,omitempty"`
	Tags        tagSet         `xml:"tagSet"`
}

func (s *Service) ruleItem(tx *core.Tx, region, group string, x Rule) ruleItem {
	item := ruleItem{
		ID: x.ID, ARN: arn(region, "security-group-rule", x.ID), Group: group, GroupOwner: core.AccountID, Egress: x.Egress, Protocol: x.Protocol, From: -1, To: -1,
		CIDR: x.CIDR, CIDR6: x.CIDR6, PrefixList: x.PrefixList, Description: x.Description, Tags: s.tagSet(tx, region, x.ID),
	}
	if x.From != nil {
		item.From = *x.From
	}
	if x.To != nil {
		item.To = *x.To
	}
	if x.Group != "" {
		item.Peer = &ruleGroupItem{x.Group, core.AccountID}
	}
	return item
}

func (s *Service) describeSecurityGroupRules(tx *core.Tx, r *core.Request) (any, error) {
	var out struct {
		Rules core.Items[ruleItem] `xml:"securityGroupRuleSet"`
		Next  string               `xml:"nextToken,omitempty"`
	}
	ids := r.Form.List("SecurityGroupRuleId")
	missing := slices.Clone(ids)
	var found []ruleItem
	for _, g := range s.groups.records.List(tx, r.Region) {
		for _, x := range g.Rules {
			if len(ids) > 0 && !slices.Contains(ids, x.ID) {
				continue
			}
			missing = slices.DeleteFunc(missing, func(id string) bool { return id == x.ID })
			ok, err := r.Form.Filters().Match(s.tagged(tx, r.Region, x.ID), func(name string) ([]string, bool) {
				switch name {
				case "group-id":
					return []string{g.ID}, true
				case "security-group-rule-id":
					return []string{x.ID}, true
				default:
					return nil, false
				}
			})
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, s.ruleItem(tx, r.Region, g.ID, x))
			}
		}
	}
	if len(missing) > 0 {
		return nil, core.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", missing[0])
	}
	slices.SortFunc(found, func(a, b ruleItem) int { return strings.Compare(a.ID, b.ID) })
	limit, err := r.Form.Int("MaxResults", 0)
	if err != nil {
		return nil, err
	}
	page, next, err := core.Page(found, func(x ruleItem) string { return x.ID }, r.Form.Get("NextToken"), limit)
	out.Rules, out.Next = page, next
	return out, err
}

type authorized struct {
	Return bool                 `xml:"return"`
	Rules  core.Items[ruleItem] `xml:"securityGroupRuleSet"`
}

func (s *Service) authorize(egress bool) operation {
	return func(tx *core.Tx, r *core.Request) (any, error) {
		g, err := s.groupOf(tx, r)
		if err != nil {
			return nil, err
		}
		rules, err := s.readRules(tx, r, g, egress)
		if err != nil {
			return nil, err
		}
		out := authorized{Return: true}
		for _, x := range rules {
			if slices.ContainsFunc(g.Rules, x.same) {
				return nil, core.Errorf("InvalidPermission.Duplicate", "the specified rule %q already exists", x.describe())
			}
			x.ID = core.NewID("sgr")
			g.Rules = append(g.Rules, x)
			if err := s.tagNew(tx, r, "security-group-rule", x.ID); err != nil {
				return nil, err
			}
			out.Rules = append(out.Rules, s.ruleItem(tx, r.Region, g.ID, x))
		}
		s.groups.put(tx, r.Region, g)
		return out, nil
	}
}

func (s *Service) revoke(egress bool) operation {
	return func(tx *core.Tx, r *core.Request) (any, error) {
		g, err := s.groupOf(tx, r)
		if err != nil {
			return nil, err
		}
		ids := r.Form.List("SecurityGroupRuleId")
		for _, id := range ids {
			if !g.drop(func(x Rule) bool { return x.ID == id && x.Egress == egress }) {
				return nil, core.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
			}
			s.tags.Delete(tx, r.Region, id)
		}
		if len(ids) == 0 {
			rules, err := s.readRules(tx, r, g, egress)
			if err != nil {
				return nil, err
			}
			for _, x := range rules {
				if !g.drop(x.same) {
					return nil, core.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
				}
			}
		}
		s.groups.put(tx, r.Region, g)
		return succeeded, nil
	}
}

func (g *SecurityGroup) drop(match func(Rule) bool) bool {
	before := len(g.Rules)
	g.Rules = slices.DeleteFunc(g.Rules, match)
	return len(g.Rules) < before
}

func (s *Service) modifySecurityGroupRules(tx *core.Tx, r *core.Request) (any, error) {
	g, err := s.groupOf(tx, r)
	if err != nil {
		return nil, err
	}
	for _, f := range r.Form.Structs("SecurityGroupRule") {
		id, spec := f.Get("SecurityGroupRuleId"), f.Sub("SecurityGroupRule")
		i := slices.IndexFunc(g.Rules, func(x Rule) bool { return x.ID == id })
		if i < 0 {
			return nil, core.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
		}
		x, err := readPorts(spec, g.Rules[i].Egress)
		if err != nil {
			return nil, err
		}
		x.ID, x.Description = id, spec.Get("Description")
		x.CIDR, x.CIDR6, x.PrefixList, x.Group = spec.Get("CidrIpv4"), spec.Get("CidrIpv6"), spec.Get("PrefixListId"), spec.Get("ReferencedGroupId")
		checked, err := s.checkRules(tx, r.Region, []Rule{x})
		if err != nil {
			return nil, err
		}
		g.Rules[i] = checked[0]
	}
	s.groups.put(tx, r.Region, g)
	return succeeded, nil
}

func (s *Service) updateRuleDescriptions(egress bool) operation {
	return func(tx *core.Tx, r *core.Request) (any, error) {
		g, err := s.groupOf(tx, r)
		if err != nil {
			return nil, err
		}
		for _, f := range r.Form.Structs("SecurityGroupRuleDescription") {
			i := slices.IndexFunc(g.Rules, func(x Rule) bool { return x.ID == f.Get("SecurityGroupRuleId") })
			if i < 0 {
				return nil, core.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", f.Get("SecurityGroupRuleId"))
			}
			g.Rules[i].Description = f.Get("Description")
		}
		if r.Form.HasPrefix("IpPermissions") {
			rules, err := s.readRules(tx, r, g, egress)
			if err != nil {
				return nil, err
			}
			for _, x := range rules {
				i := slices.IndexFunc(g.Rules, x.same)
				if i < 0 {
					return nil, core.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
				}
				g.Rules[i].Description = x.Description
			}
		}
		s.groups.put(tx, r.Region, g)
		return succeeded, nil
	}
}
