package ec2

import (
	"slices"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// kind is what Describe calls need to know of one type of object.
type kind[T any] struct {
	records core.Collection[T]
	// param is the list of ids a Describe call takes: VpcId.
	param string
	id    func(T) string
	// missing is the error for an id that does not exist.
	missing func(id string) *core.Error
	// filters maps a filter's name to the object's values for it.
	filters map[string]func(tx *core.Tx, v T) []string
}

// get returns the object or the kind's own not-found error.
func (k kind[T]) get(tx *core.Tx, region, id string) (T, error) {
	v, ok := k.records.Get(tx, region, id)
	if !ok {
		return v, k.missing(id)
	}
	return v, nil
}

func (k kind[T]) put(tx *core.Tx, region string, v T) { k.records.Put(tx, region, k.id(v), v) }

// tagged returns an object's tags.
func (s *Service) tagged(tx *core.Tx, region, id string) core.Tags {
	tags, _ := s.tags.Get(tx, region, id)
	return tags
}

// describe answers a Describe call: ids, each of which must exist, then
// filters, then the page.
func describe[T any](s *Service, k kind[T], tx *core.Tx, r *core.Request) (found []T, next string, err error) {
	ids := r.Form.List(k.param)
	var all []T
	if len(ids) > 0 {
		ids = slices.Clone(ids)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			v, err := k.get(tx, r.Region, id)
			if err != nil {
				return nil, "", err
			}
			all = append(all, v)
		}
	} else {
		all = k.records.List(tx, r.Region)
	}
	filters := r.Form.Filters()
	for _, v := range all {
		ok, err := filters.Match(s.tagged(tx, r.Region, k.id(v)), func(name string) ([]string, bool) {
			f, known := k.filters[name]
			if !known {
				return nil, false
			}
			return f(tx, v), true
		})
		if err != nil {
			return nil, "", err
		}
		if ok {
			found = append(found, v)
		}
	}
	limit, err := r.Form.Int("MaxResults", 0)
	if err != nil {
		return nil, "", err
	}
	return core.Page(found, k.id, r.Form.Get("NextToken"), limit)
}

// one is a filter with a single value.
func one[T any](f func(T) string) func(*core.Tx, T) []string {
	return func(_ *core.Tx, v T) []string { return []string{f(v)} }
}

// many is a filter with any number of values.
func many[T any](f func(T) []string) func(*core.Tx, T) []string {
	return func(_ *core.Tx, v T) []string { return f(v) }
}

func owner[T any](*core.Tx, T) []string { return []string{core.AccountID} }

// notFound makes the usual error of a missing object.
func notFound(code, format string) func(id string) *core.Error {
	return func(id string) *core.Error { return core.Errorf(code, format, id) }
}

// required returns a parameter that must be there.
func required(r *core.Request, name string) (string, error) {
	v := r.Form.Get(name)
	if v == "" {
		return "", core.Errorf("MissingParameter", "The request must contain the parameter %s", name)
	}
	return v, nil
}

// tagItem is a tag in ec2's XML.
type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type tagSet = core.Items[tagItem]

func (s *Service) tagSet(tx *core.Tx, region, id string) tagSet {
	var out tagSet
	for _, t := range s.tagged(tx, region, id).Sorted() {
		out = append(out, tagItem(t))
	}
	return out
}

// tagNew stores the tags of a Create call (TagSpecification.N of the type).
func (s *Service) tagNew(tx *core.Tx, r *core.Request, resourceType, id string) error {
	for _, spec := range r.Form.Structs("TagSpecification") {
		if spec.Get("ResourceType") != resourceType {
			return core.Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", spec.Get("ResourceType"))
		}
		tags := spec.Tags("Tag")
		if err := checkTags(tags); err != nil {
			return err
		}
		if len(tags) > 0 {
			s.tags.Put(tx, r.Region, id, s.tagged(tx, r.Region, id).With(tags, nil))
		}
	}
	return nil
}

func checkTags(tags core.Tags) error {
	for key := range tags {
		if key == "" {
			return core.Errorf("InvalidParameterValue", "Tag keys cannot be empty.")
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return core.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	if len(tags) > 50 {
		return core.Errorf("TagLimitExceeded", "You have reached the maximum number of tags: 50.")
	}
	return nil
}

// remove deletes an object and its tags.
func remove[T any](s *Service, k kind[T], tx *core.Tx, region, id string) {
	k.records.Delete(tx, region, id)
	s.tags.Delete(tx, region, id)
}

func arn(region, kind, id string) string { return core.ARN("ec2", region, kind+"/"+id) }

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
