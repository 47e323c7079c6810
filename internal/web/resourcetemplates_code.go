package web

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/web/views"
)

// maxShownCode is as much of a file as a page can hold.
const maxShownCode = 512 << 10

// resourceTemplateCode shows the files of a version, one of them with its text.
func (s *server) resourceTemplateCode(w http.ResponseWriter, r *http.Request) error {
	name, version := r.PathValue("resourcetemplate"), r.PathValue("version")
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, name)
	if err != nil {
		return err
	}
	v, err := s.resourceView(r, sc, views.VersionCode)
	if err != nil {
		return err
	}
	if v.Version == nil || !v.Version.Reading.Read {
		v.Code.Note = "There is no code yet: the source of this version could not be read."
		return render(w, r, http.StatusOK, ResourceTemplatePage(*v))
	}
	fsys, closer, err := s.Templates.OpenSource(r.Context(), sc.id, name, version)
	if err != nil {
		return err
	}
	v.Code, err = browse(fsys, r.URL.Query().Get("file"), func(file string) string { return codeURL(sc, name, version, file, 0) })
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ResourceTemplatePage(*v))
}

// browse lists the files and reads the one wanted, else the main one.
func browse(fsys fs.FS, wanted string, at func(file string) string) (views.CodeBrowser, error) {
	var out views.CodeBrowser
	first, main := "", ""
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out.Files = append(out.Files, views.Link{Label: p, URL: at(p)})
		if first == "" && strings.HasSuffix(p, ".tf") {
			first = p
		}
		if main == "" && (p == "main.tf" || strings.HasSuffix(p, "/main.tf")) {
			main = p
		}
		return nil
	})
	if err != nil || len(out.Files) == 0 {
		return out, err
	}
	for _, name := range []string{wanted, main, first, out.Files[0].Label} {
		if out.Name == "" {
			out.Name = name
		}
	}
	for i := range out.Files {
		if out.Files[i].Label == out.Name {
			out.Files[i].URL = ""
			return out, readShown(fsys, &out)
		}
	}
	return out, fault.New(fault.NotFound, "file_not_found", "The version has no file %q.", out.Name)
}

func readShown(fsys fs.FS, out *views.CodeBrowser) error {
	info, err := fs.Stat(fsys, out.Name)
	if err != nil {
		return fmt.Errorf("reading the code of a template: %w", err)
	}
	if info.Size() > maxShownCode {
		out.Note = "The file has " + size(int(info.Size())) + ", which is too much for a page. Download the version to read it."
		return nil
	}
	data, err := fs.ReadFile(fsys, out.Name)
	if err != nil {
		return fmt.Errorf("reading the code of a template: %w", err)
	}
	if !isText(string(data)) {
		out.Note = "A binary file, " + size(len(data)) + "."
		return nil
	}
	out.Lines = strings.Split(strings.TrimSuffix(unixLines(string(data)), "\n"), "\n")
	return nil
}

// downloadResourceTemplate sends the code of a version.
func (s *server) downloadResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	name, version := r.PathValue("resourcetemplate"), r.PathValue("version")
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, name)
	if err != nil {
		return err
	}
	fsys, closer, err := s.Templates.OpenSource(r.Context(), sc.id, name, version)
	if err != nil {
		return err
	}
	archive, err := zipped(fsys)
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name+"-"+version+".zip"))
	_, _ = w.Write(archive) // the reader may have gone; nobody is left to tell
	return nil
}

// resourceTemplateYAML shows a version as a document that can be applied.
func (s *server) resourceTemplateYAML(w http.ResponseWriter, r *http.Request) error {
	name, version := r.PathValue("resourcetemplate"), r.PathValue("version")
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, name)
	if err != nil {
		return err
	}
	v, err := s.resourceView(r, sc, views.VersionYAML)
	if err != nil {
		return err
	}
	m, err := s.Manifests.Export(r.Context(), sc.id, manifest.KindResourceTemplate, name, version)
	if err != nil {
		return err
	}
	v.YAML = string(m.YAML())
	return render(w, r, http.StatusOK, ResourceTemplatePage(*v))
}

// zipped packs files in a form that every desk can open.
func zipped(fsys fs.FS) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(fsys); err != nil {
		return nil, fmt.Errorf("packing the code of a template: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("packing the code of a template: %w", err)
	}
	return b.Bytes(), nil
}
