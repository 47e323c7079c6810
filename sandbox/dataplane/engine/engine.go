// Package engine holds the words the data plane and its users share: what a
// container is asked to be, what became of it, and the Runtime that makes it so.
// It must not know how containers are run, nor anything of AWS beyond the units
// that tasks are sized in.
package engine

import (
	"context"
	"iter"
	"net"
	"time"
)

// Runtime runs the containers of tasks. Containers outlive the Runtime value: a
// new one opened on the same data directory finds them again through List.
//
// All methods are safe for concurrent use.
type Runtime interface {
	// Info says which engine this is and what it can enforce on this machine.
	Info() Info

	// EnsureImage makes ref runnable and says what it resolved to. It fails with
	// an *ImageError, whose Kind tells a missing image from an unreachable
	// registry.
	EnsureImage(ctx context.Context, ref string, auth PullAuth) (Image, error)

	// Start creates and starts one container. Containers with the same TaskID
	// share one network: they reach each other on localhost. The image must have
	// been ensured before. An error means nothing is left behind, except that a
	// command which cannot be executed gives a *StartError.
	Start(ctx context.Context, spec ContainerSpec) (Container, error)

	// Stop asks the container to end (SIGTERM), and kills it after timeout.
	// It returns when the container has ended. A container that has ended already
	// is no error.
	Stop(ctx context.Context, id string, timeout time.Duration) error

	// Wait returns when the container has ended, at once when it already has.
	Wait(ctx context.Context, id string) (Exit, error)

	// Logs yields the lines the container wrote, from the given offset on (0 is
	// the beginning). With follow it goes on until the container has ended and
	// everything was delivered. To resume, pass the Next of the last line seen.
	Logs(ctx context.Context, id string, offset int64, follow bool) iter.Seq2[LogLine, error]

	// List returns every container this data directory owns, ended ones included.
	List(ctx context.Context) ([]Container, error)

	// Dial connects to a TCP port inside the network of a task.
	Dial(ctx context.Context, taskID string, port int) (net.Conn, error)

	// Remove deletes a container, killing it when it still runs. The last
	// container of a task takes the task's network with it. Removing what is
	// gone already is no error.
	Remove(ctx context.Context, id string) error

	// Shutdown stops and removes every container, then closes the Runtime.
	Shutdown(ctx context.Context) error

	// Close releases the Runtime and leaves its containers running.
	Close() error
}

// Info describes an engine and what it enforces here.
type Info struct {
	// Engine is "docker" or "built-in".
	Engine string
	// Version is the engine's own version, empty for the built-in one.
	Version string
	// MemoryLimits and CPULimits tell whether a container's size is enforced.
	MemoryLimits, CPULimits bool
	// Notes are sentences about what this machine does not permit, for people.
	Notes []string
}

// ContainerSpec asks for one container of a task.
type ContainerSpec struct {
	// TaskID groups containers; Name is unique within the task. Both are made of
	// letters, digits, '-' and '_'.
	TaskID string
	Name   string
	Image  string

	// Entrypoint and Command replace the image's own when not nil. As in ECS and
	// Docker, an Entrypoint given here drops the image's command.
	Entrypoint []string
	Command    []string
	// Env is laid over the image's environment.
	Env        map[string]string
	WorkingDir string
	User       string
	// Hostname is the task's host name; empty gives a name made of the task id.
	Hostname string

	// CPUUnits: 1024 are one processor, 0 is no limit. MemoryMiB: 0 is no limit.
	CPUUnits  int
	MemoryMiB int

	// Ports are the ports the container listens on. TaskPorts are those of the
	// task's other containers: an engine on another machine must know them all
	// when the first one starts.
	Ports     []Port
	TaskPorts []Port
	Labels    map[string]string

	ReadonlyRootfs bool
	// StopSignal replaces SIGTERM when the image asks for another; empty takes
	// the image's own.
	StopSignal string

	// Privileged and HostVolumes exist to be refused with ErrRefused.
	Privileged  bool
	HostVolumes []string
}

// Port is a port inside a task's network.
type Port struct {
	Number int
	// Protocol is "tcp" (also when empty) or "udp".
	Protocol string
}

// State is where a container is in its life.
type State string

const (
	StateRunning State = "running"
	StateExited  State = "exited"
)

// Container is one container as it is now.
type Container struct {
	// ID is opaque and stays the same over restarts of the sandbox.
	ID          string
	TaskID      string
	Name        string
	Image       string
	ImageDigest string
	State       State
	StartedAt   time.Time
	Ports       []Port
	Labels      map[string]string
	// Exit is set when State is StateExited.
	Exit Exit
}

// Exit is how a container ended.
type Exit struct {
	// Code is the exit code; 128 plus the signal when one ended it.
	Code int
	// OOMKilled is true when it ran out of its memory.
	OOMKilled bool
	// Reason explains an end that was not the program's own, else it is empty.
	Reason     string
	FinishedAt time.Time
}

// LogLine is one line a container wrote.
type LogLine struct {
	// Next is the offset after this line, to resume from.
	Next   int64
	Time   time.Time
	Stream string // "stdout" or "stderr"
	Text   string
}

// PullAuth is a registry login; the zero value is an anonymous one.
type PullAuth struct {
	Username string
	Password string
}

// Source says where an image came from.
type Source string

const (
	SourceSandbox  Source = "sandbox"  // the sandbox's own registry (ECR)
	SourceEngine   Source = "engine"   // already present in the engine or cache
	SourceRegistry Source = "registry" // pulled from a remote registry
	SourceStandIn  Source = "stand-in" // assembled by the sandbox, see Image.Note
)

// Image is a runnable image.
type Image struct {
	Ref    string
	Digest string // "sha256:..." of the manifest, empty when the engine has none
	Source Source
	// StandIn is true when the sandbox's own sample serves in place of the image
	// that was asked for; Note then says so and why, for task events and pages.
	StandIn bool
	Note    string
}

// TaskIDVariable tells a container the task it belongs to.
const TaskIDVariable = "BERTH_TASK_ID"

// Command is what a container runs, given the image's entrypoint and command.
func Command(spec ContainerSpec, entrypoint, command []string) []string {
	if spec.Entrypoint != nil {
		entrypoint, command = spec.Entrypoint, nil
	}
	if spec.Command != nil {
		command = spec.Command
	}
	return append(append([]string{}, entrypoint...), command...)
}
