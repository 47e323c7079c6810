package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/berthdev/berth/sandbox/dataplane/builtin"
	"github.com/berthdev/berth/sandbox/dataplane/docker"
	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

// MaybeRunShim must be called first in main, and in TestMain of every test that
// runs containers: when this process was started to hold or be a container, it
// does that and never returns. Otherwise it returns at once.
func MaybeRunShim() { builtin.MaybeRun() }

// Plane is the opened data plane. All methods are safe for concurrent use.
type Plane struct {
	lock     *os.File
	runtime  engine.Runtime
	registry *image.Registry
	resolver *image.Resolver
	forwards *proxy.Forwards
	balancer *proxy.Balancer
}

// Open opens the data plane on its directory and takes over what runs there. One
// process at a time may hold a directory.
func Open(ctx context.Context, cfg Config) (*Plane, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	p := &Plane{}
	if p.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if err := p.open(ctx, dir, cfg); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	info := p.runtime.Info()
	cfg.Log.Info("data plane opened", "engine", info.Engine, "version", info.Version, "notes", info.Notes)
	return p, nil
}

func (p *Plane) open(ctx context.Context, dir string, cfg Config) error {
	var err error
	if p.registry, err = image.OpenRegistry(filepath.Join(dir, "registry"), cfg.Registry); err != nil {
		return err
	}
	p.resolver = image.NewResolver(p.registry, cfg.RegistryHosts, cfg.Offline)
	if p.runtime, err = openRuntime(ctx, dir, cfg, p.resolver); err != nil {
		return err
	}
	addresses, err := proxy.OpenAddresses(filepath.Join(dir, "addresses.json"))
	if err != nil {
		return err
	}
	p.forwards = proxy.NewForwards(addresses, p.runtime.Dial)
	p.balancer = proxy.New(proxy.Options{Addresses: addresses, Dial: p.runtime.Dial, Allow: cfg.Allow, HealthChanged: cfg.HealthChanged})
	return nil
}

func openRuntime(ctx context.Context, dir string, cfg Config, resolver *image.Resolver) (engine.Runtime, error) {
	switch cfg.Engine {
	case EngineDocker:
		return docker.Open(ctx, filepath.Join(dir, "docker"), cfg.DockerHost, resolver)
	case EngineBuiltIn:
		return builtin.Open(filepath.Join(dir, "builtin"), resolver)
	case EngineAuto, "":
	default:
		return nil, fmt.Errorf("engine %q: use %s, %s or %s", cfg.Engine, EngineAuto, EngineDocker, EngineBuiltIn)
	}
	// What runs already decides: an engine that appears later must not orphan it.
	if left, err := os.ReadDir(filepath.Join(dir, "builtin", "tasks")); err != nil || len(left) == 0 {
		rt, err := docker.Open(ctx, filepath.Join(dir, "docker"), cfg.DockerHost, resolver)
		if err == nil {
			return rt, nil
		}
		cfg.Log.Debug("no container engine answers, using the built-in runner", "error", err)
	}
	return builtin.Open(filepath.Join(dir, "builtin"), resolver)
}

func lockDir(dir string) (*os.File, error) {
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another process (%w)", dir, err), f.Close())
	}
	return f, nil
}

// Runtime runs containers.
func (p *Plane) Runtime() Runtime { return p.runtime }

// Registry is the OCI distribution endpoint; serve it under /v2/.
func (p *Plane) Registry() http.Handler { return p.registry }

// Images manages what the registry holds, for ECR.
func (p *Plane) Images() *image.Registry { return p.registry }

// ExposeTask gives the task its public address and forwards ports to it. Calling
// it again, also after a restart, gives the same address. A port that cannot be
// bound gets a free one in its place: see TaskAddress.Ports.
func (p *Plane) ExposeTask(ctx context.Context, taskID string, ports []int) (TaskAddress, error) {
	addr, at, err := p.forwards.Expose(taskID, ports)
	return TaskAddress{IP: addr.IP, Dedicated: addr.Dedicated, Ports: at}, err
}

// HideTask ends the forwarding and frees the address.
func (p *Plane) HideTask(taskID string) error { return p.forwards.Hide(taskID) }

// CreateLoadBalancer reserves the address; its Name() is the DNS name. Calling it
// again, also after a restart, gives the same one.
func (p *Plane) CreateLoadBalancer(ctx context.Context, id string) (Address, error) {
	return p.balancer.Create(id)
}

// SetLoadBalancer applies the wanted listeners and rules without dropping
// connections. An error names the listener that cannot be bound.
func (p *Plane) SetLoadBalancer(ctx context.Context, lb LoadBalancer) error {
	return p.balancer.Set(lb)
}

// ListenerAddress is host:port where a listener really accepts.
func (p *Plane) ListenerAddress(loadBalancerID, listenerID string) (string, bool) {
	return p.balancer.ListenerAddress(loadBalancerID, listenerID)
}

// DeleteLoadBalancer ends a load balancer and frees its address.
func (p *Plane) DeleteLoadBalancer(id string) error { return p.balancer.Delete(id) }

// SetTargetGroup creates or changes a target group.
func (p *Plane) SetTargetGroup(tg TargetGroup) { p.balancer.SetGroup(tg) }

// DeleteTargetGroup forgets a target group and its targets.
func (p *Plane) DeleteTargetGroup(id string) { p.balancer.DeleteGroup(id) }

// RegisterTargets starts checking at once. Registering a draining target brings
// it back.
func (p *Plane) RegisterTargets(targetGroupID string, targets ...Target) {
	p.balancer.Register(targetGroupID, targets...)
}

// DeregisterTargets drains: no new requests; gone when no connection is open or
// the deregistration delay has passed.
func (p *Plane) DeregisterTargets(targetGroupID string, targets ...Target) {
	p.balancer.Deregister(targetGroupID, targets...)
}

// TargetHealth lists the targets, draining ones included.
func (p *Plane) TargetHealth(targetGroupID string) []TargetHealth {
	return p.balancer.Health(targetGroupID)
}

// Shutdown stops every container and frees everything (SIGTERM).
func (p *Plane) Shutdown(ctx context.Context) error {
	err := p.runtime.Shutdown(ctx)
	return errors.Join(err, p.Close())
}

// Close ends the plane and leaves containers running, as a crash would.
func (p *Plane) Close() error {
	var errs []error
	if p.balancer != nil {
		p.balancer.Close()
		p.forwards.Close()
	}
	if p.runtime != nil {
		errs = append(errs, p.runtime.Close())
	}
	if p.resolver != nil {
		p.resolver.Close()
	}
	return errors.Join(append(errs, p.lock.Close())...)
}
