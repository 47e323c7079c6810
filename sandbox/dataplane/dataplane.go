// Package dataplane is what is real behind the AWS look-alike: containers, their
// images and logs, the addresses they are reached at, and load balancers. The
// control plane (ECS, ELB, ECR, Logs) tells it what is wanted and asks what is.
// It must not know AWS's wire protocols, and it imports nothing of Berth itself.
package dataplane

import (
	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

// The words of the sub-packages, so that users need only this one.
type (
	Runtime        = engine.Runtime
	Info           = engine.Info
	ContainerSpec  = engine.ContainerSpec
	Container      = engine.Container
	Port           = engine.Port
	State          = engine.State
	Exit           = engine.Exit
	LogLine        = engine.LogLine
	PullAuth       = engine.PullAuth
	Image          = engine.Image
	Source         = engine.Source
	ImageError     = engine.ImageError
	ImageErrorKind = engine.ImageErrorKind
	StartError     = engine.StartError

	LoadBalancer  = proxy.LoadBalancer
	Listener      = proxy.Listener
	Rule          = proxy.Rule
	Condition     = proxy.Condition
	Action        = proxy.Action
	WeightedGroup = proxy.WeightedGroup
	Redirect      = proxy.Redirect
	FixedResponse = proxy.FixedResponse
	TargetGroup   = proxy.TargetGroup
	HealthCheck   = proxy.HealthCheck
	Target        = proxy.Target
	TargetHealth  = proxy.TargetHealth
	HealthState   = proxy.HealthState
	Address       = proxy.Address
)
