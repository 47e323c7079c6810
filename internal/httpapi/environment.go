package httpapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
)

type InProject struct {
	Project string `path:"project"`
}

// InEnvironment, InRun and the like are exported because huma reads the fields of exported embedded structs only.
type InEnvironment struct {
	Project     string `path:"project"`
	Environment string `path:"environment"`
}

func (s *server) projectID(ctx context.Context, name string) (string, error) {
	p, err := s.Projects.Get(ctx, name)
	return string(p.ID), err
}

// find returns the environment a path names.
func (s *server) find(ctx context.Context, in InEnvironment) (environment.Environment, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return environment.Environment{}, err
	}
	return s.Environments.Get(ctx, id, in.Environment)
}

type listEnvironmentsInput struct {
	Project  string `path:"project"`
	Query    string `query:"q" maxLength:"200" doc:"Part of the name, the template's name or the owner's address."`
	Status   string `query:"status" doc:"Statuses, separated by commas."`
	Owner    string `query:"owner"`
	Template string `query:"template"`
	Cursor   string `query:"cursor"`
	Limit    int    `query:"limit" default:"20"`
}

func (s *server) listEnvironments(ctx context.Context, in *listEnvironmentsInput) (api.Page[api.Environment], error) {
	out := api.Page[api.Environment]{Items: []api.Environment{}}
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return out, err
	}
	f := environment.ListFilter{Text: in.Query, Owner: in.Owner, Template: in.Template, After: in.Cursor, Limit: in.Limit}
	for name := range strings.SplitSeq(in.Status, ",") {
		if name != "" {
			f.Statuses = append(f.Statuses, environment.Status(name))
		}
	}
	items, err := s.Environments.List(ctx, id, f)
	if err != nil {
		return out, err
	}
	for i := range items {
		out.Items = append(out.Items, wireEnvironment(items[i]))
	}
	if len(items) == in.Limit {
		out.Next = items[len(items)-1].Name
	}
	return out, nil
}

type createEnvironmentInput struct {
	Project string `path:"project"`
	Key     string `header:"Idempotency-Key" doc:"Any text of your own, at most 200 characters. For 24 hours the same request with the same key returns what the first one made."`
	Body    api.CreateEnvironment
}

func (s *server) createEnvironment(ctx context.Context, in *createEnvironmentInput) (api.Environment, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Environment{}, err
	}
	e, err := s.Environments.Create(ctx, environment.CreateInput{
		ProjectID: id, Name: in.Body.Name, Template: in.Body.Template, Version: in.Body.Version, Inputs: readVariables(in.Body.Variables),
		RequestKey: in.Key,
	})
	return wireEnvironment(e), err
}

func (s *server) getEnvironment(ctx context.Context, in *InEnvironment) (api.Environment, error) {
	e, err := s.find(ctx, *in)
	if err != nil {
		return api.Environment{}, err
	}
	return s.detail(ctx, e)
}

// detail adds what lists leave out.
func (s *server) detail(ctx context.Context, e environment.Environment) (api.Environment, error) {
	out := wireEnvironment(e)
	resources, err := s.Runs.Resources(ctx, e.ProjectID, string(e.ID))
	if err != nil {
		return out, err
	}
	for _, r := range resources {
		w := api.Resource{Name: r.Name, Status: string(r.Status), Objects: r.ObjectCount}
		for _, d := range r.InDoubt {
			w.InDoubt = append(w.InDoubt, api.InDoubt(d))
		}
		out.Resources = append(out.Resources, w)
	}
	if e.LastRun == nil {
		return out, nil
	}
	r, err := s.Runs.Get(ctx, e.LastRun.ID)
	if err != nil {
		return out, err
	}
	last := s.wireRun(r, nil)
	last.Steps = nil
	out.LastRun, out.Cause = &last, last.Cause
	return out, nil
}

type updateEnvironmentInput struct {
	InEnvironment
	IfMatch string `header:"If-Match" doc:"The revision that was edited."`
	Body    api.UpdateEnvironment
}

