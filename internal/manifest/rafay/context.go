package rafay

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

const contextKind = "ConfigContext"

// configContext translates a document of the kind ConfigContext.
func (d *document) configContext(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	out := d.contextData(in)
	d.sharing(in, out)
	d.sealedSecret(in)
	return []map[string]any{made(contextKind, metadata, out)}
}

// staticResource translates a document of the kind Resource.
func (d *document) staticResource(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	out := map[string]any{}
	d.variables(in, inContext, out)
	d.sharing(in, out)
	d.sealedSecret(in)
	return []map[string]any{made("StaticResource", metadata, out)}
}

// sealedSecret reports the file in which a synchronised repository keeps the
// sealed values of a document.
func (d *document) sealedSecret(spec *object) {
	spec.lose(Warning, "names the file with the sealed values of the document, which only Rafay can open; give the values again", "secret")
}

// contextData reads what a context holds.
func (d *document) contextData(in *object) map[string]any {
	out := map[string]any{}
	var envs, files []any
	seen := map[string]bool{}
	for _, o := range in.objects("envs") {
		if e := d.env(o, seen); e != nil {
			envs = append(envs, e)
		}
	}
	placed := map[string]bool{}
	for _, o := range in.objects("files") {
		if f := d.file(o, placed); f != nil {
			files = append(files, f)
		}
	}
	if envs != nil {
		out["envs"] = envs
	}
	if files != nil {
		out["files"] = files
	}
	d.variables(in, inContext, out)
	return out
}

// secretName is what the names of secrets look like.
var secretName = regexp.MustCompile(`(?i)(secret|password|passwd|token|private_?key|api_?key)`)

func (d *document) env(o *object, seen map[string]bool) map[string]any {
	key := o.text("key")
	if !o.unique("key", key, envName, seen) {
		return nil
	}
	out := map[string]any{"key": key}
	opts := o.object("options")
	sensitive := d.sensitive(o, opts)
	if !sensitive.set && secretName.MatchString(key) {
		d.notice(Warning, o.at("key"), "%s looks like a secret and is not marked as one; with options.sensitive, Berth encrypts it and shows it to nobody", key)
	}
	o.lose(Warning, "is for variables; an environment variable is text", "valueType")
	if !d.value(o, inContext, sensitive, out) {
		return nil
	}
	d.entryOptions(opts, sensitive, out)
	opts.lose(Warning, "has no counterpart for an environment variable", "selectors")
	return out
}

// entryOptions reads the options of an environment variable or a file.
func (d *document) entryOptions(opts *object, sensitive flagged, out map[string]any) {
	options := map[string]any{}
	if s := opts.text("description"); s != "" {
		options["description"] = s
	}
	if sensitive.set {
		options["sensitive"] = sensitive.on
	}
	if len(options) > 0 {
		out["options"] = options
	}
	opts.lose(Info, "is not kept with a stored value", "required", "immutable", "readOnly")
	opts.lose(Warning, "is a rule for the developer, which a stored value cannot have", "override")
	opts.lose(Warning, "has no counterpart for a stored value", "schema", "displayMetadata")
}

func (d *document) file(o *object, placed map[string]bool) map[string]any {
	name := o.text("name")
	mount := o.text("mountPath")
	outside := strings.HasPrefix(name, fileMark)
	if outside && !o.has("data") {
		o.leaveOut("name", "is that of a file beside the document, which is not read; give its content in base64 as data")
		return nil
	}
	place, ok := d.mountPath(o, mount, strings.TrimPrefix(name, fileMark))
	if !ok {
		return nil
	}
	if placed[place] {
		o.leaveOut("", "another file is at %s already", place)
		return nil
	}
	placed[place] = true
	opts := o.object("options")
	sensitive := d.sensitive(o, opts)
	out := map[string]any{"mountPath": place}
	d.entryOptions(opts, sensitive, out)
	data, given := o.textSet("data")
	switch {
	case strings.HasPrefix(data, sealedMark):
		d.notice(Warning, o.at("data"), "was sealed for Rafay and cannot be read; give the content again")
	case given:
		d.content(o, data, out)
	case !sensitive.on:
		d.notice(Warning, o.at("data"), "is not given; the file is empty")
		out["content"] = ""
	}
	if mount != "" && name != "" && path.Base(name) != path.Base(mount) {
		d.notice(Info, o.at("name"), "is not used; the file is where mountPath says")
	}
	return out
}

