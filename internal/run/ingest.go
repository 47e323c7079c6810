package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
)

// batch is how many records one transaction takes over at most.
const batch = 64

// follow takes over what a started or adopted attempt reports, until its result. Each transaction writes a batch of
// records together with the offset behind them, so that a server that dies in between repeats nothing.
func (e *Executor) follow(ctx context.Context, st Step, h *runner.Handle, in PrepareInput) error {
	stop := e.running.add(st, h)
	defer e.running.remove(st)
	// The run may have been canceled before anybody listened for it.
	if err := e.checkStops(ctx); err != nil {
		return err
	}
	for {
		result, err := e.take(ctx, &st, h, stop, in)
		switch {
		case errors.Is(err, runner.ErrLost):
			if err := e.salvage(ctx, h, in); err != nil {
				return fmt.Errorf("salvaging step %s: %w", st.ID, err)
			}
			st.lost = true
		case ctx.Err() != nil:
			return nil // the supervisor goes on; the next start adopts it
		case errors.Is(err, errStale):
			return h.Kill(ctx) // another machine has taken over
		case err != nil:
			return fmt.Errorf("following step %s: %w", st.ID, err)
		case result != nil:
			return e.end(ctx, st, *result, in)
		}
	}
}

// salvage makes a lost attempt complete. What must be masked is worked out again, for the attempt's own Spec is gone. What
// that needs may be gone, too, like a config context that was deleted meanwhile: then nothing is shown that could have to be
// masked, and whoever tries the step again is told what is missing.
func (e *Executor) salvage(ctx context.Context, h *runner.Handle, in PrepareInput) error {
	in.Salvaging = true
	lost := runner.SalvageSpec{ResourceID: string(in.Resource.ID), DataKey: in.DataKey}
	spec, err := e.Prepare.Spec(ctx, in)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "what a lost attempt must not show is not known", "step", in.Step.ID, "error", err)
		lost.SecretsUnknown = true
	}
	lost.Secrets = spec.Secrets
	return h.Salvage(ctx, lost)
}

