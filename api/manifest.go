package api

import (
	"encoding/json"
	"time"
)

// Apply asks for objects to become what documents say.
type Apply struct {
	Documents []DocumentFile `json:"documents" maxItems:"2000" doc:"Files with documents, YAML or JSON."`
	DryRun    bool           `json:"dry_run,omitempty" doc:"Make the same checks, tell what would change, and write nothing."`
	// Project is for applying outside of a project.
	Project string `json:"project,omitempty" maxLength:"100" doc:"Where no project is in the path: the project of documents that name none. It may be one that the documents make."`
	// Folders maps "file#folder", as a document names it, to the digest of an upload.
	Folders map[string]string `json:"folders,omitempty" doc:"What was uploaded for each source.folder: by \"file#folder\" the digest of the upload, and after a / the module's folder in it."`
}

// DocumentFile is a file with one document or many.
type DocumentFile struct {
	File string `json:"file" maxLength:"4096" doc:"Its name, for messages and for what it refers to."`
	Text string `json:"text" doc:"Its content."`
}

// Applied tells what became of documents.
type Applied struct {
	Results []ApplyResult    `json:"results" doc:"One for each document, in the order in which they were applied."`
	Notices []DocumentNotice `json:"notices" doc:"What could not be taken over from documents of another format, and the like."`
}

// ApplyResult is what became of one document.
type ApplyResult struct {
	Kind     string       `json:"kind" doc:"Kind of the document."`
	Name     string       `json:"name" doc:"Name of the object."`
	Project  string       `json:"project,omitempty" doc:"Name of its project."`
	Version  string       `json:"version,omitempty" doc:"Version of the template."`
	File     string       `json:"file" doc:"File of the document."`
	Line     int          `json:"line" doc:"Line at which the document begins."`
	Change   string       `json:"change" enum:"created,configured,unchanged,failed" doc:"What was done, or would be done in a dry run; failed when error says why not."`
	Diff     []Difference `json:"diff,omitempty" doc:"The fields that differ. Sensitive values are left out."`
	Problems []Problem    `json:"problems,omitempty" doc:"What is wrong with the version of the template, which a draft may have."`
	Warnings []string     `json:"warnings,omitempty" doc:"What else there is to know."`
	Error    *Error       `json:"error,omitempty" doc:"Why the document could not be applied."`
}

// Difference is one field before and after.
type Difference struct {
	Path   string `json:"path" doc:"The field; entries of lists are named by their names."`
	Before string `json:"before,omitempty" doc:"Its value before."`
	After  string `json:"after,omitempty" doc:"Its value afterwards."`
}

// Problem is one thing wrong with a version of a template.
type Problem struct {
	Severity string `json:"severity" enum:"error,warning" doc:"An error keeps the version from being active."`
	Message  string `json:"message" doc:"What is wrong and the fix."`
	Path     string `json:"path,omitempty" doc:"The field it is about."`
	File     string `json:"file,omitempty" doc:"The file of the module it is about."`
	Line     int    `json:"line,omitempty" doc:"Line in that file."`
}

// DocumentNotice is something to know about a document that was read.
type DocumentNotice struct {
	Severity string `json:"severity" enum:"warning,info" doc:"How much it matters."`
	File     string `json:"file" doc:"File of the document."`
	Line     int    `json:"line" doc:"Line in the file."`
	Kind     string `json:"kind,omitempty" doc:"Kind of the document as it was written."`
	Name     string `json:"name,omitempty" doc:"Its name."`
	Field    string `json:"field,omitempty" doc:"The field it is about."`
	Message  string `json:"message" doc:"What there is to know."`
}

// Manifest is an object as a document that can be applied. Sensitive values are left out.
type Manifest struct {
	Kind     string          `json:"kind" doc:"Its kind."`
	Name     string          `json:"name" doc:"Its name."`
	Version  string          `json:"version,omitempty" doc:"Version of the template."`
	Text     string          `json:"text" doc:"The document in YAML."`
	Document json.RawMessage `json:"document" doc:"The same as an object."`
}

// ManifestItem is an object in a list.
type ManifestItem struct {
	Kind        string            `json:"kind" doc:"Its kind."`
	Name        string            `json:"name" doc:"Its name."`
	Owner       string            `json:"owner,omitempty" doc:"Name of the project it belongs to; left out for the organisation's."`
	Own         bool              `json:"own" doc:"It belongs to the project that was asked about, which others may be shared with."`
	Description string            `json:"description,omitempty" doc:"What it is for."`
	Status      string            `json:"status,omitempty" doc:"Status of an environment."`
	Template    string            `json:"template,omitempty" doc:"Template and version of an environment."`
	Versions    []ManifestVersion `json:"versions,omitempty" doc:"Versions of a template, newest first."`
	UpdatedAt   time.Time         `json:"updated_at" doc:"When it was last changed."`
}

// ManifestVersion is a version of a template in a list.
type ManifestVersion struct {
	Version   string    `json:"version" doc:"Name of the version."`
	State     string    `json:"state" enum:"draft,active,disabled" doc:"Where it stands."`
	Errors    int       `json:"errors" doc:"How many errors it has."`
	Warnings  int       `json:"warnings" doc:"How many warnings it has."`
	UpdatedAt time.Time `json:"updated_at" doc:"When it was last changed."`
}
