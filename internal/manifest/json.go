package manifest

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// looksLikeJSON reports whether a text is to be read as JSON.
func looksLikeJSON(file, text string) bool {
	return strings.HasSuffix(strings.ToLower(file), ".json") || strings.HasPrefix(strings.TrimLeft(text, " \t\r\n\ufeff"), "{")
}

// readJSON returns the documents of a JSON text: one after the other, or in a list.
func readJSON(text string, found *issues) []*node {
	r := &jsonReader{issues: found, text: text, dec: json.NewDecoder(strings.NewReader(text))}
	r.dec.UseNumber()
	var out []*node
	for {
		n, err := r.value(0)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			r.fail(err)
			return out
		}
		if n.kind == listNode {
			out = append(out, n.items...)
			continue
		}
		out = append(out, n)
	}
}

type jsonReader struct {
	*issues
	text string
	dec  *json.Decoder
	// line and column are counted on from the last place that was asked for.
	at0, line, lineStart int
	count                int
}

func (r *jsonReader) fail(err error) {
	offset := int(r.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = max(int(syntax.Offset)-1, 0)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		offset = len(r.text)
	}
	line, col := r.place(offset)
	r.add(line, col, "this is no valid JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// place tells line and column of an offset, which never goes back but for a syntax error.
func (r *jsonReader) place(offset int) (line, col int) {
	offset = min(offset, len(r.text))
	if offset < r.at0 {
		r.at0, r.line, r.lineStart = 0, 0, 0
	}
	for {
		i := strings.IndexByte(r.text[r.at0:offset], '\n')
		if i < 0 {
			break
		}
		r.at0 += i + 1
		r.line++
		r.lineStart = r.at0
	}
	return r.line + 1, offset - r.lineStart + 1
}

// next is the offset at which the next token begins.
func (r *jsonReader) next() int {
	i := int(r.dec.InputOffset())
	for i < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[i]) >= 0 {
		i++
	}
	return i
}

var errDepth = errors.New("it is nested too deeply")

func (r *jsonReader) value(depth int) (*node, error) {
	n := &node{}
	n.line, n.col = r.place(r.next())
	if r.count++; depth > maxDepth || r.count > maxNodes {
		return nil, errDepth
	}
	t, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			n.kind = mapNode
			return n, r.object(n, depth)
		}
		n.kind = listNode
		for r.dec.More() {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, unexpected(err)
			}
			n.items = append(n.items, item)
		}
		_, err := r.dec.Token()
		return n, unexpected(err)
	case string:
		n.kind, n.text, n.quoted = scalarNode, v, true
	case json.Number:
		n.kind, n.text = scalarNode, v.String()
	case bool:
		n.kind, n.text = scalarNode, "false"
		if v {
			n.text = "true"
		}
	case nil:
		n.kind = nullNode
	}
	return n, nil
}

func (r *jsonReader) object(n *node, depth int) error {
	for r.dec.More() {
		line, col := r.place(r.next())
		key, err := r.dec.Token()
		if err != nil {
			return unexpected(err)
		}
		child, err := r.value(depth + 1)
		if err != nil {
			return unexpected(err)
		}
		name, _ := key.(string)
		n.add(r.issues, pair{name, child, line, col})
	}
	_, err := r.dec.Token()
	return unexpected(err)
}

// unexpected tells an end in the middle of a value from one between documents.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
