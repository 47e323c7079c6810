//go:build !linux

package builtin

import (
	"errors"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

// MaybeRun does nothing here: there is no shim without Linux.
func MaybeRun() {}

// Open fails: the runner is made of Linux.
func Open(string, *image.Resolver) (engine.Runtime, error) {
	return nil, errors.New("the built-in runner needs Linux; start Docker or Podman and set DOCKER_HOST if its socket is not in the usual place")
}
