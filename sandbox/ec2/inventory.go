package ec2

import (
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// Inventory lists what the account's owner made and has not deleted. What came
// with the account or with a VPC is left out: it cannot be, or is, deleted with
// the rest. So are interfaces that another service made and will remove.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	out := map[string][]core.Item{}
	for _, region := range s.seeds.Scopes(tx) {
		for _, o := range s.objects(tx, region) {
			if !o.builtIn {
				out[o.kind] = append(out[o.kind], o.Item)
			}
		}
	}
	return out
}

// TaggedResources lists every object that can carry tags.
func (s *Service) TaggedResources(tx *core.Tx, region string) []core.Item {
	var out []core.Item
	for _, o := range s.objects(tx, region) {
		out = append(out, o.Item)
	}
	return out
}

// SetTags changes the tags of the object with this ARN.
func (s *Service) SetTags(tx *core.Tx, arn string, set core.Tags, unset []string) (bool, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "ec2" {
		return false, nil
	}
	region := parts[3]
	_, id, _ := strings.Cut(parts[5], "/")
	if _, err := s.checkTaggable(tx, region, id); err != nil {
		return false, nil
	}
	tags := s.tagged(tx, region, id).With(set, unset)
	if err := checkTags(tags); err != nil {
		return true, err
	}
	s.tags.Put(tx, region, id, tags)
	return true, nil
}

type object struct {
	core.Item
	kind    string
	builtIn bool
}

func (s *Service) objects(tx *core.Tx, region string) []object {
	var out []object
	add := func(kind, arnKind, id, name string, builtIn bool) {
		tags := s.tagged(tx, region, id)
		if v := tags["Name"]; v != "" && name == "" {
			name = v
		}
		out = append(out, object{core.Item{ID: id, ARN: arn(region, arnKind, id), Name: name, Tags: tags}, kind, builtIn})
	}
	for _, v := range s.vpcs.records.List(tx, region) {
		add("vpc", "vpc", v.ID, "", v.BuiltIn)
	}
	for _, v := range s.subnets.records.List(tx, region) {
		add("subnet", "subnet", v.ID, "", v.BuiltIn)
	}
	for _, v := range s.gateways.records.List(tx, region) {
		add("internet-gateway", "internet-gateway", v.ID, "", v.BuiltIn)
	}
	for _, v := range s.nats.records.List(tx, region) {
		add("nat-gateway", "natgateway", v.ID, "", v.Deleted != nil)
	}
	for _, v := range s.addresses.records.List(tx, region) {
		add("elastic-ip", "elastic-ip", v.ID, "", false)
	}
	for _, v := range s.tables.records.List(tx, region) {
		add("route-table", "route-table", v.ID, "", v.BuiltIn)
	}
	for _, v := range s.groups.records.List(tx, region) {
		add("security-group", "security-group", v.ID, v.Name, v.BuiltIn)
	}
	for _, v := range s.acls.records.List(tx, region) {
		add("network-acl", "network-acl", v.ID, "", v.BuiltIn)
	}
	for _, v := range s.interfaces.records.List(tx, region) {
		add("network-interface", "network-interface", v.ID, "", v.Requester != "")
	}
	for _, v := range s.dhcpOptions.records.List(tx, region) {
		add("dhcp-options", "dhcp-options", v.ID, "", v.BuiltIn)
	}
	return out
}
