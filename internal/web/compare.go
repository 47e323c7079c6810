package web

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// compared is the template whose versions are compared.
type compared struct {
	list, listURL string
	name, url     string
	versions      []template.SummaryVersion // newest first
	compare       func(from, to string) (*template.Comparison, error)
}

// compare draws the page that compares two versions of a template: the two that the address names, else the newest with
// the one before it.
func (s *server) compare(w http.ResponseWriter, r *http.Request, sc scope, c compared) error {
	q := r.URL.Query()
	v := views.Comparison{
		Page: sc.Page, List: c.list, ListURL: c.listURL, Name: c.name, URL: c.url, CompareURL: c.url + "/compare", From: q.Get("from"), To: q.Get("to"),
	}
	for _, version := range c.versions {
		label := version.Version + " (" + strings.ToLower(views.VersionState(version.State).Look().Label) + ")"
		v.Versions = append(v.Versions, views.Option{Value: version.Version, Label: label})
	}
	if len(c.versions) < 2 {
		return render(w, r, http.StatusOK, ComparePage(v))
	}
	v.To = cmp.Or(v.To, c.versions[0].Version)
	v.From = cmp.Or(v.From, before(c.versions, v.To))
	found, err := c.compare(v.From, v.To)
	if err != nil {
		f := formFault(err)
		if f == nil {
			return err
		}
		v.Error = f.Message
		return render(w, r, http.StatusNotFound, ComparePage(v))
	}
	fillComparison(&v, found)
	return render(w, r, http.StatusOK, ComparePage(v))
}

// before is the version made before another, or the one after it for the oldest.
func before(versions []template.SummaryVersion, version string) string {
	for i, v := range versions {
		if v.Version == version && i+1 < len(versions) {
			return versions[i+1].Version
		}
	}
	return versions[len(versions)-1].Version
}

func fillComparison(v *views.Comparison, c *template.Comparison) {
	v.Chosen, v.SourceHidden, v.Truncated = true, c.SourceHidden, c.Truncated
	for _, g := range []struct {
		id, title string
		items     []template.ItemDiff
	}{
		{"inputs", "Inputs of the form", c.Inputs}, {"resources", "Resources", c.Resources}, {"variables", "Variables of the template", c.Variables},
		{"contexts", "Contexts", c.Contexts}, {"outputs", "Outputs", c.Outputs},
	} {
		if len(g.items) == 0 {
			continue
		}
		group := views.DiffGroup{ID: g.id, Title: g.title}
		for _, item := range g.items {
			group.Items = append(group.Items, views.DiffItem{Name: item.Name, Change: views.DiffKind(item.Change), Fields: diffFields(item.Fields)})
		}
		v.Groups = append(v.Groups, group)
	}
	v.Settings = diffFields(c.Settings)
	for i, f := range c.Files {
		v.Files = append(v.Files, fileDiff(i, f))
	}
}

func diffFields(fields []template.FieldDiff) []views.DiffField {
	var out []views.DiffField
	for _, f := range fields {
		out = append(out, views.DiffField{Name: fieldWords(f.Field), Before: f.Before, After: f.After})
	}
	return out
}

// fieldWords writes the name of a property as words: "providerVersion" becomes "Provider version".
func fieldWords(name string) string {
	spaced := regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(name, func(c string) string { return " " + strings.ToLower(c) })
	return views.Sentence(strings.TrimSpace(spaced))
}

// openLines is how long a file's difference may be to be seen without unfolding it.
const openLines = 200

func fileDiff(i int, f template.FileDiff) views.FileDiff {
	out := views.FileDiff{ID: "file-" + strconv.Itoa(i), Resource: f.Resource, Path: f.Path, Change: views.DiffKind(f.Change), Lines: diffLines(f.Unified)}
	switch {
	case f.Binary:
		out.Note = "A binary file: " + size(int(f.SizeBefore)) + " before, " + size(int(f.SizeAfter)) + " after."
	case f.Truncated && len(out.Lines) == 0:
		out.Note = "Too large to compare line by line: " + size(int(f.SizeBefore)) + " before, " + size(int(f.SizeAfter)) + " after."
	case f.Truncated:
		out.Note = "The rest is left out, because there is too much of it."
	}
	for _, l := range out.Lines {
		switch l.Kind {
		case views.LineAdded:
			out.Added++
		case views.LineRemoved:
			out.Removed++
		case views.LineSame, views.LineHunk:
		}
	}
	out.Open = len(out.Lines) <= openLines
	return out
}

var hunkHead = regexp.MustCompile(`^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@`)

// diffLines takes a unified difference apart. What stands before its first part is the names of the files.
func diffLines(unified string) []views.DiffLine {
	var out []views.DiffLine
	var before, after int
	inside := false
	for line := range strings.SplitSeq(strings.TrimSuffix(unified, "\n"), "\n") {
		if m := hunkHead.FindStringSubmatch(line); m != nil {
			inside = true
			before, after = number(m[1]), number(m[2])
			out = append(out, views.DiffLine{Kind: views.LineHunk, Text: fmt.Sprintf("Line %d", max(after, 1))})
			continue
		}
		if !inside || line == "" {
			continue
		}
		l := views.DiffLine{Text: line[1:]}
		switch line[0] {
		case '+':
			l.Kind, l.New = views.LineAdded, num(after)
			after++
		case '-':
			l.Kind, l.Old = views.LineRemoved, num(before)
			before++
		case ' ':
			l.Kind, l.Old, l.New = views.LineSame, num(before), num(after)
			before++
			after++
		default: // a remark on the line before, such as a missing line break
			l.Kind, l.Text = views.LineHunk, strings.TrimLeft(line, `\ `)
		}
		out = append(out, l)
	}
	return out
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

func diffWord(k views.DiffKind) string { return views.Sentence(string(k)) }

func diffTone(k views.DiffKind) string {
	switch k {
	case views.DiffAdded:
		return "bg-green-wash text-green"
	case views.DiffRemoved:
		return "bg-red-wash text-red"
	case views.DiffChanged:
	}
	return "bg-blue-wash text-blue"
}

// lineMark is what tells an added line from a removed one for those who do not see the colour.
func lineMark(k views.LineKind) string {
	switch k {
	case views.LineAdded:
		return "+"
	case views.LineRemoved:
		return "-"
	case views.LineSame, views.LineHunk:
	}
	return " "
}

// lineWord is the same for those who do not see the mark.
func lineWord(k views.LineKind) string {
	switch k {
	case views.LineAdded:
		return "added: "
	case views.LineRemoved:
		return "removed: "
	case views.LineSame, views.LineHunk:
	}
	return ""
}
