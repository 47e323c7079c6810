package runner

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/tofu"
)

// phaseClock knows which phase is under way.
type phaseClock struct {
	now   Phase
	since time.Time
}

// enter ends the phase that is under way as succeeded and begins another one. Log text of the old phase is written
// out first, so that offsets part the log cleanly.
func (s *supervisor) enter(p Phase) error {
	if err := s.leave(PhaseSucceeded); err != nil {
		return err
	}
	s.phase = phaseClock{now: p, since: time.Now()}
	_, err := s.rec.add(false, Record{Kind: KindPhase, Phase: &PhaseChange{Phase: p, Status: PhaseStarted, LogOffset: s.log.offset()}})
	return err
}

// leave ends the phase that is under way.
func (s *supervisor) leave(status PhaseStatus) error {
	if s.phase.now == "" {
		return nil
	}
	rec := Record{Kind: KindPhase, Phase: &PhaseChange{Phase: s.phase.now, Status: status, LogOffset: s.log.offset(),
		Millis: time.Since(s.phase.since).Milliseconds()}}
	s.phase = phaseClock{}
	_, err := s.rec.add(false, rec)
	return err
}

// progress follows what the tool says it does.
type progress struct {
	started map[string]tofu.Hook // by address; not finished yet
	errored map[string]ObjectEvent
	first   *Diagnostic // the first error, which the result quotes
}

// onEvents turns a batch of events into records. Journal entries are on disk before it returns.
func (s *supervisor) onEvents(lines [][]byte) error {
	var recs []Record
	durable := false
	for _, line := range lines {
		e, err := tofu.ParseEvent(line)
		if err != nil {
			continue // a tool may print other things; the log has them
		}
		for _, r := range s.recordsOf(e) {
			durable = durable || r.Kind == KindJournal
			recs = append(recs, r)
		}
		if next, ok := s.phaseAfter(e); ok && next != s.phase.now {
			// Records so far belong to the phase that ends.
			if _, err := s.rec.add(durable, recs...); err != nil {
				return err
			}
			recs, durable = nil, false
			if err := s.enter(next); err != nil {
				return err
			}
		}
	}
	if len(recs) == 0 {
		return nil
	}
	_, err := s.rec.add(durable, recs...)
	return err
}

// phaseAfter finds the border between planning and applying in what one apply process reports.
func (s *supervisor) phaseAfter(e tofu.Event) (Phase, bool) {
	if s.spec.Action == ActionPlan || s.phase.now != PhasePlan {
		return "", false
	}
	return PhaseApply, e.Type == tofu.EventChangeSummary && e.Summary.Operation == "plan"
}

func (s *supervisor) recordsOf(e tofu.Event) []Record {
	switch e.Type {
	case tofu.EventPlannedChange:
		s.changes = s.changes || (e.Change.Action != "noop" && e.Change.Action != "read")
		return []Record{s.objectRecord(e.Change, ObjectPlanned)}
	case tofu.EventDrift:
		s.changes = s.changes || s.spec.PlanMode == PlanRefreshOnly
		return []Record{s.objectRecord(e.Change, ObjectDrifted)}
	case tofu.EventChangeSummary:
		return []Record{{Kind: KindPlan, Plan: &PlanSummary{Add: e.Summary.Add, Change: e.Summary.Change,
			Remove: e.Summary.Remove, Import: e.Summary.Import, Forget: e.Summary.Forget, Applied: e.Summary.Operation != "plan"}}}
	case tofu.EventApplyStart:
		s.progress.start(*e.Hook)
		s.application.started(e.Hook)
		return s.objectRecords(e.Hook, ObjectStarted, JournalStart)
	case tofu.EventApplyComplete:
		s.progress.end(e.Hook)
		s.application.ended(e.Hook, false)
		return s.objectRecords(e.Hook, ObjectFinished, JournalFinish)
	case tofu.EventApplyErrored:
		s.progress.end(e.Hook)
		s.application.ended(e.Hook, true)
		recs := s.objectRecords(e.Hook, ObjectErrored, JournalError)
		s.progress.erred(*recs[0].Object)
		return recs
	case tofu.EventDiagnostic:
		return s.diagnosticRecords(e.Diag)
	case tofu.EventVersion, tofu.EventLog, tofu.EventOutputs, tofu.EventApplyProgress, tofu.EventRefreshStart,
		tofu.EventRefreshComplete, tofu.EventProvisionOutput:
	default:
	}
	return nil
}

func (p *progress) start(h tofu.Hook) {
	if p.started == nil {
		p.started = map[string]tofu.Hook{}
	}
	p.started[startKey(&h)] = h
}

// startKey keeps apart the two halves of a replacement, which may be under way at the same time.
func startKey(h *tofu.Hook) string { return h.Action + " " + h.Resource.Addr }

