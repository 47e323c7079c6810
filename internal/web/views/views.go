// Package views holds the view models of the pages: plain structs that a handler fills and a page draws.
//
// A view model carries decisions already made (what may be pressed, which words to show), so a page has no rules of
// its own. This package knows no domain package, no database and no request.
package views

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Page is what every page needs around its content.
type Page struct {
	Title    string
	User     *User // nil when nobody is signed in
	Project  *Project
	Projects []Project // the projects the user may choose from
	Section  Section
	Theme    string // "light", "dark" or "" to follow the system; from the cookie "theme"
	Nav      Nav
	// Sandbox says that what the page shows runs in the built-in sandbox, not in AWS.
	Sandbox bool
	// Toolchain is set while OpenTofu and the provider are being prepared.
	Toolchain *Toolchain
	Flash     *Flash
	// EventsURL is the stream of server-sent events of this page, "" when nothing on it moves.
	EventsURL string
	// Now is the server's clock, so that a reader's wrong clock does not show wrong ages.
	Now time.Time
}

// Section names the navigation entry a page belongs to.
type Section string

// The navigation entries that exist.
const (
	SectionEnvironments Section = "environments"
	SectionTemplates    Section = "templates"
	SectionContexts     Section = "contexts"
	SectionStatics      Section = "statics"
	SectionResources    Section = "resources" // resource templates
	SectionRepositories Section = "repositories"
	SectionSharing      Section = "sharing"
	SectionActivity     Section = "activity"
	SectionMembers      Section = "members"
	SectionAudit        Section = "audit"
)

// Nav says which entries this user gets to see besides Environments, Environment Templates and Activity.
type Nav struct {
	Contexts     bool // and static resources
	Members      bool // and sharing
	Repositories bool
	Audit        bool
	// Resources is for resource templates.
	Resources bool
}

// User is the person signed in.
type User struct {
	Name  string
	Email string
	Role  string // the strongest role in the current project, in words
}

// Initials are shown where a picture would be.
func (u User) Initials() string {
	words := strings.FieldsFunc(u.Name+" "+u.Email, func(r rune) bool { return strings.ContainsRune(" .@-_", r) })
	if u.Name != "" {
		words = strings.Fields(u.Name)
	}
	out := ""
	for i, w := range words {
		if i == 2 || (u.Name == "" && i == 1) {
			break
		}
		out += strings.ToUpper(string([]rune(w)[:1]))
	}
	return out
}

// Project is a project in the switcher or on the page that chooses one.
type Project struct {
	Slug         string
	Description  string
	Role         string
	Environments int
}

// Flash is a message about what the last action did.
type Flash struct {
	Kind FlashKind
	Text string
}

// FlashKind is the tone of a Flash.
type FlashKind string

// The tones of a Flash.
const (
	FlashOK    FlashKind = "ok"
	FlashError FlashKind = "error"
)

// Moment is a point in time with the relative words that were true when the page was made. The script keeps the words
// true afterwards; a reader without it still sees them, and the exact time on hover.
type Moment struct {
	At   time.Time
	Text string
}

// At makes a Moment. The zero time gives the zero Moment, which is drawn as a dash.
func At(t, now time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	return Moment{At: t, Text: relative(t, now)}
}

// IsZero says that there is no such moment.
func (m Moment) IsZero() bool { return m.At.IsZero() }

func relative(t, now time.Time) string {
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var words string
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		words = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		words = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		words = fmt.Sprintf("%d h", int(d.Hours()))
	default:
		words = fmt.Sprintf("%d d", int(d.Hours()/24))
	}
	if future {
		return "in " + words
	}
	return words + " ago"
}

// Duration writes a duration in one or two units, the same width from one second to the next.
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// Count writes a number with thousands separated, with the word in the right form.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Number writes a number with thousands separated.
func Number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ProjectPath joins path segments below a project, each escaped.
func ProjectPath(project string, segments ...string) string {
	var b strings.Builder
	b.WriteString("/p/" + url.PathEscape(project))
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// Toolchain is how far the preparation of OpenTofu and the provider is.
type Toolchain struct {
	// What is one plain clause, e.g. "Building the AWS provider".
	What    string
	Done    int
	Total   int    // 0 when not known
	Unit    string // "packages", "MB"
	Started Moment
	Elapsed string
	// Usually is the usual time for the whole, e.g. "11 min"; "" when not known.
	Usually string
	Stages  []ToolchainStage
	Failed  string // cause, when it failed
	Retry   string // address that starts it again, when it failed and the user may
	LogTail []string
}

// ToolchainStage is one part of the preparation.
type ToolchainStage struct {
	Name   string
	Status Status
	Detail string
}

// Sentence says what is going on in one sentence.
func (t Toolchain) Sentence() string {
	s := t.What
	if t.Total > 0 {
		s += fmt.Sprintf(": %s of %s %s", Number(t.Done), Number(t.Total), t.Unit)
	}
	if t.Elapsed != "" {
		s += ", " + t.Elapsed + " so far"
	}
	return s
}

// Percent is how far the part that is going on is.
func (t Toolchain) Percent() int {
	if t.Total <= 0 {
		return 0
	}
	return min(100, t.Done*100/t.Total)
}
