package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthdev/berth/internal/tofu"
)

const filePlan = "plan.bin" // in work

// work carries the step out. Its error is how the step failed.
func (s *supervisor) work(ctx context.Context) error {
	s.ledger = newLedger()
	for _, e := range s.spec.Journal {
		if len(e.SealedID) > 0 {
			id, err := unseal(s.spec.DataKey, e.SealedID, "journal "+e.Address)
			if err != nil {
				return fail("journal_unreadable", "an entry of the journal cannot be read", err)
			}
			e.ID = string(id)
		}
		s.ledger.add(e)
	}
	root, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	if err := s.repair(ctx, root); err != nil {
		return err
	}
	if s.spec.Action == ActionPlan {
		return s.plan(ctx, root)
	}
	if err := s.apply(ctx, root); err != nil {
		return err
	}
	if s.spec.Action == ActionDestroy {
		return nil
	}
	return s.outputs(ctx, root)
}

// prepare makes the private working directory and returns the root module's folder in it.
func (s *supervisor) prepare(ctx context.Context) (string, error) {
	if err := s.enter(PhaseFetch); err != nil {
		return "", err
	}
	s.buildEnv()
	if s.spec.Backend == BackendSystem {
		st, err := newStateServer(s)
		if err != nil {
			return "", err
		}
		s.states = st
	}
	if err := s.takeWarm(ctx); err != nil {
		return "", err
	}
	s.hide()
	root, err := moduleRoot(s.dir.path(dirWork, dirModule), s.spec.Bundle.Dir)
	if err != nil {
		return "", err
	}
	if err := s.furnish(root); err != nil {
		return "", err
	}
	if s.spec.Backend == BackendCustom {
		// The backend's own settings and credentials are the environment's, so this part cannot be shared.
		return root, s.initialise(ctx, toolRun{dir: root}, true)
	}
	s.env = append(s.env, s.states.env("/state")...)
	if missing := s.missingProvider(root); missing != "" {
		s.notice("cold_init", "the state needs the provider "+missing+", which the code no longer names; the module is initialised again")
		return root, s.coldInit(ctx, root)
	}
	return root, nil
}

// hide makes the thread that starts tools from here on, in the mount namespace where one may be had. It comes this late
// because only now it is known which initialised directory has to stay visible.
func (s *supervisor) hide() {
	nest, err := newLauncher(func() error { return enterNamespace(s.Hide, s.keeps()) })
	if err != nil {
		// That thread may see half of what it should; it is used for nothing.
		s.nest = s.outside
		s.notice("isolation", "no mount namespace: "+err.Error())
		return
	}
	s.nest = nest
	s.notice("isolation", "mount namespace")
}

// missingProvider names a provider that the state needs (to delete what the code no longer has) and the warm directory
// lacks.
func (s *supervisor) missingProvider(root string) string {
	parsed, _, _ := s.states.current()
	b, err := os.ReadFile(filepath.Join(root, ".terraform.lock.hcl"))
	locked := ""
	if err == nil {
		locked = string(b)
	}
	for _, p := range parsed.Providers() {
		if !strings.HasPrefix(p, "terraform.io/builtin/") && !strings.Contains(locked, `provider "`+p+`"`) {
			return p
		}
	}
	return ""
}

