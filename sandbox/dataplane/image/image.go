// Package image gets images and keeps them: the sandbox's own registry, remote
// registries, and the root file systems that images unpack to. It must not know
// how containers are run.
package image

// Registry is the sandbox's own image store behind the distribution endpoint.
type Registry struct{}

// List returns what a repository holds, newest first.
func (r *Registry) List(repository string) []Stored { panic("not yet") }

// Delete removes a tag, or a manifest with all of its tags when reference is a
// digest. It reports whether there was one.
func (r *Registry) Delete(repository, reference string) bool { panic("not yet") }

// DeleteRepository removes everything a repository holds.
func (r *Registry) DeleteRepository(repository string) error { panic("not yet") }
