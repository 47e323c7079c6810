package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/berthdev/berth/internal/tofu"
)

// repair makes the state hold what the journal knows to exist, before any other command runs: an apply would otherwise
// make it a second time, and a destroy would leave it behind.
func (s *supervisor) repair(ctx context.Context, root string) error {
	if s.states == nil {
		return nil
	}
	parsed, _, _ := s.states.current()
	missing, doubts := s.ledger.compare(parsed.Objects())
	if len(missing)+len(doubts) == 0 {
		return nil
	}
	if err := s.enter(PhaseRepair); err != nil {
		return err
	}
	r := &repairer{s: s, root: root}
	r.take(missing, doubts)
	// Each round may make known what the next one needs: a route's import id holds the id of its table.
	for range maxRepairRounds {
		progress, err := r.round(ctx)
		if err != nil {
			return err
		}
		if !progress || len(r.todo) == 0 {
			break
		}
	}
	return r.conclude()
}

const maxRepairRounds = 4

// repairer works off one repair.
type repairer struct {
	s    *supervisor
	root string
	todo []*repairItem
	// planned holds the arguments of objects by address, once a plan was made for it.
	planned map[string]map[string]any
	blocked []string // addresses that exist and could not be taken in
}

type repairItem struct {
	obj    *ledgerObject
	doubt  bool
	reason string // why it could not be done so far
	failed bool   // the import itself failed
}

// take sorts out what needs no work.
func (r *repairer) take(missing, doubts []*ledgerObject) {
	for _, o := range missing {
		r.todo = append(r.todo, &repairItem{obj: o})
	}
	for _, o := range doubts {
		r.todo = append(r.todo, &repairItem{obj: o, doubt: true})
	}
}

// round tries every open item once and says whether one of them was settled.
func (r *repairer) round(ctx context.Context) (bool, error) {
	progress := false
	r.planned = nil
	var left []*repairItem
	for _, it := range r.todo {
		done, err := r.try(ctx, it)
		if err != nil {
			return progress, err
		}
		if done {
			progress = true
		} else {
			left = append(left, it)
		}
	}
	r.todo = left
	return progress, nil
}

func (r *repairer) try(ctx context.Context, it *repairItem) (bool, error) {
	o := it.obj
	if stateOnly(o.typ) || managedDefault(o.typ) {
		return true, r.settle(it, o.id, RepairGone, "nothing of this type exists outside the state")
	}
	if it.doubt {
		return r.tryDoubt(ctx, it)
	}
	importID, ok, err := r.importID(ctx, o.typ, o.address, o.id)
	if err != nil {
		return false, err
	}
	if !ok {
		it.reason = "its import id cannot be told from what is known"
		return false, nil
	}
	return r.tryImport(ctx, it, o.id, importID, RepairImported)
}

// importID is the id `import` wants, which for some types is made of arguments that only a plan tells.
func (r *repairer) importID(ctx context.Context, typ, address, id string) (string, bool, error) {
	if v, ok := importIDFrom(typ, id, nil); ok {
		return v, true, nil
	}
	values, err := r.values(ctx, address)
	if err != nil {
		return "", false, err
	}
	v, ok := importIDFrom(typ, id, values)
	if ok || typ != "aws_ecs_task_definition" {
		return v, ok, nil
	}
	found, err := r.find(ctx, &ledgerObject{typ: typ, address: address, provider: "aws"}, values)
	if err != nil || len(found) == 0 {
		return "", false, nil //nolint:nilerr // what cannot be looked up stays open and is listed
	}
	return found[len(found)-1], true, nil
}

func (r *repairer) tryDoubt(ctx context.Context, it *repairItem) (bool, error) {
	o := it.obj
	values, err := r.values(ctx, o.address)
	if err != nil {
		return false, err
	}
	ids, err := r.find(ctx, o, values)
	switch {
	case errors.Is(err, ErrCannotFind) && r.partOfOurs(o.typ, values):
		if importID, ok := importIDFrom(o.typ, "", values); ok {
			return r.tryImport(ctx, it, importID, importID, RepairAdopted)
		}
		it.reason = "there is no way to look it up"
		return false, nil
	case errors.Is(err, ErrCannotFind):
		it.reason = "there is no way to look it up"
		return false, nil
	case err != nil:
		it.reason = "looking it up: " + err.Error()
		return false, nil
	}
	ids = r.unknown(o, ids)
	switch len(ids) {
	case 0:
		return true, r.settle(it, "", RepairGone, "nothing like it exists")
	case 1:
		importID, ok, err := r.importID(ctx, o.typ, o.address, ids[0])
		if err != nil || !ok {
			it.reason = "it exists as " + ids[0] + ", but its import id cannot be told"
			return false, err
		}
		return r.tryImport(ctx, it, ids[0], importID, RepairAdopted)
	default:
		it.reason = "several objects could be it: " + strings.Join(ids, ", ")
		return false, nil
	}
}

