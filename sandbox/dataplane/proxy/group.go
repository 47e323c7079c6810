package proxy

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// group is a target group with its targets and their checkers.
type group struct {
	b *Balancer

	mu      sync.Mutex
	cfg     TargetGroup
	users   []string // load balancers that forward here
	members []*member
	next    int
}

// member is one target.
type member struct {
	target    Target
	transport *http.Transport
	cancel    context.CancelFunc
	// wake makes the checker look again at once.
	wake chan struct{}

	// The group's mutex guards the rest.
	health TargetHealth
	open   int
	// idle is closed when a draining member has no open connection.
	idle chan struct{}
}

func (t Target) key() Target { return Target{ID: t.ID, Port: t.Port} }

func (g *group) register(targets []Target) {
	for _, t := range targets {
		g.mu.Lock()
		i := slices.IndexFunc(g.members, func(m *member) bool { return m.target.key() == t.key() })
		if i >= 0 && g.members[i].target == t && g.members[i].health.State != HealthDraining {
			g.mu.Unlock()
			continue
		}
		if i >= 0 {
			g.members[i].cancel()
			g.members = slices.Delete(g.members, i, i+1)
		}
		ctx, cancel := context.WithCancel(g.b.ctx)
		m := &member{target: t, cancel: cancel, wake: make(chan struct{}, 1)}
		m.health = g.unchecked(t)
		m.transport = &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := g.b.connect(ctx, t)
				if err != nil {
					return nil, &dialError{err}
				}
				return c, nil
			},
			// Below what servers commonly keep a quiet connection for.
			IdleConnTimeout: 4 * time.Second, MaxIdleConnsPerHost: 64, DisableCompression: true,
		}
		g.members = append(g.members, m)
		health, id := m.health, g.cfg.ID
		g.mu.Unlock()
		g.b.changed(id, health)
		g.b.wg.Go(func() { g.check(ctx, m) })
	}
}

// unchecked is the state of a target nobody has asked yet; the caller holds mu.
func (g *group) unchecked(t Target) TargetHealth {
	h := TargetHealth{Target: t, State: HealthInitial, Reason: "Elb.InitialHealthChecking",
		Description: "Initial health checks in progress", Since: time.Now()}
	if len(g.users) == 0 {
		h.State, h.Reason = HealthUnused, "Target.NotInUse"
		h.Description = "Target group is not configured to receive traffic from the load balancer"
	}
	return h
}

func (g *group) deregister(targets []Target) {
	for _, t := range targets {
		g.mu.Lock()
		i := slices.IndexFunc(g.members, func(m *member) bool { return m.target.key() == t.key() })
		if i < 0 || g.members[i].health.State == HealthDraining {
			g.mu.Unlock()
			continue
		}
		m := g.members[i]
		m.cancel()
		ctx, cancel := context.WithCancel(g.b.ctx)
		m.cancel, m.idle = cancel, make(chan struct{})
		m.health = TargetHealth{Target: m.target, State: HealthDraining, Reason: "Target.DeregistrationInProgress",
			Description: "Target deregistration is in progress", Since: time.Now()}
		if m.open == 0 {
			close(m.idle)
		}
		delay, health, id, idle := g.cfg.DeregistrationDelay, m.health, g.cfg.ID, m.idle
		if m.open == 0 {
			m.idle = nil
		}
		g.mu.Unlock()
		g.b.changed(id, health)
		g.b.wg.Go(func() { g.drain(ctx, m, idle, delay) })
	}
}

func (g *group) drain(ctx context.Context, m *member, idle <-chan struct{}, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	case <-ctx.Done():
		m.transport.CloseIdleConnections()
		return
	}
	m.cancel()
	m.transport.CloseIdleConnections()
	g.mu.Lock()
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	id := g.cfg.ID
	g.mu.Unlock()
	g.b.changed(id, TargetHealth{Target: m.target, State: HealthUnused, Reason: "Target.NotRegistered",
		Description: "Target is not registered to the target group", Since: time.Now()})
}

// pick chooses the next target that may receive traffic and counts a connection
// to it. With none healthy, all that are unhealthy get it, as a load balancer
// fails open.
func (g *group) pick(skip []*member) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, state := range []HealthState{HealthHealthy, HealthUnhealthy} {
		for range g.members {
			m := g.members[g.next%len(g.members)]
			g.next++
			if m.health.State == state && !slices.Contains(skip, m) {
				m.open++
				return m
			}
		}
		if state == HealthHealthy && len(skip) > 0 {
			return nil
		}
	}
	return nil
}

func (g *group) release(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.open--; m.open == 0 && m.idle != nil {
		close(m.idle)
		m.idle = nil
	}
}

func (g *group) list() []TargetHealth {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []TargetHealth
	for _, m := range g.members {
		out = append(out, m.health)
	}
	return out
}

// configure changes the group's settings and looks at every target again.
func (g *group) configure(cfg TargetGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cfg = withDefaults(cfg)
	g.wakeAll()
}

func (g *group) setUsers(users []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(users, g.users) {
		g.users = users
		g.wakeAll()
	}
}

func (g *group) wakeAll() {
	for _, m := range g.members {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

func (g *group) close() {
	g.mu.Lock()
	members := g.members
	g.members = nil
	g.mu.Unlock()
	for _, m := range members {
		m.cancel()
		m.transport.CloseIdleConnections()
	}
}

func withDefaults(t TargetGroup) TargetGroup {
	h := &t.HealthCheck
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&h.Interval, 30*time.Second)
	set(&h.Timeout, 5*time.Second)
	if h.Protocol == "" {
		h.Protocol = t.Protocol
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Matcher == "" {
		h.Matcher = "200"
	}
	if h.HealthyThreshold == 0 {
		h.HealthyThreshold = 5
	}
	if h.UnhealthyThreshold == 0 {
		h.UnhealthyThreshold = 2
	}
	return t
}
