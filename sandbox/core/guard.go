package core

import (
	"net"
	"net/http"
	"regexp"
	"strings"
)

// guard decides who may talk to the sandbox at all. The sandbox has no secret:
// what it keeps out is other people's web pages, which can reach 127.0.0.1 from
// a browser but cannot choose these headers, and names that were made to point
// here (DNS rebinding).
type guard struct{ host, port string }

func newGuard(addr string) (guard, error) {
	host, port, err := net.SplitHostPort(addr)
	return guard{host: host, port: port}, err
}

// checkHost accepts the listen address and localhost, at the listen port.
func (g guard) checkHost(r *http.Request) *Error {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
	}
	if port == g.port && (host == g.host || host == "localhost" || g.isOwnLoopback(host)) {
		return nil
	}
	return Errorf("ForbiddenHost", "The sandbox answers only at %s and localhost:%s, not at the host name %q.",
		net.JoinHostPort(g.host, g.port), g.port, r.Host).WithStatus(http.StatusForbidden)
}

// isOwnLoopback accepts the loopback addresses themselves when the sandbox
// listens on every address or on localhost.
func (g guard) isOwnLoopback(host string) bool {
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() {
		return false
	}
	own := net.ParseIP(g.host)
	return g.host == "localhost" || own != nil && own.IsUnspecified()
}

// checkBrowser refuses what a page of another origin can send.
func (g guard) checkBrowser(r *http.Request) *Error {
	if origin := r.Header.Get("Origin"); origin != "" {
		return Errorf("ForbiddenOrigin", "The sandbox does not take requests from web pages (Origin: %s).", origin).WithStatus(http.StatusForbidden)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return Errorf("ForbiddenOrigin", "The sandbox does not take requests from web pages (Sec-Fetch-Site: %s).", site).WithStatus(http.StatusForbidden)
	}
	return nil
}

// checkPage is checkBrowser for the sandbox's own pages: reading is allowed to
// everybody who got past checkHost, since a browser does not show the answer to
// another origin; changing is allowed to no other origin.
func (g guard) checkPage(r *http.Request) *Error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if r.Header.Get("Origin") == "http://"+r.Host && r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		return nil
	}
	return g.checkBrowser(r)
}

// credential is the scope of a SigV4 Authorization header.
type credential struct{ accessKey, region, service string }

var authorization = regexp.MustCompile(
	`^AWS4-(?:HMAC-SHA256|ECDSA-P256-SHA256) Credential=([^/,\s]+)/\d{8}/(?:([a-z0-9-]+)/)?([A-Za-z0-9_-]+)/aws4_request,\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]+$`)

// parseAuthorization checks the header's form. Any key is accepted and the
// signature is not: that the header is there is what a web page cannot arrange.
func parseAuthorization(r *http.Request) (credential, *Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return credential{}, Errorf("MissingAuthenticationToken",
			"Missing Authentication Token: AWS calls to the sandbox need a SigV4 Authorization header; any access key will do.").WithStatus(http.StatusForbidden)
	}
	m := authorization.FindStringSubmatch(strings.TrimSpace(header))
	if m == nil {
		return credential{}, Errorf("IncompleteSignature",
			"The Authorization header is not a SigV4 signature (AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=..., Signature=...).").WithStatus(http.StatusForbidden)
	}
	return credential{accessKey: m[1], region: m[2], service: m[3]}, nil
}
