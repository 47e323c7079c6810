// Package explain finds out why an application does not start, in the application's own terms: it asks Amazon ECS what
// became of the deployments that a step began, while the step waits and after it failed. It asks only, it changes
// nothing. It must not know how steps, tools or runs work: whoever uses it says which objects are under way and decides
// what to do about a finding.
package explain

import (
	"context"
	"sync"
	"time"

	"github.com/berthdev/berth/internal/awsapi"
)

// ServiceType is the type of object that can be explained, ClusterType one that helps to find it.
const (
	ServiceType = "aws_ecs_service"
	ClusterType = "aws_ecs_cluster"
)

// Every is how often a deployment that is under way is looked at when Deps say nothing.
const Every = 5 * time.Second

// Deps is what an Explainer works with.
type Deps struct {
	Access awsapi.Access
	// UniqueName is part of the names of everything that belongs to the environment. It tells the environment's clusters
	// and services from those of others.
	UniqueName string
	Every      time.Duration
	Now        func() time.Time
}

// Finding is why an application does not start.
type Finding struct {
	// Address is the object's, empty when it cannot be told which of several it is.
	Address string
	Summary string   // one sentence in plain words
	Detail  string   // evidence: what ECS, the load balancer and the application said, line by line
	Try     []string // what to do about it
}

// Explainer follows the services of one step. It is safe for use by several goroutines.
type Explainer struct {
	client client
	every  time.Duration
	begun  chan struct{} // closed when the first service is under way

	mu       sync.Mutex
	clusters []string
	objects  []*object
	told     map[string]bool // services that were explained
}

// object is a service that the tool has begun to make or change.
type object struct {
	address string
	id      string // its ARN, once it is known
	since   time.Time
	open    bool
	errored bool
}

// New returns an Explainer that knows of nothing yet.
func New(d Deps) *Explainer {
	if d.Every == 0 {
		d.Every = Every
	}
	return &Explainer{client: client{access: d.Access, uniqueName: d.UniqueName, now: d.Now, skew: new(skew)}, every: d.Every,
		begun: make(chan struct{}), told: map[string]bool{}}
}

// Cluster names a cluster of the step, by its ARN. Others are left out.
func (e *Explainer) Cluster(arn string) {
	if _, _, ok := parseARN(arn, "cluster"); !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clusters = append(e.clusters, arn)
}

// Started says that the tool begins to make or change a service. id is empty for one that does not exist yet.
func (e *Explainer) Started(address, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.objects) == 0 {
		close(e.begun)
	}
	if _, _, ok := parseARN(id, "service"); !ok {
		id = ""
	}
	e.objects = append(e.objects, &object{address: address, id: id, since: e.client.now(), open: true})
}

// Ended says that the tool is done with a service.
func (e *Explainer) Ended(address string, errored bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.objects {
		if o.address == address {
			o.open, o.errored = false, o.errored || errored
		}
	}
}

// Watch looks at the services under way until ctx ends, and tells once of each that cannot start any more. Slow is not
// failed: it speaks only when ECS has given up, or the same failure came again as often as ECS needs to give up.
func (e *Explainer) Watch(ctx context.Context, tell func(Finding)) {
	select {
	case <-ctx.Done():
		return
	case <-e.begun:
	}
	tick := time.NewTicker(e.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, f := range e.look(ctx, true) {
			tell(f)
		}
	}
}

// Explain looks once at everything that was begun, after the step has failed. A single failure is enough then, where
// the tool reported an error of the service or did not come to its end.
func (e *Explainer) Explain(ctx context.Context) []Finding { return e.look(ctx, false) }

// look examines services. What cannot be asked is left out: an explanation is a help, and its absence must not hide the
// tool's own words.
func (e *Explainer) look(ctx context.Context, during bool) []Finding {
	var out []Finding
	clusters, objects := e.snapshot()
	for _, o := range objects {
		if during && !o.open {
			continue
		}
		services, err := e.client.servicesOf(ctx, o, clusters)
		if err != nil {
			continue
		}
		for i := range services {
			s := &services[i]
			if e.explained(s) {
				continue
			}
			v, err := e.client.examine(ctx, s, o.since)
			if err != nil || !v.failed(!during && (o.open || o.errored)) {
				continue
			}
			f := e.client.finding(ctx, s, v)
			if e.claim(o, s, len(objects), during) {
				f.Address = e.addressOf(o, s, objects)
				out = append(out, f)
			}
		}
	}
	return out
}

func (e *Explainer) snapshot() ([]string, []object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	objects := make([]object, 0, len(e.objects))
	for _, o := range e.objects {
		objects = append(objects, *o)
	}
	return append([]string(nil), e.clusters...), objects
}

func (e *Explainer) explained(s *service) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told[s.ARN]
}

// claim is true for the first that explains a service. A service the tool has finished in the meantime did start.
func (e *Explainer) claim(seen object, s *service, objects int, during bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.told[s.ARN] {
		return false
	}
	for _, o := range e.objects {
		if during && o.address == seen.address && !o.open && !o.errored {
			return false
		}
		if objects == 1 {
			o.id = s.ARN
		}
	}
	e.told[s.ARN] = true
	return true
}

// addressOf tells which object a service is. A new one is known by nothing but its age, so with several of them
// nobody can tell.
func (e *Explainer) addressOf(o object, s *service, objects []object) string {
	if o.id == s.ARN || len(objects) == 1 {
		return o.address
	}
	return ""
}
