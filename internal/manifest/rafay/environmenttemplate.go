package rafay

import (
	"strings"
)

const environmentTemplateKind = "EnvironmentTemplate"

// environmentTemplate translates a document of the kind EnvironmentTemplate.
func (d *document) environmentTemplate(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	out := map[string]any{}
	d.version(in, out)
	if category := moveAnnotation(metadata, categoryAnnotation); category != "" {
		out["category"] = category
	}
	if summary, ok := metadata["description"]; ok {
		out["summary"] = summary
	}
	if icon := d.icon(in); icon != "" {
		out["icon"] = icon
	}
	if readme := d.readme(in); readme != "" {
		out["readme"] = readme
	}
	d.nodes(in, out)
	contexts := d.contexts(in, metadata, out)
	d.variables(in, inEnvironmentTemplate, out)
	d.freeVariables(in, out)
	d.sharing(in, out)
	d.workers(in)
	in.lose(Info, "says who may choose an agent; Berth does the work with the runner built in", "agentOverride", "agentPoolOverride")
	d.unsupported(in)
	return append(shared(contexts, out), made(environmentTemplateKind, metadata, out))
}

// freeVariables reads whether a developer may add variables. Older documents do
// not say, and it was possible.
func (d *document) freeVariables(spec *object, out map[string]any) {
	allowed, set := spec.flag("allowNewInputsDuringPublish")
	if !set && !spec.has("allowNewInputsDuringPublish") {
		allowed = true
		d.notice(Info, spec.at("allowNewInputsDuringPublish"), "is not given; as before, a developer may add variables the template does not name")
	}
	out["allowFreeVariables"] = allowed
}

// nodes reads the resources. A resource has the name of its template, by which
// expressions find it.
func (d *document) nodes(spec *object, out map[string]any) {
	var list []any
	for _, o := range spec.objects("resources") {
		if n := d.node(o); n != nil {
			list = append(list, n)
		}
	}
	if list != nil {
		out["resources"] = list
	}
}

func (d *document) node(o *object) map[string]any {
	name := d.reference(o.text("name"), o.at("name"))
	if name == "" {
		o.leaveOut("name", "is required")
		return nil
	}
	out := map[string]any{"name": name}
	kind := d.nodeKind(o)
	switch kind {
	case "resourcetemplate":
		out["kind"], out["template"] = kind, name
	case "resource":
		out["kind"], out["static"] = "static", name
	case "environment":
		out["kind"], out["environment"] = kind, name
	default:
		o.leaveOut("kind", "is %q, which is no kind of resource that Berth has", kind)
		return nil
	}
	d.nodeOptions(o, kind, out)
	var before []any
	names, places := o.names("dependsOn")
	for i, n := range names {
		before = append(before, map[string]any{"name": d.reference(n, places[i])})
	}
	if before != nil {
		out["dependsOn"] = before
	}
	return out
}

// nodeKind reads what a resource is; its type says that only roughly.
func (d *document) nodeKind(o *object) string {
	class, kind := strings.ToLower(o.text("type")), strings.ToLower(o.text("kind"))
	switch {
	case kind == "" && class == "static":
		kind = "resource"
	case kind == "":
		kind = "resourcetemplate"
	case class != "" && (class == "dynamic") != (kind == "resourcetemplate"):
		d.notice(Warning, o.at("type"), "is %s, which does not go with the kind %s; the kind counts", class, kind)
	}
	return kind
}

func (d *document) nodeOptions(o *object, kind string, out map[string]any) {
	options := o.object("resourceOptions")
	if version := options.text("version"); version != "" {
		if kind == "resourcetemplate" {
			out["version"] = version
		} else {
			d.notice(Warning, options.at("version"), "is for resource templates alone")
		}
	}
	if dedicated, set := options.flag("dedicated"); set && dedicated {
		d.notice(Warning, options.at("dedicated"), "gives each workload a resource of its own, which Berth does not; the resource is made once per environment")
	} else if set {
		d.notice(Info, options.at("dedicated"), "needs no setting: a resource is made once per environment")
	}
	d.overriddenPaths(o.object("overrides"))
}

// overriddenPaths reads the fields of a resource template that are replaced in
// this environment template alone. Berth takes a resource template as it is; only
// saying what holds anyhow loses nothing.
func (d *document) overriddenPaths(o *object) {
	values := o.object("values")
	values.ignoreRest()
	for _, key := range sortedKeys(values.fields) {
		d.walkOverrides(join(values.path, key), key, values.fields[key])
	}
}

func (d *document) walkOverrides(path, inside string, value any) {
	if m, ok := value.(map[string]any); ok && len(m) > 0 {
		for _, key := range sortedKeys(m) {
			d.walkOverrides(join(path, key), strings.TrimPrefix(inside+"."+key, "."), m[key])
		}
		return
	}
	if isEmpty(value) {
		return
	}
	text, _ := scalar(value)
	if strings.HasPrefix(inside, "providerOptions.") && strings.HasSuffix(inside, ".backendType") && text == "system" {
		d.notice(Info, path, "needs no setting unless the resource template says something else: Berth keeps the state itself")
		return
	}
	d.lost(Warning, path, value, "replaces a field of the resource template, which Berth takes as it is; make a version of the resource template with it")
}
