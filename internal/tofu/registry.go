package tofu

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tofuRegistry is the registry whose answer decides where providers come from.
const tofuRegistry = "https://registry.opentofu.org"

// probeTimeout is short: a registry that needs longer for its smallest document would not serve a provider of
// hundreds of megabytes.
const probeTimeout = 3 * time.Second

// registryProbe asks once per process whether a registry answers.
type registryProbe struct {
	client *http.Client

	mu      sync.Mutex
	answers map[string]*probeResult
}

type probeResult struct {
	done chan struct{}
	ok   bool
}

func newRegistryProbe() *registryProbe {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // it is asked once
	return &registryProbe{client: &http.Client{Transport: transport}, answers: map[string]*probeResult{}}
}

// answer reports whether the registry at a base URL serves providers. The first caller pays for the question, others wait.
func (p *registryProbe) answer(ctx context.Context, base string) (bool, error) {
	p.mu.Lock()
	result, asked := p.answers[base]
	if !asked {
		result = &probeResult{done: make(chan struct{})}
		p.answers[base] = result
	}
	p.mu.Unlock()
	if !asked {
		// The answer is kept for all, so one caller's end must not decide it.
		result.ok = p.ask(context.WithoutCancel(ctx), base)
		close(result.done)
	}
	select {
	case <-result.done:
		return result.ok, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// ask wants the discovery document itself: a hotel's sign-in page answers too.
func (p *registryProbe) ask(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/.well-known/terraform.json", nil)
	if err != nil {
		return false
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return false
	}
	var services map[string]any
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&services) != nil {
		return false
	}
	_, ok := services["providers.v1"]
	return ok
}
