package rafay_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/manifest/rafay"
)

// holdsAnyway are the places whose removal changes nothing, because they say what
// holds without them.
var holdsAnyway = regexp.MustCompile(`^(spec\.type|spec\.files\[0\]\.name|spec\.versionState|spec\.sharing\.enabled|spec\.resources\[\d+\]\.(type|kind))$`)

// spot is a place in a document that a test can change.
type spot struct {
	path   string
	leaf   bool
	remove func() (undo func())
	add    func() (undo func()) // of maps: a field nobody knows
}

func spots(path string, value any, out []spot) []spot {
	switch v := value.(type) {
	case map[string]any:
		out = append(out, spot{path: path, add: func() func() {
			v["unheardOf"] = "x"
			return func() { delete(v, "unheardOf") }
		}})
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at, old := strings.TrimPrefix(path+"."+key, "."), v[key]
			if isLeaf(old) {
				out = append(out, spot{path: at, leaf: true, remove: func() func() {
					delete(v, key)
					return func() { v[key] = old }
				}})
			} else {
				out = spots(at, old, out)
			}
		}
	case []any:
		for i, item := range v {
			at := fmt.Sprintf("%s[%d]", path, i)
			if isLeaf(item) {
				out = append(out, spot{path: at, leaf: true, remove: func() func() {
					v[i] = nil
					return func() { v[i] = item }
				}})
			} else {
				out = spots(at, item, out)
			}
		}
	}
	return out
}

func isLeaf(v any) bool {
	switch v.(type) {
	case map[string]any, []any, nil:
		return false
	}
	return v != "" // an empty text says nothing
}

// Each plain value of a document comes out in some way, or somebody is told: with
// it or without it, the result is not the same.
func TestNothingIsDroppedInSilence(t *testing.T) {
	t.Parallel()
	leaves := 0
	for _, name := range files(t) {
		for i, doc := range documents(t, name) {
			if out, _ := rafay.Translate(doc); len(out) == 0 {
				continue // one notice tells that nothing of the document is used
			}
			whole := translated(t, doc)
			for _, s := range spots("", doc, nil) {
				if s.leaf && !holdsAnyway.MatchString(s.path) {
					leaves++
					undo := s.remove()
					if whole == translated(t, doc) {
						t.Errorf("%s, document %d: %s makes no difference", name, i, s.path)
					}
					undo()
				}
				if s.add != nil {
					undo := s.add()
					_, notices := rafay.Translate(doc)
					require.True(t, slices.ContainsFunc(notices, func(n rafay.Notice) bool {
						return strings.HasSuffix(n.Field, "unheardOf") || strings.Contains(n.Message, "unheardOf")
					}) || strings.Contains(translated(t, doc), "unheardOf"), "%s, document %d: a new field of %s is not told of", name, i, s.path)
					undo()
				}
			}
			require.Equal(t, whole, translated(t, doc))
		}
	}
	require.Greater(t, leaves, 300)
}

func translated(t testing.TB, doc map[string]any) string {
	t.Helper()
	out, notices := rafay.Translate(doc)
	checkRules(t, out, notices)
	return asJSON(t, out) + asJSON(t, notices)
}

// A value of the wrong kind is told of, whatever it is.
func TestWrongShapes(t *testing.T) {
	t.Parallel()
	for _, name := range files(t) {
		for _, doc := range documents(t, name) {
			if out, _ := rafay.Translate(doc); len(out) == 0 {
				continue
			}
			spec, _ := doc["spec"].(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(spec)) {
				old := spec[key]
				for _, wrong := range []any{"text", 7, []any{"a", 1, nil, []any{true}}, map[string]any{"a": map[string]any{"b": []any{nil, "c"}}}, []any{map[string]any{"name": map[string]any{"x": 1}}}} {
					spec[key] = wrong
					_, notices := rafay.Translate(doc)
					if isLeaf(wrong) == isLeaf(old) {
						continue
					}
					require.True(t, slices.ContainsFunc(notices, func(n rafay.Notice) bool { return strings.HasPrefix(n.Field, "spec."+key) }),
						"%s: spec.%s = %v is not told of", name, key, wrong)
				}
				spec[key] = old
			}
		}
	}
}
