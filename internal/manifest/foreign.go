package manifest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/berthdev/berth/internal/manifest/rafay"
	"github.com/berthdev/berth/internal/template/bundle"
)

// foreign reports whether package rafay reads documents of the apiVersion.
func foreign(apiVersion string) bool { return rafay.Speaks(apiVersion) }

// translated reads a document of another format as what it is translated to.
func (r *reader) translated(tree *node) {
	doc, _ := plain(tree, false).(map[string]any)
	out, notices := rafay.Translate(doc)
	for _, n := range notices {
		place := tree
		if n.Field != "" {
			place = tree.nearest(n.Field)
		}
		if n.Severity == rafay.Error {
			r.at(place, "%s", n)
			continue
		}
		r.notices = append(r.notices, Notice{
			File: r.file, Line: place.line, Severity: bundle.Severity(n.Severity), Kind: n.Kind, Name: n.Name, Field: n.Field, Message: n.Message,
		})
	}
	for _, o := range out {
		if d := r.own(treeOf(o, tree)); d != nil {
			d.foreign = true
			r.docs = append(r.docs, d)
		}
	}
}

var (
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	fraction    = regexp.MustCompile(`^-?(0|[1-9][0-9]*)\.[0-9]+$`)
)

// plain is a tree as maps, lists, text, numbers and truth values. A number that would be another text when it is
// written again stays text, unless it stands in a structured value, where its type counts.
func plain(n *node, inValue bool) any {
	switch n.kind {
	case mapNode:
		out := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			structured := p.key == "value" && (p.value.kind == mapNode || p.value.kind == listNode)
			out[p.key] = plain(p.value, inValue || structured)
		}
		return out
	case listNode:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = plain(item, inValue)
		}
		return out
	case scalarNode:
		switch {
		case n.quoted:
		case n.text == "true" || n.text == "false":
			return n.text == "true"
		case wholeNumber.MatchString(n.text), inValue && fraction.MatchString(n.text):
			return json.Number(n.text)
		}
		return n.text
	case nullNode:
	}
	return nil
}

// treeOf is a translated value as a tree; everything stands where the document it comes from does.
func treeOf(v any, from *node) *node {
	n := &node{line: from.line, col: from.col, loose: true}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		n.kind = mapNode
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			n.pairs = append(n.pairs, pair{k, treeOf(v[k], from), from.line, from.col})
		}
	case []map[string]any:
		n.kind = listNode
		for _, item := range v {
			n.items = append(n.items, treeOf(item, from))
		}
	case []any:
		n.kind = listNode
		for _, item := range v {
			n.items = append(n.items, treeOf(item, from))
		}
	case []string:
		n.kind = listNode
		for _, item := range v {
			n.items = append(n.items, treeOf(item, from))
		}
	case map[string]string:
		whole := make(map[string]any, len(v))
		for k, item := range v {
			whole[k] = item
		}
		return treeOf(whole, from)
	case string:
		n.kind, n.text, n.quoted = scalarNode, v, true
	case json.Number:
		n.kind, n.text = scalarNode, v.String()
	default:
		n.kind, n.text = scalarNode, fmt.Sprint(v)
	}
	return n
}
