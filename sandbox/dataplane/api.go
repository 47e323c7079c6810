package dataplane

import (
	"log/slog"

	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

// Config says where the data plane keeps its things and how it behaves. Only
// DataDir is required.
type Config struct {
	// DataDir holds records, logs and image layers. Opened again after a crash,
	// it gives back everything that still runs.
	DataDir string
	// Engine is EngineAuto (also when empty), EngineDocker or EngineBuiltIn.
	Engine string
	// DockerHost replaces the usual search for a socket, as in DOCKER_HOST.
	DockerHost string
	// RegistryHosts are the registry names that mean the sandbox's own registry;
	// a leading "*" stands for any prefix: "127.0.0.1:4566",
	// "*.dkr.ecr.us-east-1.amazonaws.com".
	RegistryHosts []string
	// Registry hooks let ECR decide about pushes and pulls.
	Registry image.Hooks
	// Allow enforces security groups; nil allows everything.
	Allow proxy.AllowFunc
	// HealthChanged is told when a target's health changed; may be nil. It is
	// called without locks held and must not block. A target that has left its
	// group is reported as unused with the reason Target.NotRegistered.
	HealthChanged func(targetGroupID string, h TargetHealth)
	// Offline refuses every remote registry without trying.
	Offline bool
	// Log may be nil.
	Log *slog.Logger
}

// The engines that may be asked for.
const (
	EngineAuto    = "auto" // Docker's API when a socket answers, else built-in
	EngineDocker  = "docker"
	EngineBuiltIn = "built-in"
)

// TaskAddress is where a task is reached from the host.
type TaskAddress struct {
	IP        string
	Dedicated bool
	// Ports maps a container port to the host:port that leads to it.
	Ports map[int]string
}
