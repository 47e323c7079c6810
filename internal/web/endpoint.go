package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/web/views"
)

const (
	endpointTimeout = 3 * time.Second
	endpointFresh   = 5 * time.Second
	maxChecks       = 2000
)

// endpointChecks remembers what was last seen of endpoints, so that a page can say since when one answers, and so that
// many readers of one page do not become many requests.
type endpointChecks struct {
	client *http.Client
	mu     sync.Mutex
	seen   map[string]endpointCheck
}

type endpointCheck struct {
	at, since time.Time
	answers   bool
	detail    string
}

func newEndpointChecks() *endpointChecks {
	return &endpointChecks{seen: map[string]endpointCheck{}, client: &http.Client{
		Timeout:       endpointTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy: it would answer in the endpoint's stead
	}}
}

func (c *endpointChecks) last(address string) (endpointCheck, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.seen[address]
	return e, ok
}

// look asks an endpoint whether it answers, unless that was asked a moment ago.
func (c *endpointChecks) look(ctx context.Context, address string, now time.Time) endpointCheck {
	before, known := c.last(address)
	if known && now.Sub(before.at) < endpointFresh {
		return before
	}
	e := endpointCheck{at: now, since: now}
	e.answers, e.detail = c.ask(ctx, address)
	if known && before.answers == e.answers {
		e.since = before.since
	}
	if ctx.Err() != nil {
		return e // the reader has gone, so the failure may be ours
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= maxChecks {
		clear(c.seen)
	}
	c.seen[address] = e
	return e
}

func (c *endpointChecks) ask(ctx context.Context, address string) (answers bool, detail string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, "the address cannot be read"
	}
	req.Header.Set("User-Agent", "Berth endpoint check")
	resp, err := c.client.Do(req)
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return false, fmt.Sprintf("nothing came within %d seconds", int(endpointTimeout.Seconds()))
	case err != nil:
		return false, "nothing accepts the connection"
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= http.StatusInternalServerError {
		return false, "it answers " + resp.Status
	}
	return true, ""
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// endpointView is the card with what is known; the page then asks for a fresh look.
func (s *server) endpointView(f environmentFacts) *views.Endpoint {
	if f.Endpoint == "" || f.Status == environment.StatusDestroyed || f.Status == environment.StatusDraft {
		return nil
	}
	v := &views.Endpoint{URL: f.Endpoint, CheckURL: f.base + "/endpoint"}
	if e, ok := s.endpoints.last(f.Endpoint); ok {
		fillEndpoint(v, e, f.Now)
	}
	return v
}

func fillEndpoint(v *views.Endpoint, e endpointCheck, now time.Time) {
	v.Checked, v.Answers, v.Since, v.Detail = true, e.answers, views.At(e.since, now), e.detail
}

// endpoint is the endpoint card after a look at whether the endpoint answers right now.
func (s *server) endpoint(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	e, err := s.Environments.Get(r.Context(), string(p.ID), r.PathValue("environment"))
	if err != nil {
		return err
	}
	if e.Endpoint == "" || e.Status == environment.StatusDestroyed {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v := &views.Endpoint{URL: e.Endpoint}
	fillEndpoint(v, s.endpoints.look(r.Context(), e.Endpoint, s.now()), s.now())
	return render(w, r, http.StatusOK, EndpointState(v))
}
