package sharing

import (
	"regexp"

	"github.com/berthdev/berth/internal/fault"
)

// NameRule says what the names of things look like that templates are made of:
// templates themselves, their resources, config contexts, static resources and
// repositories.
const NameRule = "use 1 to 63 lower-case letters, digits and dashes, beginning with a letter or a digit"

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// reserved is the address of the page that makes a thing, so no thing is called so.
const reserved = "new"

// ValidName reports whether a name follows NameRule.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// CheckName finds what is wrong with the name of a thing; what says what it is, as
// in "a repository".
func CheckName(f *fault.Fields, name, what string) {
	f.Check(ValidName(name), "name", "%q is no name for %s; %s", name, what, NameRule)
	f.Check(name != reserved, "name", "%q is taken by the page that makes %s; use another name", name, what)
}
