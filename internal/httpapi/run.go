package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
)

type InRun struct {
	InEnvironment
	Number int `path:"number" minimum:"1"`
}

// findRun returns the run a path names.
func (s *server) findRun(ctx context.Context, in InRun) (run.Run, error) {
	e, err := s.find(ctx, in.InEnvironment)
	if err != nil {
		return run.Run{}, err
	}
	return s.Runs.GetByNumber(ctx, string(e.ID), in.Number)
}

type listRunsInput struct {
	InEnvironment
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" default:"20"`
}

func (s *server) listRuns(ctx context.Context, in *listRunsInput) (api.Page[api.Run], error) {
	out := api.Page[api.Run]{Items: []api.Run{}}
	e, err := s.find(ctx, in.InEnvironment)
	if err != nil {
		return out, err
	}
	items, err := s.Runs.List(ctx, run.ListFilter{ProjectID: e.ProjectID, EnvironmentID: string(e.ID), Before: run.ID(in.Cursor), Limit: in.Limit})
	if err != nil {
		return out, err
	}
	for i := range items {
		r := s.wireRun(items[i].Run, nil)
		r.Environment = items[i].Environment
		out.Items = append(out.Items, r)
	}
	if len(items) == in.Limit {
		out.Next = string(items[len(items)-1].ID)
	}
	return out, nil
}

func (s *server) getRun(ctx context.Context, in *InRun) (api.Run, error) {
	r, err := s.findRun(ctx, *in)
	if err != nil {
		return api.Run{}, err
	}
	return s.withProgress(ctx, r)
}

func (s *server) withProgress(ctx context.Context, r run.Run) (api.Run, error) {
	progress, err := s.Runs.Progress(ctx, r)
	if err != nil {
		return api.Run{}, err
	}
	return s.wireRun(r, progress), nil
}

func (s *server) getPlan(ctx context.Context, in *InRun) (api.Plan, error) {
	out := api.Plan{Changes: []api.Change{}}
	r, err := s.findRun(ctx, *in)
	if err != nil {
		return out, err
	}
	changes, err := s.Runs.Plan(ctx, r.ID)
	if err != nil {
		return out, err
	}
	for _, c := range changes {
		w := api.Change{Resource: c.Resource, Address: c.Address, Type: c.Type, Action: c.Action}
		for _, a := range c.Attributes {
			w.Attributes = append(w.Attributes, api.AttributeChange(a))
		}
		out.Changes = append(out.Changes, w)
	}
	out.Waiting, err = s.Environments.Unplanned(ctx, r)
	return out, err
}

func (s *server) cancel(ctx context.Context, in *InRun) (api.Run, error) {
	r, err := s.findRun(ctx, *in)
	if err != nil {
		return api.Run{}, err
	}
	r, err = s.Runs.Cancel(ctx, r.ID)
	return s.wireRun(r, nil), err
}

type logInput struct {
	InRun
	Resource string `query:"resource" required:"true"`
	Offset   int64  `query:"offset" doc:"Byte offset to start at."`
	Follow   bool   `query:"follow" doc:"Stay open until the step has ended."`
}

func (s *server) log(ctx context.Context, in *logInput) (func(huma.Context), error) {
	r, err := s.findRun(ctx, in.InRun)
	if err != nil {
		return nil, err
	}
	for _, st := range r.Steps {
		if st.Resource != in.Resource {
			continue
		}
		src, err := s.Runs.OpenLog(ctx, st.ID, 0, in.Offset, in.Follow)
		if err != nil {
			return nil, err
		}
		return func(out huma.Context) {
			defer src.Close()
			to := flushing{out.BodyWriter()}
			to.flush() // a log that is followed may be silent for long
			if _, err := io.Copy(to, src); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "sending a log", "error", err)
			}
		}, nil
	}
	return nil, fault.InvalidField("resource", fmt.Sprintf("Run %d has no step for a resource %q.", r.Number, in.Resource))
}

// runEvents sends the whole run now and after each change, until it has ended. The whole, because a reader that was away
// then has missed nothing.
func (s *server) runEvents(ctx context.Context, in *InRun) (func(huma.Context), error) {
	r, err := s.findRun(ctx, *in)
	if err != nil {
		return nil, err
	}
	return func(out huma.Context) {
		out.SetHeader("Cache-Control", "no-store")
		if err := s.sendRun(ctx, flushing{out.BodyWriter()}, r); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "sending the progress of a run", "error", err)
		}
	}, nil
}

func (s *server) sendRun(ctx context.Context, w io.Writer, r run.Run) error {
	last, err := s.Events.Last(ctx)
	if err != nil {
		return err
	}
	changes := s.Events.Subscribe(event.Filter{AllProjects: true, RunID: string(r.ID)}, last)
	for {
		current, err := s.Runs.Get(ctx, r.ID)
		if err != nil {
			return err
		}
		wire, err := s.withProgress(ctx, current)
		if err != nil {
			return err
		}
		text, err := json.Marshal(wire)
		if err != nil {
			return fmt.Errorf("writing the run: %w", err)
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return err
		}
		if current.Status.Ended() {
			return nil
		}
		if _, err := changes.Next(ctx); err != nil {
			return err
		}
		changes.Drain()
	}
}

func (s *server) wireRun(r run.Run, progress map[run.StepID]run.StepProgress) api.Run {
	out := api.Run{
		ID: string(r.ID), Number: r.Number, Kind: string(r.Kind), Status: string(r.Status), CancelRequested: r.CancelRequested,
		Cause: s.Runs.Cause(r), CreatedBy: r.CreatedByEmail, CreatedAt: r.CreatedAt, StartedAt: timeOrNil(r.StartedAt), FinishedAt: timeOrNil(r.FinishedAt),
	}
	for _, st := range r.Steps {
		w := api.Step{
			ID: string(st.ID), Resource: st.Resource, Action: string(st.Action), Status: string(st.Status), Phase: st.Phase, Attempt: st.Attempt,
			Cause: st.Error, Added: st.Added, Changed: st.Changed, Destroyed: st.Destroyed, Tool: st.Tool,
			StartedAt: timeOrNil(st.StartedAt), FinishedAt: timeOrNil(st.FinishedAt),
		}
		for _, d := range st.Diagnostics {
			w.Diagnostics = append(w.Diagnostics, api.Diagnostic(d))
		}
		for _, o := range progress[st.ID].Objects {
			w.Objects = append(w.Objects, api.Object{
				Address: o.Address, Type: o.Type, Action: o.Action, Status: o.Status, ID: o.ObjectID,
				StartedAt: timeOrNil(o.StartedAt), FinishedAt: timeOrNil(o.FinishedAt),
			})
		}
		out.Steps = append(out.Steps, w)
	}
	return out
}
