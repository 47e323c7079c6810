package vendor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	version "github.com/hashicorp/go-version"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// tool is what does the work.
type tool struct {
	binary    tofu.Binary
	dialect   tofu.Dialect
	providers tofu.Providers
}

// constraintPath is where a template says which version of the tool it wants.
const constraintPath = "spec.provider.version"

// tool finds the tool without waiting for one. A problem means that the code is not given to any.
func (v *Vendor) tool(ctx context.Context, req Request, walk bundle.Walk) (*tool, *bundle.Problem, error) {
	binary, providers, why, err := v.find(ctx, req.Terraform, needsProviders(walk))
	if err != nil {
		return nil, nil, err
	}
	product := tofu.KindTofu.Product()
	if req.Terraform {
		product = tofu.KindTerraform.Product()
	}
	if binary == nil {
		return nil, &bundle.Problem{Severity: bundle.Warning, Message: fmt.Sprintf(
			"the code was not checked with %s because %s; providers are chosen at the first deploy", product, why)}, nil
	}
	t := &tool{
		binary: *binary, dialect: tofu.Dialect{Terraform: req.Terraform, Version: binary.Version}, providers: providers,
	}
	return t, checkConstraint(req.Constraint, *binary), nil
}

func (v *Vendor) find(ctx context.Context, terraform, external bool) (*tofu.Binary, tofu.Providers, string, error) {
	const missing = "it is not installed yet"
	found, providers := v.ready()
	if s := v.tools.Snapshot(); found == nil && s.State != tofu.StateWorking {
		status, err := v.tools.Status(ctx)
		if err != nil {
			return nil, tofu.Providers{}, "", fmt.Errorf("looking for the tool: %w", err)
		}
		found, providers = status.Tofu, status.Providers
	}
	if terraform {
		b, err := v.tools.Terraform(ctx)
		if ctx.Err() != nil {
			return nil, tofu.Providers{}, "", ctx.Err()
		}
		if err != nil {
			e := tofu.AsError(err)
			return nil, tofu.Providers{}, fmt.Sprintf("there is none on this server (%s)", e.Cause), nil
		}
		found = &b
	}
	switch {
	case found == nil:
		return nil, tofu.Providers{}, missing, nil
	case providers != nil:
		return found, *providers, "", nil
	case external:
		return nil, tofu.Providers{}, "the providers it uses are not there yet", nil
	}
	return found, tofu.Providers{}, "", nil
}

// ready is what the manager has, which may be the tool without providers.
func (v *Vendor) ready() (*tofu.Binary, *tofu.Providers) {
	s := v.tools.Snapshot()
	if s.Toolchain != nil {
		return &s.Toolchain.Tofu, &s.Toolchain.Providers
	}
	return s.Tofu, nil
}

// needsProviders reports whether a provider that is no part of the tool may be needed.
func needsProviders(walk bundle.Walk) bool {
	remote := slices.ContainsFunc(walk.Calls, func(c bundle.Call) bool { return !c.Local() })
	return remote || slices.ContainsFunc(walk.Modules(), func(m *bundle.Module) bool {
		return slices.ContainsFunc(m.Providers, func(p bundle.Provider) bool { return !strings.HasPrefix(p.Source, "terraform.io/builtin/") }) ||
			slices.ContainsFunc(m.ResourceTypes, func(t string) bool { return !strings.HasPrefix(t, "terraform_") })
	})
}

// checkConstraint compares the tool's version with what the template demands.
func checkConstraint(constraint string, b tofu.Binary) *bundle.Problem {
	if strings.TrimSpace(constraint) == "" {
		return nil
	}
	met, err := meets(b, constraint)
	if err != nil {
		return &bundle.Problem{Severity: bundle.Error, Path: constraintPath, Message: fmt.Sprintf(
			"the version constraint %q cannot be read; write it as in \">= 1.6, < 2\"", constraint)}
	}
	if met {
		return nil
	}
	return &bundle.Problem{Severity: bundle.Error, Path: constraintPath, Message: fmt.Sprintf(
		"the template asks for %s %s, but this server has %s; change the constraint, or install a version that meets it on the server",
		b.Kind.Product(), constraint, b.Version)}
}

// meets reports whether the tool's version fulfils a constraint; an error says that the constraint cannot be read.
func meets(b tofu.Binary, constraint string) (bool, error) {
	want, err := version.NewConstraint(constraint)
	if err != nil {
		return false, err
	}
	have, err := version.NewVersion(b.Version)
	return err == nil && want.Check(have), nil
}

// checkRequired compares the tool's version with what the modules of the source demand in required_version. OpenTofu
// takes what stands in a .tf file as said of Terraform and passes over it, so there it is worth a word and no more.
func checkRequired(walk bundle.Walk, b tofu.Binary) []bundle.Problem {
	var problems []bundle.Problem
	for _, r := range walk.RequiredTool {
		p := bundle.Problem{Severity: bundle.Error, File: r.Pos.File, Line: r.Pos.Line}
		ignored := b.Kind == tofu.KindTofu && !strings.HasSuffix(strings.TrimSuffix(p.File, ".json"), ".tofu")
		met, err := meets(b, r.Constraint)
		switch {
		case err != nil:
			p.Message = fmt.Sprintf("required_version %q cannot be read; write it as in \">= 1.6, < 2\"", r.Constraint)
		case met:
			continue
		case ignored:
			p.Severity = bundle.Warning
			p.Message = fmt.Sprintf("required_version asks for %s, and this server has %s %s; it takes that for a version of Terraform and runs the code nevertheless. "+
				"Put it into a .tofu file if it is meant for OpenTofu", r.Constraint, b.Kind.Product(), b.Version)
		default:
			p.Message = fmt.Sprintf("required_version asks for %s, but this server has %s %s; change it, or install a version that meets it on the server",
				r.Constraint, b.Kind.Product(), b.Version)
		}
		problems = append(problems, p)
	}
	return problems
}
