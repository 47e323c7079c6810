package environment

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// latest returns the version of its template that was activated last. Where there is none any more, or none for this project,
// an environment keeps the version it has.
func (s *Service) latest(ctx context.Context, e Environment) (*template.Compiled, error) {
	version, err := s.Templates.Latest(ctx, e.ProjectID, template.EnvironmentTemplateID(e.Template.ID))
	if errors.Is(err, template.ErrNoVersion) {
		return s.current(ctx, e)
	}
	return version, err
}

// current returns the version an environment has, in whatever state it is.
func (s *Service) current(ctx context.Context, e Environment) (*template.Compiled, error) {
	return s.Templates.Load(ctx, e.ProjectID, template.EnvironmentVersionID(e.Template.VersionID))
}

// next returns the version that a deploy uses: the latest for an environment that follows its template. Its inputs must fit.
func (s *Service) next(ctx context.Context, e Environment) (*template.Compiled, error) {
	if !e.FollowLatest {
		return s.current(ctx, e)
	}
	version, err := s.latest(ctx, e)
	if err != nil {
		return nil, err
	}
	if refTo(version).VersionID == e.Template.VersionID {
		return version, nil
	}
	return version, unfit(version, e, s.fits(version, e))
}

func (s *Service) fits(version *template.Compiled, e Environment) error {
	if e.DeployedInputs != nil && e.Status != StatusDestroyed {
		return version.ValidateChange(e.DeployedInputs, e.Inputs)
	}
	return version.Validate(e.Inputs)
}

// unfit says which inputs the latest version does not take, and how to stay with the one before.
func unfit(version *template.Compiled, e Environment, err error) error {
	if err == nil {
		return nil
	}
	wrong, ok := fault.As(err)
	if !ok {
		return err
	}
	return &fault.Error{
		Kind: wrong.Kind, Code: ErrLatest.Code, Fields: wrong.Fields, Err: err,
		Message: fmt.Sprintf("This environment follows template %s, whose latest version %s does not take its inputs as they are: %s. "+
			"Change the inputs, or name version %s to stay with it.", e.Template.Name, version.Version.Version, wrong.Message, e.Template.Version),
	}
}
