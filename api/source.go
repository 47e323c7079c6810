package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// Upload is a source that was uploaded to a project.
type Upload struct {
	Digest  string   `json:"digest" doc:"Names the files, however they were packed. A source.upload of a document refers to it."`
	Files   int      `json:"files" doc:"How many files it has."`
	Size    int64    `json:"size" doc:"Size of the files together, in bytes."`
	Folders []string `json:"folders" doc:"Folders that hold a module; . is the outermost."`
}

// ReadSource asks what a source of a resource template holds.
type ReadSource struct {
	Provider string `json:"provider,omitempty" enum:"opentofu,terraform" doc:"Program that runs the module; opentofu when left out."`
	Version  string `json:"version,omitempty" doc:"Version constraint of the program, for example ~> 1.9."`
	Source   Source `json:"source" doc:"Where the code is."`
}

// Source says where code is: in a repository or in an upload.
type Source struct {
	Repository string `json:"repository,omitempty" doc:"Name of a repository."`
	Revision   string `json:"revision,omitempty" doc:"Branch, tag or commit."`
	Path       string `json:"path,omitempty" doc:"The module's folder; the top when left out."`
	Commit     string `json:"commit,omitempty" doc:"Given, exactly this commit is read. In an answer, the commit that was read."`
	Upload     string `json:"upload,omitempty" doc:"Digest of an upload."`
}

// SourceReading is what a source holds.
type SourceReading struct {
	Source    Source           `json:"source" doc:"Where the code is, with the commit that was read."`
	Variables []ModuleVariable `json:"variables" doc:"Variables of the module."`
	Outputs   []ModuleOutput   `json:"outputs" doc:"Outputs of the module."`
	Providers []ModuleProvider `json:"providers" doc:"Providers that the module names."`
	Files     []string         `json:"files" doc:"Files of the code, and of the modules it calls."`
	Problems  []Problem        `json:"problems" doc:"What is wrong, with file and line."`
}

// ModuleVariable is a variable of a module.
type ModuleVariable struct {
	Name        string `json:"name" doc:"Its name."`
	Type        string `json:"type,omitempty" doc:"Its type as it is written."`
	Description string `json:"description,omitempty" doc:"What it is for."`
	Required    bool   `json:"required,omitempty" doc:"It has no default."`
	Sensitive   bool   `json:"sensitive,omitempty" doc:"It is marked as sensitive."`
	File        string `json:"file,omitempty" doc:"File it stands in."`
	Line        int    `json:"line,omitempty" doc:"Line in that file."`
}

// ModuleOutput is an output of a module.
type ModuleOutput struct {
	Name        string `json:"name" doc:"Its name."`
	Description string `json:"description,omitempty" doc:"What it tells."`
	Sensitive   bool   `json:"sensitive,omitempty" doc:"It is marked as sensitive."`
}

// ModuleProvider is a provider that a module names.
type ModuleProvider struct {
	Name    string `json:"name" doc:"Its name in the module."`
	Source  string `json:"source,omitempty" doc:"Its address."`
	Version string `json:"version,omitempty" doc:"Versions that the module accepts."`
}

// Upload sends an archive (zip, tar, tar.gz or tar.zst) of a module's code.
func (c *Client) Upload(ctx context.Context, project string, archive io.Reader) (Upload, error) {
	var out Upload
	return out, c.do(ctx, http.MethodPost, path("projects", project, "sources"), raw{archive}, &out)
}

// Uploaded returns an upload that the project holds.
func (c *Client) Uploaded(ctx context.Context, project, digest string) (Upload, error) {
	var out Upload
	return out, c.do(ctx, http.MethodGet, path("projects", project, "sources", digest), nil, &out)
}

// ReadSource tells what a source holds. Nothing is saved.
func (c *Client) ReadSource(ctx context.Context, project string, in ReadSource) (SourceReading, error) {
	var out SourceReading
	return out, c.do(ctx, http.MethodPost, path("projects", project, "sources", "read"), in, &out)
}

// DownloadSource opens the code that was uploaded for a version of a resource template, a tar archive packed with zstd.
func (c *Client) DownloadSource(ctx context.Context, project, name, version string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path("projects", project, "resource-templates", name, "versions", version, "source"), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// raw is a body that is no JSON.
type raw struct{ io.Reader }

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}
