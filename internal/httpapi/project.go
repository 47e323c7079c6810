package httpapi

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/project"
)

func (s *server) listProjects(ctx context.Context, _ *none) (api.Page[api.Project], error) {
	out := api.Page[api.Project]{Items: []api.Project{}}
	items, err := s.Projects.List(ctx)
	for _, p := range items {
		out.Items = append(out.Items, wireProject(p))
	}
	return out, err
}

type createProjectInput struct{ Body api.CreateProject }

func (s *server) createProject(ctx context.Context, in *createProjectInput) (api.Project, error) {
	p, err := s.Projects.Create(ctx, project.CreateInput{Name: in.Body.Name, Description: in.Body.Description})
	return wireProject(p), err
}

func wireProject(p project.Project) api.Project {
	return api.Project{ID: string(p.ID), Name: p.Name, Description: p.Description, SharingDelegated: p.SharingDelegated, CreatedAt: p.CreatedAt}
}

type listAuditInput struct {
	Project string `path:"project"`
	Action  string `query:"action"`
	Outcome string `query:"outcome" enum:"succeeded,failed,refused"`
	Cursor  string `query:"cursor"`
	Limit   int    `query:"limit" default:"50"`
}

func (s *server) listAudit(ctx context.Context, in *listAuditInput) (api.Page[api.AuditEntry], error) {
	out := api.Page[api.AuditEntry]{Items: []api.AuditEntry{}}
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return out, err
	}
	page, err := s.Audit.List(ctx, audit.ListFilter{
		ProjectID: id, Action: in.Action, Outcome: audit.Outcome(in.Outcome), Cursor: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return out, err
	}
	for _, e := range page.Entries {
		w := api.AuditEntry{
			ID: string(e.ID), At: e.At, Actor: e.ActorName, Action: e.Action, Object: e.ObjectName, ObjectKind: e.ObjectKind,
			Outcome: string(e.Outcome), Client: string(e.Client.Kind), IP: e.Client.IP,
		}
		if w.Before, err = rawJSON(e.Before); err != nil {
			return out, err
		}
		if w.After, err = rawJSON(e.After); err != nil {
			return out, err
		}
		out.Items = append(out.Items, w)
	}
	out.Next = page.Next
	return out, nil
}

func rawJSON(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing an audit entry: %w", err)
	}
	return text, nil
}
