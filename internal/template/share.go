package template

import "context"

// Kind is the kind of a template.
type Kind string

// The kinds of template.
const (
	KindResourceTemplates    Kind = "resource_template"
	KindEnvironmentTemplates Kind = "environment_template"
)

// Shares tells with whom a template is shared: project ids, or Everyone.
func (s *Service) Shares(ctx context.Context, k Kind, projectID, name string) ([]string, error) {
	return nil, nil
}
