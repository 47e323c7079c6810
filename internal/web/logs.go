package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/web/views"
)

const (
	// linesShown is how many lines of a log a page holds; the ones before come when asked for.
	linesShown = 1000
	// linesAtOnce bounds one event of a log that is followed.
	linesAtOnce = 200
	maxLine     = 64 << 10
)

// place is where a reader of a log stands: behind this many bytes and lines of an attempt's log.
type place struct {
	resource string
	attempt  int
	offset   int64
	line     int
}

// String and readPlace carry a place in the id of an event.
func (p place) String() string {
	return fmt.Sprintf("%s/%d/%d/%d", url.PathEscape(p.resource), p.attempt, p.offset, p.line)
}

func readPlace(text string) (place, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return place{}, false
	}
	resource, err0 := url.PathUnescape(parts[0])
	attempt, err1 := strconv.Atoi(parts[1])
	offset, err2 := strconv.ParseInt(parts[2], 10, 64)
	line, err3 := strconv.Atoi(parts[3])
	if errors.Join(err0, err1, err2, err3) != nil || offset < 0 || line < 0 || attempt < 0 {
		return place{}, false
	}
	return place{resource, attempt, offset, line}, true
}

// lineReader reads a log line by line and knows where it stands. Only whole lines are given out until the log ends.
type lineReader struct {
	in *bufio.Reader
	at place
}

func newLineReader(src io.Reader, at place) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(src, maxLine), at: at}
}

// next returns the next line. At the end of the log it returns what stands behind the last line break, if whole is false,
// and then io.EOF. A line longer than any screen is cut into several.
func (l *lineReader) next(whole bool) (views.LogLine, error) {
	raw, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(raw) == 0 || whole) {
		return views.LogLine{}, err
	}
	l.at.offset += int64(len(raw))
	l.at.line++
	text := plainLine(string(bytes.TrimRight(raw, "\r\n")))
	return views.LogLine{Number: l.at.line, Text: text, Level: lineLevel(text)}, nil
}

// escapes are the colours and movements of a terminal.
var escapes = regexp.MustCompile("\x1b(\\[[0-9;?]*[A-Za-z]|\\][^\x07]*\x07)")

func plainLine(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(escapes.ReplaceAllString(s, ""), "\x00", ""), "\uFFFD")
}

var (
	errorLine = regexp.MustCompile(`^[│╷\s]*Error:|^Error\b|\bERROR\b|: (Creation|Modifications|Destruction) errored`)
	warnLine  = regexp.MustCompile(`^[│╷\s]*Warning:|\bWARN(ING)?\b`)
	goodLine  = regexp.MustCompile(`: (Creation|Modifications|Destruction|Import|Read) complete\b|^(Apply|Destroy) complete!`)
)

// lineLevel says how a line is drawn.
func lineLevel(s string) string {
	switch {
	case errorLine.MatchString(s):
		return "error"
	case warnLine.MatchString(s):
		return "warn"
	case goodLine.MatchString(s):
		return "good"
	}
	return ""
}

// tail reads what is there of a step's log and keeps the last lines before the line with this number; 0 is the end.
func (s *server) tail(ctx context.Context, st run.Step, before int) (lines []views.LogLine, at place, err error) {
	at = place{resource: st.Resource, attempt: st.Attempt}
	if st.Attempt == 0 {
		return nil, at, nil
	}
	src, err := s.Runs.OpenLog(ctx, st.ID, st.Attempt, 0, false)
	if errors.Is(err, run.ErrNoLog) {
		return nil, at, nil
	}
	if err != nil {
		return nil, at, err
	}
	defer src.Close()
	in := newLineReader(src, at)
	for before == 0 || in.at.line < before-1 {
		line, err := in.next(!st.Status.Ended())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, at, fmt.Errorf("reading the log of %s: %w", st.Resource, err)
		}
		if len(lines) >= 2*linesShown {
			lines = append(lines[:0], lines[linesShown:]...)
		}
		lines = append(lines, line)
	}
	return lines[max(0, len(lines)-linesShown):], in.at, nil
}

// stepToShow is the step whose log a reader wants to see: the one asked for, else the one that failed, that runs, or that
// ran last.
func stepToShow(r run.Run, asked string) *run.Step {
	var best *run.Step
	rank := func(st *run.Step) int {
		switch st.Status {
		case run.StepFailed:
			return 3
		case run.StepRunning:
			return 2
		case run.StepSucceeded, run.StepCanceled:
			return 1
		case run.StepPending, run.StepReady, run.StepSkipped:
		}
		return 0
	}
	for i := range r.Steps {
		st := &r.Steps[i]
		if st.Resource == asked {
			return st
		}
		if best == nil || rank(st) > rank(best) || rank(st) == rank(best) && rank(st) > 0 && st.StartedAt.After(best.StartedAt) {
			best = st
		}
	}
	return best
}

