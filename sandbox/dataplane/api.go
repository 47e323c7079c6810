package dataplane

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

// Config says where the data plane keeps its things and how it behaves. Only
// DataDir is required.
type Config struct {
	// DataDir holds records, logs and image layers. Opened again after a crash,
	// it gives back everything that still runs.
	DataDir string
	// Engine is "auto" (default: Docker when a socket answers, else built-in),
	// "docker" or "built-in".
	Engine string
	// DockerHost replaces the usual search for a socket, as in DOCKER_HOST.
	DockerHost string
	// RegistryHosts are the registry names that mean the sandbox's own registry;
	// a leading "*." stands for any prefix: "127.0.0.1:4566",
	// "*.dkr.ecr.us-east-1.amazonaws.com".
	RegistryHosts []string
	// Registry hooks let ECR decide about pushes and pulls.
	Registry image.Hooks
	// Allow enforces security groups; nil allows everything.
	Allow proxy.AllowFunc
	// HealthChanged is told when a target's health changed; may be nil. It is
	// called without locks held and must not block.
	HealthChanged func(targetGroupID string, h TargetHealth)
	// Offline refuses every remote registry without trying.
	Offline bool
	Log         *slog.Logger
}

// Plane is the opened data plane. All methods are safe for concurrent use.
type Plane struct{}

// Open opens the data plane on its directory and takes over what runs there.
func Open(ctx context.Context, cfg Config) (*Plane, error) { panic("not yet") }

func (p *Plane) Runtime() Runtime { panic("not yet") }

// Registry is the OCI distribution endpoint; serve it under /v2/.
func (p *Plane) Registry() http.Handler { panic("not yet") }

// Images manages what the registry holds, for ECR.
func (p *Plane) Images() *image.Registry { panic("not yet") }

// ExposeTask gives the task its public address and forwards ports to it.
// Calling it again, also after a restart, gives the same address. A host
// port that is taken on a shared address is replaced: see TaskAddress.Ports.
func (p *Plane) ExposeTask(ctx context.Context, taskID string, ports []int) (TaskAddress, error) { panic("not yet") }

// HideTask ends the forwarding and frees the address.
func (p *Plane) HideTask(taskID string) error { panic("not yet") }

// CreateLoadBalancer reserves the address; its Name() is the DNS name.
// Calling it again gives the same one.
func (p *Plane) CreateLoadBalancer(ctx context.Context, id string) (Address, error) { panic("not yet") }

// SetLoadBalancer applies the wanted listeners and rules without dropping
// connections. An error names the listener that cannot be bound.
func (p *Plane) SetLoadBalancer(ctx context.Context, lb LoadBalancer) error { panic("not yet") }

// ListenerAddress is host:port where a listener really accepts.
func (p *Plane) ListenerAddress(loadBalancerID, listenerID string) (string, bool) { panic("not yet") }

func (p *Plane) DeleteLoadBalancer(id string) error { panic("not yet") }

// SetTargetGroup creates or changes a target group.
func (p *Plane) SetTargetGroup(tg TargetGroup) { panic("not yet") }

func (p *Plane) DeleteTargetGroup(id string) { panic("not yet") }

// RegisterTargets starts checking at once. Registering a draining target
// brings it back.
func (p *Plane) RegisterTargets(targetGroupID string, targets ...Target) { panic("not yet") }

// DeregisterTargets drains: no new requests; gone when no connection is open
// or the deregistration delay has passed.
func (p *Plane) DeregisterTargets(targetGroupID string, targets ...Target) { panic("not yet") }

// TargetHealth lists the targets, draining ones included.
func (p *Plane) TargetHealth(targetGroupID string) []TargetHealth { panic("not yet") }

// Shutdown stops every container and frees everything (SIGTERM).
func (p *Plane) Shutdown(ctx context.Context) error { panic("not yet") }

// Close ends the plane and leaves containers running, as a crash would.
func (p *Plane) Close() error { panic("not yet") }

// TaskAddress is where a task is reached from the host.
type TaskAddress struct {
	IP        string
	Dedicated bool
	// Ports maps a container port to the host:port that leads to it.
	Ports map[int]string
}

// MaybeRunShim must be called first in main, and in TestMain of every test that
// runs containers: when this process was started to hold or be a container, it
// does that and never returns. Otherwise it returns at once.
func MaybeRunShim() {}
