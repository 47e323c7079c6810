package manifest

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// readYAML returns the documents of a YAML text.
func readYAML(text string, found *issues) []*node {
	file, err := parseYAML(text)
	if err != nil {
		line, col, message := yamlPlace(err)
		found.add(line, col, "%s", message)
		return nil
	}
	var out []*node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		c := &converter{issues: found, anchors: map[string]*node{}}
		n, ok := c.convert(d.Body, 0)
		if !ok {
			return out
		}
		if n.kind != nullNode {
			out = append(out, n)
		}
	}
	return out
}

// parseYAML parses with the limits that keep a hostile text from using the stack up. A text that the parser stumbles
// over is a text that cannot be read.
func parseYAML(text string) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("this is no YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(text)
	if err := checkDepth(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkDepth refuses what nests deeper than any document does.
func checkDepth(tokens token.Tokens) error {
	flow, line, onLine := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++
		case token.MappingValueType:
			if flow == 0 {
				onLine++
			}
		default:
		}
		if flow > maxDepth || onLine > maxDepth {
			return fmt.Errorf("[%d:%d] it is nested more than %d levels deep", t.Position.Line, t.Position.Column, maxDepth)
		}
	}
	return nil
}

// yamlPlace takes the place out of an error of the parser.
func yamlPlace(err error) (line, col int, message string) {
	message = err.Error()
	var parsed yaml.Error
	if errors.As(err, &parsed) {
		message = parsed.GetMessage()
		if t := parsed.GetToken(); t != nil {
			line, col = t.Position.Line, t.Position.Column
		}
	}
	if _, scanErr := fmt.Sscanf(message, "[%d:%d]", &line, &col); scanErr == nil {
		_, message, _ = strings.Cut(message, "] ")
	}
	message, _, _ = strings.Cut(message, "\n")
	return line, col, "this is no valid YAML: " + message
}

// converter makes nodes of what the parser found.
type converter struct {
	*issues
	anchors      map[string]*node
	count, bytes int
}

