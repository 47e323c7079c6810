package runner

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"sort"
	"strings"
)

// Mark stands where a secret was.
const Mark = "••••••"

const (
	minSecret = 4 // shorter values would blot out ordinary text
	// maxLine bounds what the streaming masker keeps back while it waits for the end of a line.
	maxLine = 256 << 10
)

// masker replaces known secrets, in the forms they turn up in.
type masker struct {
	patterns [][]byte
	longest  int
	blind    bool // the secrets are not known: any text may hold one
}

func newMasker(secrets []string) *masker {
	seen := map[string]bool{}
	m := &masker{}
	for _, s := range secrets {
		for _, form := range secretForms(s) {
			if len(form) < minSecret || strings.ContainsRune(form, '\n') || seen[form] {
				continue
			}
			seen[form] = true
			m.patterns = append(m.patterns, []byte(form))
			m.longest = max(m.longest, len(form))
		}
	}
	return m
}

// secretForms lists the spellings of a secret. Output is masked line by line, so a secret of several lines is masked by
// its lines.
func secretForms(s string) []string {
	s = strings.TrimRight(s, "\r\n")
	if len(s) < minSecret {
		return nil
	}
	forms := []string{s, jsonEscaped(s, true), jsonEscaped(s, false), hclEscaped(s), url.QueryEscape(s), url.PathEscape(s)}
	forms = append(forms, base64Forms(s)...)
	if lines := strings.Split(s, "\n"); len(lines) > 1 {
		for _, line := range lines {
			line = strings.TrimSpace(line)
			// Short lines of a long secret ("}", "end") are no secret by themselves.
			if len(line) >= 8 {
				forms = append(forms, line, jsonEscaped(line, true), jsonEscaped(line, false), hclEscaped(line))
			}
		}
	}
	return forms
}

func jsonEscaped(s string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	if enc.Encode(s) != nil {
		return ""
	}
	q := strings.TrimSuffix(b.String(), "\n")
	return q[1 : len(q)-1]
}

// hclEscaped is how the tool prints a text inside quotes.
func hclEscaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", "$${", "%{", "%%{").Replace(s)
}

// base64Forms lists the secret encoded by itself, and the part of the encoding that stays the same when it stands
// inside a longer encoded text, at each of the three alignments ("user:secret" in a Basic header).
func base64Forms(s string) []string {
	var forms []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Without padding it is found in a padded text too.
		forms = append(forms, enc.EncodeToString([]byte(s)))
		if len(s) < 8 {
			continue
		}
		for shift := range 3 {
			skip := (3 - shift) % 3
			body := s[skip:]
			body = body[:len(body)/3*3]
			forms = append(forms, enc.EncodeToString([]byte(body)))
		}
	}
	return forms
}

type span struct{ from, to int }

// spans finds the parts of b that belong to any secret; parts that overlap or touch are one.
func (m *masker) spans(b []byte) []span {
	var found []span
	for _, p := range m.patterns {
		for at := 0; ; {
			i := bytes.Index(b[at:], p)
			if i < 0 {
				break
			}
			found = append(found, span{at + i, at + i + len(p)})
			at += i + 1 // occurrences may overlap themselves
		}
	}
	if len(found) < 2 {
		return found
	}
	sort.Slice(found, func(i, j int) bool { return found[i].from < found[j].from })
	merged := found[:1]
	for _, s := range found[1:] {
		if last := &merged[len(merged)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// bytes masks one whole text without line breaks inside secrets.
func (m *masker) bytes(b []byte) []byte { return replaceSpans(b, m.spans(b)) }

// longSecret is how long a secret must be to be told from an ordinary text that looks like it.
const longSecret = 8

// holdsSecret reports whether a text has a secret in it that cannot be there by chance.
func (m *masker) holdsSecret(b []byte) bool {
	return m != nil && slices.ContainsFunc(m.patterns, func(p []byte) bool { return len(p) >= longSecret && bytes.Contains(b, p) })
}

// text masks a text of one or several lines.
func (m *masker) text(s string) string {
	if m != nil && m.blind && s != "" {
		return Mark
	}
	if m == nil || len(m.patterns) == 0 || s == "" {
		return s
	}
	return string(m.bytes([]byte(s)))
}

func replaceSpans(b []byte, spans []span) []byte {
	if len(spans) == 0 {
		return b
	}
	out := make([]byte, 0, len(b)+len(spans)*len(Mark))
	at := 0
	for _, s := range spans {
		out = append(append(out, b[at:s.from]...), Mark...)
		at = s.to
	}
	return append(out, b[at:]...)
}

// maskWriter masks a stream. It passes on whole lines, so that a secret cannot slip through where two chunks meet;
// an endless line is passed on in pieces that never end inside a secret.
type maskWriter struct {
	m       *masker
	w       io.Writer
	buf     []byte
	maxLine int
}

func newMaskWriter(m *masker, w io.Writer) *maskWriter {
	return &maskWriter{m: m, w: w, maxLine: maxLine}
}

// Write takes any chunk; it reports an error of the writer below.
func (w *maskWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if i := bytes.LastIndexByte(w.buf, '\n'); i >= 0 {
		if err := w.emit(i + 1); err != nil {
			return 0, err
		}
	}
	if len(w.buf) > max(w.maxLine, 2*w.m.longest) {
		if err := w.emitPart(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close passes on an unfinished last line.
func (w *maskWriter) Close() error { return w.emit(len(w.buf)) }

func (w *maskWriter) emit(n int) error {
	if n == 0 {
		return nil
	}
	_, err := w.w.Write(w.m.bytes(w.buf[:n]))
	w.buf = append(w.buf[:0], w.buf[n:]...)
	return err
}

// emitPart passes on the beginning of a line whose end is not known yet. What may be the beginning of a secret stays.
func (w *maskWriter) emitPart() error {
	cut := len(w.buf) - max(w.m.longest-1, 0)
	spans := w.m.spans(w.buf)
	for i, s := range spans {
		if s.from <= cut && cut <= s.to {
			cut, spans = s.from, spans[:i]
			break
		}
	}
	if cut <= 0 {
		return nil
	}
	for i, s := range spans {
		if s.from >= cut {
			spans = spans[:i]
			break
		}
	}
	_, err := w.w.Write(replaceSpans(w.buf[:cut], spans))
	w.buf = append(w.buf[:0], w.buf[cut:]...)
	return err
}
