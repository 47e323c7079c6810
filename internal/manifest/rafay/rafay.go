// Package rafay reads documents written for Rafay Environment Manager and
// writes them as documents of Berth: plain maps in, plain maps out. Whatever
// has no counterpart is named in a notice, with the document and the field.
//
// It must not know the domain: no service, no database, no file is opened.
// What it writes is checked again by whoever takes the documents.
package rafay

// Severity says how much a notice matters.
type Severity string

// The severities. An error means that the document cannot be used as it is.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Notice is one thing that the reader of a document should know.
type Notice struct {
	Severity Severity `json:"severity"`
	// Kind and Name are those of the document as it was written.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Field is the place in the document, such as spec.hooks.onInit[0].
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Translate writes a document as zero or more documents of berth.dev/v1.
// The document given is not changed.
func Translate(doc map[string]any) (out []map[string]any, notices []Notice) {
	return nil, nil
}

// Speaks tells whether documents of an apiVersion are for this package.
func Speaks(apiVersion string) bool {
	return false
}
