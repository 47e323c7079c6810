// Package image gets images and keeps them: the sandbox's own registry, remote
// registries, and the root file systems that images unpack to. It must not know
// how containers are run.
package image
