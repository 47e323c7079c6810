package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Requests that are under way when their listener goes away may end.
const listenerGrace = 10 * time.Second

// loadBalancer is one load balancer with its listeners by id.
type loadBalancer struct {
	b  *Balancer
	id string

	mu        sync.Mutex
	idle      atomic.Int64 // time.Duration
	listeners map[string]*listener
}

// listener accepts on one port. Its rules are replaced while it serves.
type listener struct {
	cfg    atomic.Pointer[Listener]
	port   int
	kind   Kind
	ln     net.Listener
	server *http.Server
	tcp    *forwarder
	served sync.WaitGroup
}

func (lb *loadBalancer) configure(cfg LoadBalancer) error {
	lb.mu.Lock()
	defer lb.mu.Unlock()
	idle := cfg.IdleTimeout
	if idle == 0 {
		idle = 60 * time.Second
	}
	lb.idle.Store(int64(idle))
	wanted := map[string]bool{}
	for _, l := range cfg.Listeners {
		wanted[l.ID] = true
	}
	// Those that go, go first: another may want their port.
	for id, l := range lb.listeners {
		if !wanted[id] {
			delete(lb.listeners, id)
			lb.retire(l)
		}
	}
	var errs []error
	for _, l := range cfg.Listeners {
		have := lb.listeners[l.ID]
		if have != nil && have.port == l.Port && have.kind == cfg.Kind {
			have.cfg.Store(&l)
			continue
		}
		if have != nil {
			delete(lb.listeners, l.ID)
			lb.retire(have)
		}
		made, err := lb.listen(cfg.Kind, l)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %s on port %d: %w", l.ID, l.Port, err))
			continue
		}
		lb.listeners[l.ID] = made
	}
	return errors.Join(errs...)
}

func (lb *loadBalancer) listen(kind Kind, cfg Listener) (*listener, error) {
	ln, err := lb.b.opts.Addresses.listen(lbOwner(lb.id), cfg.Port)
	if err != nil {
		return nil, err
	}
	l := &listener{port: cfg.Port, kind: kind, ln: ln}
	l.cfg.Store(&cfg)
	if kind == KindNetwork {
		l.tcp = forward(ln, func(ctx context.Context) (net.Conn, func(), error) { return lb.connectTCP(ctx, l) })
		return l, nil
	}
	l.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { lb.serve(l, w, r) }),
		ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
	}
	l.served.Go(func() { _ = l.server.Serve(ln) })
	return l, nil
}

// connectTCP is the network load balancer: any target that accepts will do.
func (lb *loadBalancer) connectTCP(ctx context.Context, l *listener) (net.Conn, func(), error) {
	g := lb.b.choose(l.cfg.Load().Default.Forward)
	if g == nil {
		return nil, nil, errNobody
	}
	var tried []*member
	for {
		m := g.pick(tried)
		if m == nil {
			return nil, nil, errNobody
		}
		if lb.b.allow(lb.id, m.target) {
			if conn, err := lb.b.connect(ctx, m.target); err == nil {
				return conn, func() { g.release(m) }, nil
			}
		}
		g.release(m)
		tried = append(tried, m)
	}
}

func (lb *loadBalancer) serve(l *listener, w http.ResponseWriter, r *http.Request) {
	action := actionFor(l.cfg.Load(), r)
	switch {
	case action.Redirect != nil:
		_, port, _ := net.SplitHostPort(l.ln.Addr().String())
		w.Header().Set("Server", "awselb/2.0")
		w.Header().Set("Location", action.Redirect.location(r, port))
		w.WriteHeader(action.Redirect.StatusCode)
	case action.Fixed != nil:
		w.Header().Set("Server", "awselb/2.0")
		if action.Fixed.ContentType != "" {
			w.Header().Set("Content-Type", action.Fixed.ContentType)
		}
		w.WriteHeader(action.Fixed.StatusCode)
		_, _ = io.WriteString(w, action.Fixed.Body)
	default:
		g := lb.b.choose(action.Forward)
		if g == nil {
			writePage(w, http.StatusServiceUnavailable)
			return
		}
		lb.forward(l, g, w, r)
	}
}

func (lb *loadBalancer) address(listenerID string) (string, bool) {
	lb.mu.Lock()
	defer lb.mu.Unlock()
	l, ok := lb.listeners[listenerID]
	if !ok {
		return "", false
	}
	return l.ln.Addr().String(), true
}

// groupIDs are the target groups that any rule forwards to.
func (lb *loadBalancer) groupIDs() (out []string) {
	lb.mu.Lock()
	defer lb.mu.Unlock()
	for _, l := range lb.listeners {
		cfg := l.cfg.Load()
		actions := []Action{cfg.Default}
		for _, r := range cfg.Rules {
			actions = append(actions, r.Action)
		}
		for _, a := range actions {
			for _, g := range a.Forward {
				out = append(out, g.TargetGroupID)
			}
		}
	}
	return out
}

// retire frees the listener's port now and lets open requests end.
func (lb *loadBalancer) retire(l *listener) {
	l.ln.Close()
	lb.b.wg.Go(func() {
		ctx, cancel := context.WithTimeout(lb.b.ctx, listenerGrace)
		defer cancel()
		if l.tcp != nil {
			l.tcp.close()
			return
		}
		if err := l.server.Shutdown(ctx); err != nil {
			_ = l.server.Close()
		}
		l.served.Wait()
	})
}

// close ends everything at once.
func (lb *loadBalancer) close() {
	lb.mu.Lock()
	defer lb.mu.Unlock()
	for id, l := range lb.listeners {
		delete(lb.listeners, id)
		if l.tcp != nil {
			l.tcp.close()
			continue
		}
		_ = l.server.Close()
		l.served.Wait()
	}
}
