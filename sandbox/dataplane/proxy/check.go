package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How often a target that never answered is asked: it is probably starting.
const (
	eagerCheck  = 200 * time.Millisecond
	refusedPoll = time.Second
)

// verdict is the result of one check; a zero one is good.
type verdict struct{ reason, description string }

var (
	timedOut = verdict{"Target.Timeout", "Request timed out"}
	failed   = verdict{"Target.FailedHealthChecks", "Health checks failed"}
)

// check asks a target until it leaves the group. The first question is put at
// once and one good answer is enough for a new target; until then it is asked
// more often than the interval says, but failures count only once per interval.
func (g *group) check(ctx context.Context, m *member) {
	var good int
	var counted time.Time
	for {
		g.mu.Lock()
		cfg, used := g.cfg, len(g.users) > 0
		g.mu.Unlock()
		wait := cfg.HealthCheck.Interval
		if !used {
			g.update(ctx, m, func(h *TargetHealth) { *h = g.unchecked(m.target) })
			wait = time.Hour
		} else {
			v, refused := g.ask(ctx, m.target, cfg)
			if ctx.Err() != nil {
				return
			}
			if v == (verdict{}) {
				good++
				counted = time.Time{}
			} else {
				good = 0
			}
			due := counted.IsZero() || time.Since(counted) >= cfg.HealthCheck.Interval
			if v != (verdict{}) && due {
				counted = time.Now()
			}
			state := g.update(ctx, m, func(h *TargetHealth) { judge(h, v, refused, due, good, cfg.HealthCheck) })
			if state == HealthInitial {
				wait = min(eagerCheck, wait)
			}
			if refused {
				wait = min(refusedPoll, wait)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-m.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// judge brings a target's health up to date with a check's verdict.
func judge(h *TargetHealth, v verdict, refused, due bool, good int, cfg HealthCheck) {
	h.LastCheck = time.Now()
	to := func(state HealthState, reason, description string) {
		if h.State != state {
			h.Since = time.Now()
		}
		h.State, h.Reason, h.Description = state, reason, description
	}
	if h.State == HealthUnused {
		to(HealthInitial, "Elb.InitialHealthChecking", "Initial health checks in progress")
	}
	if v == (verdict{}) {
		h.Failures = 0
		// A target that was only locked out has not failed; it is as good as new.
		lockedOut := h.State == HealthUnhealthy && h.Description == lockedOutText
		if h.State == HealthInitial || lockedOut || good >= cfg.HealthyThreshold {
			to(HealthHealthy, "", "")
		}
		return
	}
	if due {
		h.Failures++
	}
	switch {
	case refused:
		to(HealthUnhealthy, v.reason, lockedOutText)
	case h.Failures >= cfg.UnhealthyThreshold || h.State == HealthUnhealthy:
		to(HealthUnhealthy, v.reason, v.description)
	case h.State == HealthInitial:
		h.Description = "Initial health checks in progress. Last check: " + v.description
	}
}

const lockedOutText = "Request timed out: no security group rule lets the load balancer reach the target"

// update changes a member's health and reports it when the state changed.
func (g *group) update(ctx context.Context, m *member, change func(*TargetHealth)) HealthState {
	g.mu.Lock()
	if ctx.Err() != nil {
		// It drains or has left: its health is no longer ours.
		defer g.mu.Unlock()
		return m.health.State
	}
	before := m.health
	change(&m.health)
	after := m.health
	if after.State == HealthUnused && before.State == HealthUnused {
		m.health = before
		after = before
	}
	id := g.cfg.ID
	g.mu.Unlock()
	if before.State != after.State || before.Reason != after.Reason {
		g.b.changed(id, after)
	}
	return after.State
}

// ask puts one question to a target. refused tells that a security group
// forbids it.
func (g *group) ask(ctx context.Context, t Target, cfg TargetGroup) (v verdict, refused bool) {
	hc := cfg.HealthCheck
	ctx, cancel := context.WithTimeout(ctx, hc.Timeout)
	defer cancel()
	if !g.allowed(t) {
		return timedOut, true
	}
	if hc.Port != 0 {
		t.Port = hc.Port
	}
	if hc.Protocol != "HTTP" {
		conn, err := g.b.connect(ctx, t)
		if err != nil {
			return explain(err), false
		}
		conn.Close()
		return verdict{}, false
	}
	status, err := getStatus(ctx, g.b, t, hc.Path)
	if err != nil {
		return explain(err), false
	}
	if !matches(hc.Matcher, status) {
		return verdict{"Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", status)}, false
	}
	return verdict{}, false
}

func explain(err error) verdict {
	var ne net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() || errors.Is(err, errNobody) {
		return timedOut
	}
	return failed
}

func getStatus(ctx context.Context, b *Balancer, t Target, path string) (int, error) {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return b.connect(ctx, t)
	}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(t.ID, strconv.Itoa(t.Port))+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, nil
}

// matches reads a matcher like "200", "200-399" or "200,301".
func matches(matcher string, status int) bool {
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}