// logView is the log panel of a run with the last lines of one step.
func (s *server) logView(ctx context.Context, f runFacts, asked string) (views.Log, place, error) {
	st := stepToShow(f.Run, asked)
	if st == nil {
		return views.Log{Live: !f.Status.Ended()}, place{}, nil
	}
	lines, at, err := s.tail(ctx, *st, 0)
	if err != nil {
		return views.Log{}, at, err
	}
	v := views.Log{Current: st.Resource, Lines: lines, Live: !f.Status.Ended()}
	for _, other := range f.Steps {
		v.Steps = append(v.Steps, views.LogStep{Name: other.Resource, URL: f.logURL(other.Resource), Current: other.Resource == st.Resource})
	}
	if st.Attempt > 0 {
		v.RawURL = f.url() + "/log/" + url.PathEscape(st.Resource)
		v.DownloadURL = v.RawURL + "?download=1"
	}
	if len(lines) > 0 {
		v.EarlierURL = earlierURL(v.RawURL, lines[0].Number)
	}
	return v, at, nil
}

func earlierURL(raw string, first int) string {
	if first <= 1 {
		return ""
	}
	return fmt.Sprintf("%s/earlier?before=%d", raw, first)
}

// stepOf finds the step that the address names.
func (s *server) stepOf(r *http.Request) (runFacts, run.Step, error) {
	_, f, err := s.findRun(r)
	if err != nil {
		return f, run.Step{}, err
	}
	for _, st := range f.Steps {
		if st.Resource == r.PathValue("step") {
			return f, st, nil
		}
	}
	return f, run.Step{}, fault.New(fault.NotFound, "step_not_found", "Run %d has no step %q.", f.Number, r.PathValue("step"))
}

// rawLog is a step's log as the tool wrote it.
func (s *server) rawLog(w http.ResponseWriter, r *http.Request) error {
	f, st, err := s.stepOf(r)
	if err != nil {
		return err
	}
	src, err := s.Runs.OpenLog(r.Context(), st.ID, st.Attempt, 0, false)
	if err != nil {
		return err
	}
	defer src.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Query().Has("download") {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s-run-%d-%s.log", r.PathValue("environment"), f.Number, st.Resource)))
	}
	if _, err := io.Copy(w, src); err != nil && r.Context().Err() == nil {
		s.Logger.WarnContext(r.Context(), "sending a log", "step", st.ID, "error", err)
	}
	return nil
}

// earlierLog is the lines before those that a page holds.
func (s *server) earlierLog(w http.ResponseWriter, r *http.Request) error {
	f, st, err := s.stepOf(r)
	if err != nil {
		return err
	}
	before, err := strconv.Atoi(r.URL.Query().Get("before"))
	if err != nil || before < 1 {
		return fault.InvalidField("before", "must be the number of a line")
	}
	lines, _, err := s.tail(r.Context(), st, before)
	if err != nil {
		return err
	}
	next := ""
	if len(lines) > 0 {
		next = earlierURL(f.url()+"/log/"+url.PathEscape(st.Resource), lines[0].Number)
	}
	return render(w, r, http.StatusOK, LogEarlier(next, lines))
}

// followLog hands on the lines of a log behind a place as they are written, until the attempt has ended. Each batch comes
// with the place behind it.
func (s *server) followLog(ctx context.Context, st run.Step, from place, send func(lines []views.LogLine, at place) error) error {
	src, err := s.Runs.OpenLog(ctx, st.ID, from.attempt, from.offset, true)
	if errors.Is(err, run.ErrNoLog) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.Close()
	in := newLineReader(src, from)
	var lines []views.LogLine
	for {
		line, err := in.next(false)
		if err == nil {
			lines = append(lines, line)
		}
		if len(lines) > 0 && (err != nil || len(lines) >= linesAtOnce || !in.buffered()) {
			if err := send(lines, in.at); err != nil {
				return err
			}
			lines = nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// buffered reports whether another whole line is there without waiting.
func (l *lineReader) buffered() bool {
	peek, _ := l.in.Peek(l.in.Buffered())
	return bytes.IndexByte(peek, '\n') >= 0
}
