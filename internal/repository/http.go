package repository

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// httpWire speaks git's smart protocol over HTTP.
type httpWire struct {
	target
	client *http.Client
	base   *url.URL // after redirects
	bodies []io.Closer
}

const (
	service           = "git-upload-pack"
	typeAdvertisement = "application/x-" + service + "-advertisement"
	typeResult        = "application/x-" + service + "-result"
	maxRedirects      = 5
	// defaultUsername serves where a token is the whole of it; servers that take
	// tokens ignore the name, but some want one.
	defaultUsername = "git"
)

func newHTTPWire(t target) (*httpWire, error) {
	base, err := url.Parse(strings.TrimSuffix(t.address.String(), "/"))
	if err != nil {
		return nil, fmt.Errorf("parsing a repository's URL: %w", err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer().DialContext, TLSHandshakeTimeout: 20 * time.Second,
		ForceAttemptHTTP2: true, DisableCompression: false, MaxResponseHeaderBytes: 256 << 10,
	}
	if t.caCert != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM([]byte(t.caCert))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	w := &httpWire{target: t, base: base}
	w.client = &http.Client{Transport: transport, CheckRedirect: w.checkRedirect}
	return w, nil
}

func (w *httpWire) close() {
	for _, b := range w.bodies {
		_ = b.Close() // it was only read from
	}
	w.client.CloseIdleConnections()
}

// checkRedirect follows a server that calls the repository by another address of its
// own. Going to another host is for the person who configures it to decide: the code
// would be somebody else's, and the credentials must not go there.
func (w *httpWire) checkRedirect(req *http.Request, via []*http.Request) error {
	to, err := parseAddress(req.URL.Scheme+"://"+req.URL.Host+req.URL.EscapedPath(), false)
	if err != nil {
		return fail(ErrAddress, err, "Give the final address as the URL.", "%s redirects to an address that is refused.", w.address.host)
	}
	upgraded := w.address.scheme == schemeHTTP && to.scheme == schemeHTTPS && to.host == w.address.host
	if to.origin() != w.address.origin() && !upgraded {
		return fail(ErrAddress, nil, fmt.Sprintf("If that is right, use an address at %s as the URL.", to.hostPort()),
			"%s redirects to another server, %s, which is not followed.", w.address.hostPort(), to.hostPort())
	}
	if len(via) >= maxRedirects {
		return fail(ErrProtocol, nil, "Check the URL.", "%s redirects in a circle.", w.address.host)
	}
	return nil
}

func (w *httpWire) do(ctx context.Context, method, address string, body []byte, wanted string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("composing a git request: %w", err)
	}
	req.Header.Set("User-Agent", "git/2.0 (berth)") // some servers look for a name that begins like git's
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-"+service+"-request")
		req.Header.Set("Accept", wanted)
	}
	if w.auth == AuthPassword {
		req.SetBasicAuth(w.loginName(), w.secrets.Secret)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return nil, connectFailure(ctx, w.address, w.timeout, err)
	}
	w.bodies = append(w.bodies, res.Body)
	if err := w.checkStatus(res); err != nil {
		return nil, err
	}
	if got := res.Header.Get("Content-Type"); got != wanted {
		return nil, fail(ErrProtocol, nil, "Check the URL: use the address that git clone takes, not that of a web page.",
			"%s answers, but not as a git server does.", w.address)
	}
	return res, nil
}

func (t target) loginName() string {
	if t.username == "" {
		return defaultUsername
	}
	return t.username
}

func (w *httpWire) checkStatus(res *http.Response) error {
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusUnauthorized && w.auth != AuthPassword:
		return fail(ErrAuth, nil, "Choose password as the way to sign in, and give a user name and a password or token; "+
			"some servers answer so for a repository that does not exist.", "%s asks for a user name and a password.", w.address.host)
	case code == http.StatusUnauthorized:
		return fail(ErrAuth, nil, "Check the user name and the password or token; a token may have expired.",
			"%s does not accept the user name and password.", w.address.host)
	case code == http.StatusForbidden:
		return fail(ErrAuth, nil, "Give the user, or the token, the right to read the repository.", "%s does not let this user read %s.", w.address.host, w.address.path)
	case code == http.StatusNotFound || code == http.StatusGone:
		advice := "Check the path in the URL."
		if w.auth == AuthNone {
			advice += " If the repository is private, give credentials: servers hide private repositories."
		} else {
			advice += " If it is right, the user or token may not see the repository."
		}
		return fail(ErrMissing, nil, advice, "%s has no repository %s.", w.address.host, w.address.path)
	case code == http.StatusTooManyRequests || code >= 500:
		return fail(ErrUnreachable, nil, "Try again later; if it stays so, ask whoever runs the git server.", "%s answers with an error (%s).", w.address.host, res.Status)
	default:
		return fail(ErrProtocol, nil, "Check the URL.", "%s does not answer as a git server does (%s).", w.address, plain(res.Status, w.secrets.values()))
	}
}

func (w *httpWire) advertised(ctx context.Context) (io.Reader, error) {
	const suffix = "/info/refs"
	res, err := w.do(ctx, http.MethodGet, w.base.String()+suffix+"?service="+service, nil, typeAdvertisement) //nolint:bodyclose // close closes all
	if err != nil {
		return nil, err
	}
	// What follows goes to where the redirects led.
	final := *res.Request.URL
	final.RawQuery = ""
	if p, ok := strings.CutSuffix(final.Path, suffix); ok {
		final.Path, final.RawPath = p, strings.TrimSuffix(final.RawPath, suffix)
		w.base = &final
	}
	return res.Body, nil
}

func (w *httpWire) ask(ctx context.Context, request []byte) (io.Reader, error) {
	res, err := w.do(ctx, http.MethodPost, w.base.String()+"/"+service, request, typeResult) //nolint:bodyclose // close closes all
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

func (w *httpWire) explain(ctx context.Context, err error) error {
	if text, ok := refusal(err); ok {
		return fail(ErrProtocol, err, "", "%s refuses: %s.", w.address.host, plain(text, w.secrets.values()))
	}
	if f := timeoutFailure(ctx, w.address, w.timeout, err); f != nil {
		return f
	}
	return fail(ErrProtocol, err, "Try again; if it stays so, check the URL and ask whoever runs the git server.", "The answer of %s is broken off or damaged.", w.address.host)
}
