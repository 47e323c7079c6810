package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berthdev/berth/sandbox/dataplane/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a balancer over servers that stand for tasks.
type world struct {
	t       *testing.T
	b       *proxy.Balancer
	mu      sync.Mutex
	servers map[string]string // task to address
	made    int
	denied  sync.Map
	events  chan proxy.TargetHealth
	addr    string
	lb      proxy.LoadBalancer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, servers: map[string]string{}, events: make(chan proxy.TargetHealth, 1000)}
	addresses, err := proxy.OpenAddresses(filepath.Join(t.TempDir(), "addresses.json"))
	require.NoError(t, err)
	w.b = proxy.New(proxy.Options{
		Addresses: addresses,
		Dial: func(ctx context.Context, task string, _ int) (net.Conn, error) {
			w.mu.Lock()
			addr, ok := w.servers[task]
			w.mu.Unlock()
			if !ok {
				addr = "127.0.0.1:1"
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		Allow: func(_ string, target proxy.Target) bool {
			_, no := w.denied.Load(target.TaskID)
			return !no
		},
		HealthChanged: func(_ string, h proxy.TargetHealth) { w.events <- h },
	})
	t.Cleanup(w.b.Close)
	_, err = w.b.Create("lb")
	require.NoError(t, err)
	w.b.SetGroup(group("tg"))
	w.lb = proxy.LoadBalancer{ID: "lb", Kind: proxy.KindApplication, Listeners: []proxy.Listener{{
		ID: "l", Port: 18080, Protocol: "HTTP", Default: to("tg")}}}
	w.set()
	w.addr, _ = w.b.ListenerAddress("lb", "l")
	require.NotEmpty(t, w.addr)
	return w
}

func group(id string) proxy.TargetGroup {
	return proxy.TargetGroup{ID: id, Protocol: "HTTP", DeregistrationDelay: 20 * time.Second, HealthCheck: proxy.HealthCheck{
		Path: "/health", Matcher: "200-299", Interval: 50 * time.Millisecond, Timeout: 40 * time.Millisecond, HealthyThreshold: 2, UnhealthyThreshold: 2}}
}

func to(ids ...string) proxy.Action {
	var a proxy.Action
	for _, id := range ids {
		a.Forward = append(a.Forward, proxy.WeightedGroup{TargetGroupID: id, Weight: 1})
	}
	return a
}

func (w *world) set() { require.NoError(w.t, w.b.Set(w.lb)) }

// serve starts a task that answers its own name, and returns its target.
func (w *world) serve(task string, h http.HandlerFunc) proxy.Target {
	w.t.Helper()
	if h == nil {
		h = func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, task) }
	}
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[task] = s.Listener.Addr().String()
	w.made++
	return proxy.Target{ID: "10.0.0.1", Port: 80 + w.made, TaskID: task}
}

func (w *world) until(target proxy.Target, state proxy.HealthState, reason string) proxy.TargetHealth {
	w.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case h := <-w.events:
			if h.Target == target && h.State == state && h.Reason == reason {
				return h
			}
		case <-timeout:
			w.t.Fatalf("%v did not become %s %s: %+v", target, state, reason, w.b.Health("tg"))
		}
	}
}

func (w *world) get(path string, headers ...string) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.addr+path, nil)
	require.NoError(w.t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(body), resp.Header
}

