package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

type segment struct {
	text string
	code bool
}

// split cuts a text into literal parts and the code of its expressions. The end
// mark inside a string of the expression does not end it.
func split(text string) ([]segment, error) {
	var out []segment
	rest := text
	for rest != "" {
		before, after, found := strings.Cut(rest, "$(")
		if before != "" {
			out = append(out, segment{text: before})
		}
		if !found {
			break
		}
		end := endMark(after)
		if end < 0 {
			return nil, &SyntaxError{Expression: strings.TrimSpace(after), Message: "it does not end; close it with )$"}
		}
		out = append(out, segment{text: after[:end], code: true})
		rest = after[end+len(")$"):]
	}
	return out, nil
}

func endMark(code string) int {
	for i := 0; i < len(code); {
		switch c := code[i]; {
		case c == '"' || c == '\'':
			i += stringLength(code[i:])
		case strings.HasPrefix(code[i:], ")$"):
			return i
		default:
			i++
		}
	}
	return -1
}

// stringLength is the length of the string literal at the start of code, up to
// its end or, when it has none, up to the end of code.
func stringLength(code string) int {
	quote := code[0]
	for i := 1; i < len(code); i++ {
		switch code[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(code)
}

// rewrite turns Rafay's spelling resource."x".output.y.value into
// resource["x"].output.y, and resource."x".resource."y".output.z.value likewise.
// Text inside string literals stays as it is.
func rewrite(code string) string {
	var out strings.Builder
	for i := 0; i < len(code); {
		if code[i] == '"' || code[i] == '\'' {
			n := stringLength(code[i:])
			out.WriteString(code[i : i+n])
			i += n
			continue
		}
		if n, replacement := foreignReference(code, i); n > 0 {
			out.WriteString(replacement)
			i += n
			continue
		}
		out.WriteByte(code[i])
		i++
	}
	return out.String()
}

// foreignReference reads a reference in Rafay's spelling at code[at:], and returns
// how long it is and what it becomes; 0 when there is none.
func foreignReference(code string, at int) (int, string) {
	if at > 0 && (isIdentifier(code[at-1]) || code[at-1] == '.') {
		return 0, ""
	}
	name, length, foreign := resourceName(code[at:])
	if length == 0 {
		return 0, ""
	}
	replacement, end := "resource["+name+"]", at+length
	if inner, ok := strings.CutPrefix(code[end:], "."); ok {
		if name, length, quoted := resourceName(inner); length > 0 {
			replacement, end = replacement+".resource["+name+"]", end+1+length
			foreign = foreign || quoted
		}
	}
	if !foreign {
		return 0, ""
	}
	tail, ok := strings.CutPrefix(code[end:], ".output.")
	if !ok {
		return end - at, replacement
	}
	length = 0
	for length < len(tail) && isIdentifier(tail[length]) {
		length++
	}
	replacement += ".output." + tail[:length]
	end += len(".output.") + length
	if after, ok := strings.CutPrefix(tail[length:], ".value"); ok && (after == "" || !isIdentifier(after[0])) {
		end += len(".value")
	}
	return end - at, replacement
}

// resourceName reads resource."x" (foreign) or resource["x"] at the start of code,
// and returns the quoted name and how long it all is; 0 when there is none.
func resourceName(code string) (name string, length int, foreign bool) {
	rest, ok := strings.CutPrefix(code, "resource")
	if !ok || len(rest) < 2 || rest[0] != '.' && rest[0] != '[' || rest[1] != '"' && rest[1] != '\'' {
		return "", 0, false
	}
	foreign = rest[0] == '.'
	n := stringLength(rest[1:])
	name, rest = rest[1:1+n], rest[1+n:]
	if n < 2 || name[n-1] != name[0] {
		return "", 0, false
	}
	length = len("resource") + 1 + n
	if !foreign {
		if !strings.HasPrefix(rest, "]") {
			return "", 0, false
		}
		length++
	}
	return name, length, foreign
}

func isIdentifier(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// references finds every resource["x"].output.y and tells whether the expression is
// one of them and nothing else. Any other use of resource is an error: which outputs
// are used must be known before anything runs.
func references(parsed *cel.Ast) (refs []Reference, alone bool, err error) {
	var walk func(e ast.NavigableExpr) error
	walk = func(e ast.NavigableExpr) error {
		if r, ok := asReference(e); ok {
			if !slices.Contains(refs, r) {
				refs = append(refs, r)
			}
			return nil
		}
		if e.Kind() == ast.IdentKind && e.AsIdent() == "resource" {
			return errors.New(`a resource is read as resource["name"].output.name, and one of another environment as resource["environment"].resource["name"].output.name`)
		}
		for _, child := range e.Children() {
			if err := walk(child); err != nil {
				return err
			}
		}
		return nil
	}
	root := ast.NavigateAST(parsed.NativeRep())
	if err := walk(root); err != nil {
		return nil, false, err
	}
	_, alone = asReference(root)
	return refs, alone, nil
}

// asReference matches resource["x"].output.y and resource["x"].resource["y"].output.z,
// and the same with output["y"].
func asReference(e ast.Expr) (Reference, bool) {
	operand, output, ok := member(e)
	if !ok {
		return Reference{}, false
	}
	operand, field, ok := member(operand)
	if !ok || field != "output" {
		return Reference{}, false
	}
	operand, name, ok := member(operand)
	if !ok {
		return Reference{}, false
	}
	if isRoot(operand) {
		return Reference{Resource: name, Output: output}, true
	}
	operand, field, ok = member(operand)
	if !ok || field != "resource" {
		return Reference{}, false
	}
	operand, outer, ok := member(operand)
	if !ok || !isRoot(operand) || name == "" {
		return Reference{}, false
	}
	return Reference{Resource: outer, Inner: name, Output: output}, true
}

func isRoot(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "resource" }

// member reads x.name and x["name"]. The test has(x.name) is none of them.
func member(e ast.Expr) (operand ast.Expr, name string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		return s.Operand(), s.FieldName(), !s.IsTestOnly()
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != "_[_]" || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
			return nil, "", false
		}
		s, ok := c.Args()[1].AsLiteral().(types.String)
		return c.Args()[0], string(s), ok
	}
	return nil, "", false
}

// readable drops positions and source excerpts from CEL's report and puts the
// commonest mistake into our words.
func readable(issues *cel.Issues) string {
	var out []string
	for _, e := range issues.Errors() {
		message := e.Message
		if name, ok := strings.CutPrefix(message, "undeclared reference to '"); ok {
			name, _, _ = strings.Cut(name, "'")
			message = fmt.Sprintf("there is no %q; an expression can use %s, and resource[\"name\"].output.name", name, strings.Join(Names(), ", "))
		}
		message = fmt.Sprintf("%s (column %d)", message, e.Location.Column()+1)
		if !slices.Contains(out, message) {
			out = append(out, message)
		}
	}
	return strings.Join(out, "; ")
}
