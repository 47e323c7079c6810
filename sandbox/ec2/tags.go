package ec2

import (
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// taggable is one type of object as tag calls see it.
type taggable struct {
	prefix string // of the id
	kind   string // resource type of tag calls
	exists func(tx *core.Tx, region, id string) error
}

func exists[T any](k kind[T]) func(*core.Tx, string, string) error {
	return func(tx *core.Tx, region, id string) error {
		_, err := k.get(tx, region, id)
		return err
	}
}

func (s *Service) taggables() []taggable {
	return []taggable{
		{"vpc-", "vpc", exists(s.vpcs)},
		{"subnet-", "subnet", exists(s.subnets)},
		{"igw-", "internet-gateway", exists(s.gateways)},
		{"nat-", "natgateway", exists(s.nats)},
		{"eipalloc-", "elastic-ip", exists(s.addresses)},
		{"rtb-", "route-table", exists(s.tables)},
		{"sgr-", "security-group-rule", s.ruleExists},
		{"sg-", "security-group", exists(s.groups)},
		{"acl-", "network-acl", exists(s.acls)},
		{"eni-", "network-interface", exists(s.interfaces)},
		{"dopt-", "dhcp-options", exists(s.dhcpOptions)},
	}
}

func (s *Service) ruleExists(tx *core.Tx, region, id string) error {
	for _, g := range s.groups.records.List(tx, region) {
		for _, x := range g.Rules {
			if x.ID == id {
				return nil
			}
		}
	}
	return core.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
}

// checkTaggable returns the type of the object an id names.
func (s *Service) checkTaggable(tx *core.Tx, region, id string) (string, error) {
	for _, t := range s.taggables() {
		if strings.HasPrefix(id, t.prefix) {
			return t.kind, t.exists(tx, region, id)
		}
	}
	return "", core.Errorf("InvalidID", "The ID '%s' is not valid", id)
}

func (s *Service) createTags(tx *core.Tx, r *core.Request) (any, error) {
	tags := r.Form.Tags("Tag")
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	ids := r.Form.List("ResourceId")
	if len(ids) == 0 || len(tags) == 0 {
		return nil, core.Errorf("MissingParameter", "The request must contain the parameters resourceIdSet and tagSet")
	}
	for _, id := range ids {
		if _, err := s.checkTaggable(tx, r.Region, id); err != nil {
			return nil, err
		}
		all := s.tagged(tx, r.Region, id).With(tags, nil)
		if err := checkTags(all); err != nil {
			return nil, err
		}
		s.tags.Put(tx, r.Region, id, all)
	}
	return succeeded, nil
}

func (s *Service) deleteTags(tx *core.Tx, r *core.Request) (any, error) {
	for _, id := range r.Form.List("ResourceId") {
		if _, err := s.checkTaggable(tx, r.Region, id); err != nil {
			return nil, err
		}
		have := s.tagged(tx, r.Region, id)
		var gone []string
		for _, t := range r.Form.Structs("Tag") {
			key := t.Get("Key")
			// A value, when given, must be the tag's own for it to go.
			if !t.Has("Value") || have[key] == t.Get("Value") {
				gone = append(gone, key)
			}
		}
		if !r.Form.HasPrefix("Tag") {
			gone = have.Keys()
		}
		s.tags.Put(tx, r.Region, id, have.With(nil, gone))
	}
	return succeeded, nil
}

func (s *Service) describeTags(tx *core.Tx, r *core.Request) (any, error) {
	type item struct {
		ID    string `xml:"resourceId"`
		Kind  string `xml:"resourceType"`
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	var found []item
	for _, id := range s.taggedIDs(tx, r.Region) {
		kind, err := s.checkTaggable(tx, r.Region, id)
		if err != nil {
			continue
		}
		for _, t := range s.tagged(tx, r.Region, id).Sorted() {
			ok, err := r.Form.Filters().Match(core.Tags{t.Key: t.Value}, func(name string) ([]string, bool) {
				switch name {
				case "resource-id":
					return []string{id}, true
				case "resource-type":
					return []string{kind}, true
				case "key":
					return []string{t.Key}, true
				case "value":
					return []string{t.Value}, true
				default:
					return nil, false
				}
			})
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, item{id, kind, t.Key, t.Value})
			}
		}
	}
	limit, err := r.Form.Int("MaxResults", 0)
	if err != nil {
		return nil, err
	}
	page, next, err := core.Page(found, func(x item) string { return x.ID + "\x00" + x.Key }, r.Form.Get("NextToken"), limit)
	return struct {
		Tags core.Items[item] `xml:"tagSet"`
		Next string           `xml:"nextToken,omitempty"`
	}{page, next}, err
}

// taggedIDs lists the objects of a region that may have tags, ordered.
func (s *Service) taggedIDs(tx *core.Tx, region string) []string { return s.tags.IDs(tx, region) }
