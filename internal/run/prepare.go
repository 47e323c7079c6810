package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
	"github.com/berthdev/berth/internal/tofu"
)

// PreparerDeps is what a Preparer works with.
type PreparerDeps struct {
	Runs      *Service
	Templates *template.Service
	Bundles   *bundle.Store
	Tools     *tofu.Manager
	// Dir gets the configuration file of the tool.
	Dir string
	// AllowBuiltProvider lets real credentials meet a provider that was built for the sandbox.
	AllowBuiltProvider bool
}

// Preparer turns a claimed step into what the runner needs: code, tool, final variables, environment.
type Preparer struct{ PreparerDeps }

// NewPreparer returns a Preparer.
func NewPreparer(d PreparerDeps) *Preparer { return &Preparer{d} }

// Ready blocks until there is an OpenTofu, so that steps which need no provider can start.
func (p *Preparer) Ready(ctx context.Context) error {
	updates, stop := p.Tools.Subscribe()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case snap := <-updates:
			if snap.Tofu != nil || snap.State == tofu.StateReady {
				return nil
			}
		}
	}
}

// Errors of preparing, for users.
var (
	errMissingOutputs = fault.New(fault.Conflict, "outputs_missing", "An output that this resource needs does not exist.")
	errBuiltProvider  = fault.New(fault.Conflict, "provider_sandbox_only", "This server's AWS provider was built from source for the sandbox only. "+
		"To try the environment in the sandbox, give a config context of its template a sandbox (spec.sandbox). For a real account, "+
		"the operator can let the server reach a provider registry, or allow the built provider with --allow-built-provider.")
)

// Spec works out everything an attempt needs. Errors with a kind other than internal are for users.
func (p *Preparer) Spec(ctx context.Context, in PrepareInput) (runner.Spec, error) {
	version, err := p.Templates.Load(ctx, in.Snapshot.ProjectID, template.EnvironmentVersionID(in.Snapshot.TemplateVersionID))
	if err != nil {
		return runner.Spec{}, err
	}
	resource, ok := version.Resource(in.Step.Resource)
	if !ok {
		return runner.Spec{}, template.ErrUnknownResource
	}
	resolved, err := p.resolve(ctx, in, version)
	if err != nil {
		return runner.Spec{}, err
	}
	tool, err := p.tool(ctx, resource.Version, resolved)
	if err != nil {
		return runner.Spec{}, err
	}
	path, err := p.Bundles.Unpack(ctx, resource.Version.Spec.Bundle.Digest)
	if err != nil {
		return runner.Spec{}, err
	}
	spec := runner.Spec{
		StepID: string(in.Step.ID), RunID: string(in.Run.ID), EnvironmentID: in.Run.EnvironmentID, UniqueName: in.Snapshot.UniqueName, ResourceID: string(in.Resource.ID),
		Attempt: in.Step.Attempt, Action: runner.Action(in.Step.Action), Tool: tool,
		Bundle:    runner.Bundle{Path: path, Digest: resource.Version.Spec.Bundle.Digest, Dir: resource.Version.Spec.Bundle.Dir},
		Variables: resolved.Variables, Env: resolved.Env, Backend: runner.Backend(resource.Version.Spec.Backend.Type),
		State: in.State, Journal: in.Journal, Secrets: resolved.Secrets, DataKey: in.DataKey, Timeouts: timeouts(in.Step, resource.Version),
	}
	for _, f := range resolved.Files {
		spec.Files = append(spec.Files, runner.File{Path: f.MountPath, Content: f.Content})
	}
	if s := resolved.Sandbox; s != nil {
		spec.Sandbox = &runner.Sandbox{Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey}
	}
	return spec, nil
}

func (p *Preparer) resolve(ctx context.Context, in PrepareInput, version *template.Compiled) (*template.Resolved, error) {
	var values []template.Value
	if err := json.Unmarshal(in.Snapshot.Inputs, &values); err != nil {
		return nil, fmt.Errorf("reading the inputs of run %s: %w", in.Run.ID, err)
	}
	nested, err := p.nested(ctx, in, version, values)
	if err != nil {
		return nil, err
	}
	resolved, err := p.Templates.Resolve(ctx, in.Snapshot.ProjectID, version, template.ResolveInput{
		Resource: in.Step.Resource, Values: values,
		Scope: expr.Scope{
			Environment: expr.Environment{
				ID: in.Snapshot.EnvironmentID, Name: in.Snapshot.EnvironmentName, UniqueName: in.Snapshot.UniqueName, Project: in.Snapshot.ProjectName,
				Template: version.Version.Template, Version: version.Version.Version,
			},
			User: expr.User{Email: in.Snapshot.OwnerEmail}, Outputs: scopeOutputs(in.Outputs), Nested: nested,
		},
	})
	if err != nil {
		return nil, err
	}
	if !resolved.Known() && !in.Salvaging {
		return nil, missingOutputs(resolved)
	}
	return resolved, nil
}