func TestRouting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body, header := w.get("/")
	require.Equal(t, 503, status)
	require.Contains(t, body, "503 Service Temporarily Unavailable")
	require.Equal(t, "awselb/2.0", header.Get("Server"))

	a, b := w.serve("a", nil), w.serve("b", nil)
	w.b.Register("tg", a, b)
	w.until(a, proxy.HealthHealthy, "")
	require.Eventually(t, func() bool { return w.b.Health("tg")[1].State == proxy.HealthHealthy }, 5*time.Second, time.Millisecond)
	seen := map[string]int{}
	for range 10 {
		_, body, _ := w.get("/")
		seen[body]++
	}
	require.Equal(t, map[string]int{"a": 5, "b": 5}, seen)

	w.b.SetGroup(group("other"))
	c := w.serve("c", nil)
	w.lb.Listeners[0].Rules = []proxy.Rule{
		{Priority: 20, Conditions: []proxy.Condition{{Field: "path-pattern", Values: []string{"/x/*"}}}, Action: proxy.Action{Fixed: &proxy.FixedResponse{StatusCode: 418, ContentType: "text/plain", Body: "late"}}},
		{Priority: 10, Conditions: []proxy.Condition{{Field: "path-pattern", Values: []string{"/x/?"}}, {Field: "host-header", Values: []string{"*.example.com"}}}, Action: to("other")},
		{Priority: 30, Conditions: []proxy.Condition{{Field: "path-pattern", Values: []string{"/old*"}}}, Action: proxy.Action{Redirect: &proxy.Redirect{Path: "/new", Host: "h.example", Port: "80", StatusCode: 301}}},
	}
	w.set()
	w.b.Register("other", c)
	w.until(c, proxy.HealthHealthy, "")
	_, body, _ = w.get("/x/1", "Host", "a.example.com")
	require.Equal(t, "c", body)
	status, body, _ = w.get("/x/1")
	require.Equal(t, 418, status)
	require.Equal(t, "late", body)
	status, _, header = w.get("/old/page?q=1")
	require.Equal(t, 301, status)
	require.Equal(t, "http://h.example/new?q=1", header.Get("Location"))
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.serve("a", func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, r.Host, "|", r.Header.Get("X-Forwarded-For"), "|", r.Header.Get("X-Forwarded-Proto"), "|", r.Header.Get("X-Amzn-Trace-Id") != "")
	})
	w.b.Register("tg", a)
	w.until(a, proxy.HealthHealthy, "")
	_, body, _ := w.get("/", "Host", "shop.example", "X-Forwarded-For", "198.51.100.1")
	require.Regexp(t, `^shop\.example\|198\.51\.100\.1, 127\.\d+\.\d+\.\d+\|http\|true$`, body)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var status atomic.Int64
	status.Store(500)
	a := w.serve("a", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(int(status.Load())) })
	w.b.Register("tg", a)
	w.until(a, proxy.HealthInitial, "Elb.InitialHealthChecking")
	h := w.until(a, proxy.HealthUnhealthy, "Target.ResponseCodeMismatch")
	require.Equal(t, "Health checks failed with these codes: [500]", h.Description)
	got, _, _ := w.get("/")
	require.Equal(t, 500, got, "with no healthy target the load balancer fails open")
	status.Store(204)
	w.until(a, proxy.HealthHealthy, "")

	gone := proxy.Target{ID: "10.0.0.9", Port: 80, TaskID: "gone"}
	w.b.Register("tg", gone)
	w.until(gone, proxy.HealthUnhealthy, "Target.FailedHealthChecks")
	nobody := proxy.Target{ID: "10.0.0.10", Port: 80}
	w.b.Register("tg", nobody)
	w.until(nobody, proxy.HealthUnhealthy, "Target.Timeout")
	slow := w.serve("slow", func(rw http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.b.Register("tg", slow)
	w.until(slow, proxy.HealthUnhealthy, "Target.Timeout")
}

func TestSecurityGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.serve("a", nil)
	w.denied.Store("a", true)
	w.b.Register("tg", a)
	h := w.until(a, proxy.HealthUnhealthy, "Target.Timeout")
	require.Contains(t, h.Description, "security group")
	status, _, _ := w.get("/")
	require.Equal(t, 504, status)
	w.denied.Delete("a")
	w.until(a, proxy.HealthHealthy, "")
}

func TestUnusedGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.b.SetGroup(group("spare"))
	a := w.serve("a", nil)
	w.b.Register("spare", a)
	w.until(a, proxy.HealthUnused, "Target.NotInUse")
	w.lb.Listeners[0].Default = to("spare")
	w.set()
	w.until(a, proxy.HealthHealthy, "")
}

