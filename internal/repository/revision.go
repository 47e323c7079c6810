package repository

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"
)

var hashPattern = regexp.MustCompile(`^[0-9a-f]{4,40}$`)

// fullHash is the length of a whole hash in hexadecimal.
const fullHash = 40

// plan is what to ask the server for, and how to find the commit in what it sends.
type plan struct {
	revision string        // as it is told to people
	object   plumbing.Hash // a commit or an annotated tag; zero when only prefix is known
	prefix   string        // the beginning of the hash of a commit that has to be looked for
	request  request
}

// resolve finds what a revision means: a branch, else a tag, else a commit. Where the
// server does not hand out a commit by its hash, the whole history has to be fetched.
func resolve(t target, refs *references, revision string) (plan, error) {
	if revision == "" {
		return resolveHead(t, refs)
	}
	if !validRevision(revision) {
		return plan{}, fail(ErrRevision, nil, "Give the name of a branch or tag, or the hash of a commit.", "%q is no branch, tag or commit.", plain(revision, nil))
	}
	for _, name := range []string{branchPrefix + revision, tagPrefix + revision, revision} {
		if hash, ok := refs.all[name]; ok && (name != revision || strings.HasPrefix(name, branchPrefix) || strings.HasPrefix(name, tagPrefix)) {
			return plan{revision: revision, object: hash, request: request{wants: []plumbing.Hash{hash}, depth: 1}}, nil
		}
	}
	hash := strings.ToLower(revision)
	if !hashPattern.MatchString(hash) {
		return plan{}, revisionFailure(t, refs, revision)
	}
	return resolveHash(refs, revision, hash), nil
}

func resolveHead(t target, refs *references) (plan, error) {
	if refs.head.IsZero() {
		return plan{}, fail(ErrRevision, nil, "Name the branch, tag or commit, here or as the repository's default.",
			"%s does not say which of its branches is the default%s", t.address, nearest(refs, "main"))
	}
	p := plan{revision: refs.headName, object: refs.head, request: request{wants: []plumbing.Hash{refs.head}, depth: 1}}
	if p.revision == "" {
		p.revision = refs.head.String()
	}
	return p, nil
}

func resolveHash(refs *references, revision, hash string) plan {
	// A tip can always be asked for; and seven digits that name a tip mean it.
	var tips []plumbing.Hash
	for _, h := range refs.all {
		if strings.HasPrefix(h.String(), hash) && !slices.Contains(tips, h) {
			tips = append(tips, h)
		}
	}
	if len(tips) == 1 && len(hash) >= 7 {
		return plan{revision: revision, object: tips[0], request: request{wants: tips, depth: 1}}
	}
	byHash := refs.features.Supports(capability.AllowReachableSHA1InWant) || refs.features.Supports("allow-any-sha1-in-want")
	if object := plumbing.NewHash(hash); len(hash) == fullHash && byHash {
		return plan{revision: revision, object: object, request: request{wants: []plumbing.Hash{object}, depth: 1}}
	}
	everything := map[plumbing.Hash]bool{}
	for name, h := range refs.all {
		if strings.HasPrefix(name, branchPrefix) || strings.HasPrefix(name, tagPrefix) {
			everything[h] = true
		}
	}
	p := plan{revision: revision, prefix: hash, request: request{wants: slices.Collect(maps.Keys(everything))}}
	return p
}

func revisionFailure(t target, refs *references, revision string) error {
	return fail(ErrRevision, nil, "Check the name, and that it was pushed.", "%s has no branch, tag or commit %q%s", t.address, revision, nearest(refs, revision))
}

// nearest suggests names that a mistyped one may have meant, as the end of a sentence.
func nearest(refs *references, revision string) string {
	type candidate struct {
		name     string
		distance int
	}
	var list []candidate
	wanted := strings.ToLower(revision)
	for _, name := range slices.Concat(refs.branches(), refs.tags()) {
		lower := strings.ToLower(name)
		d := levenshtein.Distance(wanted, lower, nil)
		if strings.HasSuffix(lower, "/"+wanted) || strings.HasPrefix(lower, wanted) || strings.TrimPrefix(lower, "v") == strings.TrimPrefix(wanted, "v") {
			d = min(d, 1)
		}
		if d <= max(2, len(wanted)/3) {
			list = append(list, candidate{name, d})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	names := make([]string, 0, 3)
	for _, c := range list {
		if len(names) < cap(names) && !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	if len(names) > 0 {
		return "; did you mean " + strings.Join(names, " or ") + "?"
	}
	if branches := refs.branches(); len(branches) > 0 {
		return "; its branches are " + strings.Join(branches[:min(len(branches), 5)], ", ") + "."
	}
	return "."
}

func (r *references) branches() []string { return r.names(branchPrefix) }
func (r *references) tags() []string     { return r.names(tagPrefix) }

func (r *references) names(prefix string) []string {
	var out []string
	for name := range r.all {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			out = append(out, short)
		}
	}
	slices.Sort(out)
	return out
}
