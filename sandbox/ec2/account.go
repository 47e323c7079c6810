package ec2

import (
	"encoding/xml"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

func describeAvailabilityZones(_ *core.Tx, r *core.Request) (any, error) {
	type item struct {
		Name    string               `xml:"zoneName"`
		ID      string               `xml:"zoneId"`
		Region  string               `xml:"regionName"`
		State   string               `xml:"zoneState"`
		Type    string               `xml:"zoneType"`
		Group   string               `xml:"groupName"`
		Border  string               `xml:"networkBorderGroup"`
		OptIn   string               `xml:"optInStatus"`
		Message core.Items[struct{}] `xml:"messageSet"`
	}
	var out struct {
		Zones core.Items[item] `xml:"availabilityZoneInfo"`
	}
	names, ids := r.Form.List("ZoneName"), r.Form.List("ZoneId")
	for _, z := range core.Zones(r.Region) {
		if len(names) > 0 && !slices.Contains(names, z.Name) || len(ids) > 0 && !slices.Contains(ids, z.ID) {
			continue
		}
		ok, err := r.Form.Filters().Match(nil, func(name string) ([]string, bool) {
			v, known := map[string]string{
				"zone-name": z.Name, "zone-id": z.ID, "region-name": r.Region, "state": "available", "zone-type": "availability-zone",
				"group-name": r.Region, "opt-in-status": "opt-in-not-required", "message": "",
			}[name]
			return []string{v}, known
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.Zones = append(out.Zones, item{Name: z.Name, ID: z.ID, Region: r.Region, State: "available", Type: "availability-zone", Group: r.Region, Border: r.Region, OptIn: "opt-in-not-required"})
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out.Zones, func(z item) bool { return z.Name == name }) {
			return nil, core.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	return out, nil
}

func describeRegions(_ *core.Tx, r *core.Request) (any, error) {
	type item struct {
		Name     string `xml:"regionName"`
		Endpoint string `xml:"regionEndpoint"`
		OptIn    string `xml:"optInStatus"`
	}
	var out struct {
		Regions core.Items[item] `xml:"regionInfo"`
	}
	names := r.Form.List("RegionName")
	for _, name := range core.Regions() {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		ok, err := r.Form.Filters().Match(nil, func(filter string) ([]string, bool) {
			v, known := map[string]string{"region-name": name, "endpoint": "ec2." + name + ".amazonaws.com", "opt-in-status": "opt-in-not-required"}[filter]
			return []string{v}, known
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out.Regions = append(out.Regions, item{name, "ec2." + name + ".amazonaws.com", "opt-in-not-required"})
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out.Regions, func(x item) bool { return x.Name == name }) {
			return nil, core.Errorf("InvalidParameterValue", "Region not found: %s", name)
		}
	}
	return out, nil
}

func (s *Service) describeAccountAttributes(tx *core.Tx, r *core.Request) (any, error) {
	type value struct {
		Value string `xml:"attributeValue"`
	}
	type item struct {
		Name   string            `xml:"attributeName"`
		Values core.Items[value] `xml:"attributeValueSet"`
	}
	defaultVPC := "none"
	if v, ok := s.vpcs.records.Find(tx, r.Region, func(v VPC) bool { return v.Default }); ok {
		defaultVPC = v.ID
	}
	all := []item{
		{"supported-platforms", core.Items[value]{{"VPC"}}},
		{"default-vpc", core.Items[value]{{defaultVPC}}},
		{"max-instances", core.Items[value]{{"20"}}},
		{"vpc-max-security-groups-per-interface", core.Items[value]{{"5"}}},
		{"max-elastic-ips", core.Items[value]{{"5"}}},
		{"vpc-max-elastic-ips", core.Items[value]{{"5"}}},
	}
	names := r.Form.List("AttributeName")
	var out struct {
		Attributes core.Items[item] `xml:"accountAttributeSet"`
	}
	for _, a := range all {
		if len(names) == 0 || slices.Contains(names, a.Name) {
			out.Attributes = append(out.Attributes, a)
		}
	}
	return out, nil
}

// awsPrefixLists are the lists that AWS itself keeps in every region. Their
// ids differ per region on AWS; here the region is part of the name alone.
func awsPrefixLists(region string) []struct{ id, name, cidr string } {
	return []struct{ id, name, cidr string }{
		{"pl-63a5400a", "com.amazonaws." + region + ".s3", "52.216.0.0/15"},
		{"pl-02cd2c6b", "com.amazonaws." + region + ".dynamodb", "52.94.0.0/22"},
	}
}

func prefixListMatches(r *core.Request, id, name string) (bool, error) {
	ids := r.Form.List("PrefixListId")
	if len(ids) > 0 && !slices.Contains(ids, id) {
		return false, nil
	}
	return r.Form.Filters().Match(nil, func(filter string) ([]string, bool) {
		v, known := map[string]string{"prefix-list-id": id, "prefix-list-name": name, "owner-id": "AWS"}[filter]
		return []string{v}, known
	})
}

func describePrefixLists(_ *core.Tx, r *core.Request) (any, error) {
	type item struct {
		ID    string             `xml:"prefixListId"`
		Name  string             `xml:"prefixListName"`
		CIDRs core.Items[string] `xml:"cidrSet"`
	}
	var out struct {
		Lists core.Items[item] `xml:"prefixListSet"`
	}
	for _, l := range awsPrefixLists(r.Region) {
		ok, err := prefixListMatches(r, l.id, l.name)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Lists = append(out.Lists, item{l.id, l.name, core.Items[string]{l.cidr}})
		}
	}
	return out, nil
}

func describeManagedPrefixLists(_ *core.Tx, r *core.Request) (any, error) {
	type item struct {
		ID     string `xml:"prefixListId"`
		Name   string `xml:"prefixListName"`
		ARN    string `xml:"prefixListArn"`
		Owner  string `xml:"ownerId"`
		State  string `xml:"state"`
		Family string `xml:"addressFamily"`
	}
	var out struct {
		Lists core.Items[item] `xml:"prefixListSet"`
	}
	for _, l := range awsPrefixLists(r.Region) {
		ok, err := prefixListMatches(r, l.id, l.name)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Lists = append(out.Lists, item{l.id, l.name, "arn:aws:ec2:" + r.Region + ":aws:prefix-list/" + l.id, "AWS", "create-complete", "IPv4"})
		}
	}
	return out, nil
}

// empty answers a Describe call of objects the sandbox has none of.
func empty(set string) operation {
	return func(*core.Tx, *core.Request) (any, error) {
		return emptySet(set), nil
	}
}

// emptySet is an answer that holds one empty list.
type emptySet string

// MarshalXML writes the list's element alone.
func (s emptySet) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	if err := e.EncodeElement(core.Items[string]{}, xml.StartElement{Name: xml.Name{Local: string(s)}}); err != nil {
		return err
	}
	return e.EncodeToken(start.End())
}
