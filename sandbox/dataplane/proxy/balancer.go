package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"math/rand/v2"
)

var (
	errNobody    = errors.New("nobody answers at the target's address")
	errNotFound  = errors.New("no such load balancer")
	errForbidden = errors.New("no security group rule lets the load balancer reach the target")
)

// Options are what a Balancer works with.
type Options struct {
	Addresses *Addresses
	Dial      DialFunc
	// Allow may be nil: everything is allowed.
	Allow AllowFunc
	// HealthChanged may be nil. It is called without locks held. A target that
	// has left its group is reported as unused, Target.NotRegistered.
	HealthChanged func(targetGroupID string, h TargetHealth)
}

// Balancer holds all load balancers and target groups.
type Balancer struct {
	opts   Options
	ctx    context.Context // ends the checkers; see Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	lbs    map[string]*loadBalancer
	groups map[string]*group
}

// New makes an empty Balancer.
func New(opts Options) *Balancer {
	ctx, cancel := context.WithCancel(context.Background())
	return &Balancer{opts: opts, ctx: ctx, cancel: cancel, lbs: map[string]*loadBalancer{}, groups: map[string]*group{}}
}

func lbOwner(id string) string { return "lb/" + id }

// Create reserves a load balancer's address, or returns the one it has.
func (b *Balancer) Create(id string) (Address, error) {
	addr, err := b.opts.Addresses.ForLoadBalancer(lbOwner(id))
	if err != nil {
		return Address{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lbs[id] == nil {
		b.lbs[id] = &loadBalancer{b: b, id: id, listeners: map[string]*listener{}}
	}
	return addr, nil
}

// Set applies the wanted listeners of a load balancer made before.
func (b *Balancer) Set(cfg LoadBalancer) error {
	b.mu.Lock()
	lb := b.lbs[cfg.ID]
	b.mu.Unlock()
	if lb == nil {
		return fmt.Errorf("%s: %w", cfg.ID, errNotFound)
	}
	err := lb.configure(cfg)
	b.linkGroups()
	return err
}

// ListenerAddress is host:port where a listener accepts.
func (b *Balancer) ListenerAddress(lbID, listenerID string) (string, bool) {
	b.mu.Lock()
	lb := b.lbs[lbID]
	b.mu.Unlock()
	if lb == nil {
		return "", false
	}
	return lb.address(listenerID)
}

// Delete ends a load balancer at once.
func (b *Balancer) Delete(id string) error {
	b.mu.Lock()
	lb := b.lbs[id]
	delete(b.lbs, id)
	b.mu.Unlock()
	if lb != nil {
		lb.close()
	}
	b.linkGroups()
	return b.opts.Addresses.Release(lbOwner(id))
}

// SetGroup makes or changes a target group.
func (b *Balancer) SetGroup(cfg TargetGroup) {
	b.mu.Lock()
	g := b.groups[cfg.ID]
	if g == nil {
		g = &group{b: b}
		b.groups[cfg.ID] = g
	}
	b.mu.Unlock()
	g.configure(cfg)
	b.linkGroups()
}

// DeleteGroup forgets a target group and its targets.
func (b *Balancer) DeleteGroup(id string) {
	b.mu.Lock()
	g := b.groups[id]
	delete(b.groups, id)
	b.mu.Unlock()
	if g != nil {
		g.close()
	}
}

// Register adds targets; Deregister drains them.
func (b *Balancer) Register(groupID string, targets ...Target) {
	if g := b.group(groupID); g != nil {
		g.register(targets)
	}
}

// Deregister drains targets.
func (b *Balancer) Deregister(groupID string, targets ...Target) {
	if g := b.group(groupID); g != nil {
		g.deregister(targets)
	}
}

// Health lists a group's targets.
func (b *Balancer) Health(groupID string) []TargetHealth {
	if g := b.group(groupID); g != nil {
		return g.list()
	}
	return nil
}

// Close ends everything; addresses stay reserved.
func (b *Balancer) Close() {
	b.mu.Lock()
	lbs, groups := b.lbs, b.groups
	b.lbs, b.groups = map[string]*loadBalancer{}, map[string]*group{}
	b.mu.Unlock()
	for _, lb := range lbs {
		lb.close()
	}
	b.cancel()
	for _, g := range groups {
		g.close()
	}
	b.wg.Wait()
}

func (b *Balancer) group(id string) *group {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups[id]
}

// linkGroups tells each group which load balancers use it.
func (b *Balancer) linkGroups() {
	b.mu.Lock()
	defer b.mu.Unlock()
	users := map[string][]string{}
	for id, lb := range b.lbs {
		for _, g := range lb.groupIDs() {
			if !slices.Contains(users[g], id) {
				users[g] = append(users[g], id)
			}
		}
	}
	for id, g := range b.groups {
		slices.Sort(users[id])
		g.setUsers(users[id])
	}
}

func (b *Balancer) changed(groupID string, h TargetHealth) {
	if b.opts.HealthChanged != nil {
		b.opts.HealthChanged(groupID, h)
	}
}

func (b *Balancer) connect(ctx context.Context, t Target) (net.Conn, error) {
	if t.TaskID == "" {
		return nil, errNobody
	}
	return b.opts.Dial(ctx, t.TaskID, t.Port)
}

func (b *Balancer) allow(lbID string, t Target) bool {
	return b.opts.Allow == nil || b.opts.Allow(lbID, t)
}

// allowed tells whether any load balancer that uses the group may reach t.
func (g *group) allowed(t Target) bool {
	g.mu.Lock()
	users := slices.Clone(g.users)
	g.mu.Unlock()
	return slices.ContainsFunc(users, func(lb string) bool { return g.b.allow(lb, t) })
}

// choose picks one of the groups by weight; nil when there is none.
func (b *Balancer) choose(groups []WeightedGroup) *group {
	total := 0
	for _, g := range groups {
		total += g.Weight
	}
	if len(groups) == 1 {
		return b.group(groups[0].TargetGroupID)
	}
	if total <= 0 {
		return nil
	}
	n := rand.IntN(total)
	for _, g := range groups {
		if n -= g.Weight; n < 0 {
			return b.group(g.TargetGroupID)
		}
	}
	return nil
}
