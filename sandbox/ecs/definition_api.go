package ecs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// revision is the record of one revision of a task definition.
type revision struct {
	Region     string
	Definition definition
	Tags       core.Tags
}

// family remembers the last revision number: numbers are never given twice.
type family struct{ Last int }

// revisionKey orders revisions by number.
func revisionKey(familyName string, n int) string { return fmt.Sprintf("%s:%010d", familyName, n) }

type registerInput struct {
	definition
	Tags []tag `json:"tags"`
}

type oneDefinition struct {
	Definition definition `json:"taskDefinition"`
	Tags       []tag      `json:"tags,omitempty"`
}

func (s *Service) registerTaskDefinition(_ context.Context, r *core.Request, in registerInput) (oneDefinition, error) {
	d := in.definition
	if err := d.check(); err != nil {
		return oneDefinition{}, err
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneDefinition, error) {
		f, _ := s.families.Get(tx, r.Region, d.Family)
		f.Last++
		s.families.Put(tx, r.Region, d.Family, f)
		d.Revision, d.Status = f.Last, active
		d.ARN = arn(r.Region, "task-definition/"+d.shortName())
		d.RegisteredAt, d.RegisteredBy = core.AtPtr(s.env.Clock.Now()), "arn:aws:iam::"+core.AccountID+":root"
		rev := revision{Region: r.Region, Definition: d, Tags: toTags(in.Tags)}
		s.definitions.Put(tx, r.Region, revisionKey(d.Family, d.Revision), rev)
		return oneDefinition{d, fromTags(rev.Tags)}, nil
	})
}

var errNoDefinition = clientError("Unable to describe task definition.")

// revision finds a task definition by ARN, family:revision, or family alone,
// which means the latest active revision.
func (s *Service) revision(tx *core.Tx, region, name string) (revision, error) {
	familyName, number, numbered := strings.Cut(lastPart(name), ":")
	if numbered {
		n, err := strconv.Atoi(number)
		if err != nil {
			return revision{}, clientError("Invalid revision number. Number: %s", number)
		}
		rev, ok := s.definitions.Get(tx, region, revisionKey(familyName, n))
		if !ok {
			return revision{}, errNoDefinition
		}
		return rev, nil
	}
	var latest revision
	for _, rev := range s.definitions.List(tx, region) {
		if rev.Definition.Family == familyName && rev.Definition.Status == active {
			latest = rev
		}
	}
	if latest.Region == "" {
		return revision{}, errNoDefinition
	}
	return latest, nil
}

type definitionInput struct {
	TaskDefinition  string   `json:"taskDefinition"`
	TaskDefinitions []string `json:"taskDefinitions"`
	Include         []string `json:"include"`
}

func (s *Service) describeTaskDefinition(_ context.Context, r *core.Request, in definitionInput) (oneDefinition, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (oneDefinition, error) {
		rev, err := s.revision(tx, r.Region, in.TaskDefinition)
		if err != nil {
			return oneDefinition{}, err
		}
		out := oneDefinition{Definition: rev.Definition}
		if slices.Contains(in.Include, "TAGS") {
			out.Tags = fromTags(rev.Tags)
		}
		return out, nil
	})
}

func (s *Service) deregisterTaskDefinition(_ context.Context, r *core.Request, in definitionInput) (oneDefinition, error) {
	if !strings.Contains(lastPart(in.TaskDefinition), ":") {
		return oneDefinition{}, clientError("The specified task definition does not have a revision: %s", in.TaskDefinition)
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneDefinition, error) {
		rev, err := s.revision(tx, r.Region, in.TaskDefinition)
		if err != nil {
			return oneDefinition{}, clientError("The specified task definition does not exist.")
		}
		rev.Definition.Status = inactive
		rev.Definition.DeregisteredAt = core.AtPtr(s.env.Clock.Now())
		s.definitions.Put(tx, r.Region, revisionKey(rev.Definition.Family, rev.Definition.Revision), rev)
		return oneDefinition{Definition: rev.Definition}, nil
	})
}

type deleteDefinitionsOutput struct {
	Definitions []definition `json:"taskDefinitions"`
	Failures    []failure    `json:"failures"`
}

func (s *Service) deleteTaskDefinitions(_ context.Context, r *core.Request, in definitionInput) (deleteDefinitionsOutput, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (deleteDefinitionsOutput, error) {
		out := deleteDefinitionsOutput{Definitions: []definition{}, Failures: []failure{}}
		for _, name := range in.TaskDefinitions {
			rev, err := s.revision(tx, r.Region, name)
			if err != nil || rev.Definition.Status != inactive {
				out.Failures = append(out.Failures, failure{name, "The specified task definition is still in ACTIVE status or does not exist. Deregister it first."})
				continue
			}
			s.definitions.Delete(tx, r.Region, revisionKey(rev.Definition.Family, rev.Definition.Revision))
			rev.Definition.Status = "DELETE_IN_PROGRESS"
			out.Definitions = append(out.Definitions, rev.Definition)
		}
		return out, nil
	})
}

type listDefinitionsInput struct {
	pageInput
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
	Sort         string `json:"sort"`
}

type listDefinitionsOutput struct {
	ARNs      []string `json:"taskDefinitionArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listTaskDefinitions(_ context.Context, r *core.Request, in listDefinitionsInput) (listDefinitionsOutput, error) {
	if in.Status == "" {
		in.Status = active
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (out listDefinitionsOutput, err error) {
		var found []definition
		for _, rev := range s.definitions.List(tx, r.Region) {
			if rev.Definition.Status == in.Status && (in.FamilyPrefix == "" || rev.Definition.Family == in.FamilyPrefix) {
				found = append(found, rev.Definition)
			}
		}
		if in.MaxResults <= 0 || in.MaxResults > 100 {
			in.MaxResults = 100
		}
		if in.Sort == "DESC" {
			slices.Reverse(found)
			in.MaxResults, in.NextToken = 0, "" // pages go upwards only
		}
		page, next, err := core.Page(found, func(d definition) string { return revisionKey(d.Family, d.Revision) }, in.NextToken, in.MaxResults)
		out.ARNs, out.NextToken = []string{}, next
		for _, d := range page {
			out.ARNs = append(out.ARNs, d.ARN)
		}
		return out, err
	})
}

type listFamiliesOutput struct {
	Families  []string `json:"families"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listTaskDefinitionFamilies(_ context.Context, r *core.Request, in listDefinitionsInput) (listFamiliesOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (out listFamiliesOutput, err error) {
		activeOf := map[string]bool{}
		var names []string
		for _, rev := range s.definitions.List(tx, r.Region) {
			name := rev.Definition.Family
			if _, seen := activeOf[name]; !seen && strings.HasPrefix(name, in.FamilyPrefix) {
				names = append(names, name)
			}
			activeOf[name] = activeOf[name] || rev.Definition.Status == active
		}
		names = slices.DeleteFunc(names, func(n string) bool {
			return in.Status == active && !activeOf[n] || in.Status == inactive && activeOf[n]
		})
		out.Families, out.NextToken, err = in.page(names)
		return out, err
	})
}
