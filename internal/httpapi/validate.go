package httpapi

import (
	"context"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
)

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
