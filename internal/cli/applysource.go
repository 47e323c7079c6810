package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template/bundle"
)

// place is where a document stands.
type place struct {
	file string
	line int
}

// sources sends the code of local folders to the server.
type sources struct {
	client *api.Client
	say    io.Writer // tells what is sent
	// folders is what the documents' folders are on the server, by "file#folder".
	folders map[string]string
	// failed tells why the code of a document could not be sent.
	failed map[place]error
}

// send uploads what the documents name as source.folder, where the server does not have it yet. What cannot be packed
// is kept for the document's own result, so that the others are applied.
func (s *sources) send(ctx context.Context, docs []*manifest.Document, project string) error {
	s.folders, s.failed = map[string]string{}, map[place]error{}
	for _, d := range docs {
		spec, ok := d.Spec.(*manifest.ResourceTemplateSpec)
		if !ok || spec.Source.Folder == "" {
			continue
		}
		in := d.Project
		if in == "" {
			in = project
		}
		where, err := s.sendFolder(ctx, in, d.File, spec.Source.Folder)
		var refused *api.Error
		switch {
		case err == nil:
			s.folders[d.File+"#"+spec.Source.Folder] = where
		case errors.Is(err, api.ErrUnreachable), errors.As(err, &refused) && refused.Status == http.StatusUnauthorized, ctx.Err() != nil:
			return err
		case errors.As(err, &refused) && refused.Code == "project_not_found":
			// The document's own result says so; in a dry run the project may be among the documents.
		default:
			s.failed[place{d.File, d.Line}] = err
		}
	}
	return nil
}

func (s *sources) sendFolder(ctx context.Context, project, file, folder string) (string, error) {
	b, err := packFolder(ctx, file, folder)
	if err != nil {
		return "", err
	}
	up, err := s.client.Uploaded(ctx, project, b.Digest)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == "upload_not_found" {
		up, err = s.client.Upload(ctx, project, bytes.NewReader(b.Archive()))
		if err == nil {
			fmt.Fprintf(s.say, "Uploaded %s: %s\n", filepath.Join(filepath.Dir(file), folder), count(b.Files, "file"))
		}
	}
	if err != nil {
		return "", err
	}
	if b.Dir == "." {
		return up.Digest, nil
	}
	return up.Digest + "/" + b.Dir, nil
}

// packFolder packs a module and the modules that it calls by local paths.
func packFolder(ctx context.Context, file, folder string) (*bundle.Bundle, error) {
	base := "."
	if file != "-" {
		base = filepath.Dir(file)
	}
	if !filepath.IsLocal(filepath.FromSlash(folder)) && filepath.IsAbs(folder) {
		return nil, fmt.Errorf("source.folder %q is an absolute path; give it as seen from the file of the document", folder)
	}
	dir, err := filepath.Abs(filepath.Join(base, filepath.FromSlash(folder)))
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("source.folder: there is no folder %s", filepath.Join(base, folder))
	}
	root, err := sourceRoot(base, dir)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	fsys, closer, err := bundle.OpenDir(root)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Pack(ctx, fsys, filepath.ToSlash(rel), bundle.DefaultLimits())
	if err := errors.Join(err, closer.Close()); err != nil {
		return nil, fmt.Errorf("source.folder: %s", messageOf(err))
	}
	return b, nil
}

// sourceRoot is the folder that a module may reach into, which dir has to be in.
func sourceRoot(base, dir string) (string, error) {
	own, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	root := "/" + manifest.WorkTree(os.DirFS("/"), strings.TrimPrefix(own, "/"))
	if !within(root, dir) {
		return "", fmt.Errorf("source.folder: %s lies outside %s; a document may name folders of its git work tree, or without git those below its own", dir, root)
	}
	return root, nil
}

func within(parent, child string) bool {
	return child == parent || strings.HasPrefix(child, strings.TrimSuffix(parent, string(filepath.Separator))+string(filepath.Separator))
}
