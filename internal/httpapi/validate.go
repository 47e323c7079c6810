package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
)

// ask makes a route of a question that comes with a body: it makes nothing, so it does not answer that it did.
func ask[In, Out any](path string, p authz.Permission, tag, summary string, h func(*server, context.Context, *In) (Out, error)) route {
	r := newRoute(http.MethodPost, path, p, tag, summary)
	r.add = func(a huma.API, s *server) {
		huma.Register(a, r.operation(a), func(ctx context.Context, in *In) (*body[Out], error) {
			v, err := h(s, ctx, in)
			if err != nil {
				return nil, s.refuse(ctx, err)
			}
			return &body[Out]{v}, nil
		})
	}
	return r
}

type validateInput struct {
	InTemplateVersion
	Body api.ValidateInputs
}

// validateInputs says what a deploy with these values would refuse.
func (s *server) validateInputs(ctx context.Context, in *validateInput) (api.InputsVerdict, error) {
	out := api.InputsVerdict{Valid: true, Fields: []api.InputError{}, Warnings: []string{}}
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return out, err
	}
	version, err := s.Templates.Find(ctx, id, in.Template, in.Version)
	if err != nil {
		return out, err
	}
	values := readVariables(in.Body.Variables)
	out.Warnings = append(out.Warnings, version.Warnings(values)...)
	wrong, ok := fault.As(version.Validate(values))
	if !ok {
		return out, nil
	}
	out.Valid = false
	for _, f := range wrong.Fields {
		out.Fields = append(out.Fields, api.InputError{Path: f.Path, Message: f.Message})
	}
	return out, nil
}
