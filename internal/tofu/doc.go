// Package tofu finds, verifies and installs the programs that templates need: OpenTofu (or Terraform, when a template
// asks for it) and a provider mirror for machines that reach no provider registry.
//
// It is the bottom of the tree: it must not know about runs, environments, templates, the database or any transport,
// and it never starts an init, a plan or an apply: it only knows their command lines and formats (exec.go, events.go,
// plan.go, state.go). Driving the found binary is the work of package runner.
//
// A Manager is the way in. Ensure blocks until everything is there, Snapshot and Subscribe tell what is being done
// meanwhile, and Status looks without changing anything.
package tofu