// end completes a hook from its start: a delete names its id only there.
func (p *progress) end(h *tofu.Hook) {
	if before, ok := p.started[startKey(h)]; ok {
		delete(p.started, startKey(h))
		if h.IDValue == "" && h.Action == "delete" {
			h.IDKey, h.IDValue = before.IDKey, before.IDValue
		}
	}
}

func (p *progress) erred(o ObjectEvent) {
	if p.errored == nil {
		p.errored = map[string]ObjectEvent{}
	}
	p.errored[o.Address] = o
}

func (s *supervisor) objectRecord(h *tofu.Hook, status ObjectStatus) Record {
	return Record{Kind: KindObject, Object: &ObjectEvent{
		Address: s.mask.text(h.Resource.Addr), Type: h.Resource.ResourceType, Name: h.Resource.ResourceName,
		Action: objectAction(h.Action), Status: status, ID: s.mask.text(h.IDValue), Millis: int64(h.Elapsed * 1000),
	}}
}

func objectAction(a string) ObjectAction {
	if a == "remove" {
		return ObjectForget
	}
	return ObjectAction(a)
}

// objectRecords is an object's progress and its journal entry. Reading changes nothing, so it leaves none.
func (s *supervisor) objectRecords(h *tofu.Hook, status ObjectStatus, op JournalOp) []Record {
	recs := []Record{s.objectRecord(h, status)}
	if action := objectAction(h.Action); action != ObjectRead && action != ObjectNoop {
		entry := JournalEntry{Attempt: s.spec.Attempt, Op: op, Action: action, Address: h.Resource.Addr,
			Type: h.Resource.ResourceType, Provider: h.Resource.Provider, ID: h.IDValue}
		if op == JournalStart && action == ObjectCreate && s.states != nil {
			entry.PriorID, _ = s.states.objectAt(h.Resource.Addr)
		}
		s.ledger.add(entry)
		recs = append(recs, Record{Kind: KindJournal, Journal: s.sealEntry(entry)})
	}
	return recs
}

// sealEntry hides an id that contains a secret.
func (s *supervisor) sealEntry(e JournalEntry) *JournalEntry {
	if e.ID != "" && s.mask.text(e.ID) != e.ID {
		if sealed, err := seal(s.spec.DataKey, []byte(e.ID), "journal "+e.Address); err == nil {
			e.SealedID, e.ID = sealed, ""
		}
	}
	e.PriorID = s.mask.text(e.PriorID)
	return &e
}

func (s *supervisor) diagnosticRecords(d *tofu.Diagnostic) []Record {
	out := &Diagnostic{Severity: Severity(d.Severity), Summary: s.mask.text(d.Summary), Detail: s.mask.text(d.Detail),
		Address: s.mask.text(d.Address)}
	if d.Range != nil {
		out.File, out.Line = d.Range.Filename, d.Range.Start.Line
	}
	if d.Snippet != nil {
		out.Snippet = s.mask.text(d.Snippet.Code)
	}
	recs := []Record{{Kind: KindDiagnostic, Diagnostic: out}}
	if out.Severity != SeverityError {
		return recs
	}
	if s.progress.first == nil {
		s.progress.first = out
	}
	if o, ok := s.progress.errored[out.Address]; ok {
		o.Diagnostic = out
		recs = append(recs, Record{Kind: KindObject, Object: &o})
	}
	return recs
}

// eventText is what a person reads of an event, for tools that print events only.
func eventText(line []byte) string {
	e, err := tofu.ParseEvent(line)
	if err != nil {
		return string(line)
	}
	if e.Type != tofu.EventDiagnostic {
		if e.Message == "" {
			return ""
		}
		return e.Message + "\n"
	}
	title := "Warning"
	if e.Diag.Severity == string(SeverityError) {
		title = "Error"
	}
	text := fmt.Sprintf("\n%s: %s\n\n", title, e.Diag.Summary)
	if e.Diag.Range != nil {
		text += fmt.Sprintf("  on %s line %d", e.Diag.Range.Filename, e.Diag.Range.Start.Line)
		if e.Diag.Address != "" {
			text += ", in " + e.Diag.Address
		}
		text += "\n\n"
	}
	if e.Diag.Detail != "" {
		text += e.Diag.Detail + "\n\n"
	}
	return text
}

// sealJSON stores v, encrypted, under a name and records it.
func (s *supervisor) sealJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.sealFile(name, b)
}

func (s *supervisor) sealFile(name string, data []byte) error {
	sealed, err := seal(s.spec.DataKey, data, "file "+name)
	if err != nil {
		return err
	}
	if err := writeFileDurably(s.dir.path(dirSealed, name), sealed, 0o600); err != nil {
		return err
	}
	_, err = s.rec.add(true, Record{Kind: KindSealed, Sealed: &SealedFile{Name: name, Bytes: len(data)}})
	return err
}
