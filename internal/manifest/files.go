package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// TestFile is the name of the files that say how templates are tested. They hold no documents.
const TestFile = "berth.test.yaml"

// ignoreFile marks a folder in which no documents are looked for.
const ignoreFile = ".berthignore"

// WorkTree is the folder that documents in dir may take code from: the git work tree that holds it, else dir itself.
// Nothing outside is ever read, whatever a document names or a module calls.
func WorkTree(files fs.FS, dir string) string {
	for at := dir; ; at = path.Dir(at) {
		if _, err := fs.Stat(files, path.Join(at, ".git")); err == nil {
			return at
		}
		if at == path.Dir(at) {
			return dir
		}
	}
}

// FileNames lists the files of a folder that may hold documents: *.yaml, *.yml and *.json, in it and below, but those
// that say how templates are tested. Folders that begin with a dot are left out, and so are those that hold code (*.tf,
// *.tofu), for what lies in a module belongs to it, and those that hold a file .berthignore.
func FileNames(files fs.FS) ([]string, error) {
	var out []string
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && strings.HasPrefix(path.Base(name), ".") || noDocuments(files, name) {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() && documentName(name) && path.Base(name) != TestFile {
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for documents: %w", err)
	}
	return out, nil
}

// ReadFiles reads the documents of all files of a folder that FileNames lists. The
// error joins those of all files; the documents are those of the files without one.
func ReadFiles(files fs.FS) ([]*Document, []Notice, error) {
	names, err := FileNames(files)
	if err != nil {
		return nil, nil, err
	}
	var docs []*Document
	var notices []Notice
	var wrong []error
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, nil, fmt.Errorf("reading documents: %w", err)
		}
		d, n, err := Parse(name, text)
		docs, notices, wrong = append(docs, d...), append(notices, n...), append(wrong, err)
	}
	return docs, notices, errors.Join(wrong...)
}

func documentName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func noDocuments(files fs.FS, dir string) bool {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if n := e.Name(); n == ignoreFile || strings.HasSuffix(n, ".tf") || strings.HasSuffix(n, ".tofu") {
			return true
		}
	}
	return false
}