// partOfOurs says whether an object would be part of another one that the state holds. Such a part is told by its
// arguments alone, so that to import it is to look it up, and it is nobody else's.
func (r *repairer) partOfOurs(typ string, values map[string]any) bool {
	arg, ok := partOf(typ)
	if !ok {
		return false
	}
	whole := textOf(values[arg])
	parsed, _, _ := r.s.states.current()
	for _, s := range parsed.Objects() {
		if s.ID == whole && whole != "" {
			return true
		}
	}
	return false
}

// unknown leaves out candidates that the state or the journal holds already: they are some other object, or this one.
func (r *repairer) unknown(o *ledgerObject, ids []string) []string {
	parsed, _, _ := r.s.states.current()
	known := map[string]bool{}
	for _, s := range parsed.Objects() {
		if s.Type == o.typ {
			known[s.ID] = true
		}
	}
	for _, l := range r.s.ledger.live {
		if l.typ == o.typ {
			known[l.id] = true
		}
	}
	var out []string
	for _, id := range ids {
		if !known[id] {
			out = append(out, id)
		}
	}
	return out
}

func (r *repairer) find(ctx context.Context, o *ledgerObject, values map[string]any) ([]string, error) {
	if values == nil {
		return nil, ErrCannotFind
	}
	q := Query{Address: o.address, Type: o.typ, Provider: o.provider, Values: values, UniqueName: r.s.spec.UniqueName, Env: r.s.envMap(), Sandbox: r.s.spec.Sandbox}
	for _, f := range r.s.finders {
		ids, err := f.Find(ctx, q)
		if !errors.Is(err, ErrCannotFind) {
			return ids, err
		}
	}
	return nil, ErrCannotFind
}

// values returns the planned arguments of an object, from a plan that is made once per round.
func (r *repairer) values(ctx context.Context, address string) (map[string]any, error) {
	if r.planned == nil {
		r.planned = map[string]map[string]any{}
		objects, err := r.s.repairPlan(ctx, r.root)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			r.planned[o.Address] = o.After
		}
	}
	return r.planned[address], nil
}

// repairPlan plans what an apply would do and returns the arguments. A plan that fails leaves the questions open that
// need it; it does not end the repair.
func (s *supervisor) repairPlan(ctx context.Context, root string) ([]tofu.PlannedObject, error) {
	file := s.dir.path(dirWork, "repair.plan")
	defer os.Remove(file)
	args := []string{"plan", "-input=false", "-no-color", "-lock=false", "-var-file=" + s.varFile(), "-out=" + file}
	code, err := s.run(ctx, toolRun{args: args, dir: root})
	if err != nil || code != 0 {
		return nil, err
	}
	shown, err := s.showPlan(ctx, root, file)
	if err != nil {
		return nil, err
	}
	return tofu.PlanObjects(shown)
}

// tryImport takes an object into the state. Where the state holds another object under the address, the newer of the
// two stays current and the older one becomes a deposed object, which the tool deletes by itself later on.
func (r *repairer) tryImport(ctx context.Context, it *repairItem, id, importID string, outcome RepairOutcome) (bool, error) {
	o := it.obj
	aside, err := r.setAside(o.address)
	if err != nil {
		return false, err
	}
	code, diags, err := r.runImport(ctx, o.address, importID)
	if err != nil {
		return false, err
	}
	verdict := importVerdict(code, diags)
	if aside != nil {
		older := it.doubt || r.olderThan(o, aside.id)
		if err := r.putBack(o.address, aside, verdict == importTaken, older); err != nil {
			return false, err
		}
	}
	switch verdict {
	case importTaken:
		return true, r.settle(it, id, outcome, "")
	case importGone:
		return true, r.settle(it, id, RepairGone, "it does not exist any more")
	case importImpossible:
		it.reason = "objects of this type cannot be imported"
		return false, nil
	default:
		it.failed, it.reason = true, diags
		return false, nil
	}
}

// olderThan says whether the object under id came before o, so that o stays current.
func (r *repairer) olderThan(o *ledgerObject, id string) bool {
	other := r.s.ledger.live[objectKey{o.address, id}]
	return other == nil || other.order < o.order
}

func (r *repairer) runImport(ctx context.Context, address, id string) (int, string, error) {
	s := r.s
	var first *Diagnostic
	args := s.dialect.Import(s.varFile(), address, id)
	t := toolRun{dir: r.root}
	if s.dialect.EventsInto() {
		if err := s.freshEvents(); err != nil {
			return -1, "", err
		}
		args = append(args[:1:1], append([]string{"-json-into=" + s.dir.path(dirWork, fileEvents)}, args[1:]...)...)
		t.onEvents = func(lines [][]byte) error {
			for _, l := range lines {
				if e, err := tofu.ParseEvent(l); err == nil && e.Type == tofu.EventDiagnostic && e.Diag.Severity == "error" && first == nil {
					first = &Diagnostic{Summary: e.Diag.Summary, Detail: e.Diag.Detail}
				}
			}
			return nil
		}
	}
	var text strings.Builder
	if !s.dialect.EventsInto() {
		t.tee = &text
	}
	t.args = args
	code, err := s.run(ctx, t)
	s.states.forgetLock()
	if err := errors.Join(err, s.takeErroredState(r.root)); err != nil {
		return code, "", err
	}
	if first != nil {
		return code, s.mask.text(first.Summary + ": " + first.Detail), nil
	}
	return code, s.mask.text(text.String()), nil
}

