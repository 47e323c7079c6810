package vendor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template/bundle"
)

// The tool takes module sources from anywhere, its own machine included. What may end in a bundle is decided here, before
// the tool is started and again for what the fetched modules call.

// checkCalls returns a problem for every call whose source is not allowed.
func checkCalls(calls []bundle.Call, allowFile bool) []bundle.Problem {
	var problems []bundle.Problem
	for _, c := range calls {
		if c.Local() {
			continue
		}
		why := "its source is not written as plain text, so it cannot be known what it is; write the address itself"
		if c.Source != "" {
			why = refusal(c.Source, allowFile)
		}
		if why == "" {
			continue
		}
		place := c.Place()
		p := bundle.Problem{
			Severity: bundle.Error, File: place.File, Line: place.Line, Message: fmt.Sprintf("module %q cannot be used: %s", c.Name, why),
		}
		if !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	return problems
}

var (
	forced       = regexp.MustCompile(`^([A-Za-z0-9]+)::(.*)$`)
	scheme       = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)
	scpAddress   = regexp.MustCompile(`^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^:]`)
	shorthand    = regexp.MustCompile(`^(github\.com|bitbucket\.org)/[^/]+/[^/]+`)
	registryPath = regexp.MustCompile(`^(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][a-z0-9]*(?://.*)?$`)
	archivePath  = regexp.MustCompile(`\.(zip|tgz|tar\.gz|tbz2|tar\.bz2|txz|tar\.xz|tzst|tar\.zst)$`)
)

const allowed = "use a path inside the source (./ or ../), a registry address, git over https or ssh, or an https address of an archive"

// refusal says why a source that is no relative path is not allowed; empty when it is.
func refusal(source string, allowFile bool) string {
	if m := forced.FindStringSubmatch(source); m != nil {
		switch strings.ToLower(m[1]) {
		case "git":
			return gitRefusal(m[2], allowFile)
		case "http", "https":
			return urlRefusal(m[2])
		}
		return fmt.Sprintf("sources of the kind %s:: (%s) are not supported; %s", m[1], source, allowed)
	}
	switch {
	case strings.HasPrefix(source, "/"), strings.HasPrefix(source, `\`), len(source) > 1 && source[1] == ':':
		return fmt.Sprintf("%s is an absolute path of one machine; %s", source, allowed)
	case strings.HasPrefix(source, "~"):
		return fmt.Sprintf("%s is a path in somebody's home folder; %s", source, allowed)
	case strings.HasPrefix(source, "."):
		return fmt.Sprintf("%s is no module source; a path begins with ./ or ../", source)
	case scheme.MatchString(source):
		return urlRefusal(source)
	case scpAddress.MatchString(source), shorthand.MatchString(source), registryPath.MatchString(source):
		return ""
	}
	return fmt.Sprintf("the source %q is not understood; %s", source, allowed)
}

// gitRefusal looks at an address for git.
func gitRefusal(address string, allowFile bool) string {
	m := scheme.FindStringSubmatch(address)
	switch {
	case m == nil && scpAddress.MatchString(address):
		return ""
	case m == nil && shorthand.MatchString(address):
		return ""
	case m == nil && strings.HasPrefix(address, "/") && allowFile:
		return ""
	case m == nil:
		return fmt.Sprintf("git::%s names no repository elsewhere; write git::https://HOST/PATH or git::ssh://git@HOST/PATH", address)
	}
	switch strings.ToLower(m[1]) {
	case "https", "ssh":
		return ""
	case "file":
		if allowFile {
			return ""
		}
		return fmt.Sprintf("git::%s is a repository on one machine's disk; %s", address, allowed)
	case "http", "git":
		return fmt.Sprintf("git::%s is not encrypted, so anybody on the way could change the code; use https or ssh", address)
	}
	return fmt.Sprintf("git over %s is not supported; use https or ssh", m[1])
}

// urlRefusal looks at an address without a forced kind. Only archives are allowed: an answer that is none may name
// another place to fetch from, files of this machine included.
func urlRefusal(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Sprintf("the address %q cannot be read; %s", address, allowed)
	}
	switch strings.ToLower(u.Scheme) {
	case "ssh":
		return fmt.Sprintf("%s does not say what it is; write git::%s", address, address)
	case "https":
	case "http":
		return fmt.Sprintf("%s is not encrypted, so anybody on the way could change the code; use https", address)
	case "file":
		return fmt.Sprintf("%s is a file of one machine; %s", address, allowed)
	default:
		return fmt.Sprintf("%s sources (%s) are not supported; %s", u.Scheme, address, allowed)
	}
	path, _, _ := strings.Cut(u.Path, "//")
	if archivePath.MatchString(path) || u.Query().Get("archive") != "" && u.Query().Get("archive") != "false" {
		return ""
	}
	return fmt.Sprintf("%s is neither an archive (.zip, .tar.gz) nor marked as git; write git::%s for a repository", address, address)
}
