package vendor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// explainer turns what init says into what a person can act on: which module or provider, from where, why, what to do.
type explainer struct {
	w    *workspace
	tool *tool
	walk bundle.Walk
	lock []byte
}

// problem is a diagnostic as it is.
func (w *workspace) problem(d tofu.Diagnostic) bundle.Problem {
	p := bundle.Problem{Severity: bundle.Warning, Message: strings.Join(strings.Fields(d.Summary), " ")}
	if d.Severity == "error" {
		p.Severity = bundle.Error
	}
	if detail := strings.Join(strings.Fields(d.Detail), " "); detail != "" {
		p.Message += ": " + detail
	}
	if d.Range != nil {
		p.File, p.Line = w.place(d.Range.Filename), d.Range.Start.Line
	}
	return p
}

// fetching explains a diagnostic of init; false means that nobody needs to know.
func (x *explainer) fetching(d tofu.Diagnostic) (bundle.Problem, bool) {
	p := x.w.problem(d)
	switch {
	case d.Summary == "Incomplete lock file information for providers":
		// Providers that Berth built are recorded without checksums anyhow.
		p.Message = fmt.Sprintf("the checksums of providers are recorded for this server's platform only, because they come from the mirror %s; "+
			"runs on another platform will refuse them", x.tool.providers.Mirror)
		return p, x.tool.providers.Mirror != "" && !x.tool.providers.SandboxOnly() && x.lock == nil
	case d.Summary == "Provider lock file not updated":
		return p, false // the selections are the same; only checksums of this platform would be added
	case p.Severity != bundle.Error:
		return p, true
	case x.lock != nil && x.lockProblem(d, &p):
		return p, true
	}
	if c := x.callOf(d, p); c != nil {
		place := c.Place()
		p.File, p.Line = place.File, place.Line
		from := c.Source
		if c.Version != "" {
			from += " (version " + c.Version + ")"
		}
		p.Message = fmt.Sprintf("module %q cannot be fetched from %s: %s", c.Name, from, reason(d.Detail))
		return p, true
	}
	if m := providerOf.FindStringSubmatch(d.Detail); m != nil && d.Range == nil {
		place := x.w.providerPlace(x.walk, m[1])
		p.File, p.Line = place.File, place.Line
		p.Message = fmt.Sprintf("the provider %s cannot be fetched from %s: %s", m[1], x.origin(m[1]), x.providerReason(m[1], d.Detail))
	}
	return p, true
}

var (
	providerOf  = regexp.MustCompile(`(?:provider|installing|Installing) ((?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[A-Za-z0-9_-]+/[A-Za-z0-9_-]+)`)
	subfolderOf = regexp.MustCompile(`subdir "([^"]+)" not found`)
	exitOf      = regexp.MustCompile(`(?s)exited with \d+: (.*)$`)
)

// callOf finds the module call that a diagnostic is about.
func (x *explainer) callOf(d tofu.Diagnostic, p bundle.Problem) *bundle.Call {
	sub := subfolderOf.FindStringSubmatch(d.Detail)
	for i := range x.walk.Calls {
		c := &x.walk.Calls[i]
		if c.Local() {
			continue
		}
		if d.Range != nil && c.Place() == (bundle.Pos{File: p.File, Line: p.Line}) {
			return c
		}
		if sub != nil && d.Range == nil && strings.Contains(c.Source, "//"+sub[1]) {
			return c
		}
	}
	return nil
}

// hints tell what to do about what git, the network or a registry says. The first that fits is taken.
func hints() []struct{ said, meaning string } {
	return []struct{ said, meaning string }{
		{"no such host|Could not resolve host", "this server cannot find that host; check the address and the server's network"},
		{"could not read Username|Authentication failed|HTTP Basic: Access denied|Permission denied|(code|error|status)[: ]+40[13]",
			"it needs a credential; read the template's code from a repository whose credential also opens this one"},
		{"Host key verification failed", "the server's host key is not known; give it in the repository's settings"},
		{"executable file not found|git must be available", "there is no git on this server; install it"},
		{"invalid ref|Remote branch .* not found|did not match any file|couldn't find remote ref|unadvertised object",
			"there is no such branch, tag or commit; check the part after ?ref="},
		{"subdir \"", "the folder after // is not in it; check its name"},
		{"does not appear to be a git repository|[Rr]epository .*not found|does not exist|(code|error|status)[: ]+404",
			"there is no such repository or module, or a credential is needed to see it; check the address"},
		{"connection refused|Connection refused|Failed to connect|timed out|timeout|deadline exceeded|network is unreachable|proxyconnect",
			"this server cannot reach it; check the address, and the proxy if there is one"},
		{"no available releases match|There is no available version|no version .*match|Unresolvable|no versions", "no version of it meets the constraint; change the version"},
		{"not allowed", "it is fetched in a way that is not allowed; use https or ssh"},
		{"x509|certificate", "its certificate is not trusted by this server; add the authority to the server's trusted ones"},
	}
}

// reason is the tool's own reason, without what it was doing, and what to do about it.
func reason(detail string) string {
	said := essence(detail)
	for _, h := range hints() {
		if regexp.MustCompile(h.said).MatchString(detail) {
			return h.meaning + " (" + said + ")"
		}
	}
	return said
}

