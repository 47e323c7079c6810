package runner

import "context"

// Finder looks up an object that is in doubt: its creation was started, and nobody knows whether it happened. It runs
// inside the supervisor, with the step's own credentials.
type Finder interface {
	// Find returns the ids of all objects that q may be. None means for certain that nothing exists. ErrCannotFind
	// means that this finder does not know the type or has no credentials; other errors mean that it could not tell.
	Find(ctx context.Context, q Query) (ids []string, err error)
}

// Query describes an object in doubt.
type Query struct {
	Address  string
	Type     string
	Provider string
	// Values are the arguments the object was to be made with, as far as the plan knows them.
	Values map[string]any
	// UniqueName is Spec.UniqueName.
	UniqueName string
	// Env is the environment of the step, where credentials are found; Sandbox is set when it ran there.
	Env     map[string]string
	Sandbox *Sandbox
}
