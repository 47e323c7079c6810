package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// fakePlane is a data plane without processes: what a container does follows
// from its image's name.
//
//	web      runs, and answers on port 80
//	exit-N   ends at once with that exit code
//	missing  cannot be pulled
type fakePlane struct {
	mu         sync.Mutex
	containers map[string]*fakeContainer
	targets    map[string][]dataplane.TargetHealth
	exposed    map[string]string
}

type fakeContainer struct {
	dataplane.Container
	ended chan struct{}
}

func newFakePlane() *fakePlane {
	return &fakePlane{containers: map[string]*fakeContainer{}, targets: map[string][]dataplane.TargetHealth{}, exposed: map[string]string{}}
}

func (p *fakePlane) Runtime() dataplane.Runtime { return p }

func (p *fakePlane) ExposeTask(_ context.Context, taskID string, _ []int) (dataplane.TaskAddress, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exposed[taskID] == "" {
		p.exposed[taskID] = fmt.Sprintf("127.1.0.%d", len(p.exposed)+1)
	}
	return dataplane.TaskAddress{IP: p.exposed[taskID], Dedicated: true}, nil
}

func (p *fakePlane) HideTask(taskID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.exposed, taskID)
	return nil
}

func (p *fakePlane) Info() dataplane.Info { return dataplane.Info{Engine: "fake"} }

func (p *fakePlane) EnsureImage(_ context.Context, ref string, _ dataplane.PullAuth) (dataplane.Image, error) {
	if ref == "missing" {
		return dataplane.Image{}, &dataplane.ImageError{Kind: "not-found", Ref: ref, Err: errors.New("no such image")}
	}
	return dataplane.Image{Ref: ref, Digest: "sha256:0"}, nil
}

func (p *fakePlane) Start(_ context.Context, spec dataplane.ContainerSpec) (dataplane.Container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &fakeContainer{ended: make(chan struct{}), Container: dataplane.Container{
		ID: core.Hex(16), TaskID: spec.TaskID, Name: spec.Name, Image: spec.Image, State: "running", StartedAt: time.Now(),
	}}
	p.containers[c.ID] = c
	var code int
	if _, err := fmt.Sscanf(spec.Image, "exit-%d", &code); err == nil {
		p.finish(c, code)
	}
	return c.Container, nil
}

func (p *fakePlane) finish(c *fakeContainer, code int) {
	if c.State == "running" {
		c.State, c.Exit = "exited", dataplane.Exit{Code: code, FinishedAt: time.Now()}
		close(c.ended)
	}
}

func (p *fakePlane) get(id string) (*fakeContainer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.containers[id]
	if !ok {
		return nil, errors.New("no such container")
	}
	return c, nil
}

func (p *fakePlane) Stop(_ context.Context, id string, timeout time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.containers[id]; ok {
		code := 143
		if timeout == 0 {
			code = 137
		}
		p.finish(c, code)
	}
	return nil
}

func (p *fakePlane) Wait(ctx context.Context, id string) (dataplane.Exit, error) {
	c, err := p.get(id)
	if err != nil {
		return dataplane.Exit{}, err
	}
	select {
	case <-c.ended:
		return c.Exit, nil
	case <-ctx.Done():
		return dataplane.Exit{}, ctx.Err()
	}
}

func (p *fakePlane) Logs(ctx context.Context, id string, offset int64, _ bool) iter.Seq2[dataplane.LogLine, error] {
	return func(yield func(dataplane.LogLine, error) bool) {
		c, err := p.get(id)
		if err != nil {
			yield(dataplane.LogLine{}, err)
			return
		}
		if offset < 1 && !yield(dataplane.LogLine{Next: 1, Time: time.Now(), Stream: "stdout", Text: "started " + c.Image}, nil) {
			return
		}
		select {
		case <-c.ended:
		case <-ctx.Done():
		}
	}
}

func (p *fakePlane) List(context.Context) ([]dataplane.Container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []dataplane.Container
	for _, c := range p.containers {
		out = append(out, c.Container)
	}
	return out, nil
}

func (p *fakePlane) Remove(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.containers[id]; ok {
		p.finish(c, 137)
		delete(p.containers, id)
	}
	return nil
}

func (p *fakePlane) Dial(context.Context, string, int) (net.Conn, error) {
	return nil, errors.New("nothing listens")
}

func (p *fakePlane) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.containers)
}

func (p *fakePlane) Shutdown(context.Context) error { return nil }
func (p *fakePlane) Close() error                   { return nil }

// The balancing half.

func (p *fakePlane) CreateLoadBalancer(context.Context, string) (dataplane.Address, error) {
	return dataplane.Address{IP: "127.2.0.1", Dedicated: true}, nil
}
func (p *fakePlane) SetLoadBalancer(context.Context, dataplane.LoadBalancer) error { return nil }
func (p *fakePlane) DeleteLoadBalancer(string) error                               { return nil }
func (p *fakePlane) SetTargetGroup(dataplane.TargetGroup)                          {}
func (p *fakePlane) DeleteTargetGroup(string)                                      {}

func (p *fakePlane) RegisterTargets(group string, targets ...dataplane.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range targets {
		p.targets[group] = append(slices.DeleteFunc(p.targets[group], func(h dataplane.TargetHealth) bool { return h.Target.ID == t.ID && h.Target.Port == t.Port }),
			dataplane.TargetHealth{Target: t})
	}
}

func (p *fakePlane) DeregisterTargets(group string, targets ...dataplane.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range targets {
		p.targets[group] = slices.DeleteFunc(p.targets[group], func(h dataplane.TargetHealth) bool { return h.Target.ID == t.ID && h.Target.Port == t.Port })
	}
}

func (p *fakePlane) TargetHealth(group string) []dataplane.TargetHealth {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Clone(p.targets[group])
	for i := range out {
		out[i].State, out[i].Description, out[i].Failures = "unhealthy", "Health checks failed", 2
		for _, c := range p.containers {
			if c.TaskID == out[i].Target.TaskID && c.State == "running" && strings.HasPrefix(c.Image, "web") && out[i].Target.Port == 80 {
				out[i].State, out[i].Description, out[i].Failures = "healthy", "", 0
			}
		}
	}
	return out
}
