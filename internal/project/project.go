// Package project keeps projects: the boundary for members, environments and
// shared templates. It must not know what a project holds; the database's
// references tell it when one is not empty.
package project

import (
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/fault"
)

// ID identifies a project.
type ID string

// Project is one project.
type Project struct {
	ID          ID
	Name        string
	Description string
	// SharingDelegated lets the project's administrators share what it owns.
	SharingDelegated bool
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// What can go wrong.
var (
	ErrNotFound  = fault.New(fault.NotFound, "project_not_found", "There is no such project.")
	ErrNameTaken = fault.New(fault.Conflict, "project_name_taken", "There already is a project with this name.")
	ErrNotEmpty  = fault.New(fault.Conflict, "project_not_empty", "The project is not empty. Delete its environments, templates and config contexts first.")
	ErrChanged   = fault.New(fault.Conflict, "project_changed", "The project was changed by somebody else in the meantime. Look at it again.")
)

const maxName = 40

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func checkName(fields *fault.Fields, name string) {
	switch {
	case name == "":
		fields.Add("name", "is required")
	case len(name) > maxName:
		fields.Add("name", "must be at most %d characters", maxName)
	case !nameRule.MatchString(name):
		fields.Add("name", "must start with a lower-case letter and have only lower-case letters, digits and dashes, for example web-shop")
	}
}

func checkDescription(fields *fault.Fields, description string) {
	fields.Check(utf8.RuneCountInString(description) <= 500, "description", "must be at most 500 characters")
}

func notFound(name string) error {
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	return ErrNotFound.With("There is no project %s.", fmt.Sprintf("%q", name))
}
