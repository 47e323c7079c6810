package repository

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/berthdev/berth/internal/fault"
)

// Folder returns the path in FS of a folder as people write it ("./modules/vpc/";
// empty for the top), or says why it cannot be read.
func (c *Checkout) Folder(asked string) (string, error) {
	clean := path.Clean(strings.TrimLeft(strings.TrimSpace(asked), "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", ErrFolder.With("The folder %s leads out of the repository; give a path inside it.", plain(asked, nil))
	}
	n, err := c.tree.find("open", clean, true)
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return "", known
	case errors.Is(err, fs.ErrNotExist):
		return "", ErrFolder.With("The repository has no folder %s at %s%s", plain(clean, nil), c.Revision, c.tree.nearest(clean))
	case err != nil:
		return "", ErrFolder.With("The folder %s cannot be read: %v.", plain(clean, nil), plain(err.Error(), nil))
	case n.submodule:
		return "", submoduleFault(clean)
	case !n.mode.IsDir():
		return "", ErrFolder.With("%s is a file; give the folder it lies in.", clean)
	}
	return clean, nil
}

// nearest suggests a folder that a mistyped one may have meant, as the end of a
// sentence.
func (t *tree) nearest(asked string) string {
	best, bestDistance := "", 0
	for _, p := range t.folders() {
		d := levenshtein.Distance(asked, p, nil)
		if path.Base(p) == path.Base(asked) {
			d = min(d, 1)
		}
		if d <= max(2, len(asked)/4) && (best == "" || d < bestDistance) {
			best, bestDistance = p, d
		}
	}
	if best == "" {
		return "."
	}
	return "; did you mean " + best + "?"
}

// folders lists the folders, those near the top first; enough for a suggestion.
func (t *tree) folders() []string {
	var out []string
	for p, n := range t.nodes {
		if n.mode.IsDir() && !n.submodule && p != "." {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), cmp.Compare(a, b))
	})
	return out[:min(len(out), 2000)]
}
