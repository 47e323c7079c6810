package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

var (
	errNoTarget = errors.New("no target can receive the request")
	errIdle     = errors.New("the target did not answer within the idle timeout")
)

// attempt is the RoundTripper of one request: it goes to one target after the
// other until one accepts the connection. What was sent once is never repeated.
type attempt struct {
	lb   *loadBalancer
	g    *group
	held *member
}

// forward sends a request to a target of the group.
func (lb *loadBalancer) forward(l *listener, g *group, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	idle := time.AfterFunc(time.Duration(lb.idle.Load()), func() { cancel(errIdle) })
	defer idle.Stop()
	a := &attempt{lb: lb, g: g}
	defer a.release()
	_, port, _ := net.SplitHostPort(l.ln.Addr().String())
	proxy := httputil.ReverseProxy{
		Transport:     a,
		FlushInterval: -1, // a response reaches the client as it comes
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite:       func(p *httputil.ProxyRequest) { rewrite(p, port) },
		ModifyResponse: func(*http.Response) error {
			idle.Stop()
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(context.Cause(ctx), errIdle) {
				err = errIdle
			}
			writePage(w, statusOf(err))
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

func statusOf(err error) int {
	var ne net.Error
	switch {
	case errors.Is(err, errNoTarget):
		return http.StatusServiceUnavailable
	case errors.Is(err, errForbidden), errors.Is(err, errNobody), errors.Is(err, errIdle), errors.As(err, &ne) && ne.Timeout():
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

func rewrite(p *httputil.ProxyRequest, port string) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", "target"
	p.Out.Host = p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	from := append(p.In.Header.Values("X-Forwarded-For"), hostOnly(p.In.RemoteAddr))
	p.Out.Header.Set("X-Forwarded-For", strings.Join(from, ", "))
	p.Out.Header.Set("X-Forwarded-Proto", "http")
	p.Out.Header.Set("X-Forwarded-Port", port)
	if p.In.Header.Get("X-Amzn-Trace-Id") == "" {
		id := make([]byte, 12)
		_, _ = rand.Read(id)
		p.Out.Header.Set("X-Amzn-Trace-Id", fmt.Sprintf("Root=1-%08x-%s", time.Now().Unix(), hex.EncodeToString(id)))
	}
	if _, ok := p.Out.Header["User-Agent"]; !ok {
		p.Out.Header.Set("User-Agent", "")
	}
}

func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	body := req.Body
	var tried []*member
	last := errNoTarget
	for {
		m := a.g.pick(tried)
		if m == nil {
			closeBody(body)
			return nil, last
		}
		a.hold(m)
		tried = append(tried, m)
		if !a.lb.b.allow(a.lb.id, m.target) {
			last = errForbidden
			continue
		}
		out := req
		if body != nil {
			// The transport closes what it is given, also when it could not connect.
			out = req.Clone(req.Context())
			out.Body = io.NopCloser(body)
		}
		resp, err := m.transport.RoundTrip(out)
		var op *dialError
		if err == nil || !errors.As(err, &op) || req.Context().Err() != nil {
			return resp, err
		}
		last = err
	}
}

func (a *attempt) hold(m *member) {
	a.release()
	a.held = m
}

func (a *attempt) release() {
	if a.held != nil {
		a.g.release(a.held)
		a.held = nil
	}
}

func closeBody(b io.ReadCloser) {
	if b != nil {
		_ = b.Close()
	}
}

// dialError tells that a request was never sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }
