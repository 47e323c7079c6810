package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/httpapi"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web"
)

// newTransports binds the address and builds the handler of everything that is served.
func (a *App) newTransports(ctx context.Context) error {
	var err error
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Addr); err != nil {
		return fmt.Errorf("listening on %s: %w", a.cfg.Addr, err)
	}
	if _, port, _ := net.SplitHostPort(a.cfg.Addr); port == "0" { // only known now
		a.cfg.BaseURL = strings.Replace(a.cfg.BaseURL, a.cfg.Addr, a.listener.Addr().String(), 1)
		a.cfg.Addr = a.listener.Addr().String()
	}
	if a.cfg.Dev != nil && a.cfg.Dev.SandboxAddr != "" {
		a.sandbox = &sandboxProcess{addr: a.cfg.Dev.SandboxAddr, dir: a.dir("sandbox"), logger: a.cfg.Logger, busy: a.executor.Busy, started: a.ready.sandbox.reach}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, status{Status: "ok"}) })
	mux.HandleFunc("GET /readyz", a.answerReady)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := newMetrics(registry, a)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	httpapi.Register(mux, httpapi.Deps{
		Audit: a.audit, Identity: a.identity, Projects: a.projects, Templates: a.templates, Contexts: a.contexts,
		Environments: a.environments, Manifests: a.manifests, Runs: a.runs, Events: a.events, Logger: a.cfg.Logger,
	})
	err = web.Register(mux, web.Deps{
		Audit: a.audit, Identity: a.identity, Projects: a.projects, Templates: a.templates, Contexts: a.contexts,
		Environments: a.environments, Runs: a.runs, Events: a.events, Tools: a.tools, Logger: a.cfg.Logger,
		Statics: a.statics, Repositories: a.repositories, Manifests: a.manifests, Keyring: a.keyring,
		Secure: strings.HasPrefix(a.cfg.BaseURL, "https:"),
	})
	if err != nil {
		return fmt.Errorf("preparing the pages: %w", err)
	}
	protected := http.NewCrossOriginProtection()
	if err := protected.AddTrustedOrigin(a.cfg.BaseURL); err != nil {
		return fmt.Errorf("trusting the base URL: %w", err)
	}
	protected.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, api.Error{
			Status: http.StatusForbidden, Code: codeOrigin,
			Detail: "A page of another site sent this request, so it was refused. Open " + a.cfg.BaseURL + " and try again there.",
		})
	}))
	a.handler = a.recovering(a.onlyOurHost(a.withClient(a.streams.watch(metrics.measure(mux, protected.Handler(mux))))))
	return nil
}

// Codes of what is refused before a route is found. docs/errors.md tells users.
const (
	codeHost   = "wrong_host"
	codeOrigin = "cross_origin"
)

// refuse answers as the API does to its clients, and in plain words to a browser.
func refuse(w http.ResponseWriter, r *http.Request, e api.Error) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		httpapi.WriteProblem(w, e)
		return
	}
	http.Error(w, e.Error(), e.Status)
}

// onlyOurHost refuses requests for another name, so that a page of another site cannot reach the server under a name
// of its own that resolves to this machine.
func (a *App) onlyOurHost(next http.Handler) http.Handler {
	allowed := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	if host, _, err := net.SplitHostPort(a.cfg.Addr); err == nil {
		allowed[host] = true
	}
	if u, err := url.Parse(a.cfg.BaseURL); err == nil {
		allowed[u.Hostname()] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !allowed[strings.ToLower(strings.Trim(host, "[]"))] && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			refuse(w, r, api.Error{
				Status: http.StatusMisdirectedRequest, Code: codeHost,
				Detail: "This server does not go by the name " + host + ". Its operator can set --base-url.",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withClient notes for the audit log where a request comes from.
func (a *App) withClient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := audit.Client{Kind: audit.Browser, IP: a.remoteIP(r), UserAgent: r.UserAgent(), RequestID: db.NewID("req")}
		switch {
		case strings.HasPrefix(r.UserAgent(), "berth-cli/"):
			c.Kind = audit.CLI
		case strings.HasPrefix(r.URL.Path, "/api/"):
			c.Kind = audit.API
		}
		w.Header().Set("X-Request-Id", c.RequestID)
		next.ServeHTTP(w, r.WithContext(audit.WithClient(r.Context(), c)))
	})
}

// remoteIP believes X-Forwarded-For from trusted proxies only: the last address in it that is no proxy of ours.
func (a *App) remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !a.trusted(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := bareAddress(strings.TrimSpace(hops[i]))
		if hop == "" {
			break // what stands before something that is no address cannot be believed either
		}
		host = hop
		if !a.trusted(hop) {
			break
		}
	}
	return host
}

// bareAddress returns the IP address in a text that may have a port, or nothing.
func bareAddress(text string) string {
	if ip, err := netip.ParseAddrPort(text); err == nil {
		return ip.Addr().Unmap().String()
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return ""
	}
	return ip.Unmap().String()
}

func (a *App) trusted(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range a.cfg.TrustedProxies {
		if p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

func (a *App) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(p)
			}
			a.cfg.Logger.ErrorContext(r.Context(), "panic in a request", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			refuse(w, r, api.Error{
				Status: http.StatusInternalServerError, Code: "internal", Reference: w.Header().Get("X-Request-Id"),
				Detail: "Something went wrong on the server. Tell its operator the reference.",
			})
		}()
		next.ServeHTTP(w, r)
	})
}

type status struct {
	Status string `json:"status"`
	// Waiting says what is missing, in words for the operator.
	Waiting []string `json:"waiting,omitempty"`
}

func writeStatus(w http.ResponseWriter, code int, s status) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(s)
}

// answerReady answers 200 once environments can be created and deployed.
func (a *App) answerReady(w http.ResponseWriter, r *http.Request) {
	var waiting []string
	if a.draining.Load() {
		waiting = append(waiting, "the server is shutting down")
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := a.db.Ping(ctx); err != nil {
		waiting = append(waiting, "the database does not answer")
	}
	if snap := a.tools.Snapshot(); snap.State != tofu.StateReady {
		text := "OpenTofu is being prepared"
		for _, p := range snap.Tools {
			text += "; " + p.String()
		}
		if snap.Err != nil {
			text = snap.Err.Error()
		}
		waiting = append(waiting, text)
	}
	if a.sandbox != nil && !a.sandbox.healthy.Load() {
		waiting = append(waiting, "the sandbox is starting")
	}
	if !a.ready.data.reached() {
		waiting = append(waiting, "the first templates are being published")
	}
	for _, l := range a.loops {
		if l.failing.Load() {
			waiting = append(waiting, "background work fails: "+l.name)
		}
	}
	if len(waiting) > 0 {
		writeStatus(w, http.StatusServiceUnavailable, status{"not ready", waiting})
		return
	}
	writeStatus(w, http.StatusOK, status{Status: "ready"})
}
