package api

import (
	"context"
	"net/http"
)

// ValidateInputs asks whether values fit a template version, before an environment is made with them.
type ValidateInputs struct {
	Variables []Variable `json:"variables" maxItems:"500" doc:"Values of the inputs; what is left out has the default of the template."`
}

// InputsVerdict is what is wrong with values, if anything is.
type InputsVerdict struct {
	Valid    bool         `json:"valid" doc:"An environment with these values can be deployed."`
	Fields   []InputError `json:"fields" doc:"One for each value, or part of a value, that is wrong or missing."`
	Warnings []string     `json:"warnings" doc:"Values that are accepted and have no effect."`
}

// InputError names one wrong value.
type InputError struct {
	Path    string `json:"path" example:"rules[1].port" doc:"Name of the input, with the way to the part that is wrong."`
	Message string `json:"message" doc:"What it must be."`
}

// ValidateInputs checks values against a template version, as a deploy would, and makes nothing.
func (c *Client) ValidateInputs(ctx context.Context, project, template, version string, in ValidateInputs) (InputsVerdict, error) {
	var out InputsVerdict
	err := c.do(ctx, http.MethodPost, path("projects", project, "templates", template, "versions", version, "validate"), in, &out)
	return out, err
}
