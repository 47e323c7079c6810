package views

// VersionState is the life of a version of a template.
type VersionState string

// The states of a version.
const (
	VersionDraft    VersionState = "draft"
	VersionActive   VersionState = "active"
	VersionDisabled VersionState = "disabled"
)

// Look is the word, the icon and the colour of the state.
func (s VersionState) Look() Look {
	switch s {
	case VersionActive:
		return Look{Label: "Active", Icon: "circle-check", Tone: "tone-green"}
	case VersionDisabled:
		return Look{Label: "Disabled", Icon: "circle-slash", Tone: "tone-grey"}
	case VersionDraft:
	}
	return Look{Label: "Draft", Icon: "circle-dashed", Tone: "tone-grey"}
}

// VersionRow is a version of a template in the table of its versions.
type VersionRow struct {
	Version          string
	State            VersionState
	URL              string
	Shown            bool // it is the one that the page shows
	Errors, Warnings int
	Users            []VersionUser
	Updated          Moment
}

// VersionUser is what uses a version.
type VersionUser struct {
	Label  string // "web v3"
	URL    string // "" where the reader has no page of it
	Detail string // the project, when it is another one
}

// Problem is one thing wrong with a template or its code.
type Problem struct {
	Warning bool // errors stop publishing, warnings do not
	Message string
	// Place is a file with its line, or a field; URL leads there.
	Place, URL string
}

// Problems counts errors and warnings.
func Problems(all []Problem) (errors, warnings int) {
	for _, p := range all {
		if p.Warning {
			warnings++
		} else {
			errors++
		}
	}
	return errors, warnings
}
