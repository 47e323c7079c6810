// Package tagging is the sandbox's Resource Groups Tagging API: it finds and
// changes the tags of every other service's objects.
//
// It must not know any service: each tells what it has through core.Tagger.
package tagging

import (
	"context"
	"slices"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// Service answers Resource Groups Tagging calls.
type Service struct {
	env     *core.Env
	taggers []core.Tagger
}

// New makes the service over those of the given services that have tags.
func New(env *core.Env, services []core.Service) *Service {
	s := &Service{env: env}
	for _, v := range services {
		if t, ok := v.(core.Tagger); ok {
			s.taggers = append(s.taggers, t)
		}
	}
	return s
}

// Spec says how the service is called.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "tagging", Title: "Resource Groups Tagging", Protocol: core.ProtocolJSON11, TargetPrefix: "ResourceGroupsTaggingAPI_20170126",
		Operations: map[string]core.Handler{
			"GetResources":   core.JSON(s.getResources),
			"GetTagKeys":     core.JSON(s.getTagKeys),
			"GetTagValues":   core.JSON(s.getTagValues),
			"TagResources":   core.JSON(s.tagResources),
			"UntagResources": core.JSON(s.untagResources),
		},
	}
}

type filter struct {
	Key    string
	Values []string
}

func (f filter) fits(tags map[string]string) bool {
	value, ok := tags[f.Key]
	return ok && (len(f.Values) == 0 || slices.Contains(f.Values, value))
}

type getResourcesInput struct {
	PaginationToken     string
	TagFilters          []filter
	ResourcesPerPage    int
	ResourceTypeFilters []string
	ResourceARNList     []string
}

type mapping struct {
	ResourceARN string
	Tags        []core.Tag
}

type getResourcesOutput struct {
	PaginationToken        string
	ResourceTagMappingList []mapping
}

func (s *Service) getResources(_ context.Context, r *core.Request, in getResourcesInput) (getResourcesOutput, error) {
	if in.ResourcesPerPage <= 0 || in.ResourcesPerPage > 100 {
		in.ResourcesPerPage = 100
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (getResourcesOutput, error) {
		var found []core.Item
		for _, item := range s.items(tx, r.Region) {
			if in.wants(item) {
				found = append(found, item)
			}
		}
		page, next, err := core.Page(found, func(i core.Item) string { return i.ARN }, in.PaginationToken, in.ResourcesPerPage)
		out := getResourcesOutput{PaginationToken: next, ResourceTagMappingList: []mapping{}}
		for _, i := range page {
			out.ResourceTagMappingList = append(out.ResourceTagMappingList, mapping{i.ARN, core.Tags(i.Tags).Sorted()})
		}
		return out, err
	})
}

// items lists everything of a region that has tags, ordered by ARN.
func (s *Service) items(tx *core.Tx, region string) []core.Item {
	var out []core.Item
	for _, t := range s.taggers {
		for _, item := range t.TaggedResources(tx, region) {
			if len(item.Tags) > 0 {
				out = append(out, item)
			}
		}
	}
	slices.SortFunc(out, func(a, b core.Item) int { return strings.Compare(a.ARN, b.ARN) })
	return out
}

func (in getResourcesInput) wants(item core.Item) bool {
	for _, f := range in.TagFilters {
		if !f.fits(item.Tags) {
			return false
		}
	}
	if len(in.ResourceARNList) > 0 && !slices.Contains(in.ResourceARNList, item.ARN) {
		return false
	}
	return len(in.ResourceTypeFilters) == 0 || slices.ContainsFunc(in.ResourceTypeFilters, func(kind string) bool { return isKind(item.ARN, kind) })
}

// isKind matches an ARN with a type such as ec2, ec2:vpc or ecs:service.
func isKind(arn, kind string) bool {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return false
	}
	service, resource, narrow := strings.Cut(kind, ":")
	if parts[2] != service {
		return false
	}
	rest, ok := strings.CutPrefix(parts[5], resource)
	return !narrow || ok && (rest == "" || rest[0] == '/' || rest[0] == ':')
}

type keysOutput struct{ TagKeys []string }

func (s *Service) getTagKeys(_ context.Context, r *core.Request, _ struct{}) (keysOutput, error) {
	keys, err := s.collect(r, func(i core.Item) []string { return core.Tags(i.Tags).Keys() })
	return keysOutput{keys}, err
}

type valuesOutput struct{ TagValues []string }

func (s *Service) getTagValues(_ context.Context, r *core.Request, in struct{ Key string }) (valuesOutput, error) {
	values, err := s.collect(r, func(i core.Item) []string {
		if v, ok := i.Tags[in.Key]; ok {
			return []string{v}
		}
		return nil
	})
	return valuesOutput{values}, err
}

func (s *Service) collect(r *core.Request, of func(core.Item) []string) ([]string, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) ([]string, error) {
		out := []string{}
		for _, i := range s.items(tx, r.Region) {
			out = append(out, of(i)...)
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	})
}

type changeInput struct {
	ResourceARNList []string
	Tags            core.Tags
	TagKeys         []string
}

type failed struct {
	StatusCode   int
	ErrorCode    string
	ErrorMessage string
}

type changeOutput struct {
	FailedResourcesMap map[string]failed
}

func (s *Service) tagResources(_ context.Context, _ *core.Request, in changeInput) (changeOutput, error) {
	return s.change(in.ResourceARNList, in.Tags, nil)
}

func (s *Service) untagResources(_ context.Context, _ *core.Request, in changeInput) (changeOutput, error) {
	return s.change(in.ResourceARNList, nil, in.TagKeys)
}

// change goes through the objects one by one: those that fail are reported and
// do not hinder the others.
func (s *Service) change(arns []string, set core.Tags, unset []string) (changeOutput, error) {
	out := changeOutput{FailedResourcesMap: map[string]failed{}}
	if len(arns) == 0 || len(arns) > 20 {
		return out, core.Errorf("InvalidParameterException", "ResourceARNList must name 1 to 20 resources.")
	}
	for _, arn := range arns {
		found, err := core.Write(s.env.Store, func(tx *core.Tx) (bool, error) {
			for _, t := range s.taggers {
				if found, err := t.SetTags(tx, arn, set, unset); found || err != nil {
					return found, err
				}
			}
			return false, nil
		})
		switch {
		case err != nil:
			out.FailedResourcesMap[arn] = failed{400, "InvalidParameterException", err.Error()}
		case !found:
			out.FailedResourcesMap[arn] = failed{400, "InvalidParameterException", "The resource does not exist: " + arn}
		}
	}
	return out, nil
}