// take reads records until the result, or an error. Asking to stop is passed on once.
func (e *Executor) take(ctx context.Context, st *Step, h *runner.Handle, stop <-chan struct{}, in PrepareInput) (*runner.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	records := make(chan runner.Record, batch)
	var readErr error
	from := st.readOffset
	e.group.Go(func() error {
		defer close(records)
		for rec, err := range h.Records(ctx, from) {
			if err != nil {
				readErr = err
				return nil
			}
			select {
			case records <- rec:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	for {
		select {
		case <-stop:
			if err := h.Stop(ctx); err != nil {
				return nil, err
			}
		case rec, ok := <-records:
			if !ok {
				if readErr == nil {
					readErr = ctx.Err()
				}
				return nil, readErr
			}
			some := []runner.Record{rec}
			for len(some) < batch && len(records) > 0 {
				some = append(some, <-records)
			}
			result, err := e.ingest(ctx, st, some, in)
			if err != nil || result != nil {
				return result, err
			}
		}
	}
}

// ingest writes a batch. A result is not written here: end does that together with what hangs on it, so the offset
// stays before it.
func (e *Executor) ingest(ctx context.Context, st *Step, records []runner.Record, in PrepareInput) (*runner.Result, error) {
	var result *runner.Result
	if last := records[len(records)-1]; last.Kind == runner.KindResult {
		result = last.Result
		records = records[:len(records)-1]
	}
	if len(records) == 0 {
		return result, nil
	}
	next := *st
	err := e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		next = *st
		if err := e.fence(ctx, tx, next); err != nil {
			return err
		}
		for i := range records {
			if err := e.ingestOne(ctx, tx, &next, records[i], in); err != nil {
				return err
			}
		}
		next.readOffset = records[len(records)-1].End
		if err := saveProgress(ctx, tx, next); err != nil {
			return err
		}
		return appendEvent(ctx, tx, in.Run, st.ID, "step.progress", nil)
	})
	if err == nil {
		*st = next
	}
	return result, err
}

// fence refuses to write for an attempt that is no longer the current one.
func (e *Executor) fence(ctx context.Context, tx *db.Tx, st Step) error {
	var current int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM steps WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND status = 'running'`,
		st.ID, st.Attempt, e.Owner).Scan(&current)
	if err != nil {
		return fmt.Errorf("checking the attempt of step %s: %w", st.ID, err)
	}
	if current == 0 {
		return errStale
	}
	return nil
}

func (e *Executor) ingestOne(ctx context.Context, tx *db.Tx, st *Step, rec runner.Record, in PrepareInput) error {
	switch rec.Kind {
	case runner.KindStarted:
		st.Tool = rec.Started.Tool
	case runner.KindPhase:
		if rec.Phase.Status != runner.PhaseStarted {
			return nil
		}
		st.Phase = string(rec.Phase.Phase)
		return insertPhase(ctx, tx, *st, rec)
	case runner.KindObject:
		return upsertObject(ctx, tx, *st, rec)
	case runner.KindJournal:
		if st.Action == ActionApply && !st.touched {
			st.touched = true
			if err := markApplied(ctx, tx, *st); err != nil {
				return err
			}
		}
		return insertJournal(ctx, tx, *st, *rec.Journal)
	case runner.KindState:
		plain, err := e.Runner.ReadState(string(st.ID), st.Attempt, rec.State.Version, in.DataKey)
		if err != nil {
			return fmt.Errorf("reading a state of step %s: %w", st.ID, err)
		}
		return e.Runs.saveState(ctx, tx, *st, *rec.State, plain)
	case runner.KindDiagnostic:
		st.addDiagnostic(Diagnostic{
			Source: rec.Diagnostic.Source, Severity: string(rec.Diagnostic.Severity), Summary: rec.Diagnostic.Summary,
			Detail: rec.Diagnostic.Detail, Address: rec.Diagnostic.Address, File: rec.Diagnostic.File, Line: rec.Diagnostic.Line,
			Try: rec.Diagnostic.Try,
		})
	case runner.KindPlan:
		st.Added, st.Changed, st.Destroyed = rec.Plan.Add, rec.Plan.Change, rec.Plan.Remove
	case runner.KindRepair, runner.KindNotice, runner.KindSealed, runner.KindResult:
		// Repair and notices are told in the log; sealed files are read at the end.
	}
	return nil
}

// end writes an attempt's result and everything that hangs on it in one transaction, then wipes what it left on disk.
func (e *Executor) end(ctx context.Context, st Step, result runner.Result, in PrepareInput) error {
	fin, err := e.collect(ctx, st, result, in)
	if err != nil {
		if ctx.Err() != nil {
			return nil // the next start adopts the finished attempt and comes here again
		}
		return err
	}
	err = e.Runs.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := e.fence(ctx, tx, st); err != nil {
			return err
		}
		return e.Runs.saveEnd(ctx, tx, st, fin)
	})
	if err := ignoreStale(err); err != nil {
		return fmt.Errorf("saving the end of step %s: %w", st.ID, err)
	}
	if err := e.Runner.Settle(ctx, string(st.ID), st.Attempt); err != nil {
		e.Logger.WarnContext(ctx, "wiping an attempt", "step", st.ID, "error", err)
	}
	return nil
}

// ending is what is saved when an attempt has ended.
type ending struct {
	resource Resource
	outcome  Event
	plan     []byte // sealed plan JSON
	log      []chunk
	settled  bool // the newest state holds everything the journal knows
}

func (e *Executor) collect(ctx context.Context, st Step, result runner.Result, in PrepareInput) (ending, error) {
	fin := ending{settled: result.Reconciled, resource: in.Resource}
	outputs, err := e.readOutputs(st, in)
	if err != nil {
		return fin, err
	}
	outcome := StepFinished{Step: st.ID, Attempt: st.Attempt, Outcome: outcomeOf(result), Error: result.Message}
	if st.Action == ActionApply && outcome.Outcome == StepSucceeded {
		if err := probe(ctx, outputs); err != nil {
			if ctx.Err() != nil {
				return fin, ctx.Err()
			}
			outcome.Outcome, outcome.Error = StepFailed, err.Error()
		}
	}
	if st.Action == ActionDestroy && outcome.Outcome == StepSucceeded && (!result.Reconciled || result.Resources > 0) {
		outcome.Outcome = StepFailed
		outcome.Error = "Something of this resource may still exist, so it is not called destroyed. What is in doubt is listed below."
	}
	fin.outcome = outcome
	if st.lost && outcome.Outcome != StepSucceeded {
		fin.outcome = StepLost{Step: st.ID, Attempt: st.Attempt}
	}
	if err := e.updateResource(&fin.resource, st, result, outcome.Outcome, outputs); err != nil {
		return fin, err
	}
	if st.Action == ActionPlan {
		if fin.plan, err = e.readPlan(st, in); err != nil {
			return fin, err
		}
	}
	log, err := e.Runner.OpenLog(ctx, string(st.ID), st.Attempt, 0, false)
	if err != nil {
		return fin, fmt.Errorf("opening the log of step %s: %w", st.ID, err)
	}
	defer log.Close()
	fin.log, err = e.Runs.storeLog(ctx, st, log)
	return fin, err
}

func outcomeOf(result runner.Result) StepStatus {
	switch result.Status {
	case runner.StatusSucceeded:
		return StepSucceeded
	case runner.StatusCanceled:
		return StepCanceled
	case runner.StatusFailed, runner.StatusTimedOut, runner.StatusFenced:
		return StepFailed
	}
	return StepFailed
}

func (e *Executor) updateResource(o *Resource, st Step, result runner.Result, outcome StepStatus, outputs map[string]Output) error {
	if st.Action == ActionPlan {
		return nil
	}
	o.ObjectCount = result.Resources
	o.InDoubt = nil
	for _, open := range result.Open {
		o.InDoubt = append(o.InDoubt, InDoubt{Address: open.Address, Type: open.Type, ID: open.ID, Reason: open.Reason})
	}
	switch {
	case outcome == StepSucceeded && st.Action == ActionDestroy:
		o.Status, o.outputs, o.endpoint = ResourceDestroyed, nil, ""
		return nil
	case outcome == StepSucceeded:
		o.Status = ResourceDeployed
	default:
		o.Status = ResourceFailed
	}
	if outputs == nil {
		return nil
	}
	plain, err := json.Marshal(outputs)
	if err != nil {
		return fmt.Errorf("writing the outputs of resource %s: %w", o.Name, err)
	}
	o.endpoint = endpointOf(outputs)
	o.outputs, err = e.Runs.Keyring.Seal(plain, []byte(o.ID))
	if err != nil {
		return fmt.Errorf("sealing the outputs of resource %s: %w", o.Name, err)
	}
	return nil
}

// readOutputs returns nil when the attempt left no outputs.
func (e *Executor) readOutputs(st Step, in PrepareInput) (map[string]Output, error) {
	plain, err := e.Runner.ReadSealed(string(st.ID), st.Attempt, runner.SealedOutputs, in.DataKey)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the outputs of step %s: %w", st.ID, err)
	}
	var outputs map[string]Output
	if err := json.Unmarshal(plain, &outputs); err != nil {
		return nil, fmt.Errorf("reading the outputs of step %s: %w", st.ID, err)
	}
	return outputs, nil
}

// readPlan returns the plan's JSON sealed for the database, nil when the attempt made no plan.
func (e *Executor) readPlan(st Step, in PrepareInput) ([]byte, error) {
	plain, err := e.Runner.ReadSealed(string(st.ID), st.Attempt, runner.SealedPlanJSON, in.DataKey)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the plan of step %s: %w", st.ID, err)
	}
	return e.Runs.seal(plain, string(st.ID))
}