// nested reads the outputs of the other environments that the step's resource depends on, as they are now. A destroy takes
// what is there: it must not be held up by an environment that is in trouble.
func (p *Preparer) nested(ctx context.Context, in PrepareInput, version *template.Compiled, values []template.Value) (map[string]map[string]map[string]expr.Output, error) {
	out := map[string]map[string]map[string]expr.Output{}
	for _, d := range version.Dependencies(values)[in.Step.Resource] {
		node, ok := version.Upstream(d)
		if !ok || node.Kind != template.KindEnvironment {
			continue
		}
		u, err := p.Runs.upstream(ctx, p.Runs.DB, in.Snapshot.ProjectID, node.Environment, "", in.Salvaging || in.Step.Action == ActionDestroy)
		if err != nil {
			return nil, err
		}
		out[node.Name] = scopeOutputs(u.Outputs)
	}
	return out, nil
}

func scopeOutputs(in map[string]map[string]Output) map[string]map[string]expr.Output {
	out := map[string]map[string]expr.Output{}
	for name, all := range in {
		out[name] = map[string]expr.Output{}
		for output, v := range all {
			out[name][output] = expr.Output{Value: v.Value, Sensitive: v.Sensitive}
		}
	}
	return out
}

func missingOutputs(r *template.Resolved) error {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Unknown)) {
		for _, ref := range r.Unknown[name] {
			parts = append(parts, fmt.Sprintf("%s (for the variable %s)", ref, name))
		}
	}
	return errMissingOutputs.With("This resource needs an output that does not exist: %s.", strings.Join(parts, ", "))
}

// tool waits for what this resource's code needs: a module without providers starts as soon as there is an OpenTofu.
func (p *Preparer) tool(ctx context.Context, v *template.ResourceVersion, resolved *template.Resolved) (runner.Tool, error) {
	external := needsProvider(v.Module)
	snap := p.Tools.Snapshot()
	if !external && snap.Tofu != nil && v.Spec.Provider.Name != template.Terraform {
		return runner.Tool{Kind: runner.ToolTofu, Path: snap.Tofu.Path, Version: snap.Tofu.Version}, nil
	}
	chain, err := p.Tools.Ensure(ctx)
	if err != nil {
		return runner.Tool{}, fault.Wrap(err, fault.Unavailable, "toolchain_unavailable", "OpenTofu or a provider is not available: %s", err)
	}
	if external && resolved.Sandbox == nil && chain.Providers.SandboxOnly() && !p.AllowBuiltProvider {
		return runner.Tool{}, errBuiltProvider
	}
	binary, kind := chain.Tofu, runner.ToolTofu
	if v.Spec.Provider.Name == template.Terraform {
		kind = runner.ToolTerraform
		if binary, err = p.Tools.Terraform(ctx); err != nil {
			return runner.Tool{}, fault.Wrap(err, fault.Unavailable, "terraform_unavailable", "The template asks for Terraform: %s", err)
		}
	}
	config := filepath.Join(p.Dir, "cli.tofurc")
	if err := chain.Providers.CLIConfig().WriteFile(config); err != nil {
		return runner.Tool{}, fmt.Errorf("writing the tool's configuration: %w", err)
	}
	return runner.Tool{Kind: kind, Path: binary.Path, Version: binary.Version, CLIConfig: config}, nil
}

// needsProvider reports whether a module uses a provider that is not part of the tool.
func needsProvider(m bundle.Module) bool {
	return slices.ContainsFunc(m.Providers, func(x bundle.Provider) bool { return !strings.HasPrefix(x.Source, "terraform.io/builtin/") }) ||
		slices.ContainsFunc(m.ResourceTypes, func(t string) bool { return !strings.HasPrefix(t, "terraform_") }) ||
		len(m.Calls) > 0 // the modules it calls may
}

func timeouts(st Step, v *template.ResourceVersion) runner.Timeouts {
	seconds := v.Spec.Timeouts.Deploy
	if st.Action == ActionDestroy {
		seconds = v.Spec.Timeouts.Destroy
	}
	// A lock that is held belongs to an attempt that is being stopped; it is waited for.
	return runner.Timeouts{Step: time.Duration(seconds) * time.Second, LockWait: Lease}
}
