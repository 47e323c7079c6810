package tofu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"
)

// finder looks for a binary in the fixed order: configuration, PATH, cache, download, build. Each step that gives none
// leaves a line in tried, so that the last error and the status page can say why.
type finder struct {
	cfg      Config
	cache    cache
	verifier *verifier
	builder  builder
}

// Attempt is a place that was looked at and why it gave no binary.
type Attempt struct {
	Origin Origin `json:"origin"`
	Why    string `json:"why"`
}

// find returns a working OpenTofu and makes one if it has to.
func (f finder) find(ctx context.Context, report Reporter) (Binary, error) {
	found, tried, err := f.look(ctx)
	if err != nil || found != nil {
		return deref(found), err
	}
	if !f.cfg.NoDownload {
		e, err := f.cfg.Site.download(ctx, f.cache, report)
		if err == nil {
			return f.fromEntry(ctx, e)
		}
		if ctx.Err() != nil {
			return Binary{}, err
		}
		tried = append(tried, Attempt{Origin: OriginDownload, Why: err.Error()})
	}
	r, err := f.recipe(tofuModule)
	if err != nil {
		return Binary{}, notFound(append(tried, Attempt{Origin: OriginBuild, Why: err.Error()}))
	}
	e, err := f.builder.build(ctx, r, report)
	if err != nil {
		return Binary{}, err
	}
	return f.fromEntry(ctx, e)
}

// look searches what is there, without a change. A configured path that does not work is an error and no reason to
// take another binary: the operator asked for this one.
func (f finder) look(ctx context.Context) (*Binary, []Attempt, error) {
	if f.cfg.TofuPath != "" {
		b, err := f.verifier.inspect(ctx, f.cfg.TofuPath, KindTofu, OriginConfig)
		if err != nil {
			return nil, nil, err
		}
		return &b, nil, nil
	}
	var tried []Attempt
	b, err := f.onPath(ctx)
	if err == nil {
		return &b, nil, nil
	}
	tried = append(tried, Attempt{Origin: OriginPath, Why: err.Error()})
	if e, ok := f.cached(ctx, tofuModule, string(KindTofu)); ok {
		if b, err := f.fromEntry(ctx, e); err == nil {
			return &b, tried, nil
		}
	}
	return nil, tried, ctx.Err()
}

func (f finder) onPath(ctx context.Context) (Binary, error) {
	if f.cfg.NoPath {
		return Binary{}, errors.New("not to be looked at")
	}
	path, err := f.cfg.LookPath(string(KindTofu))
	if err != nil {
		return Binary{}, errors.New("there is no tofu on PATH")
	}
	return f.verifier.inspect(ctx, path, KindTofu, OriginPath)
}

// terraform finds Terraform, for a template that asks for it. Berth never installs it.
func (f finder) terraform(ctx context.Context) (Binary, error) {
	if f.cfg.TerraformPath != "" {
		return f.verifier.inspect(ctx, f.cfg.TerraformPath, KindTerraform, OriginConfig)
	}
	path, err := f.cfg.LookPath(string(KindTerraform))
	if err != nil {
		return Binary{}, &Error{
			Reason: ReasonNotFound, Problem: "Terraform was not found", Cause: "the template asks for it and there is none on PATH",
			Action: "install Terraform " + MinimumTerraform + " or newer on the machine that runs the steps, or let the template use OpenTofu", Err: err,
		}
	}
	return f.verifier.inspect(ctx, path, KindTerraform, OriginPath)
}

// cached returns the entry of a tool. In a checkout with a Go command it is exactly the one this checkout would build;
// without Go, one of the same inputs; without a checkout, the newest.
func (f finder) cached(ctx context.Context, nested, tool string) (entry, bool) {
	if tool == string(KindTofu) {
		if e, ok := f.cache.get(f.cfg.Site.key()); ok {
			return e, true
		}
	}
	r, err := f.recipe(nested)
	if err != nil {
		return f.cache.find(func(m manifest) bool {
			return m.Tool == tool && (m.Provider != "" || semver.Compare("v"+m.Version, "v"+MinimumTofu) >= 0)
		})
	}
	if g, err := findGo(ctx, f.cfg.LookPath, r.dir); err == nil {
		key, err := r.key(g)
		if err != nil {
			return entry{}, false
		}
		return f.cache.get(key)
	}
	inputs, err := r.inputs()
	if err != nil {
		return entry{}, false
	}
	return f.cache.find(func(m manifest) bool { return m.Tool == r.Tool && m.Inputs == inputs })
}

// errNoCheckout is why nothing can be built outside of a source checkout.
var errNoCheckout = errors.New("this is not a source checkout, so nothing can be built")

func (f finder) recipe(nested string) (recipe, error) {
	if f.cfg.Checkout == "" {
		return recipe{}, errNoCheckout
	}
	if f.cfg.NoBuild {
		return recipe{}, errors.New("building is switched off")
	}
	r, err := readRecipe(filepath.Join(f.cfg.Checkout, filepath.FromSlash(nested)))
	if errors.Is(err, fs.ErrNotExist) {
		return recipe{}, errNoCheckout
	}
	return r, err
}

// fromEntry takes a cache entry for a binary. Its manifest holds what an examination would find out.
func (f finder) fromEntry(_ context.Context, e entry) (Binary, error) {
	b := Binary{
		Kind: KindTofu, Path: e.binaryPath(), Version: e.Version, Origin: e.Origin, SHA256: e.SHA256, Size: e.Size,
	}
	return b, checkMinimum(b)
}

func notFound(tried []Attempt) error {
	var why []string
	for _, a := range tried {
		why = append(why, fmt.Sprintf("%s: %s", a.Origin, a.Why))
	}
	return &Error{
		Reason: ReasonNotFound, Problem: "OpenTofu was not found and cannot be installed",
		Cause:  strings.Join(why, "; "),
		Action: "install OpenTofu " + MinimumTofu + " or newer (https://opentofu.org/docs/intro/install/) and put it on PATH",
		Err:    exec.ErrNotFound,
	}
}

func deref(b *Binary) Binary {
	if b == nil {
		return Binary{}
	}
	return *b
}
