// Package identity knows who people are: users and their passwords, sessions,
// groups, and which roles a user or group holds. It must not know cookies or
// headers (transports do), nor what a role permits (authz does).
package identity

import (
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
)

// Identifiers.
type (
	UserID    string
	SessionID string
	GroupID   string
	BindingID string
)

// User is a person who can sign in.
type User struct {
	ID           UserID
	Email        string
	Name         string
	DisabledAt   time.Time // zero while enabled
	LastSignInAt time.Time // zero before the first time
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Disabled reports whether the user may not sign in.
func (u User) Disabled() bool { return !u.DisabledAt.IsZero() }

// SessionKind says what holds a session.
type SessionKind string

// The kinds of session.
const (
	BrowserSession SessionKind = "browser"
	CLISession     SessionKind = "cli"
)

// lifetime returns how long a session lasts unused, and at most.
func (k SessionKind) lifetime() (idle, absolute time.Duration) {
	const day = 24 * time.Hour
	switch k {
	case CLISession:
		return 30 * day, 90 * day
	case BrowserSession:
		return 24 * time.Hour, 7 * day
	default:
		return 24 * time.Hour, 7 * day
	}
}

// touchEvery is how precisely a session's last use is kept: a write per request
// would be too many.
const touchEvery = 5 * time.Minute

// Session is a signed-in browser or command line. Its token is given out once
// and not stored.
type Session struct {
	ID         SessionID
	UserID     UserID
	Kind       SessionKind
	IP         string
	UserAgent  string
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time // whatever happens; unused it ends earlier
}

// validAt reports whether the session has neither expired nor idled out.
func (s Session) validAt(now time.Time) bool {
	idle, _ := s.Kind.lifetime()
	return now.Before(s.ExpiresAt) && now.Before(s.LastUsedAt.Add(idle))
}

// Group is a set of users that holds roles.
type Group struct {
	ID          GroupID
	Name        string
	Description string
	Members     int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Binding is a role that a user or a group holds in one project or, with an empty
// ProjectID, in the whole organisation.
type Binding struct {
	ID          BindingID
	ProjectID   string
	ProjectName string
	GroupID     GroupID
	GroupName   string
	UserID      UserID
	UserEmail   string
	Role        authz.Role
	CreatedAt   time.Time
}

// Holder names who holds the role.
func (b Binding) Holder() string {
	if b.GroupName != "" {
		return b.GroupName
	}
	return b.UserEmail
}

// What can go wrong. The messages of some are made more exact where they are used.
var (
	ErrUserNotFound    = fault.New(fault.NotFound, "user_not_found", "There is no such user.")
	ErrGroupNotFound   = fault.New(fault.NotFound, "group_not_found", "There is no such group.")
	ErrBindingNotFound = fault.New(fault.NotFound, "role_not_found", "This role is not held here.")
	ErrSessionNotFound = fault.New(fault.NotFound, "session_not_found", "There is no such session.")
	ErrEmailTaken      = fault.New(fault.Conflict, "email_taken", "There already is a user with this email.")
	ErrGroupNameTaken  = fault.New(fault.Conflict, "group_name_taken", "There already is a group with this name.")
	ErrRoleHeld        = fault.New(fault.Conflict, "role_held", "This role is already held.")
	ErrLastAdmin       = fault.New(fault.Conflict, "last_admin", "This would leave no Organisation Admin. Give somebody else the role first.")
	ErrWrongPassword   = fault.New(fault.Unauthenticated, "wrong_credentials", "Email or password is wrong.")
	ErrUserDisabled    = fault.New(fault.Unauthenticated, "user_disabled", "This user is disabled. Ask an Organisation Admin.")
	ErrTooManyAttempts = fault.New(fault.Unavailable, "too_many_attempts", "Too many attempts to sign in.")
	ErrSessionInvalid  = fault.New(fault.Unauthenticated, "session_invalid", "Your session has ended. Sign in again.")
	ErrSetupDone       = fault.New(fault.Conflict, "setup_done", "Berth is already set up. Sign in instead.")
	ErrSetupToken      = fault.New(fault.Forbidden, "setup_token_wrong", "The set-up token is wrong. Berth prints it when it starts, a new one each time.")
)

const (
	minPassword = 12
	// maxPassword bounds the work of hashing what a stranger sends.
	maxPassword = 256
	maxEmail    = 254
	maxName     = 100
)

// NormalEmail returns the form in which an email address is stored and compared.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func checkEmail(fields *fault.Fields, path, email string) {
	address, err := mail.ParseAddress(email)
	switch {
	case email == "":
		fields.Add(path, "is required, for example dev@example.com")
	case len(email) > maxEmail:
		fields.Add(path, "must be at most %d characters", maxEmail)
	case err != nil || address.Address != email:
		fields.Add(path, "must be an email address, for example dev@example.com")
	}
}

// checkPassword is the password policy: length, and nothing that is known.
func checkPassword(fields *fault.Fields, path, password, email string) {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		fields.Add(path, "must have at least %d characters; a few words in a row are easy to remember", minPassword)
	case len(password) > maxPassword:
		fields.Add(path, "must have at most %d bytes", maxPassword)
	case strings.EqualFold(password, email):
		fields.Add(path, "must not be the email address")
	case strings.Count(password, password[:1]) == len(password):
		fields.Add(path, "must not be one character repeated")
	}
}

func checkPersonName(fields *fault.Fields, path, name string) {
	fields.Check(utf8.RuneCountInString(name) <= maxName, path, "must be at most %d characters", maxName)
}

var groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$`)

func checkGroup(name, description string) error {
	var fields fault.Fields
	fields.Check(groupName.MatchString(name), "name",
		"must have 1 to 60 letters, digits, spaces, dots, dashes or underscores, and start with a letter or digit")
	fields.Check(utf8.RuneCountInString(description) <= 500, "description", "must be at most 500 characters")
	return fields.Err()
}

func checkRole(fields *fault.Fields, role authz.Role, projectID string) {
	allowed := authz.Roles()
	if projectID != "" {
		allowed = authz.ProjectRoles()
	}
	names := make([]string, len(allowed))
	for i, r := range allowed {
		if r == role {
			return
		}
		names[i] = string(r)
	}
	fields.Add("role", "%q is not a role that can be held here; choose one of %s", string(role), strings.Join(names, ", "))
}

// userNotFound names what was asked for.
func userNotFound(email string) error {
	return ErrUserNotFound.With("There is no user %s.", quote(email))
}

func quote(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	return fmt.Sprintf("%q", s)
}
