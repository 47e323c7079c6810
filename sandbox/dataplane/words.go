package dataplane

import (
	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

// The constants and errors of the sub-packages.
const (
	StateRunning = engine.StateRunning
	StateExited  = engine.StateExited

	SourceSandbox  = engine.SourceSandbox
	SourceEngine   = engine.SourceEngine
	SourceRegistry = engine.SourceRegistry
	SourceStandIn  = engine.SourceStandIn

	ImageInvalid     = engine.ImageInvalid
	ImageNotFound    = engine.ImageNotFound
	ImageDenied      = engine.ImageDenied
	ImageUnreachable = engine.ImageUnreachable
	ImagePlatform    = engine.ImagePlatform
	ImageBroken      = engine.ImageBroken

	KindApplication = proxy.KindApplication
	KindNetwork     = proxy.KindNetwork

	HealthInitial   = proxy.HealthInitial
	HealthHealthy   = proxy.HealthHealthy
	HealthUnhealthy = proxy.HealthUnhealthy
	HealthDraining  = proxy.HealthDraining
	HealthUnused    = proxy.HealthUnused
)

var (
	ErrNotFound     = engine.ErrNotFound
	ErrRefused      = engine.ErrRefused
	ErrNotListening = engine.ErrNotListening
)
