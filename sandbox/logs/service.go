// Package logs is the sandbox's CloudWatch Logs: groups with retention and tags,
// streams, and the events that callers and containers write.
//
// It must not know where events come from: ECS writes through Write like any
// other caller.
package logs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// Service answers CloudWatch Logs calls.
type Service struct {
	env     *core.Env
	groups  core.Collection[group]
	streams core.Collection[stream]
	batches core.Collection[batch]
}

// New makes the service.
func New(env *core.Env) *Service {
	return &Service{
		env:     env,
		groups:  core.NewCollection[group]("logs", "group"),
		streams: core.NewCollection[stream]("logs", "stream"),
		batches: core.NewCollection[batch]("logs", "batch"),
	}
}

// Spec says how the service is called.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "logs", Title: "CloudWatch Logs", Protocol: core.ProtocolJSON11, TargetPrefix: "Logs_20140328",
		Operations: map[string]core.Handler{
			"CreateLogGroup":              core.JSON(s.createLogGroup),
			"DeleteLogGroup":              core.JSON(s.deleteLogGroup),
			"DescribeLogGroups":           core.JSON(s.describeLogGroups),
			"PutRetentionPolicy":          core.JSON(s.putRetentionPolicy),
			"DeleteRetentionPolicy":       core.JSON(s.deleteRetentionPolicy),
			"AssociateKmsKey":             core.JSON(s.associateKey),
			"DisassociateKmsKey":          core.JSON(s.disassociateKey),
			"ListTagsLogGroup":            core.JSON(s.listTagsLogGroup),
			"TagLogGroup":                 core.JSON(s.tagLogGroup),
			"UntagLogGroup":               core.JSON(s.untagLogGroup),
			"ListTagsForResource":         core.JSON(s.listTagsForResource),
			"TagResource":                 core.JSON(s.tagResource),
			"UntagResource":               core.JSON(s.untagResource),
			"CreateLogStream":             core.JSON(s.createLogStream),
			"DeleteLogStream":             core.JSON(s.deleteLogStream),
			"DescribeLogStreams":          core.JSON(s.describeLogStreams),
			"PutLogEvents":                core.JSON(s.putLogEvents),
			"GetLogEvents":                core.JSON(s.getLogEvents),
			"FilterLogEvents":             core.JSON(s.filterLogEvents),
			"DescribeSubscriptionFilters": core.JSON(s.describeSubscriptionFilters),
			"DescribeMetricFilters":       core.JSON(s.describeMetricFilters),
			"DescribeResourcePolicies":    core.JSON(s.describeResourcePolicies),
		},
	}
}

// group is one log group.
type group struct {
	Name      string
	Region    string
	Created   int64 // milliseconds since the epoch, as everywhere in this service
	Retention int
	KMSKey    string
	Class     string
	Tags      core.Tags
}

func (g group) arn() string { return core.ARN("logs", g.Region, "log-group:"+g.Name) }

// stream is one log stream of a group.
type stream struct {
	Group, Name   string
	Created       int64
	First, Last   int64 // timestamps of its events
	LastIngestion int64
	Bytes         int64
	Count         int // events so far
	Batches       int
}

// batch is what one call wrote. Streams only grow, so a record per call keeps a
// write as small as its content.
type batch struct{ Events []Event }

// Event is one line of a log.
type Event struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
	Ingestion int64  `json:"ingestionTime"`
}

// streamKey joins group and stream; neither can hold a line feed.
func streamKey(group, stream string) string { return group + "\n" + stream }

func batchKey(group, stream string, n int) string {
	number := strconv.Itoa(n)
	return streamKey(group, stream) + "\n" + strings.Repeat("0", max(0, 9-len(number))) + number
}

var groupName = regexp.MustCompile(`^[\.\-_/#A-Za-z0-9]{1,512}$`)

func retentionAllowed(days int) bool {
	return slices.Contains([]int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}, days)
}

var errNoGroup = core.Errorf("ResourceNotFoundException", "The specified log group does not exist.")

var errNoStream = core.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")

// identify takes a group's name or ARN.
func identify(name, identifier string) string {
	if name != "" {
		return name
	}
	if rest, ok := strings.CutPrefix(identifier, "arn:"); ok {
		_, after, _ := strings.Cut(rest, ":log-group:")
		return strings.TrimSuffix(after, ":*")
	}
	return identifier
}

// Inventory lists the log groups.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	var items []core.Item
	for _, g := range s.groups.All(tx) {
		items = append(items, core.Item{ID: g.Name, ARN: g.arn(), Name: g.Name, Tags: g.Tags})
	}
	return map[string][]core.Item{"log-group": items}
}

// TaggedResources lists a region's log groups.
func (s *Service) TaggedResources(tx *core.Tx, region string) []core.Item {
	var items []core.Item
	for _, g := range s.groups.List(tx, region) {
		items = append(items, core.Item{ID: g.Name, ARN: g.arn(), Name: g.Name, Tags: g.Tags})
	}
	return items
}

// SetTags changes the tags of a log group.
func (s *Service) SetTags(tx *core.Tx, arn string, set core.Tags, unset []string) (bool, error) {
	arn = strings.TrimSuffix(arn, ":*")
	for _, g := range s.groups.All(tx) {
		if g.arn() == arn {
			g.Tags = g.Tags.With(set, unset)
			s.groups.Put(tx, g.Region, g.Name, g)
			return true, nil
		}
	}
	return false, nil
}
