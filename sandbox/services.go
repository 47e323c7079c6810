package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/ec2"
	"github.com/berthdev/berth/sandbox/ecr"
	"github.com/berthdev/berth/sandbox/ecs"
	"github.com/berthdev/berth/sandbox/elbv2"
	"github.com/berthdev/berth/sandbox/iam"
	"github.com/berthdev/berth/sandbox/logs"
	"github.com/berthdev/berth/sandbox/sts"
	"github.com/berthdev/berth/sandbox/tagging"
)

// parts is everything a sandbox is made of.
type parts struct {
	services []core.Service
	plane    *dataplane.Plane
	// scratch is a folder to remove at the end, when no data directory was given.
	scratch string
}

// newParts opens the data plane and makes every service. A service that uses
// another gets it here, as a concrete reference; calls between them run in the
// caller's transaction.
func newParts(env *core.Env, cfg Config) (*parts, error) {
	p := &parts{}
	dir := filepath.Join(cfg.DataDir, "dataplane")
	if cfg.DataDir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "berth-sandbox-"); err != nil {
			return nil, fmt.Errorf("making a folder for containers: %w", err)
		}
		p.scratch = dir
	}
	// The data plane asks services that need it themselves; nobody asks before
	// all of them are there.
	var balancers *elbv2.Service
	var registry *ecr.Service
	// New takes no context; opening is quick and nothing could cancel it.
	plane, err := dataplane.Open(context.Background(), dataplane.Config{
		DataDir: dir, Engine: cfg.Engine, DockerHost: cfg.DockerHost, Offline: cfg.Offline, Log: env.Logger,
		RegistryHosts: []string{env.Addr, "*.amazonaws.com"},
		Registry: image.Hooks{
			Authorize: func(r *http.Request, repository string, verb image.Verb) error {
				return registry.Authorize(r, repository, verb)
			},
			RepositoryExists: func(name string) bool { return registry.RepositoryExists(name) },
		},
		Allow: func(loadBalancerID string, t dataplane.Target) bool { return balancers.Allow(loadBalancerID, t) },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data plane: %w", err), p.removeScratch())
	}
	p.plane = plane
	identity, network, logService := iam.New(env), ec2.New(env), logs.New(env)
	balancers = elbv2.New(env, network, plane)
	registry = ecr.New(env, plane.Images(), plane.Registry())
	p.services = []core.Service{
		sts.New(env, identity),
		identity,
		network,
		balancers,
		ecs.New(env, ecs.Deps{Network: network, Balancers: balancers, Logs: logService, Plane: plane}),
		logService,
		registry,
	}
	p.services = append(p.services, tagging.New(env, p.services))
	return p, nil
}

// close ends the data plane: with its containers, or leaving them for the next
// sandbox on the same data directory.
func (p *parts) close(keep bool) error {
	if keep && p.scratch == "" {
		return p.plane.Close()
	}
	// The caller's context has ended: that is why the sandbox closes.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(p.plane.Shutdown(ctx), p.removeScratch())
}

func (p *parts) removeScratch() error {
	if p.scratch == "" {
		return nil
	}
	return os.RemoveAll(p.scratch)
}
