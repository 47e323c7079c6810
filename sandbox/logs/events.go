package logs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// maxEvents is how many events one answer or one call may carry.
const maxEvents = 10000

type putLogEventsInput struct {
	LogGroupName  string  `json:"logGroupName"`
	LogStreamName string  `json:"logStreamName"`
	LogEvents     []Event `json:"logEvents"`
}

type putLogEventsOutput struct {
	NextSequenceToken string `json:"nextSequenceToken"`
}

func (s *Service) putLogEvents(_ context.Context, r *core.Request, in putLogEventsInput) (putLogEventsOutput, error) {
	if len(in.LogEvents) == 0 || len(in.LogEvents) > maxEvents {
		return putLogEventsOutput{}, core.Errorf("InvalidParameterException", "Log events in a single PutLogEvents request must number between 1 and %d.", maxEvents)
	}
	if !slices.IsSortedFunc(in.LogEvents, func(a, b Event) int { return int(a.Timestamp - b.Timestamp) }) {
		return putLogEventsOutput{}, core.Errorf("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (putLogEventsOutput, error) {
		st, err := s.findStream(tx, r.Region, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return putLogEventsOutput{}, err
		}
		return putLogEventsOutput{NextSequenceToken: sequenceToken(s.append(tx, r.Region, st, in.LogEvents))}, nil
	})
}

// GroupExists reports whether a log group is there, for the awslogs driver,
// which refuses to start a container without it.
func (s *Service) GroupExists(tx *core.Tx, region, groupName string) bool {
	return s.groups.Has(tx, region, groupName)
}

// Write appends events to a stream and makes the stream when it is missing, as
// the awslogs driver does. A group that is missing is made only with
// createGroup; without it the events are lost, as they are on AWS.
func (s *Service) Write(region, groupName, streamName string, events []Event, createGroup bool) error {
	return s.env.Store.Update(func(tx *core.Tx) error {
		if !s.groups.Has(tx, region, groupName) {
			if !createGroup {
				return errNoGroup
			}
			s.groups.Put(tx, region, groupName, group{Name: groupName, Region: region, Created: s.env.Clock.Now().UnixMilli(), Class: "STANDARD"})
		}
		st, ok := s.streams.Get(tx, region, streamKey(groupName, streamName))
		if !ok {
			st = stream{Group: groupName, Name: streamName, Created: s.env.Clock.Now().UnixMilli()}
			s.putStream(tx, region, st)
		}
		if len(events) > 0 {
			s.append(tx, region, st, events)
		}
		return nil
	})
}

func (s *Service) append(tx *core.Tx, region string, st stream, events []Event) stream {
	now := s.env.Clock.Now().UnixMilli()
	events = slices.Clone(events)
	for i := range events {
		events[i].Ingestion = now
		st.Bytes += int64(len(events[i].Message)) + 26 // AWS counts 26 bytes an event
	}
	s.batches.Put(tx, region, batchKey(st.Group, st.Name, st.Batches), batch{Events: events})
	st.Batches++
	st.Count += len(events)
	if st.First == 0 {
		st.First = events[0].Timestamp
	}
	st.Last = max(st.Last, events[len(events)-1].Timestamp)
	st.LastIngestion = now
	s.putStream(tx, region, st)
	return st
}

type getLogEventsInput struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	LogStreamName      string `json:"logStreamName"`
	StartTime          int64  `json:"startTime"`
	EndTime            int64  `json:"endTime"`
	NextToken          string `json:"nextToken"`
	Limit              int    `json:"limit"`
	StartFromHead      bool   `json:"startFromHead"`
}

type getLogEventsOutput struct {
	Events            []Event `json:"events"`
	NextForwardToken  string  `json:"nextForwardToken"`
	NextBackwardToken string  `json:"nextBackwardToken"`
}

// getLogEvents pages by the position of an event in its stream, so that a
// forward token taken at the end finds what was written after it.
func (s *Service) getLogEvents(_ context.Context, r *core.Request, in getLogEventsInput) (getLogEventsOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (getLogEventsOutput, error) {
		st, err := s.findStream(tx, r.Region, identify(in.LogGroupName, in.LogGroupIdentifier), in.LogStreamName)
		if err != nil {
			return getLogEventsOutput{}, err
		}
		all := s.eventsOf(tx, r.Region, st)
		all = slices.DeleteFunc(all, func(e Event) bool { return !within(e, in.StartTime, in.EndTime) })
		if in.Limit <= 0 || in.Limit > maxEvents {
			in.Limit = maxEvents
		}
		start, end, err := window(in, len(all))
		if err != nil {
			return getLogEventsOutput{}, err
		}
		return getLogEventsOutput{
			Events:           append([]Event{}, all[start:end]...),
			NextForwardToken: token("f", end), NextBackwardToken: token("b", start),
		}, nil
	})
}