// content writes text as text, and the rest as base64.
func (d *document) content(o *object, data string, out map[string]any) {
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(data), ""))
	switch {
	case err != nil:
		d.notice(Warning, o.at("data"), "is no base64; it is taken as the text of the file")
		out["content"] = data
	case utf8.Valid(plain) && !strings.ContainsRune(string(plain), 0):
		out["content"] = string(plain)
	default:
		out["data"] = base64.StdEncoding.EncodeToString(plain)
	}
}

// homes are the home folders of those who run jobs elsewhere.
var homes = regexp.MustCompile(`^(/root|/home/[^/]+|\$HOME|~)/`)

// mountPath is where a file goes: below the module's folder or the home folder.
func (d *document) mountPath(o *object, mount, name string) (string, bool) {
	at, given := o.at("mountPath"), mount
	if given == "" {
		at, given = o.at("name"), name
	}
	if given == "" {
		o.leaveOut("mountPath", "is required: where the file goes")
		return "", false
	}
	prefix, rest := "", given
	if home := homes.FindString(given); home != "" {
		prefix, rest = "~/", given[len(home):]
	}
	rest = strings.TrimLeft(path.Clean("./"+rest), "/")
	if rest == "." || rest == ".." || strings.HasPrefix(rest, "../") || strings.ContainsRune(rest, 0) {
		o.leaveOut("mountPath", "leads out of the folder of the module")
		return "", false
	}
	place := prefix + rest
	switch {
	case place == given:
	case strings.HasPrefix(given, "/") && prefix == "":
		d.notice(Warning, at, "is an absolute path; the file is put at %s, below the module's folder. Change the path in the module, or use ~/", place)
	default:
		d.notice(Info, at, "is written as %s", place)
	}
	return place, true
}

// contexts reads the contexts of a template. Inline ones become documents, which
// are returned.
func (d *document) contexts(spec *object, metadata, out map[string]any) []map[string]any {
	var refs []any
	var made []map[string]any
	for i, o := range spec.objects("contexts") {
		name := o.text("name")
		switch {
		case o.has("data"):
			doc := d.inlineContext(o, name, i, metadata, out)
			made = append(made, doc)
			refs = append(refs, map[string]any{"name": doc["metadata"].(map[string]any)["name"]})
		case name == "":
			o.leaveOut("name", "is required")
		default:
			refs = append(refs, map[string]any{"name": d.reference(name, o.at("name"))})
		}
	}
	if refs != nil {
		out["contexts"] = refs
	}
	return made
}

// inlineContext makes a context of what a template holds itself. The version is
// part of its name: another version may hold something else.
func (d *document) inlineContext(o *object, name string, index int, metadata, spec map[string]any) map[string]any {
	if name == "" {
		name = "context-" + itoa(index+1)
	}
	version, _ := spec["version"].(string)
	derived := derivedName(d.name, version, name)
	d.notice(Info, o.path, "stands in the template; it becomes the config context %s", derived)
	own := map[string]any{"name": derived, "description": "From the template " + d.name + ", version " + version + "."}
	if project, ok := metadata["project"]; ok {
		own["project"] = project
	}
	return made(contextKind, own, d.contextData(o.object("data")))
}

// derivedName makes one name of several; a long one is cut, and kept apart from
// others by a part of its digest.
func derivedName(parts ...string) string {
	whole := strings.Join(parts, "-")
	s := strings.Trim(notInName.ReplaceAllString(strings.ToLower(whole), "-"), "-")
	if len(s) <= maxName {
		return s
	}
	sum := sha256.Sum256([]byte(whole))
	tail := "-" + hex.EncodeToString(sum[:4])
	return strings.TrimRight(s[:maxName-len(tail)], "-") + tail
}

// shared gives the contexts that came out of a template to those who may use it.
func shared(contexts []map[string]any, template map[string]any) []map[string]any {
	if sharing, ok := template["sharing"]; ok {
		for _, c := range contexts {
			c["spec"].(map[string]any)["sharing"] = sharing
		}
	}
	return contexts
}