func TestDraining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	started, finish := make(chan bool), make(chan bool)
	a := w.serve("a", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			started <- true
			<-finish
		}
		fmt.Fprint(rw, "done")
	})
	w.b.Register("tg", a)
	w.until(a, proxy.HealthHealthy, "")
	var wg sync.WaitGroup
	wg.Go(func() {
		_, body, _ := w.get("/long")
		if body != "done" {
			t.Errorf("the open request was cut: %q", body)
		}
	})
	<-started
	w.b.Deregister("tg", a)
	w.until(a, proxy.HealthDraining, "Target.DeregistrationInProgress")
	status, _, _ := w.get("/")
	require.Equal(t, 503, status, "a draining target gets no new request")
	require.Len(t, w.b.Health("tg"), 1)
	close(finish)
	wg.Wait()
	w.until(a, proxy.HealthUnused, "Target.NotRegistered")
	require.Empty(t, w.b.Health("tg"))
}

// TestRollingChange replaces every target several times, and rules too, while a
// client asks without pause.
func TestRollingChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.serve("v0", nil)
	w.b.Register("tg", target)
	w.until(target, proxy.HealthHealthy, "")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var asked atomic.Int64
	for range 3 {
		wg.Go(func() {
			tr := &http.Transport{}
			defer tr.CloseIdleConnections()
			for ctx.Err() == nil {
				req, _ := http.NewRequest(http.MethodGet, "http://"+w.addr+"/", nil)
				resp, err := tr.RoundTrip(req)
				if err != nil {
					t.Errorf("request failed: %v", err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || !strings.HasPrefix(string(body), "v") {
					t.Errorf("got %d %q", resp.StatusCode, body)
					return
				}
				asked.Add(1)
			}
		})
	}
	for i := 1; i <= 5; i++ {
		next := w.serve(fmt.Sprintf("v%d", i), nil)
		w.b.Register("tg", next)
		w.until(next, proxy.HealthHealthy, "")
		w.b.Deregister("tg", target)
		w.lb.Listeners[0].Rules = nil
		w.set()
		w.until(target, proxy.HealthUnused, "Target.NotRegistered")
		w.mu.Lock()
		delete(w.servers, target.TaskID)
		w.mu.Unlock()
		target = next
	}
	cancel()
	wg.Wait()
	require.Positive(t, asked.Load())
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.serve("a", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		conn, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, buf)
	})
	w.b.Register("tg", a)
	w.until(a, proxy.HealthHealthy, "")
	conn, err := net.Dial("tcp", w.addr)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 101, resp.StatusCode)
	fmt.Fprint(conn, "hello\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
}

func TestNetworkLoadBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.b.Create("nlb")
	require.NoError(t, err)
	g := group("tcp")
	g.Protocol = "TCP"
	g.HealthCheck.Protocol = "TCP"
	w.b.SetGroup(g)
	require.NoError(t, w.b.Set(proxy.LoadBalancer{ID: "nlb", Kind: proxy.KindNetwork, Listeners: []proxy.Listener{{ID: "t", Port: 19090, Protocol: "TCP", Default: to("tcp")}}}))
	a := w.serve("a", nil)
	w.b.Register("tcp", a)
	w.until(a, proxy.HealthHealthy, "")
	w.addr, _ = w.b.ListenerAddress("nlb", "t")
	_, body, _ := w.get("/")
	require.Equal(t, "a", body)
}

func TestAddressesAreRemembered(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "addresses.json")
	a, err := proxy.OpenAddresses(file)
	require.NoError(t, err)
	one, err := a.ForLoadBalancer("lb/one")
	require.NoError(t, err)
	two, err := a.ForLoadBalancer("lb/two")
	require.NoError(t, err)
	require.NotEqual(t, one.Name(), two.Name())
	task, err := a.ForTask("task/x")
	require.NoError(t, err)
	again, err := proxy.OpenAddresses(file)
	require.NoError(t, err)
	for owner, want := range map[string]proxy.Address{"lb/one": one, "lb/two": two} {
		got, err := again.ForLoadBalancer(owner)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := again.ForTask("task/x")
	require.NoError(t, err)
	require.Equal(t, task, got)
}
