// Package vendor completes a packed module with what it calls from elsewhere: it lets the tool fetch modules and choose
// providers, checks the code with it, and returns the bundle with the modules and the lock file in it, so that a run
// needs neither git nor a module registry and gets the providers that were chosen when the version was made.
//
// It must not know templates, projects or databases, and it applies nothing: the only commands it runs are init
// without a backend, and validate.
package vendor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// Options change how a Vendor works. The zero value works, but confines nothing.
type Options struct {
	// Dir holds scratch folders and downloaded providers; the system's temporary folder, and no memory of providers,
	// when empty.
	Dir string
	// Hide are files and folders that the tool and what it starts must not see: the server's data and key. The running
	// binary must then call runner.MaybeSupervise.
	Hide []string
	// Path is the PATH in which git is found; empty means a plain system path.
	Path string
	// Env is what reaches the internet needs: proxies, certificate bundles.
	Env map[string]string
	// InitTime and ValidateTime bound the two commands; defaults when zero.
	InitTime, ValidateTime time.Duration
	// Limits bound the result, the fetched modules included; defaults when zero.
	Limits bundle.Limits
}

// Defaults of Options.
const (
	defaultInitTime     = 2 * time.Minute
	defaultValidateTime = time.Minute
)

// parallel bounds how many tools work at once: a provider may take half a gigabyte of memory to be asked for its schema.
const parallel = 2

// Request is a module to complete.
type Request struct {
	Bundle *bundle.Bundle
	// Terraform lets Terraform do the work instead of OpenTofu.
	Terraform bool
	// Constraint is what the template demands of the tool's version, as in ">= 1.6, < 2"; empty takes any.
	Constraint string
	// GitEnv is environment for git, with which repositories that need a credential can be read. Secrets are the texts
	// in it that must appear in no message.
	GitEnv, Secrets []string
	// AllowFileGit permits repositories of this machine (git::file://), for tests.
	AllowFileGit bool
}

// Result is the bundle, completed as far as possible, with what was found wrong. Bundle is never nil: where something
// could not be fetched it is the one of the request.
type Result struct {
	Bundle   *bundle.Bundle
	Problems []bundle.Problem
	// Skipped says that there is no tool yet, so that nothing was fetched or checked.
	Skipped bool
}

// Failed reports whether a problem stops the version from being published.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Problems, func(p bundle.Problem) bool { return p.Severity == bundle.Error })
}

// Vendor fetches modules and checks code. It is safe for use by many goroutines.
type Vendor struct {
	tools *tofu.Manager
	opts  Options
	slots chan struct{}
}

// New returns a Vendor that works with the tools of the manager, and waits for none that are still being made.
func New(tools *tofu.Manager, opts Options) *Vendor {
	opts.InitTime = cmp.Or(opts.InitTime, defaultInitTime)
	opts.ValidateTime = cmp.Or(opts.ValidateTime, defaultValidateTime)
	opts.Hide = slices.DeleteFunc(slices.Clone(opts.Hide), func(p string) bool { return p == "" })
	if opts.Limits == (bundle.Limits{}) {
		opts.Limits = bundle.DefaultLimits()
	}
	return &Vendor{tools: tools, opts: opts, slots: make(chan struct{}, parallel)}
}

// Vendor completes a bundle. What is wrong with the code, or with the places it fetches from, is among the result's
// problems; an error means that nothing could be found out. The problems of the bundle's own module are not repeated,
// and code that cannot be read is not given to the tool.
func (v *Vendor) Vendor(ctx context.Context, req Request) (_ *Result, err error) {
	res := &Result{Bundle: req.Bundle}
	if req.Bundle.Module.Failed() {
		return res, ctx.Err()
	}
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w, err := newWorkspace(ctx, v.opts, req)
	if err != nil {
		return nil, fmt.Errorf("preparing to vendor modules: %w", err)
	}
	defer func() { err = errors.Join(err, w.remove()) }()
	walk := bundle.WalkModules(w.tree.FS(), req.Bundle.Dir)
	if res.Problems = checkCalls(walk.Calls, req.AllowFileGit); len(res.Problems) > 0 {
		return res, nil
	}
	t, problem, err := v.tool(ctx, req, walk)
	if err != nil {
		return nil, err
	}
	if problem != nil {
		res.Problems = append(res.Problems, *problem)
		res.Skipped = !res.Failed()
		return res, nil
	}
	if res.Problems = checkRequired(walk, t.binary); res.Failed() {
		return res, nil
	}
	done, problems, err := w.complete(ctx, t, walk)
	if err != nil {
		return nil, fmt.Errorf("vendoring modules: %w", err)
	}
	if done != nil {
		res.Bundle = done
	}
	res.Problems = append(res.Problems, w.clean(problems)...)
	return res, nil
}

// complete runs the tool. A nil bundle means that the one of the request stays.
func (w *workspace) complete(ctx context.Context, t *tool, walk bundle.Walk) (*bundle.Bundle, []bundle.Problem, error) {
	locked, err := w.lockFile()
	if err != nil {
		return nil, nil, err
	}
	problems, err := w.fetch(ctx, t, walk, locked)
	if err != nil || failed(problems) {
		return nil, problems, err
	}
	modules, found, err := w.settleModules(ctx)
	problems = append(problems, found...)
	if err != nil || failed(problems) {
		return nil, problems, err
	}
	final, err := w.takeLock(t, locked)
	if err != nil {
		return nil, problems, err
	}
	found, err = w.validate(ctx, t)
	problems = append(problems, found...)
	if err != nil {
		return nil, problems, err
	}
	done, err := w.pack(ctx, modules, final)
	if f, ok := fault.As(err); ok && f.Kind == fault.Invalid {
		return nil, append(problems, bundle.Problem{Severity: bundle.Error, Message: f.Message}), nil
	}
	return done, problems, err
}

// pack adds what was fetched to the bundle.
func (w *workspace) pack(ctx context.Context, modules bool, lock []byte) (*bundle.Bundle, error) {
	var paths []string
	if modules {
		paths = append(paths, w.inTree(bundle.ModulesDir))
	}
	if len(lock) > 0 {
		if err := w.tree.WriteFile(w.inTree(tofu.LockFileName), lock, 0o644); err != nil {
			return nil, err
		}
		paths = append(paths, w.inTree(tofu.LockFileName))
	}
	if len(paths) == 0 {
		return w.req.Bundle, nil
	}
	return w.req.Bundle.With(ctx, w.tree.FS(), paths, w.opts.Limits)
}

func failed(problems []bundle.Problem) bool {
	return slices.ContainsFunc(problems, func(p bundle.Problem) bool { return p.Severity == bundle.Error })
}
