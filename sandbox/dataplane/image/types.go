package image

import "net/http"

// Verb is what a registry client wants to do.
type Verb string

const (
	Pull Verb = "pull"
	Push Verb = "push"
)

// Hooks let the owner of the registry decide and listen. All may be nil.
type Hooks struct {
	// Authorize is asked for each request to a repository; an error refuses it
	// with 401, and 403 when it is ErrForbidden.
	Authorize func(r *http.Request, repository string, verb Verb) error
	// RepositoryExists answers false to give NAME_UNKNOWN.
	RepositoryExists func(repository string) bool
	// Pushed is told after a manifest was stored. Tag is empty for a push by
	// digest.
	Pushed func(repository, tag, digest string)
}

// Stored describes one manifest in the registry.
type Stored struct {
	Digest    string
	Tags      []string
	MediaType string
	// Size is that of the layers and the configuration together.
	Size     int64
	PushedAt int64 // Unix seconds
}
