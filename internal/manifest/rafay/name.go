package rafay

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$`)
	notInName      = regexp.MustCompile(`[^a-z0-9]+`)
	notInVersion   = regexp.MustCompile(`[^A-Za-z0-9._+-]+`)
)

// What names and versions look like in Berth.
const (
	nameRule    = "use 1 to 63 lower-case letters, digits and dashes, beginning with a letter or a digit"
	versionRule = "use 1 to 63 letters, digits, dots and dashes, like v1 or 1.2.0"
)

const maxName = 63

// checkName refuses what is no name in Berth. Nothing is bent into one: two could
// become the same.
func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is no name in Berth: %s, for example %q", name, nameRule, slug(name))
}

// slug bends a text into a name.
func slug(text string) string {
	s := strings.Trim(notInName.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if s == "" {
		s = "unnamed"
	}
	if len(s) > maxName {
		s = strings.TrimRight(s[:maxName], "-")
	}
	return s
}

// reference is the name of something another document makes.
func (d *document) reference(name, field string) string {
	if name == "" {
		return ""
	}
	if err := checkName(name); err != nil {
		d.notice(Warning, field, "%v; the name is kept, and Berth will not find it", err)
	}
	return name
}

// ownName is the name of the document itself.
func (d *document) ownName(name, field string) string {
	if name == "" {
		d.fail(field, "is required")
		return ""
	}
	if err := checkName(name); err != nil {
		d.fail(field, "%v; use the new name in all documents that refer to it", err)
		return ""
	}
	return name
}

// version reads the version of a template and the state it is in.
func (d *document) version(spec *object, out map[string]any) {
	raw := spec.fields["version"]
	version := strings.TrimSpace(spec.text("version"))
	switch {
	case version == "":
		version = "v1"
		d.notice(Warning, spec.at("version"), "is not given; the version is called v1")
	case !versionPattern.MatchString(version):
		suggestion := strings.Trim(notInVersion.ReplaceAllString(version, "-"), "-._+")
		d.fail(spec.at("version"), "%q is no version in Berth: %s, for example %q", version, versionRule, suggestion[:min(len(suggestion), maxName)])
	case isFractional(raw):
		d.notice(Info, spec.at("version"), "is a number in the document and read as %s; if it ends in a zero, like 1.10, put it between quotes", version)
	}
	out["version"] = version
	state := strings.ToLower(spec.text("versionState"))
	switch state {
	case "":
		state = "active"
	case "draft", "active", "disabled":
	default:
		d.notice(Warning, spec.at("versionState"), "%q is no state; the version becomes a draft (use draft, active or disabled)", state)
		state = "draft"
	}
	out["versionState"] = state
}
