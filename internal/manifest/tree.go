package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/fault"
)

// Limits of one file.
const (
	MaxFileSize = 4 << 20
	maxNodes    = 200_000
	maxText     = 32 << 20 // with what aliases repeat
	maxDepth    = 60
	maxIssues   = 100
)

type nodeKind int

const (
	nullNode nodeKind = iota
	scalarNode
	mapNode
	listNode
)

// node is a value of a document with its place, the same for YAML and JSON.
type node struct {
	kind      nodeKind
	text      string // of a scalar, as it is written
	quoted    bool   // written so that it can be nothing but text
	pairs     []pair
	items     []*node
	line, col int
	// loose is set for values of a translated document, which have no spelling of their own.
	loose bool

	count, bytes int // of everything below, for the limits
	index        map[string]int
}

type pair struct {
	key       string
	value     *node
	line, col int
}

func (n *node) get(key string) *node {
	if i := n.find(key); i >= 0 {
		return n.pairs[i].value
	}
	return nil
}

const indexFrom = 16

// find is the place of a key, or -1. Large maps get an index.
func (n *node) find(key string) int {
	if len(n.pairs) < indexFrom {
		return slices.IndexFunc(n.pairs, func(p pair) bool { return p.key == key })
	}
	if n.index == nil {
		n.index = make(map[string]int, len(n.pairs))
	}
	for i := len(n.index); i < len(n.pairs); i++ {
		n.index[n.pairs[i].key] = i
	}
	if i, ok := n.index[key]; ok {
		return i
	}
	return -1
}

// nearest follows a path such as spec.variables[2].name as far as it leads.
func (n *node) nearest(path string) *node {
	for part := range strings.SplitSeq(path, ".") {
		name, index, _ := strings.Cut(part, "[")
		next := n.get(name)
		if next == nil {
			return n
		}
		n = next
		for index != "" {
			digits, rest, _ := strings.Cut(index, "]")
			i, err := strconv.Atoi(digits)
			if err != nil || i < 0 || i >= len(n.items) {
				return n
			}
			n, index = n.items[i], strings.TrimPrefix(rest, "[")
		}
	}
	return n
}

// describe says what a value is, never the value itself.
func (n *node) describe() string {
	switch {
	case n.kind == mapNode:
		return "a map"
	case n.kind == listNode:
		return "a list"
	case n.kind == nullNode:
		return "nothing"
	case n.quoted:
		return "text"
	default:
		return "plain text"
	}
}

// issue is one thing wrong with a file.
type issue struct {
	line, col int
	message   string
}

// issues collects what is wrong with a file, so that all of it is seen at once.
type issues struct {
	file string
	list []issue
}

func (i *issues) add(line, col int, format string, args ...any) {
	if len(i.list) < maxIssues {
		i.list = append(i.list, issue{line, col, fmt.Sprintf(format, args...)})
	}
}

func (i *issues) at(n *node, format string, args ...any) { i.add(n.line, n.col, format, args...) }

// ErrBad is the fault of a file that cannot be read.
var ErrBad = fault.New(fault.Invalid, "bad_manifest", "The file cannot be read.")

// err is one error with a field for each issue, or nil. Its message has a line for each.
func (i *issues) err() error {
	if len(i.list) == 0 {
		return nil
	}
	slices.SortStableFunc(i.list, func(a, b issue) int { return cmp.Or(a.line-b.line, a.col-b.col) })
	e := *ErrBad
	var lines []string
	for _, is := range i.list {
		place := i.file
		if is.line > 0 {
			place = fmt.Sprintf("%s:%d:%d", i.file, is.line, is.col)
		}
		e.Fields = append(e.Fields, fault.Field{Path: place, Message: is.message})
		lines = append(lines, place+": "+is.message)
	}
	e.Message = strings.Join(lines, "\n")
	return &e
}
