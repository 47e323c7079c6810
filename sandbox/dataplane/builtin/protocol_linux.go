package builtin

import (
	"errors"
	"time"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

// Names under which this binary is started again.
const (
	shimName = "berth-task-shim"
	initName = "berth-container-init"
)

// TaskIP is the address of a task inside its own network. Programs that listen
// on localhost alone are not reached through it, as on AWS.
const TaskIP = "169.254.172.2"

var errShimGone = errors.New("the task's shim has ended")

// shimConfig is what a shim needs to set itself up.
type shimConfig struct {
	TaskDir string
	RootFS  string
	// Host user and group that containers run as; only root can choose them.
	Owner   *owner
	Cgroups []cgroupDir
}

type owner struct{ UID, GID int }

// request and response travel over the shim's socket, one of each for a
// connection, as JSON lines. A dial's response carries the connected socket.
type request struct {
	Op     string // known, start, signal, wait, dial, remove, exit
	Name   string
	Start  *startRequest `json:",omitempty"`
	Signal int           `json:",omitempty"`
	Port   int           `json:",omitempty"`
}

type startRequest struct {
	Args     []string
	Env      []string
	Dir      string
	UID, GID int
	Hostname string
	RootFS   string
	ReadOnly bool
	CPUUnits int
	Memory   int64
}

type response struct {
	Error string `json:",omitempty"`
	// Command is set when Error tells that the command could not be executed.
	Command string `json:",omitempty"`
	Refused bool   `json:",omitempty"`
	Exit    *exitRecord
}

type exitRecord struct {
	Code       int
	OOMKilled  bool
	Reason     string
	FinishedAt time.Time
}

func (e exitRecord) exit() engine.Exit { return engine.Exit(e) }

// record is what the runner remembers of a container.
type record struct {
	Container  engine.Container
	StopSignal string
}
