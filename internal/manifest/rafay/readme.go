package rafay

import (
	"html"
	"regexp"
	"slices"
	"strings"
)

// readme reads the description of a template: Markdown or HTML. Berth shows
// Markdown, and raw HTML in it is not shown.
func (d *document) readme(spec *object) string {
	text := spec.text("readme")
	m := &markdown{}
	out := m.write(text)
	switch {
	case len(m.dropped) > 0:
		slices.Sort(m.dropped)
		d.notice(Warning, spec.at("readme"), "holds HTML; it is rewritten as Markdown, without what Markdown has not: %s", strings.Join(slices.Compact(m.dropped), ", "))
	case m.changed:
		d.notice(Info, spec.at("readme"), "holds HTML; it is rewritten as Markdown")
	}
	return out
}

var (
	tagPattern  = regexp.MustCompile(`^<(/?)([A-Za-z][A-Za-z0-9-]*)((?:\s[^<>]*)?)/?>`)
	attribute   = regexp.MustCompile(`([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)
	safeAddress = regexp.MustCompile(`(?i)^(https?://|mailto:|#|/|\./|[a-z0-9_-]+(/|$|\.))`)
	manyBreaks  = regexp.MustCompile(`\n{3,}`)
)

// markdown rewrites HTML in a text as Markdown.
type markdown struct {
	out      strings.Builder
	dropped  []string
	changed  bool
	links    []string // the addresses of the links that are open
	numbered []bool   // the lists that are open
	blocks   int      // the blocks of HTML that are open
	pre      bool
	code     bool // within a line
}

func (m *markdown) write(text string) string {
	for rest := text; rest != ""; {
		n := m.verbatim(rest)
		if n == 0 {
			n = m.element(rest)
		}
		if n == 0 {
			n = m.entity(rest)
		}
		if n == 0 {
			n = 1
			if rest[0] == '<' && m.looksLikeTag(rest) {
				// Berth would leave it out as HTML that it does not know.
				m.out.WriteByte('\\')
				m.changed = true
			}
			// Text within a block is often indented, which is code in Markdown.
			if m.pre || m.blocks == 0 || !strings.ContainsRune(" \t", rune(rest[0])) || !strings.HasSuffix(m.out.String(), "\n") {
				m.out.WriteByte(rest[0])
			}
		}
		rest = rest[n:]
	}
	if !m.changed {
		return text
	}
	return strings.TrimSpace(manyBreaks.ReplaceAllString(m.out.String(), "\n\n")) + "\n"
}

// verbatim copies code, in which < is just a sign; it returns how much that was.
func (m *markdown) verbatim(rest string) int {
	if m.pre || rest[0] != '`' {
		return 0
	}
	ticks := len(rest) - len(strings.TrimLeft(rest, "`"))
	end := strings.Index(rest[ticks:], rest[:ticks])
	if end < 0 {
		return 0
	}
	n := ticks + end + ticks
	m.out.WriteString(rest[:n])
	return n
}

// entity writes the sign that an entity stands for where Markdown would not.
func (m *markdown) entity(rest string) int {
	if !m.pre && !m.code || rest[0] != '&' {
		return 0
	}
	n := strings.IndexByte(rest, ';') + 1
	if n == 0 || n > 12 {
		return 0
	}
	m.out.WriteString(html.UnescapeString(rest[:n]))
	return n
}

func (m *markdown) looksLikeTag(rest string) bool { return !m.pre && tagPattern.MatchString(rest) }

// element rewrites the tag at the start of rest; 0 means that there is none.
func (m *markdown) element(rest string) int {
	if rest[0] != '<' {
		return 0
	}
	if strings.HasPrefix(rest, "<!--") {
		m.drop("comment")
		if end := strings.Index(rest, "-->"); end >= 0 {
			return end + len("-->")
		}
		return len(rest)
	}
	parts := tagPattern.FindStringSubmatch(rest)
	if parts == nil {
		return 0
	}
	name, closing := strings.ToLower(parts[2]), parts[1] != ""
	switch name {
	case "script", "style", "iframe", "object", "svg", "form", "head", "title":
		m.drop(name)
		if end := strings.Index(strings.ToLower(rest), "</"+name); end > 0 && !closing {
			if gt := strings.IndexByte(rest[end:], '>'); gt >= 0 {
				return end + gt + 1
			}
			return len(rest)
		}
		return len(parts[0])
	}
	if !m.tag(name, closing, parts[3]) {
		return 0
	}
	m.changed = true
	return len(parts[0])
}

func (m *markdown) drop(what string) {
	m.dropped = append(m.dropped, what)
	m.changed = true
}

// tag writes what stands for a tag; false means that it is none of HTML.
func (m *markdown) tag(name string, closing bool, attributes string) bool {
	if strings.Contains(strings.ToLower(attributes), "style=") {
		m.dropped = append(m.dropped, "style")
	}
	if slices.Contains(blockTags, name) {
		m.block(closing)
	}
	switch name {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		m.either(closing, "\n\n"+strings.Repeat("#", int(name[1]-'0'))+" ", "\n\n")
	case "p", "div", "section", "article", "header", "footer", "main", "center", "blockquote", "figure", "details", "summary":
		m.out.WriteString("\n\n")
	case "br":
		m.out.WriteString("  \n")
	case "hr":
		m.out.WriteString("\n\n---\n\n")
	case "strong", "b":
		m.out.WriteString("**")
	case "em", "i":
		m.out.WriteString("*")
	case "code", "kbd", "tt", "samp":
		if !m.pre {
			m.out.WriteString("`")
			m.code = !closing
		}
	case "pre":
		m.either(closing, "\n\n```\n", "\n```\n\n")
		m.pre = !closing
	case "ul", "ol", "li":
		m.list(name, closing)
	case "a":
		m.link(closing, attributes)
	case "img":
		m.out.WriteString("![" + attributeOf(attributes, "alt") + "](" + m.address(attributeOf(attributes, "src"), "img") + ")")
	case "table", "thead", "tbody", "tr", "td", "th":
		m.table(name, closing)
	case "span", "html", "body", "font", "u", "small", "big", "sub", "sup", "label", "nav", "figcaption", "del", "s", "ins", "mark", "button", "input", "video", "audio", "source", "link", "meta", "colgroup", "col", "caption", "dl", "dt", "dd", "abbr", "cite", "q", "time":
		if name != "span" && name != "html" && name != "body" {
			m.dropped = append(m.dropped, name)
		}
	default:
		return false
	}
	return true
}

func (m *markdown) either(closing bool, begin, end string) {
	if closing {
		m.out.WriteString(end)
	} else {
		m.out.WriteString(begin)
	}
}

func (m *markdown) list(name string, closing bool) {
	switch {
	case name == "li" && !closing:
		mark := "- "
		if n := len(m.numbered); n > 0 {
			mark = strings.Repeat("  ", n-1) + mark
			if m.numbered[n-1] {
				mark = strings.Repeat("   ", n-1) + "1. "
			}
		}
		m.out.WriteString("\n" + mark)
	case name == "li":
	case !closing:
		m.numbered = append(m.numbered, name == "ol")
		m.out.WriteString("\n")
	default:
		if n := len(m.numbered); n > 0 {
			m.numbered = m.numbered[:n-1]
		}
		m.out.WriteString("\n\n")
	}
}

func (m *markdown) table(name string, closing bool) {
	m.dropped = append(m.dropped, "table")
	switch {
	case (name == "td" || name == "th") && closing:
		m.out.WriteString(" · ")
	case name == "tr" && closing:
		m.out.WriteString("  \n")
	case name == "table":
		m.out.WriteString("\n\n")
	}
}

func (m *markdown) link(closing bool, attributes string) {
	if !closing {
		m.links = append(m.links, m.address(attributeOf(attributes, "href"), "a"))
		m.out.WriteString("[")
		return
	}
	if n := len(m.links); n > 0 {
		m.out.WriteString("](" + m.links[n-1] + ")")
		m.links = m.links[:n-1]
	}
}

// address is a link that a browser may follow.
func (m *markdown) address(text, tag string) string {
	text = strings.TrimSpace(text)
	if text == "" || !safeAddress.MatchString(text) || strings.ContainsAny(text, " ()\n") {
		if text != "" {
			m.dropped = append(m.dropped, "address of "+tag)
		}
		return ""
	}
	return text
}

func attributeOf(attributes, name string) string {
	for _, a := range attribute.FindAllStringSubmatch(attributes, -1) {
		if strings.EqualFold(a[1], name) {
			return a[2] + a[3] + a[4]
		}
	}
	return ""
}

// blockTags are the tags of HTML that hold text as a block.
var blockTags = []string{"p", "div", "section", "article", "header", "footer", "main", "center", "blockquote", "figure", "details", "ul", "ol", "li", "table", "html", "body"}

// block counts the blocks that are open; a closing tag too many does no harm.
func (m *markdown) block(closing bool) {
	if !closing {
		m.blocks++
	} else if m.blocks > 0 {
		m.blocks--
	}
}
