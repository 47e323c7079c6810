package lint

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
)

// Set is the documents of some files and folders. The names of their files are paths in Files.
type Set struct {
	Docs     []*manifest.Document
	Problems []Problem // of files that cannot be read, and what there is to know of the others
	Files    fs.FS
	Count    int // of files with documents

	cwd string
}

// Load reads files, and the files of folders. Of a folder, files that are no documents by what is in them are left out:
// configuration of other programs lies beside templates.
func Load(paths []string) (*Set, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the current folder: %w", err)
	}
	s := &Set{Files: os.DirFS("/"), cwd: cwd}
	seen := map[string]bool{}
	for _, p := range paths {
		names, folder, err := filesAt(p)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			if err := s.read(name, folder); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// filesAt lists the absolute names of the files with documents at a path.
func filesAt(p string) (names []string, folder bool, err error) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return nil, false, fmt.Errorf("finding %s: %w", p, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, false, fault.New(fault.Invalid, "no_such_file", "There is no file or folder %s.", p)
	}
	if !info.IsDir() {
		return []string{abs}, false, nil
	}
	found, err := manifest.FileNames(os.DirFS(abs))
	if err != nil {
		return nil, false, err
	}
	for i := range found {
		found[i] = filepath.Join(abs, found[i])
	}
	return found, true, nil
}

func (s *Set) read(name string, folder bool) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fault.New(fault.Invalid, "no_such_file", "%s cannot be read: %s.", s.Shown(name), err)
	}
	if folder && !bytes.Contains(text, []byte("apiVersion")) {
		return nil
	}
	s.Count++
	docs, notices, err := manifest.Parse(strings.TrimPrefix(name, "/"), text)
	s.Docs = append(s.Docs, docs...)
	for _, n := range notices {
		s.Problems = append(s.Problems, Problem{
			Severity: Severity(n.Severity), File: s.Shown(n.File), Line: n.Line, Kind: n.Kind, Name: n.Name, Field: n.Field, Message: n.Message,
		})
	}
	if err == nil {
		return nil
	}
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	for _, field := range f.Fields {
		file, line, col := splitPlace(field.Path)
		s.Problems = append(s.Problems, Problem{Severity: Error, File: s.Shown(file), Line: line, Column: col, Message: field.Message})
	}
	return nil
}

// Shown is the name of a file for people: seen from the current folder where it lies below that.
func (s *Set) Shown(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	rel, err := filepath.Rel(s.cwd, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		return name
	}
	return rel
}

// Plain names the files in a message as Shown does.
func (s *Set) Plain(message string) string {
	for _, d := range s.Docs {
		message = strings.ReplaceAll(message, d.File+":", s.Shown(d.File)+":")
	}
	return message
}

// Of returns the documents of a kind.
func (s *Set) Of(kind manifest.Kind) []*manifest.Document {
	return slices.DeleteFunc(slices.Clone(s.Docs), func(d *manifest.Document) bool { return d.Kind != kind })
}

// splitPlace takes file:line:column apart.
func splitPlace(text string) (file string, line, col int) {
	parts := strings.Split(text, ":")
	if n := len(parts); n >= 3 {
		l, err1 := strconv.Atoi(parts[n-2])
		c, err2 := strconv.Atoi(parts[n-1])
		if err1 == nil && err2 == nil {
			return strings.Join(parts[:n-2], ":"), l, c
		}
	}
	return text, 0, 0
}