func (s *server) updateEnvironment(ctx context.Context, in *updateEnvironmentInput) (api.Environment, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Environment{}, err
	}
	change := environment.UpdateInput{Version: in.Body.Version, FollowLatest: in.Body.FollowLatest}
	if in.IfMatch != "" && in.IfMatch != "*" {
		if change.Revision, err = strconv.Atoi(strings.Trim(in.IfMatch, `"`)); err != nil {
			return api.Environment{}, fault.InvalidField("If-Match", "If-Match must be the revision of the environment in quotation marks, for example \"3\".")
		}
	}
	if in.Body.Variables != nil {
		values := readVariables(*in.Body.Variables)
		change.Inputs = &values
		for _, v := range *in.Body.Variables {
			if v.Value == nil {
				change.Keep = append(change.Keep, v.Name)
			}
		}
	}
	e, err := s.Environments.Update(ctx, id, in.Environment, change)
	if err != nil {
		return api.Environment{}, err
	}
	return s.detail(ctx, e)
}

func (s *server) deleteEnvironment(ctx context.Context, in *InEnvironment) (none, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Environments.Delete(ctx, id, in.Environment)
}

func (s *server) deploy(ctx context.Context, in *InEnvironment) (api.Run, error) {
	return s.start(ctx, in, s.Environments.Deploy)
}

func (s *server) plan(ctx context.Context, in *InEnvironment) (api.Run, error) {
	return s.start(ctx, in, s.Environments.Plan)
}

func (s *server) retry(ctx context.Context, in *InEnvironment) (api.Run, error) {
	return s.start(ctx, in, s.Environments.Retry)
}

func (s *server) destroy(ctx context.Context, in *InEnvironment) (api.Run, error) {
	return s.start(ctx, in, s.Environments.Destroy)
}

func (s *server) start(ctx context.Context, in *InEnvironment, verb func(ctx context.Context, projectID, name string) (run.Run, error)) (api.Run, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Run{}, err
	}
	r, err := verb(ctx, id, in.Environment)
	return s.wireRun(r, nil), err
}

func (s *server) outputs(ctx context.Context, in *InEnvironment) (api.Outputs, error) {
	e, err := s.find(ctx, *in)
	if err != nil {
		return nil, err
	}
	outputs, err := s.Runs.Outputs(ctx, e.ProjectID, string(e.ID))
	if err != nil {
		return nil, err
	}
	out := api.Outputs{}
	for resource, values := range outputs {
		out[resource] = map[string]api.Output{}
		for name, v := range values {
			out[resource][name] = api.Output(v)
		}
	}
	return out, nil
}

func wireEnvironment(e environment.Environment) api.Environment {
	out := api.Environment{
		ID: string(e.ID), Project: e.ProjectName, Name: e.Name, UniqueName: e.UniqueName, Template: e.Template.Name, Version: e.Template.Version, FollowLatest: e.FollowLatest,
		Status: string(e.Status), StatusSince: e.StatusSince, Endpoint: e.Endpoint, Owner: e.OwnerEmail, Sandbox: e.Sandbox,
		Revision: e.Revision, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, DeployedAt: timeOrNil(e.DeployedAt),
	}
	for _, in := range e.Inputs {
		v := api.Variable{Name: in.Name, ValueType: string(in.ValueType), Sensitive: e.Hidden[in.Name]}
		if v.ValueType == "" {
			v.ValueType = string(template.Text)
		}
		if !v.Sensitive {
			v.Value = &in.Value
		}
		out.Variables = append(out.Variables, v)
	}
	return out
}

func readVariables(in []api.Variable) []template.Value {
	out := make([]template.Value, 0, len(in))
	for _, v := range in {
		value := template.Value{Name: v.Name, ValueType: template.ValueType(v.ValueType)}
		if v.Value != nil {
			value.Value = *v.Value
		}
		out = append(out, value)
	}
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
