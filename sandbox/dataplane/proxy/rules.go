package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// actionFor returns what a listener does with a request.
func actionFor(l *Listener, r *http.Request) Action {
	rules := slices.Clone(l.Rules)
	slices.SortStableFunc(rules, func(a, b Rule) int { return a.Priority - b.Priority })
	for _, rule := range rules {
		if !slices.ContainsFunc(rule.Conditions, func(c Condition) bool { return !c.holds(r) }) {
			return rule.Action
		}
	}
	return l.Default
}

func (c Condition) holds(r *http.Request) bool {
	return slices.ContainsFunc(c.Values, func(want string) bool { return c.fits(want, r) })
}

func (c Condition) fits(want string, r *http.Request) bool {
	switch c.Field {
	case "path-pattern":
		return wildcard(want, r.URL.Path)
	case "host-header":
		return wildcard(strings.ToLower(want), strings.ToLower(hostOnly(r.Host)))
	case "http-request-method":
		return want == r.Method
	case "http-header":
		return slices.ContainsFunc(r.Header.Values(c.HeaderName), func(have string) bool {
			return wildcard(strings.ToLower(want), strings.ToLower(have))
		})
	case "query-string":
		return queryFits(want, r.URL.Query())
	case "source-ip":
		prefix, err := netip.ParsePrefix(want)
		addr, aerr := netip.ParseAddr(hostOnly(r.RemoteAddr))
		return err == nil && aerr == nil && prefix.Contains(addr)
	}
	return false
}

func queryFits(want string, query url.Values) bool {
	key, value, hasKey := strings.Cut(want, "=")
	if !hasKey {
		key, value = "*", want
	}
	for k, values := range query {
		if !wildcard(strings.ToLower(key), strings.ToLower(k)) {
			continue
		}
		for _, v := range values {
			if wildcard(strings.ToLower(value), strings.ToLower(v)) {
				return true
			}
		}
	}
	return false
}

// wildcard matches with * for any run of characters and ? for one. It goes back
// to the last star only, so it is never slow.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

// location is where a redirect leads. port is the one the listener really has.
func (d Redirect) location(r *http.Request, port string) string {
	fill := strings.NewReplacer("#{protocol}", "http", "#{host}", hostOnly(r.Host), "#{port}", port,
		"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"), "#{query}", r.URL.RawQuery)
	or := func(s, other string) string {
		if s == "" {
			s = other
		}
		return fill.Replace(s)
	}
	protocol := strings.ToLower(or(d.Protocol, "#{protocol}"))
	host, at := or(d.Host, "#{host}"), or(d.Port, "#{port}")
	if usual := protocol == "http" && at == "80" || protocol == "https" && at == "443"; !usual {
		host = net.JoinHostPort(host, at)
	}
	out := protocol + "://" + host + or(d.Path, "/#{path}")
	if q := or(d.Query, "#{query}"); q != "" {
		out += "?" + q
	}
	return out
}
