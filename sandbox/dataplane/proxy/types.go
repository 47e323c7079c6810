package proxy

import (
	"context"
	"net"
	"time"
)

// DialFunc connects to a port in the network of a task.
type DialFunc func(ctx context.Context, taskID string, port int) (net.Conn, error)

// AllowFunc says whether security groups let the load balancer reach the
// target. It is asked for every connection and health check and must be quick.
type AllowFunc func(loadBalancerID string, target Target) bool

// Kind is what sort of load balancer it is.
type Kind string

const (
	KindApplication Kind = "application"
	KindNetwork     Kind = "network"
)

// LoadBalancer is the wanted state of one load balancer.
type LoadBalancer struct {
	// ID is the caller's own, the ARN for example.
	ID          string
	Kind        Kind
	IdleTimeout time.Duration // 0 is 60 s
	Listeners   []Listener
}

// Listener accepts on one port of a load balancer.
type Listener struct {
	ID   string
	Port int
	// Protocol is HTTP for application load balancers and TCP for network ones.
	Protocol string
	// Rules are tried in the order of Priority; Default applies when none fits.
	Rules   []Rule
	Default Action
}

// Rule sends requests that meet every condition to its action.
type Rule struct {
	ID         string
	Priority   int
	Conditions []Condition
	Action     Action
}

// Condition is met when any of its values fits. Values may hold the wildcards
// * and ?.
type Condition struct {
	// Field is one of path-pattern, host-header, http-header,
	// http-request-method, query-string, source-ip.
	Field string
	// HeaderName belongs to http-header.
	HeaderName string
	// Values: for query-string each is "key=value" or "value".
	Values []string
}

// Action is what happens to a request: exactly one of the fields is set.
type Action struct {
	Forward  []WeightedGroup
	Redirect *Redirect
	Fixed    *FixedResponse
}

// WeightedGroup is a target group with its share of the traffic.
type WeightedGroup struct {
	TargetGroupID string
	Weight        int
}

// Redirect sends the client elsewhere. #{protocol}, #{host}, #{port}, #{path}
// and #{query} are replaced; an empty field keeps the request's own.
type Redirect struct {
	Protocol, Host, Port, Path, Query string
	// StatusCode is 301 or 302.
	StatusCode int
}

// FixedResponse answers without any target.
type FixedResponse struct {
	StatusCode  int
	ContentType string
	Body        string
}

// TargetGroup is the wanted state of one target group, its targets apart.
type TargetGroup struct {
	ID string
	// Protocol is HTTP or TCP.
	Protocol            string
	HealthCheck         HealthCheck
	DeregistrationDelay time.Duration
}

// HealthCheck asks targets whether they can serve. Zero fields get AWS's
// defaults.
type HealthCheck struct {
	Protocol string // HTTP (default) or TCP
	Path     string // "/"
	// Port is 0 for the port that receives traffic.
	Port               int
	Matcher            string // "200", "200-399", "200,301"
	Interval           time.Duration
	Timeout            time.Duration
	HealthyThreshold   int
	UnhealthyThreshold int
}

// Target is one receiver in a target group.
type Target struct {
	// ID and Port are as registered: the private address of the task's network
	// interface.
	ID   string
	Port int
	// TaskID is the task behind the address; empty when there is none, which
	// behaves like an address that nobody answers on.
	TaskID string
}

// HealthState is a target's state in AWS's words.
type HealthState string

const (
	HealthInitial   HealthState = "initial"
	HealthHealthy   HealthState = "healthy"
	HealthUnhealthy HealthState = "unhealthy"
	HealthDraining  HealthState = "draining"
	HealthUnused    HealthState = "unused"
)

// TargetHealth is what DescribeTargetHealth shows.
type TargetHealth struct {
	Target      Target
	State       HealthState
	Reason      string // Target.FailedHealthChecks, Elb.InitialHealthChecking, ...
	Description string
	// Since is when State began; LastCheck when it was last asked.
	Since, LastCheck time.Time
	// Failures counts the checks that failed in a row.
	Failures int
}

// Address is where a load balancer or task is reached from the host.
type Address struct {
	// IP is an own 127.x.y.z when Dedicated, else 127.0.0.1.
	IP string
	// Dedicated is true when the address belongs to its owner alone and every
	// port of it may be bound.
	Dedicated bool
	// Port is the free port that stands in for the first wanted one when the
	// address is not Dedicated.
	Port int
}

// Name is the DNS name to show: the address, with the port when it is shared.
func (a Address) Name() string {
	if a.Dedicated || a.Port == 0 {
		return a.IP
	}
	return net.JoinHostPort(a.IP, itoa(a.Port))
}