// coldInit initialises the private directory with the real state. The link to the shared providers goes first, so that
// nothing is written through it.
func (s *supervisor) coldInit(ctx context.Context, root string) error {
	if err := os.Remove(filepath.Join(root, ".terraform", "providers")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return s.initialise(ctx, toolRun{dir: root}, true)
}

// freshEvents empties the events file before the tool is started, so that it can be watched from the beginning.
func (s *supervisor) freshEvents() error {
	return os.WriteFile(s.dir.path(dirWork, fileEvents), nil, 0o600)
}

// runChange runs one plan or apply and follows its events.
func (s *supervisor) runChange(ctx context.Context, root string, args []string) (int, error) {
	if err := s.freshEvents(); err != nil {
		return -1, err
	}
	code, err := s.run(ctx, toolRun{args: args, dir: root, onEvents: s.onEvents, fromOutput: !s.dialect.EventsInto()})
	s.exit = code
	if s.states != nil {
		s.states.forgetLock()
	}
	return code, errors.Join(err, s.takeErroredState(root))
}

// takeErroredState keeps the state that the tool could only write to a file.
func (s *supervisor) takeErroredState(root string) error {
	if s.states == nil {
		return nil
	}
	path := filepath.Join(root, "errored.tfstate")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.states.store(data, "errored"); err != nil {
		return err
	}
	return os.Remove(path)
}

func (s *supervisor) apply(ctx context.Context, root string) error {
	first := PhasePlan
	if len(s.spec.SavedPlan) > 0 {
		first = PhaseApply // the plan was made, and maybe approved, before
	}
	if err := s.enter(first); err != nil {
		return err
	}
	c := tofu.Change{Destroy: s.spec.Action == ActionDestroy, VarFile: s.varFile(), Events: s.dir.path(dirWork, fileEvents)}
	if len(s.spec.SavedPlan) > 0 {
		c.SavedPlan = s.dir.path(dirWork, filePlan)
		if err := os.WriteFile(c.SavedPlan, s.spec.SavedPlan, 0o600); err != nil {
			return err
		}
	}
	s.orderly = false
	endWatch := s.watchApplication(ctx)
	code, err := s.runChange(ctx, root, s.dialect.Apply(c))
	endWatch()
	if err == nil && code != 0 {
		err = s.explainFailure(ctx)
	}
	if err != nil {
		s.orderly = errors.Is(err, errStopped)
		return err
	}
	if code >= 0 {
		// A tool that ends by itself has put everything it knows into the state, errors included.
		s.orderly = true
		s.ledger.settleDoubts(s.spec.Attempt)
	}
	if code != 0 {
		what, name := "apply_failed", "applying"
		if s.spec.Action == ActionDestroy {
			what, name = "destroy_failed", "destroying"
		}
		if s.phase.now == PhasePlan {
			what, name = "plan_failed", "planning"
		}
		return fail(what, s.firstError(name), nil)
	}
	return nil
}

// firstError is the message of a failure: why the application does not start where that is known, else the tool's own
// first error where there was one.
func (s *supervisor) firstError(doing string) string {
	if d := s.application.first(); d != nil {
		return d.Summary
	}
	if d := s.progress.first; d != nil {
		text := d.Summary
		if d.Address != "" {
			text = d.Address + ": " + text
		}
		return text
	}
	if s.exit < 0 {
		return doing + ": the tool was ended by a signal"
	}
	return fmt.Sprintf("%s failed with exit code %d; the log tells why", doing, s.exit)
}

func (s *supervisor) plan(ctx context.Context, root string) error {
	if err := s.enter(PhasePlan); err != nil {
		return err
	}
	file := s.dir.path(dirWork, filePlan)
	code, err := s.runChange(ctx, root, s.dialect.Plan(tofu.Change{
		Destroy: s.spec.PlanMode == PlanDestroy, RefreshOnly: s.spec.PlanMode == PlanRefreshOnly,
		VarFile: s.varFile(), Out: file, Events: s.dir.path(dirWork, fileEvents)}))
	if err != nil {
		return err
	}
	if code != 0 {
		return fail("plan_failed", s.firstError("planning"), nil)
	}
	shown, err := s.showPlan(ctx, root, file)
	if err != nil {
		return err
	}
	redacted, err := tofu.RedactPlan(shown, Mark, s.mask.text)
	if err != nil {
		return err
	}
	if err := s.sealFile(SealedPlanJSON, redacted); err != nil {
		return err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return s.sealFile(SealedPlanFile, raw)
}

func (s *supervisor) showPlan(ctx context.Context, root, file string) ([]byte, error) {
	var out bytes.Buffer
	code, err := s.run(ctx, toolRun{args: s.dialect.ShowPlan(file), dir: root, capture: &out})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fail("plan_failed", "the plan cannot be shown; the log tells why", nil)
	}
	return out.Bytes(), nil
}

// outputs stores the output values. They are in the state that lies here already; only a backend of the module's own
// has to be asked.
func (s *supervisor) outputs(ctx context.Context, root string) error {
	if err := s.enter(PhaseOutput); err != nil {
		return err
	}
	var values map[string]tofu.StateOutput
	if s.states != nil {
		parsed, _, _ := s.states.current()
		values = parsed.Outputs
	} else {
		var out bytes.Buffer
		code, err := s.run(ctx, toolRun{args: s.dialect.Outputs(), dir: root, capture: &out})
		if err != nil {
			return err
		}
		if code == 0 {
			err = json.Unmarshal(out.Bytes(), &values)
		}
		if code != 0 || err != nil {
			return fail("outputs_failed", "the outputs cannot be read; the log tells why", err)
		}
	}
	res := make(map[string]Output, len(values))
	for name, v := range values {
		out := Output(v)
		// A module may tell a secret it was given in an output that it does not mark.
		out.Sensitive = out.Sensitive || s.mask.holdsSecret(out.Value)
		res[name] = out
	}
	return s.sealJSON(SealedOutputs, res)
}

// finish writes the result. After it everything the step leaves is on disk and nothing of it runs any more.
func (s *supervisor) finish(failed error) error {
	res := Result{Status: StatusSucceeded, Exit: s.exit, ToolStarts: s.toolStarts, Changes: s.changes, Phase: s.phase.now}
	phase := PhaseSucceeded
	why, _ := s.stop.reason()
	var f *failure
	switch {
	case failed == nil:
		res.Phase = ""
	case why == StatusFailed && s.application.first() != nil:
		res.Status, phase = StatusFailed, PhaseFailed
		res.Code, res.Message = "application_failed", s.application.first().Summary
	case why != "":
		res.Status, phase = why, PhaseCanceled
		res.Code, res.Message = string(why), stopMessage(why, s.spec.Timeouts)
	case errors.As(failed, &f):
		res.Status, phase = StatusFailed, PhaseFailed
		res.Code, res.Message = f.code, s.mask.text(f.Error())
	default:
		res.Status, phase = StatusFailed, PhaseFailed
		res.Code, res.Message = "internal", s.mask.text(failed.Error())
	}
	s.settleState(&res)
	err := s.leave(phase)
	if s.states != nil {
		err = errors.Join(err, s.states.close())
	}
	s.cg.close()
	err = errors.Join(err, s.id.dropTmp())
	err = errors.Join(err, s.log.close())
	// Nothing that could change the resource lives any more and its state is stored, so the lock goes before the result:
	// who reads the result may start the next step at once.
	err = errors.Join(err, s.lock.Close())
	if _, aerr := s.rec.add(true, Record{Kind: KindResult, Result: &res}); aerr != nil {
		err = errors.Join(err, aerr)
	}
	return errors.Join(err, s.rec.close())
}

// settleState tells how the newest state and the journal stand to each other.
func (s *supervisor) settleState(res *Result) {
	res.Open = s.open
	if s.spec.Backend == BackendCustom {
		res.Reconciled = s.orderly
		return
	}
	var parsed *tofu.StateFile
	version := 0
	if s.states != nil {
		parsed, _, version = s.states.current()
	} else if st, err := tofu.ParseState(s.spec.State); err == nil {
		parsed = st // it failed before the tool could be given the state
	} else {
		return
	}
	objects := parsed.Objects()
	res.StateVersion, res.Resources = version, len(objects)
	missing, doubts := s.ledger.compare(objects)
	for _, m := range append(missing, doubts...) {
		if !hasOpen(res.Open, m.address) && !stateOnly(m.typ) {
			res.Open = append(res.Open, RepairEvent{Address: m.address, Type: m.typ, ID: s.mask.text(m.id),
				Outcome: RepairInDoubt, Reason: "its creation was started; whether it exists is found out at the next run"})
		}
	}
	res.Reconciled = s.orderly && len(res.Open) == 0
}

func hasOpen(open []RepairEvent, address string) bool {
	for _, o := range open {
		if o.Address == address {
			return true
		}
	}
	return false
}

func stopMessage(why Status, t Timeouts) string {
	switch why {
	case StatusTimedOut:
		return fmt.Sprintf("the step took longer than %s and was stopped", t.Step)
	case StatusFenced:
		return "the server could not renew the step's lease in time, so the step was stopped"
	case StatusCanceled, StatusFailed, StatusSucceeded:
		return "the step was stopped on request"
	default:
		return "the step was stopped"
	}
}