func window(in getLogEventsInput, count int) (start, end int, err error) {
	at, err := offset(in.NextToken, count)
	switch {
	case err != nil:
		return 0, 0, err
	case strings.HasPrefix(in.NextToken, "b/"):
		return max(0, at-in.Limit), at, nil
	case in.NextToken == "" && !in.StartFromHead:
		return max(0, count-in.Limit), count, nil
	default:
		return at, min(count, at+in.Limit), nil
	}
}

func within(e Event, start, end int64) bool {
	return e.Timestamp >= start && (end == 0 || e.Timestamp < end)
}

type filterLogEventsInput struct {
	LogGroupName       string   `json:"logGroupName"`
	LogGroupIdentifier string   `json:"logGroupIdentifier"`
	LogStreamNames     []string `json:"logStreamNames"`
	LogStreamPrefix    string   `json:"logStreamNamePrefix"`
	StartTime          int64    `json:"startTime"`
	EndTime            int64    `json:"endTime"`
	FilterPattern      string   `json:"filterPattern"`
	NextToken          string   `json:"nextToken"`
	Limit              int      `json:"limit"`
}

type filterLogEventsOutput struct {
	Events             []filteredEvent `json:"events"`
	SearchedLogStreams []empty         `json:"searchedLogStreams"`
	NextToken          string          `json:"nextToken,omitempty"`
}

type filteredEvent struct {
	LogStreamName string `json:"logStreamName"`
	EventID       string `json:"eventId"`
	Event
}

func (s *Service) filterLogEvents(_ context.Context, r *core.Request, in filterLogEventsInput) (filterLogEventsOutput, error) {
	if in.Limit <= 0 || in.Limit > maxEvents {
		in.Limit = maxEvents
	}
	name := identify(in.LogGroupName, in.LogGroupIdentifier)
	matches := compile(in.FilterPattern)
	return core.Read(s.env.Store, func(tx *core.Tx) (filterLogEventsOutput, error) {
		if !s.groups.Has(tx, r.Region, name) {
			return filterLogEventsOutput{}, errNoGroup
		}
		var all []filteredEvent
		for _, st := range s.streamsOf(tx, r.Region, name) {
			if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, st.Name) || !strings.HasPrefix(st.Name, in.LogStreamPrefix) {
				continue
			}
			for i, e := range s.eventsOf(tx, r.Region, st) {
				if within(e, in.StartTime, in.EndTime) && matches(e.Message) {
					all = append(all, filteredEvent{LogStreamName: st.Name, EventID: eventID(e, st.Name, i), Event: e})
				}
			}
		}
		slices.SortStableFunc(all, func(a, b filteredEvent) int { return int(a.Timestamp - b.Timestamp) })
		start, err := offset(in.NextToken, len(all))
		if err != nil {
			return filterLogEventsOutput{}, err
		}
		end := min(len(all), start+in.Limit)
		out := filterLogEventsOutput{Events: append([]filteredEvent{}, all[start:end]...), SearchedLogStreams: []empty{}}
		if end < len(all) {
			out.NextToken = token("n", end)
		}
		return out, nil
	})
}

// compile reads the plain form of a filter pattern: words and "quoted phrases"
// that must all occur, -word that must not, ?word of which one must.
func compile(pattern string) func(string) bool {
	var must, not, any []string
	for _, term := range terms(pattern) {
		switch {
		case strings.HasPrefix(term, "-"):
			not = append(not, strings.Trim(term[1:], `"`))
		case strings.HasPrefix(term, "?"):
			any = append(any, strings.Trim(term[1:], `"`))
		default:
			must = append(must, strings.Trim(term, `"`))
		}
	}
	return func(message string) bool {
		contains := func(term string) bool { return strings.Contains(message, term) }
		for _, term := range must {
			if !contains(term) {
				return false
			}
		}
		return !slices.ContainsFunc(not, contains) && (len(any) == 0 || slices.ContainsFunc(any, contains))
	}
}

// terms splits at spaces outside quotation marks.
func terms(pattern string) []string {
	quoted := false
	return strings.FieldsFunc(pattern, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}

// eventID is decimal, ordered by time and unique within a group.
func eventID(e Event, streamName string, n int) string {
	var sum uint32
	for _, c := range streamName {
		sum = sum*31 + uint32(c)
	}
	return fmt.Sprintf("%020d%010d%08d", e.Timestamp, sum, n)
}

func sequenceToken(st stream) string { return fmt.Sprintf("%056d", st.Batches+1) }

func token(kind string, at int) string { return kind + "/" + strconv.Itoa(at) }

// offset reads a token made by token; a token beyond the end is at the end.
func offset(t string, count int) (int, error) {
	if t == "" {
		return 0, nil
	}
	_, digits, ok := strings.Cut(t, "/")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 {
		return 0, core.Errorf("InvalidParameterException", "The specified nextToken is invalid.")
	}
	return min(n, count), nil
}
