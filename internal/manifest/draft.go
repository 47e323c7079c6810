package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Documents of another format come as they are, from a place where they worked. What
// they need may not be reachable here yet, so what cannot be active becomes a draft
// that shows why, and what is made from it waits.

// drafted tells of a version that should be active and is a draft.
func (j *job) drafted(want, got template.State) bool {
	if want != template.Active || got != template.Draft {
		return false
	}
	const path = "spec.versionState"
	if j.result.Change == Created {
		for i, d := range j.result.Diff {
			if d.Path == path {
				j.result.Diff[i].After = string(template.Draft)
			}
		}
	} else {
		j.result.Diff = slices.DeleteFunc(j.result.Diff, func(d Difference) bool { return d.Path == path })
		j.decide()
	}
	why := ""
	if i := slices.IndexFunc(j.result.Problems, func(p template.Problem) bool { return p.Severity == bundle.Error }); i >= 0 {
		why = problemText(j.result.Problems[i])
	}
	j.warn("saved as a draft: %s. Put that right and apply the document again, or publish the version", strings.TrimSuffix(why, "."))
	return true
}

func problemText(p template.Problem) string {
	switch {
	case p.File != "":
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	case p.Path != "":
		return p.Path + ": " + p.Message
	}
	return p.Message
}

// orWait makes it no error that an environment cannot be made or changed yet because
// its template has no version to use.
func (j *job) orWait(err error) error {
	if !j.foreign || !errors.Is(err, template.ErrNotUsable) && !errors.Is(err, template.ErrNoVersion) {
		return err
	}
	j.result.Change, j.result.Diff = Unchanged, nil
	j.warn("nothing is done yet: %s Once it is active, apply the document again", err)
	return nil
}
