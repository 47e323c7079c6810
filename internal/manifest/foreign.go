package manifest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/template/bundle"
)

// foreignNotice is what a translator says of a document.
type foreignNotice struct {
	Severity bundle.Severity // an error refuses the document
	Field    string
	Message  string
}

// translator turns a document of another format into documents of Berth's own.
type translator func(doc map[string]any) ([]map[string]any, []foreignNotice)

// foreign returns the translator of a format, or nil.
func foreign(apiVersion string) translator {
	return nil
}

func (r *reader) translated(tree *node, translate translator) {
	doc, _ := plain(tree).(map[string]any)
	out, notices := translate(doc)
	for _, n := range notices {
		place := tree
		if n.Field != "" {
			place = tree.nearest(n.Field)
		}
		text := n.Message
		if n.Field != "" {
			text = n.Field + ": " + text
		}
		if n.Severity == bundle.Error {
			r.at(place, "%s", text)
			continue
		}
		r.notices = append(r.notices, Notice{File: r.file, Line: place.line, Severity: n.Severity, Field: n.Field, Message: n.Message})
	}
	for _, o := range out {
		if d := r.own(treeOf(o, tree)); d != nil {
			r.docs = append(r.docs, d)
		}
	}
}

// plain is a tree as maps, lists, text and truth values. Numbers stay as they are written.
func plain(n *node) any {
	switch n.kind {
	case mapNode:
		out := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			out[p.key] = plain(p.value)
		}
		return out
	case listNode:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = plain(item)
		}
		return out
	case scalarNode:
		if !n.quoted && (n.text == "true" || n.text == "false") {
			return n.text == "true"
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