// essence is the part of a detail that says why.
func essence(detail string) string {
	text := strings.TrimSpace(detail)
	if m := exitOf.FindStringSubmatch(text); m != nil {
		var lines []string
		for line := range strings.Lines(m[1]) {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "fatal:"))
			if line == "" || strings.HasPrefix(line, "Cloning into") || strings.HasPrefix(line, "Please make sure") || strings.HasPrefix(line, "and the repository") {
				continue
			}
			lines = append(lines, line)
		}
		text = strings.Join(lines, "; ")
	} else if _, rest, ok := strings.Cut(text, "error downloading '"); ok {
		if _, why, ok := strings.Cut(rest, "': "); ok {
			text = why
		}
	} else if _, rest, ok := strings.Cut(text, "\": "); ok {
		text = rest
	}
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
}

// address is a provider's full address.
func (x *explainer) address(name string) string {
	if strings.Count(name, "/") == 2 {
		return name
	}
	if x.tool.dialect.Terraform {
		return "registry.terraform.io/" + name
	}
	return "registry.opentofu.org/" + name
}

// origin says where a provider would come from.
func (x *explainer) origin(name string) string {
	if len(x.mirrored(name)) > 0 {
		if x.tool.providers.SandboxOnly() {
			return "this server's own mirror"
		}
		return "the mirror " + x.tool.providers.Mirror
	}
	host, _, _ := strings.Cut(x.address(name), "/")
	return "the registry " + host
}

// mirrored lists the versions of a provider that the mirror has.
func (x *explainer) mirrored(name string) []string {
	var out []string
	for _, p := range x.tool.providers.Packages {
		if p.Address == x.address(name) && !slices.Contains(out, p.Version) {
			out = append(out, p.Version)
		}
	}
	return out
}

func (x *explainer) providerReason(name, detail string) string {
	if have := x.mirrored(name); len(have) > 0 && strings.Contains(detail, "no available releases match") {
		_, constraint, _ := strings.Cut(detail, "constraints ")
		return fmt.Sprintf("it has version %s, the code asks for %s; change the constraint in required_providers, or let this server reach a registry",
			strings.Join(have, ", "), strings.TrimSpace(constraint))
	}
	why := detail
	if _, rest, ok := strings.Cut(detail, name+": "); ok {
		why = rest
	}
	return reason(why)
}

// lockProblem explains a lock file that does not fit the code or the providers.
func (x *explainer) lockProblem(d tofu.Diagnostic, p *bundle.Problem) bool {
	kind := string(x.tool.binary.Kind)
	provider := ""
	if m := providerOf.FindStringSubmatch(d.Detail); m != nil {
		provider = m[1]
	}
	switch {
	case d.Summary == "Provider dependency changes detected":
		p.Message = fmt.Sprintf("the lock file lacks providers that the code needs%s; run \"%s init\" in the folder and commit the file, "+
			"or remove it to let Berth choose", x.unlocked(), kind)
	case strings.Contains(d.Detail, "does not match configured version constraint"):
		_, what, _ := strings.Cut(d.Detail, ": ")
		what, _, _ = strings.Cut(what, ";")
		p.Message = fmt.Sprintf("the lock file does not fit the code: %s; run \"%s init -upgrade\" in the folder and commit the file", what, kind)
	case strings.Contains(d.Detail, "checksums previously recorded") && len(x.mirrored(provider)) > 0 && x.tool.providers.SandboxOnly():
		p.Message = fmt.Sprintf("the lock file holds checksums of a released %s, but this server reaches no provider registry and built its own; "+
			"let it reach the registry, or remove the entry from the lock file", provider)
	case strings.Contains(d.Detail, "checksums previously recorded"):
		p.Message = fmt.Sprintf("the provider %s that this server gets is not the one in the lock file, or the file has no checksum for this platform; "+
			"run \"%s providers lock -platform=linux_amd64\" for each platform that runs it, and commit the file", provider, kind)
	default:
		return false
	}
	p.File, p.Line = tofu.LockFileName, 0
	return true
}

// unlocked names providers that the code requires and the lock file lacks, as far as the code says.
func (x *explainer) unlocked() string {
	entries, err := tofu.ReadLock(x.lock)
	if err != nil {
		return ""
	}
	var names []string
	for _, m := range x.walk.Modules() {
		for _, p := range m.Providers {
			source := p.Source
			if source == "" {
				source = "hashicorp/" + p.Name
			}
			held := slices.ContainsFunc(entries, func(e tofu.LockedProvider) bool { return e.Address == x.address(source) })
			if !held && !strings.HasPrefix(source, "terraform.io/builtin/") && !slices.Contains(names, source) {
				names = append(names, source)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

var userInfo = regexp.MustCompile(`://[^/@\s"']*:[^/@\s"']*@`)

// clean takes secrets and this server's folders out of messages, and doubles out of the list.
func (w *workspace) clean(problems []bundle.Problem) []bundle.Problem {
	var out []bundle.Problem
	for _, p := range problems {
		for _, s := range w.req.Secrets {
			if len(s) < 4 {
				continue
			}
			for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
				p.Message = strings.ReplaceAll(p.Message, form, "***")
			}
		}
		p.Message = userInfo.ReplaceAllString(p.Message, "://***@")
		p.Message = strings.ReplaceAll(p.Message, w.dir+"/"+dirTree+"/", "")
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
