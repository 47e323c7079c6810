package logs

import (
	"context"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

type empty struct{}

type createLogGroupInput struct {
	LogGroupName  string    `json:"logGroupName"`
	KMSKeyID      string    `json:"kmsKeyId"`
	LogGroupClass string    `json:"logGroupClass"`
	Tags          core.Tags `json:"tags"`
}

func (s *Service) createLogGroup(_ context.Context, r *core.Request, in createLogGroupInput) (empty, error) {
	if !groupName.MatchString(in.LogGroupName) {
		return empty{}, core.Errorf("InvalidParameterException",
			"1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", in.LogGroupName)
	}
	if in.LogGroupClass == "" {
		in.LogGroupClass = "STANDARD"
	}
	return empty{}, s.env.Store.Update(func(tx *core.Tx) error {
		if s.groups.Has(tx, r.Region, in.LogGroupName) {
			return core.Errorf("ResourceAlreadyExistsException", "The specified log group already exists")
		}
		s.groups.Put(tx, r.Region, in.LogGroupName, group{
			Name: in.LogGroupName, Region: r.Region, Created: s.env.Clock.Now().UnixMilli(),
			KMSKey: in.KMSKeyID, Class: in.LogGroupClass, Tags: in.Tags,
		})
		return nil
	})
}

type groupInput struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
}

func (s *Service) deleteLogGroup(_ context.Context, r *core.Request, in groupInput) (empty, error) {
	name := identify(in.LogGroupName, in.LogGroupIdentifier)
	return empty{}, s.env.Store.Update(func(tx *core.Tx) error {
		if !s.groups.Delete(tx, r.Region, name) {
			return errNoGroup
		}
		for _, st := range s.streamsOf(tx, r.Region, name) {
			s.removeStream(tx, r.Region, st)
		}
		return nil
	})
}

type describeLogGroupsInput struct {
	Prefix    string `json:"logGroupNamePrefix"`
	Pattern   string `json:"logGroupNamePattern"`
	NextToken string `json:"nextToken"`
	Limit     int    `json:"limit"`
}

type describeLogGroupsOutput struct {
	LogGroups []groupOutput `json:"logGroups"`
	NextToken string        `json:"nextToken,omitempty"`
}

type groupOutput struct {
	ARN               string `json:"arn"`
	LogGroupARN       string `json:"logGroupArn"`
	LogGroupName      string `json:"logGroupName"`
	CreationTime      int64  `json:"creationTime"`
	RetentionInDays   int    `json:"retentionInDays,omitempty"`
	MetricFilterCount int    `json:"metricFilterCount"`
	StoredBytes       int64  `json:"storedBytes"`
	KMSKeyID          string `json:"kmsKeyId,omitempty"`
	LogGroupClass     string `json:"logGroupClass"`
}

func (s *Service) describeLogGroups(_ context.Context, r *core.Request, in describeLogGroupsInput) (describeLogGroupsOutput, error) {
	if in.Limit <= 0 || in.Limit > 50 {
		in.Limit = 50
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (describeLogGroupsOutput, error) {
		var matching []group
		for _, g := range s.groups.List(tx, r.Region) {
			if strings.HasPrefix(g.Name, in.Prefix) && strings.Contains(strings.ToLower(g.Name), strings.ToLower(in.Pattern)) {
				matching = append(matching, g)
			}
		}
		page, next, err := core.Page(matching, func(g group) string { return g.Name }, in.NextToken, in.Limit)
		if err != nil {
			return describeLogGroupsOutput{}, err
		}
		out := describeLogGroupsOutput{LogGroups: []groupOutput{}, NextToken: next}
		for _, g := range page {
			var bytes int64
			for _, st := range s.streamsOf(tx, r.Region, g.Name) {
				bytes += st.Bytes
			}
			out.LogGroups = append(out.LogGroups, groupOutput{
				ARN: g.arn() + ":*", LogGroupARN: g.arn(), LogGroupName: g.Name, CreationTime: g.Created,
				RetentionInDays: g.Retention, StoredBytes: bytes, KMSKeyID: g.KMSKey, LogGroupClass: g.Class,
			})
		}
		return out, nil
	})
}

// changeGroup applies a change to a group that must exist.
func (s *Service) changeGroup(region, name string, change func(g *group)) error {
	return s.env.Store.Update(func(tx *core.Tx) error {
		g, ok := s.groups.Get(tx, region, name)
		if !ok {
			return errNoGroup
		}
		change(&g)
		s.groups.Put(tx, region, name, g)
		return nil
	})
}

