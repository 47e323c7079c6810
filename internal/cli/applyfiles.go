package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
)

// ignoreFile marks a folder in which no documents are looked for.
const ignoreFile = ".berthignore"

// files are documents as they are on the disk, and what they say.
type files struct {
	texts []api.DocumentFile
	docs  []*manifest.Document
}

// readFiles reads what -f names: files, folders and below, and - for standard input. What is wrong is told of all files
// at once.
func readFiles(cmd *cobra.Command, names []string) (*files, error) {
	if len(names) == 0 {
		return nil, usagef("Name files or folders with -f; - is standard input.")
	}
	var paths []string
	for _, name := range names {
		found, err := filesIn(name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, usagef("%s holds no file that ends in .yaml, .yml or .json.", name)
		}
		for _, p := range found {
			if !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	out := &files{}
	var wrong []string
	for _, p := range paths {
		text, err := readText(cmd, p)
		if err != nil {
			return nil, usagef("Reading %s: %s", p, errors.Unwrap(err))
		}
		docs, _, err := manifest.Parse(p, text)
		if err != nil {
			wrong = append(wrong, messageOf(err))
			continue
		}
		out.texts = append(out.texts, api.DocumentFile{File: p, Text: string(text)})
		out.docs = append(out.docs, docs...)
	}
	if len(wrong) > 0 {
		return nil, usagef("Nothing was done, because this cannot be read:\n%s", strings.Join(wrong, "\n"))
	}
	return out, nil
}

// messageOf is an error in words for users.
func messageOf(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Message
	}
	return err.Error()
}

func readText(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		text, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return text, nil
	}
	return os.ReadFile(path)
}

// filesIn lists the files of documents that a name stands for, in the order of their names.
func filesIn(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, usagef("Reading %s: %s", name, cmp.Or(errors.Unwrap(err), err))
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var out []string
	err = filepath.WalkDir(name, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if p != name && (strings.HasPrefix(entry.Name(), ".") || holds(p, ignored)) {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() && isDocument(entry.Name()) {
			out = append(out, p)
		}
		return nil
	})
	if err != nil {
		return nil, usagef("Reading %s: %s", name, err)
	}
	return out, nil
}

func isDocument(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return !strings.HasSuffix(name, ".tf.json") && !strings.HasSuffix(name, ".tofu.json")
	}
	return false
}

// ignored are the files whose folder holds no documents: code, whose YAML and JSON belong to it, and the mark.
func ignored(name string) bool {
	return name == ignoreFile || strings.HasSuffix(name, ".tf") || strings.HasSuffix(name, ".tofu")
}

func holds(dir string, is func(name string) bool) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return is(e.Name()) })
}
