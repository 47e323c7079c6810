package views

// Form is a form that is saved by one button and that some of its own buttons only draw again: rows are added, a
// connection is tested. With script, such an answer replaces nothing but the form.
type Form struct {
	ID  string
	URL string // POST
	// Multipart is for forms with an upload.
	Multipart bool
	// Error is about the whole form; Current is where what is stored now can be seen beside it.
	Error   string
	Current string
	// Seen is when the thing had last been changed as the form was drawn, so that a newer version is not overwritten.
	Seen string
	// Also selects, beside the form, what an answer that draws it again replaces: "#side".
	Also string
}

// SeenField is the name of the field that holds Form.Seen.
const SeenField = "seen"

// Danger is the part of a page where a thing is deleted: it says what is lost and asks for the name.
type Danger struct {
	URL   string // POST, with the name as "confirm"
	Name  string
	What  string // "context"
	Text  string
	Error string // beside the name
	// Blocked says why it cannot be deleted now; "" when it can.
	Blocked string
}