type importOutcome int

const (
	importTaken importOutcome = iota
	importGone
	importImpossible
	importFailed
)

// importVerdict reads the tool's answer. Providers say in their own words that an object is gone; the tool's own
// sentence is the usual one.
func importVerdict(code int, text string) importOutcome {
	low := strings.ToLower(text)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(low, p) {
				return true
			}
		}
		return false
	}
	switch {
	case code == 0, has("already managed"):
		return importTaken
	case has("non-existent remote object", "does not exist", "not found", "notfound", "nosuchentity", "couldn't find resource",
		"empty result", "no association found") && !has("configuration for import target", "in the configuration"):
		return importGone
	case has("doesn't support import", "does not support import", "resource import not implemented"):
		return importImpossible
	default:
		return importFailed
	}
}

// settle records what became of an object.
func (r *repairer) settle(it *repairItem, id string, outcome RepairOutcome, reason string) error {
	o, s := it.obj, r.s
	entry := JournalEntry{Attempt: s.spec.Attempt, Op: JournalSettled, Address: o.address, Type: o.typ, Provider: o.provider}
	if !it.doubt {
		entry.ID = o.id
	}
	s.ledger.add(entry)
	recs := []Record{
		{Kind: KindRepair, Repair: &RepairEvent{Address: o.address, Type: o.typ, ID: s.mask.text(id), Outcome: outcome, Reason: reason}},
		{Kind: KindJournal, Journal: s.sealEntry(entry)},
	}
	_, err := s.rec.add(true, recs...)
	return err
}

// conclude lists what stays open. An object that exists and could not be taken in ends the step: to go on would make
// it a second time, or forget it.
func (r *repairer) conclude() error {
	for _, it := range r.todo {
		o := it.obj
		ev := RepairEvent{Address: o.address, Type: o.typ, ID: r.s.mask.text(o.id), Outcome: RepairInDoubt, Reason: r.s.mask.text(it.reason)}
		if it.failed {
			ev.Outcome = RepairFailed
			r.blocked = append(r.blocked, o.address)
		}
		r.s.open = append(r.s.open, ev)
		if _, err := r.s.rec.add(false, Record{Kind: KindRepair, Repair: &ev}); err != nil {
			return err
		}
	}
	if len(r.blocked) > 0 {
		return fail("repair_failed", fmt.Sprintf(
			"objects that an interrupted attempt made could not be taken into the state: %s; the log tells why, and running again tries again",
			strings.Join(r.blocked, ", ")), nil)
	}
	return nil
}

// instance is an object taken out of a state file for a while.
type instance struct {
	id     string
	raw    map[string]any
	before []byte // the state it was taken out of
}

// setAside takes the current object at an address out of the state, so that another one can be imported there. It is
// nil when there is none.
func (r *repairer) setAside(address string) (*instance, error) {
	id, ok := r.s.states.objectAt(address)
	if !ok {
		return nil, nil
	}
	_, data, _ := r.s.states.current()
	taken := &instance{id: id, before: data}
	out, err := editInstances(data, address, func(list []any) []any {
		for i, x := range list {
			if m, ok := x.(map[string]any); ok && !isDeposed(m) {
				taken.raw = m
				return append(list[:i:i], list[i+1:]...)
			}
		}
		return list
	})
	if err != nil {
		return nil, err
	}
	return taken, r.s.states.store(out, "repair")
}

// putBack returns an object to the state: as it was when nothing was imported, else as the current or as a deposed
// object, whichever of the two is the older one.
func (r *repairer) putBack(address string, aside *instance, imported, asideIsOlder bool) error {
	now, data, _ := r.s.states.current()
	if !imported {
		out, err := withSerial(aside.before, now.Serial+1)
		if err != nil {
			return err
		}
		return r.s.states.store(out, "repair")
	}
	out, err := editInstances(data, address, func(list []any) []any {
		if asideIsOlder {
			if r.s.ledger.gone[objectKey{address, aside.id}] {
				return list // its deletion was finished, so there is nothing to delete later
			}
			aside.raw["deposed"] = deposedKey(aside.id)
			return append(list, aside.raw)
		}
		for _, x := range list {
			if m, ok := x.(map[string]any); ok && !isDeposed(m) {
				m["deposed"] = deposedKey(r.s.spec.StepID + address)
			}
		}
		return append(list, aside.raw)
	})
	if err != nil {
		return err
	}
	return r.s.states.store(out, "repair")
}

func isDeposed(m map[string]any) bool {
	key, _ := m["deposed"].(string)
	return key != ""
}

// envMap is the environment of the step as Finders see it.
func (s *supervisor) envMap() map[string]string {
	m := map[string]string{}
	for _, kv := range s.env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}
