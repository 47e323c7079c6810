package ec2

import (
	"github.com/berthdev/berth/sandbox/core"
)

// dhcpOptions are what hosts of a VPC are told about names; stored only.
type dhcpOptions struct {
	ID      string
	BuiltIn bool
	Configs []dhcpConfig
}

type dhcpConfig struct {
	Key    string
	Values []string
}

func dhcpKind() kind[dhcpOptions] {
	return kind[dhcpOptions]{
		records: core.NewCollection[dhcpOptions]("ec2", "dhcp-options"),
		param:   "DhcpOptionsId",
		id:      func(v dhcpOptions) string { return v.ID },
		missing: notFound("InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, dhcpOptions) []string{
			"dhcp-options-id": one(func(v dhcpOptions) string { return v.ID }),
			"owner-id":        owner[dhcpOptions],
			"key": many(func(v dhcpOptions) (out []string) {
				for _, c := range v.Configs {
					out = append(out, c.Key)
				}
				return out
			}),
			"value": many(func(v dhcpOptions) (out []string) {
				for _, c := range v.Configs {
					out = append(out, c.Values...)
				}
				return out
			}),
		},
	}
}

type textValue struct {
	Value string `xml:"value"`
}

type dhcpConfigItem struct {
	Key    string                `xml:"key"`
	Values core.Items[textValue] `xml:"valueSet"`
}

type dhcpItem struct {
	ID      string                     `xml:"dhcpOptionsId"`
	OwnerID string                     `xml:"ownerId"`
	Configs core.Items[dhcpConfigItem] `xml:"dhcpConfigurationSet"`
	Tags    tagSet                     `xml:"tagSet"`
}

func (s *Service) dhcpItem(tx *core.Tx, region string, v dhcpOptions) dhcpItem {
	item := dhcpItem{ID: v.ID, OwnerID: core.AccountID, Tags: s.tagSet(tx, region, v.ID)}
	for _, c := range v.Configs {
		config := dhcpConfigItem{Key: c.Key}
		for _, value := range c.Values {
			config.Values = append(config.Values, textValue{value})
		}
		item.Configs = append(item.Configs, config)
	}
	return item
}

func (s *Service) describeDhcpOptions(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.dhcpOptions, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Options core.Items[dhcpItem] `xml:"dhcpOptionsSet"`
		Next    string               `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Options = append(out.Options, s.dhcpItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) createDhcpOptions(tx *core.Tx, r *core.Request) (any, error) {
	v := dhcpOptions{ID: core.NewID("dopt")}
	for _, c := range r.Form.Structs("DhcpConfiguration") {
		v.Configs = append(v.Configs, dhcpConfig{c.Get("Key"), c.List("Value")})
	}
	if len(v.Configs) == 0 {
		return nil, core.Errorf("MissingParameter", "The request must contain the parameter dhcpConfiguration")
	}
	s.dhcpOptions.put(tx, r.Region, v)
	if err := s.tagNew(tx, r, "dhcp-options", v.ID); err != nil {
		return nil, err
	}
	return struct {
		Options dhcpItem `xml:"dhcpOptions"`
	}{s.dhcpItem(tx, r.Region, v)}, nil
}

func (s *Service) deleteDhcpOptions(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.dhcpOptions.get(tx, r.Region, r.Form.Get("DhcpOptionsId"))
	if err != nil {
		return nil, err
	}
	if _, used := s.vpcs.records.Find(tx, r.Region, func(x VPC) bool { return x.DHCPOptions == v.ID }); used {
		return nil, core.Errorf("DependencyViolation", "The dhcpOptions '%s' has dependencies and cannot be deleted.", v.ID)
	}
	remove(s, s.dhcpOptions, tx, r.Region, v.ID)
	return succeeded, nil
}

func (s *Service) associateDhcpOptions(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.vpcs.get(tx, r.Region, r.Form.Get("VpcId"))
	if err != nil {
		return nil, err
	}
	if v.DHCPOptions = r.Form.Get("DhcpOptionsId"); v.DHCPOptions != "default" {
		if _, err := s.dhcpOptions.get(tx, r.Region, v.DHCPOptions); err != nil {
			return nil, err
		}
	}
	s.vpcs.put(tx, r.Region, v)
	return succeeded, nil
}
