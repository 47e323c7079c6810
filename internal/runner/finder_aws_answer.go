package runner

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// xmlTexts reads the text of every element of one name, wherever it stands.
func xmlTexts(element string) func([]byte, map[string]any) ([]string, error) {
	return func(body []byte, _ map[string]any) ([]string, error) {
		return xmlPick(body, element, func([]string) bool { return true })
	}
}

// xmlItems reads an element of the outermost items of an EC2 answer; deeper ones belong to parts of the object (a route
// table's associations name the table again).
func xmlItems(element string) func([]byte, map[string]any) ([]string, error) {
	return func(body []byte, _ map[string]any) ([]string, error) {
		return xmlPick(body, element, func(path []string) bool { return len(path) == 4 && path[2] == "item" })
	}
}

func xmlPick(body []byte, element string, at func(path []string) bool) ([]string, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	var path, out []string
	seen := map[string]bool{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) > 0 && path[len(path)-1] == element && at(path) {
				if s := string(bytes.TrimSpace(t)); s != "" && !seen[s] {
					seen[s] = true
					out = append(out, s)
				}
			}
		}
	}
}

// listenersOnPort reads the listeners of a load balancer; it has one on a port.
func listenersOnPort(body []byte, values map[string]any) ([]string, error) {
	var answer struct {
		Listeners []struct {
			ListenerArn string
			Port        string
		} `xml:"DescribeListenersResult>Listeners>member"`
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the listeners: %w", err)
	}
	var arns []string
	for _, l := range answer.Listeners {
		if l.Port == textOf(values["port"]) {
			arns = append(arns, l.ListenerArn)
		}
	}
	return arns, nil
}

// jsonTexts reads a field of every object that has it, leaving out those whose other field says that they are gone.
func jsonTexts(field, unless, is string) func([]byte, map[string]any) ([]string, error) {
	return func(body []byte, _ map[string]any) ([]string, error) {
		var doc any
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, err
		}
		var out []string
		seen := map[string]bool{}
		// Only lists of the answer and the answer itself hold whole objects; one inside another only names it.
		var visit func(node any, depth int)
		visit = func(node any, depth int) {
			switch n := node.(type) {
			case []any:
				for _, v := range n {
					visit(v, depth)
				}
			case map[string]any:
				if s, ok := n[field].(string); ok && (unless == "" || n[unless] != is) && !seen[s] {
					seen[s] = true
					out = append(out, s)
				} else if depth == 0 {
					for _, v := range n {
						visit(v, depth+1)
					}
				}
			}
		}
		visit(doc, 0)
		return out, nil
	}
}
