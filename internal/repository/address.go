package repository

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
)

const (
	schemeHTTPS = "https"
	schemeHTTP  = "http"
	schemeSSH   = "ssh"
	schemeFile  = "file"
)

// address is a repository's URL in the one form that is stored.
type address struct {
	scheme string
	user   string // of an SSH address
	host   string
	port   string // empty for the scheme's own
	path   string // begins with a slash
}

// scpForm is git's short form of an SSH address: git@host:path.
var scpForm = regexp.MustCompile(`^([A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([^/].*|/.*)$`)

var hostPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)

var userPattern = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.+-]*$`)

// parseAddress reads an address as people write it. The error says what to write
// instead.
func parseAddress(text string, allowFile bool) (address, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return address{}, fmt.Errorf("is missing; give the address that git clone takes, such as https://git.example.com/team/infra.git")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return address{}, fmt.Errorf("must not hold spaces or control characters")
	}
	if m := scpForm.FindStringSubmatch(text); m != nil && !strings.HasPrefix(m[3], "//") {
		text = "ssh://" + m[1] + m[2] + "/" + strings.TrimPrefix(m[3], "/")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return address{}, fmt.Errorf("is no address of a git repository; give one like https://git.example.com/team/infra.git or git@git.example.com:team/infra.git")
	}
	a := address{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port(), path: u.EscapedPath()}
	if _, hasPassword := u.User.Password(); hasPassword || u.User != nil && a.scheme != schemeSSH {
		return address{}, fmt.Errorf("must not hold credentials, because it is shown; put them into the user name and password fields")
	}
	a.user = u.User.Username()
	if u.RawQuery != "" || u.Fragment != "" {
		return address{}, fmt.Errorf("must not hold ? or #; the branch, tag or commit has a field of its own")
	}
	return a, a.check(allowFile)
}

func (a address) check(allowFile bool) error {
	switch a.scheme {
	case schemeHTTPS, schemeSSH:
	case schemeHTTP:
		if !isLoopback(a.host) {
			return fmt.Errorf("must not begin with http://, which sends passwords and code in clear; use https://")
		}
	case schemeFile:
		if !allowFile {
			return fmt.Errorf("must not begin with file://, which reads the server's own disk; use https:// or ssh://")
		}
		if a.host != "" && a.host != "localhost" || !strings.HasPrefix(a.path, "/") {
			return fmt.Errorf("names no folder; give file:// and the whole path, such as file:///srv/git/infra.git")
		}
		return nil
	default:
		return fmt.Errorf("must begin with https:// or ssh://; %s:// is not supported", a.scheme)
	}
	switch {
	case a.host == "":
		return fmt.Errorf("names no host")
	case !hostPattern.MatchString(a.host) && !isIP(a.host):
		return fmt.Errorf("names a host that cannot be; write international names in their xn-- form")
	case a.user != "" && !userPattern.MatchString(a.user):
		return fmt.Errorf("holds a user name that no SSH server has")
	case strings.Trim(a.path, "/") == "":
		return fmt.Errorf("names no repository on %s; give its path too", a.host)
	}
	if ip, err := netip.ParseAddr(a.host); err == nil && isMetadata(ip) {
		return fmt.Errorf("must not point at %s: link-local addresses answer for the server's own cloud account", a.host)
	}
	return nil
}

func (a address) String() string {
	user := ""
	if a.user != "" {
		user = a.user + "@"
	}
	if a.scheme == schemeFile {
		return "file://" + a.path
	}
	return a.scheme + "://" + user + a.hostPort() + a.path
}

// hostPort is the host as a URL has it.
func (a address) hostPort() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != "" {
		host += ":" + a.port
	}
	return host
}

// dialAddress is the host and port to connect to.
func (a address) dialAddress() string {
	port := a.port
	if port == "" {
		port = map[string]string{schemeHTTPS: "443", schemeHTTP: "80", schemeSSH: "22"}[a.scheme]
	}
	return net.JoinHostPort(a.host, port)
}

// origin is what credentials are given for.
func (a address) origin() string { return a.scheme + "://" + a.dialAddress() }

// folder is the path of a file:// address on disk.
func (a address) folder() string {
	p, err := url.PathUnescape(a.path)
	if err != nil {
		p = a.path
	}
	return path.Clean(p)
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isMetadata reports addresses where clouds keep the credentials of the machine
// itself. Private and loopback addresses are fine: many host git themselves.
func isMetadata(ip netip.Addr) bool {
	ip = ip.WithZone("").Unmap()
	return ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254")
}
