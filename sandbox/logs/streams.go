package logs

import (
	"context"
	"slices"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

type streamInput struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
}

func (s *Service) createLogStream(_ context.Context, r *core.Request, in streamInput) (empty, error) {
	if in.LogStreamName == "" || len(in.LogStreamName) > 512 || strings.ContainsAny(in.LogStreamName, ":*\n") {
		return empty{}, core.Errorf("InvalidParameterException",
			"1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", in.LogStreamName)
	}
	return empty{}, s.env.Store.Update(func(tx *core.Tx) error {
		if !s.groups.Has(tx, r.Region, in.LogGroupName) {
			return errNoGroup
		}
		if s.streams.Has(tx, r.Region, streamKey(in.LogGroupName, in.LogStreamName)) {
			return core.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists")
		}
		s.putStream(tx, r.Region, stream{Group: in.LogGroupName, Name: in.LogStreamName, Created: s.env.Clock.Now().UnixMilli()})
		return nil
	})
}

func (s *Service) deleteLogStream(_ context.Context, r *core.Request, in streamInput) (empty, error) {
	return empty{}, s.env.Store.Update(func(tx *core.Tx) error {
		st, err := s.findStream(tx, r.Region, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return err
		}
		s.removeStream(tx, r.Region, st)
		return nil
	})
}

func (s *Service) putStream(tx *core.Tx, region string, st stream) {
	s.streams.Put(tx, region, streamKey(st.Group, st.Name), st)
}

func (s *Service) removeStream(tx *core.Tx, region string, st stream) {
	for n := range st.Batches {
		s.batches.Delete(tx, region, batchKey(st.Group, st.Name, n))
	}
	s.streams.Delete(tx, region, streamKey(st.Group, st.Name))
}

func (s *Service) findStream(tx *core.Tx, region, groupName, name string) (stream, error) {
	if !s.groups.Has(tx, region, groupName) {
		return stream{}, errNoGroup
	}
	st, ok := s.streams.Get(tx, region, streamKey(groupName, name))
	if !ok {
		return stream{}, errNoStream
	}
	return st, nil
}

func (s *Service) streamsOf(tx *core.Tx, region, groupName string) []stream {
	return slices.DeleteFunc(s.streams.List(tx, region), func(st stream) bool { return st.Group != groupName })
}

func (s *Service) eventsOf(tx *core.Tx, region string, st stream) []Event {
	var out []Event
	for n := range st.Batches {
		b, _ := s.batches.Get(tx, region, batchKey(st.Group, st.Name, n))
		out = append(out, b.Events...)
	}
	return out
}

type describeLogStreamsInput struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	Prefix             string `json:"logStreamNamePrefix"`
	OrderBy            string `json:"orderBy"`
	Descending         bool   `json:"descending"`
	NextToken          string `json:"nextToken"`
	Limit              int    `json:"limit"`
}

type describeLogStreamsOutput struct {
	LogStreams []streamOutput `json:"logStreams"`
	NextToken  string         `json:"nextToken,omitempty"`
}

type streamOutput struct {
	ARN                 string `json:"arn"`
	LogStreamName       string `json:"logStreamName"`
	CreationTime        int64  `json:"creationTime"`
	FirstEventTimestamp int64  `json:"firstEventTimestamp,omitempty"`
	LastEventTimestamp  int64  `json:"lastEventTimestamp,omitempty"`
	LastIngestionTime   int64  `json:"lastIngestionTime,omitempty"`
	UploadSequenceToken string `json:"uploadSequenceToken"`
	StoredBytes         int64  `json:"storedBytes"`
}

func (s *Service) describeLogStreams(_ context.Context, r *core.Request, in describeLogStreamsInput) (describeLogStreamsOutput, error) {
	name := identify(in.LogGroupName, in.LogGroupIdentifier)
	if in.Limit <= 0 || in.Limit > 50 {
		in.Limit = 50
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (describeLogStreamsOutput, error) {
		g, ok := s.groups.Get(tx, r.Region, name)
		if !ok {
			return describeLogStreamsOutput{}, errNoGroup
		}
		list := slices.DeleteFunc(s.streamsOf(tx, r.Region, name), func(st stream) bool { return !strings.HasPrefix(st.Name, in.Prefix) })
		if in.OrderBy == "LastEventTime" {
			slices.SortStableFunc(list, func(a, b stream) int { return int(a.Last - b.Last) })
		}
		if in.Descending {
			slices.Reverse(list)
		}
		start, err := offset(in.NextToken, len(list))
		if err != nil {
			return describeLogStreamsOutput{}, err
		}
		end := min(len(list), start+in.Limit)
		out := describeLogStreamsOutput{LogStreams: []streamOutput{}}
		for _, st := range list[start:end] {
			out.LogStreams = append(out.LogStreams, streamOutput{
				ARN: g.arn() + ":log-stream:" + st.Name, LogStreamName: st.Name, CreationTime: st.Created,
				FirstEventTimestamp: st.First, LastEventTimestamp: st.Last, LastIngestionTime: st.LastIngestion,
				UploadSequenceToken: sequenceToken(st),
			})
		}
		if end < len(list) {
			out.NextToken = token("n", end)
		}
		return out, nil
	})
}
