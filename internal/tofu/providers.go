package tofu

import (
	"context"
	"path/filepath"
)

// awsTool is the name of the recipe in toolchain/aws.
const awsTool = "terraform-provider-aws"

// providers decides where providers come from: a mirror the operator names, the registry when it answers, else the
// mirror Berth builds.
func (f finder) providers(ctx context.Context, probe *registryProbe, report Reporter) (Providers, error) {
	found, err := f.lookProviders(ctx, probe)
	if err != nil || found != nil {
		if found != nil {
			return *found, err
		}
		return Providers{}, err
	}
	r, err := f.recipe(awsModule)
	if err != nil {
		return Providers{}, &Error{
			Reason: ReasonNoNetwork, Problem: "no provider can be installed",
			Cause:  "the provider registry " + f.cfg.Registry + " does not answer, and " + err.Error(),
			Action: "let this machine reach the registry, or name a filesystem mirror in the configuration", Err: err,
		}
	}
	e, err := f.builder.build(ctx, r, report)
	if err != nil {
		return Providers{}, err
	}
	return mirrorProviders(filepath.Join(e.dir, mirrorDir))
}

// lookProviders decides without building; nil means that a mirror is needed and there is none yet.
func (f finder) lookProviders(ctx context.Context, probe *registryProbe) (*Providers, error) {
	if f.cfg.ProviderMirror != "" {
		p, err := mirrorProviders(f.cfg.ProviderMirror)
		if err == nil && len(p.Packages) == 0 {
			err = &Error{
				Reason: ReasonNotFound, Problem: "the provider mirror " + f.cfg.ProviderMirror + " is of no use",
				Cause:  "it holds no provider for " + platform(),
				Action: "fill it with \"tofu providers mirror\", or leave the setting empty",
			}
		}
		if err != nil {
			return nil, err
		}
		return &p, nil
	}
	registry := f.cfg.Providers == ProvidersFromRegistry
	if f.cfg.Providers == "" {
		var err error
		if registry, err = probe.answer(ctx, f.cfg.Registry); err != nil {
			return nil, classify("looking for the provider registry", err, "")
		}
	}
	if registry {
		return &Providers{Source: ProvidersFromRegistry}, nil
	}
	e, ok := f.cached(ctx, awsModule, awsTool)
	if !ok {
		return nil, nil
	}
	p, err := mirrorProviders(filepath.Join(e.dir, mirrorDir))
	return &p, err
}

func mirrorProviders(dir string) (Providers, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Providers{}, classify("reading the provider mirror", err, "")
	}
	packages, err := ReadMirror(abs)
	if err != nil {
		return Providers{}, err
	}
	return Providers{Source: ProvidersFromMirror, Mirror: abs, Packages: packages}, nil
}