type putRetentionPolicyInput struct {
	LogGroupName    string `json:"logGroupName"`
	RetentionInDays int    `json:"retentionInDays"`
}

func (s *Service) putRetentionPolicy(_ context.Context, r *core.Request, in putRetentionPolicyInput) (empty, error) {
	if !retentionAllowed(in.RetentionInDays) {
		return empty{}, core.Errorf("InvalidParameterException", "1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set", in.RetentionInDays)
	}
	return empty{}, s.changeGroup(r.Region, in.LogGroupName, func(g *group) { g.Retention = in.RetentionInDays })
}

func (s *Service) deleteRetentionPolicy(_ context.Context, r *core.Request, in groupInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, in.LogGroupName, func(g *group) { g.Retention = 0 })
}

type keyInput struct {
	LogGroupName       string `json:"logGroupName"`
	ResourceIdentifier string `json:"resourceIdentifier"`
	KMSKeyID           string `json:"kmsKeyId"`
}

func (s *Service) associateKey(_ context.Context, r *core.Request, in keyInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, identify(in.LogGroupName, in.ResourceIdentifier), func(g *group) { g.KMSKey = in.KMSKeyID })
}

func (s *Service) disassociateKey(_ context.Context, r *core.Request, in keyInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, identify(in.LogGroupName, in.ResourceIdentifier), func(g *group) { g.KMSKey = "" })
}

// The tag calls come in two generations: by name and by ARN.

type tagsInput struct {
	LogGroupName string    `json:"logGroupName"`
	ResourceARN  string    `json:"resourceArn"`
	Tags         core.Tags `json:"tags"`
}

type untagInput struct {
	LogGroupName string   `json:"logGroupName"`
	ResourceARN  string   `json:"resourceArn"`
	Tags         []string `json:"tags"`
	TagKeys      []string `json:"tagKeys"`
}

type tagsOutput struct {
	Tags core.Tags `json:"tags"`
}

func (s *Service) tagsOf(region, name string) (tagsOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (tagsOutput, error) {
		g, ok := s.groups.Get(tx, region, name)
		if !ok {
			return tagsOutput{}, errNoGroup
		}
		return tagsOutput{Tags: g.Tags.With(nil, nil)}, nil
	})
}

func (s *Service) listTagsLogGroup(_ context.Context, r *core.Request, in groupInput) (tagsOutput, error) {
	return s.tagsOf(r.Region, in.LogGroupName)
}

func (s *Service) listTagsForResource(_ context.Context, r *core.Request, in tagsInput) (tagsOutput, error) {
	return s.tagsOf(r.Region, identify("", in.ResourceARN))
}

func (s *Service) tagLogGroup(_ context.Context, r *core.Request, in tagsInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, in.LogGroupName, func(g *group) { g.Tags = g.Tags.With(in.Tags, nil) })
}

func (s *Service) tagResource(_ context.Context, r *core.Request, in tagsInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, identify("", in.ResourceARN), func(g *group) { g.Tags = g.Tags.With(in.Tags, nil) })
}

func (s *Service) untagLogGroup(_ context.Context, r *core.Request, in untagInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, in.LogGroupName, func(g *group) { g.Tags = g.Tags.With(nil, in.Tags) })
}

func (s *Service) untagResource(_ context.Context, r *core.Request, in untagInput) (empty, error) {
	return empty{}, s.changeGroup(r.Region, identify("", in.ResourceARN), func(g *group) { g.Tags = g.Tags.With(nil, in.TagKeys) })
}

// The sandbox has no filters and no policies; readers that ask get empty lists.

type subscriptionFiltersOutput struct {
	SubscriptionFilters []empty `json:"subscriptionFilters"`
}

func (s *Service) describeSubscriptionFilters(context.Context, *core.Request, empty) (subscriptionFiltersOutput, error) {
	return subscriptionFiltersOutput{SubscriptionFilters: []empty{}}, nil
}

type metricFiltersOutput struct {
	MetricFilters []empty `json:"metricFilters"`
}

func (s *Service) describeMetricFilters(context.Context, *core.Request, empty) (metricFiltersOutput, error) {
	return metricFiltersOutput{MetricFilters: []empty{}}, nil
}

type resourcePoliciesOutput struct {
	ResourcePolicies []empty `json:"resourcePolicies"`
}

func (s *Service) describeResourcePolicies(context.Context, *core.Request, empty) (resourcePoliciesOutput, error) {
	return resourcePoliciesOutput{ResourcePolicies: []empty{}}, nil
}
