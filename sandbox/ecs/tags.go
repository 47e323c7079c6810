package ecs

import (
	"context"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

// tagged is one object that can carry tags, with the way to change them.
type tagged struct {
	kind, id, arn, name string
	tags                core.Tags
	// owned is true for what its owner would have to delete.
	owned bool
	put   func(tx *core.Tx, tags core.Tags)
}

func (s *Service) objects(tx *core.Tx, region string) []tagged {
	var out []tagged
	for _, v := range s.clusters.List(tx, region) {
		if v.Status == active {
			out = append(out, tagged{"cluster", v.Name, v.arn(), v.Name, v.Tags, true, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.clusters.Put(tx, region, v.Name, v) }})
		}
	}
	for _, v := range s.services.List(tx, region) {
		if v.Status != inactive {
			out = append(out, tagged{"service", v.Name, v.arn(), v.Name, v.Tags, true, func(tx *core.Tx, t core.Tags) { v.Tags = t; s.services.Put(tx, region, v.key(), v) }})
		}
	}
	for _, v := range s.definitions.List(tx, region) {
		d := v.Definition
		if d.Status == active {
			out = append(out, tagged{"task-definition", d.shortName(), d.ARN, d.shortName(), v.Tags, true, func(tx *core.Tx, t core.Tags) {
				v.Tags = t
				s.definitions.Put(tx, region, revisionKey(d.Family, d.Revision), v)
			}})
		}
	}
	for _, v := range s.tasks.List(tx, region) {
		if v.Status != statusStopped {
			// A service's tasks go with it; only those run by hand are owned.
			out = append(out, tagged{"task", v.ID, v.arn(), v.ID, v.Tags, v.Service == "", func(tx *core.Tx, t core.Tags) { v.Tags = t; s.tasks.Put(tx, region, v.ID, v) }})
		}
	}
	return out
}

// Inventory lists what is active: clusters, services, task definitions, and
// tasks that belong to no service.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	var regions []string
	for _, scopes := range [][]string{s.clusters.Scopes(tx), s.definitions.Scopes(tx)} {
		regions = append(regions, scopes...)
	}
	slices.Sort(regions)
	out := map[string][]core.Item{}
	for _, region := range slices.Compact(regions) {
		for _, o := range s.objects(tx, region) {
			if o.owned {
				out[o.kind] = append(out[o.kind], core.Item{ID: o.id, ARN: o.arn, Name: o.name, Tags: o.tags})
			}
		}
	}
	return out
}

// TaggedResources lists a region's objects with their tags.
func (s *Service) TaggedResources(tx *core.Tx, region string) []core.Item {
	var out []core.Item
	for _, o := range s.objects(tx, region) {
		out = append(out, core.Item{ID: o.id, ARN: o.arn, Name: o.name, Tags: o.tags})
	}
	return out
}

// SetTags changes the tags of the object with this ARN.
func (s *Service) SetTags(tx *core.Tx, arn string, set core.Tags, unset []string) (bool, error) {
	for _, region := range s.regionsOf(tx, arn) {
		for _, o := range s.objects(tx, region) {
			if o.arn == arn {
				o.put(tx, o.tags.With(set, unset))
				return true, nil
			}
		}
	}
	return false, nil
}

func (s *Service) regionsOf(tx *core.Tx, arn string) []string {
	return slices.DeleteFunc(append(s.clusters.Scopes(tx), s.definitions.Scopes(tx)...), func(region string) bool {
		return core.ARN("ecs", region, "") != arn[:min(len(arn), len(core.ARN("ecs", region, "")))]
	})
}

type tagsInput struct {
	ResourceARN string   `json:"resourceArn"`
	Tags        []tag    `json:"tags"`
	TagKeys     []string `json:"tagKeys"`
}

type tagsOutput struct {
	Tags []tag `json:"tags"`
}

func (s *Service) tagged(tx *core.Tx, region, arn string) (tagged, error) {
	for _, o := range s.objects(tx, region) {
		if o.arn == arn {
			return o, nil
		}
	}
	return tagged{}, invalidParameter("The specified resource cannot be found: %s", arn)
}

func (s *Service) changeTags(r *core.Request, in tagsInput) (empty, error) {
	return empty{}, s.env.Store.Update(func(tx *core.Tx) error {
		o, err := s.tagged(tx, r.Region, in.ResourceARN)
		if err != nil {
			return err
		}
		o.put(tx, o.tags.With(toTags(in.Tags), in.TagKeys))
		return nil
	})
}

func (s *Service) tagResource(_ context.Context, r *core.Request, in tagsInput) (empty, error) {
	return s.changeTags(r, tagsInput{ResourceARN: in.ResourceARN, Tags: in.Tags})
}

func (s *Service) untagResource(_ context.Context, r *core.Request, in tagsInput) (empty, error) {
	return s.changeTags(r, tagsInput{ResourceARN: in.ResourceARN, TagKeys: in.TagKeys})
}

func (s *Service) listTagsForResource(_ context.Context, r *core.Request, in tagsInput) (tagsOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (tagsOutput, error) {
		o, err := s.tagged(tx, r.Region, in.ResourceARN)
		return tagsOutput{fromTags(o.tags)}, err
	})
}