// convert returns false when a limit was reached and nothing more is looked at.
func (c *converter) convert(in ast.Node, depth int) (*node, bool) {
	if in == nil {
		return &node{}, true
	}
	n := &node{}
	if t := in.GetToken(); t != nil && t.Position != nil {
		n.line, n.col = t.Position.Line, t.Position.Column
	}
	if depth > maxDepth {
		c.at(n, "it is nested more than %d levels deep", maxDepth)
		return nil, false
	}
	var ok bool
	switch v := in.(type) {
	case *ast.AnchorNode:
		return c.anchor(v, depth)
	case *ast.AliasNode:
		return c.alias(v, n)
	case *ast.TagNode:
		return c.tag(v, n, depth)
	case *ast.MappingNode:
		n.kind = mapNode
		if len(v.Values) > 0 && !v.IsFlowStyle {
			if t := v.Values[0].Key.GetToken(); t != nil { // the token of a block is its first colon
				n.line, n.col = t.Position.Line, t.Position.Column
			}
		}
		ok = c.pairs(n, v.Values, depth)
	case *ast.MappingValueNode:
		n.kind = mapNode
		if t := v.Key.GetToken(); t != nil {
			n.line, n.col = t.Position.Line, t.Position.Column
		}
		ok = c.pairs(n, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		n.kind, ok = listNode, true
		for _, item := range v.Values {
			child, good := c.convert(item, depth+1)
			if !good {
				return nil, false
			}
			n.items = append(n.items, child)
			n.grow(child)
		}
	default:
		ok = c.scalar(in, n)
	}
	if !ok {
		return nil, false
	}
	return n, c.spend(n, 1, len(n.text))
}

func (n *node) grow(child *node) {
	n.count += child.count + 1
	n.bytes += child.bytes + len(child.text)
}

// spend counts what a document has become, repeated parts included.
func (c *converter) spend(n *node, count, bytes int) bool {
	c.count += count
	c.bytes += bytes
	if c.count > maxNodes || c.bytes > maxText {
		c.at(n, "the document is too large once its aliases are followed")
		return false
	}
	return true
}

func (c *converter) scalar(in ast.Node, n *node) bool {
	n.kind = scalarNode
	switch v := in.(type) {
	case *ast.NullNode:
		n.kind = nullNode
	case *ast.StringNode:
		n.text = v.Value
		n.quoted = v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		n.text, n.quoted = v.Value.Value, true
	case ast.ScalarNode:
		n.text = v.GetToken().Value
	default:
		c.at(n, "a %s cannot stand here", strings.ToLower(in.Type().String()))
		n.kind = nullNode
	}
	if strings.ContainsRune(n.text, 0) || !utf8.ValidString(n.text) {
		c.at(n, "the text holds what is no character (a zero byte, or no UTF-8); write binary content in base64 where a field takes it")
	}
	return true
}

func (c *converter) anchor(v *ast.AnchorNode, depth int) (*node, bool) {
	n, ok := c.convert(v.Value, depth+1)
	if ok && v.Name != nil {
		c.anchors[v.Name.GetToken().Value] = n
	}
	return n, ok
}

func (c *converter) alias(v *ast.AliasNode, n *node) (*node, bool) {
	name := ""
	if v.Value != nil && v.Value.GetToken() != nil {
		name = v.Value.GetToken().Value
	}
	target := c.anchors[name]
	if target == nil {
		// It is not named: a password may begin with *, and its author forgot the quotes.
		c.at(n, "there is no anchor of this name above; put a text that begins with * into quotes")
		return n, true
	}
	copied := *target
	copied.line, copied.col = n.line, n.col
	return &copied, c.spend(n, target.count+1, target.bytes+len(target.text))
}

func (c *converter) tag(v *ast.TagNode, n *node, depth int) (*node, bool) {
	name := v.GetToken().Value
	value, ok := c.convert(v.Value, depth+1)
	if !ok {
		return nil, false
	}
	switch name {
	case "!!str", "!!binary":
		value.quoted = true
		if value.kind == nullNode {
			value.kind = scalarNode
		}
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
	default:
		// It is not named: a password may begin with !, and its author forgot the quotes.
		c.at(n, "this tag has no meaning here; remove it, or put a text that begins with ! into quotes")
	}
	return value, true
}

const mergeKey = "<<"

func (c *converter) pairs(n *node, values []*ast.MappingValueNode, depth int) bool {
	var merged []*node
	for _, v := range values {
		key := v.Key
		t := key.GetToken()
		child, ok := c.convert(v.Value, depth+1)
		if !ok {
			return false
		}
		if _, merge := key.(*ast.MergeKeyNode); merge {
			merged = append(merged, child)
			continue
		}
		name, ok := keyText(key)
		if !ok {
			c.add(t.Position.Line, t.Position.Column, "a key must be plain text")
			continue
		}
		n.add(c.issues, pair{name, child, t.Position.Line, t.Position.Column})
	}
	for _, m := range merged {
		sources := []*node{m}
		if m.kind == listNode {
			sources = m.items
		}
		for _, s := range sources {
			if s.kind != mapNode {
				c.at(m, "%s must name a map", mergeKey)
				continue
			}
			for _, p := range s.pairs {
				if n.get(p.key) == nil {
					n.pairs = append(n.pairs, p)
					n.grow(p.value)
				}
			}
		}
	}
	return true
}

// add adds a pair unless its key is there already.
func (n *node) add(found *issues, p pair) {
	if i := n.find(p.key); i >= 0 {
		found.add(p.line, p.col, "%q is given twice; it stands in line %d too", p.key, n.pairs[i].line)
		return
	}
	n.pairs = append(n.pairs, p)
	n.grow(p.value)
	n.bytes += len(p.key)
}

func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.MappingKeyNode:
		if s, ok := k.Value.(*ast.StringNode); ok {
			return s.Value, true
		}
		return "", false
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return "", false
	case ast.ScalarNode:
		return k.GetToken().Value, true
	}
	return "", false
}
