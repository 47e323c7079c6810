package rafay

import "strings"

// categoryAnnotation says in which part of the catalog a template is shown.
const categoryAnnotation = "eaas.envmgmt.io/category"

// metadata reads the metadata of the document.
func (d *document) metadata(root *object) map[string]any {
	in := root.object("metadata")
	out := map[string]any{"name": d.ownName(in.text("name"), in.at("name"))}
	for _, key := range []string{"project", "displayName", "description"} {
		if s := in.text(key); s != "" {
			out[key] = s
		}
	}
	for _, key := range []string{"labels", "annotations"} {
		if m := in.texts(key); len(m) > 0 {
			out[key] = m
		}
	}
	d.ownNotes(in)
	in.lose(Info, "is kept by the platform; Berth keeps its own", "createdAt", "createdBy", "modifiedAt", "modifiedBy", "id", "projectID", "projectId", "organizationID")
	root.lose(Info, "is what the platform found, not what was asked for; Berth finds its own", "status")
	return out
}

// ownNotes tells of labels and annotations, which any document of Berth may have,
// but Berth keeps for templates alone.
func (d *document) ownNotes(in *object) {
	if strings.EqualFold(d.kind, resourceTemplateKind) || strings.EqualFold(d.kind, environmentTemplateKind) {
		return
	}
	for _, key := range []string{"labels", "annotations"} {
		m, _ := in.fields[key].(map[string]any)
		for _, name := range sortedKeys(m) {
			d.notice(Info, join(in.at(key), name), "is read with the document, but Berth keeps it for templates alone")
		}
	}
}

// moveAnnotation takes an annotation out of the metadata of a new document.
func moveAnnotation(metadata map[string]any, name string) string {
	annotations, _ := metadata["annotations"].(map[string]any)
	s, _ := annotations[name].(string)
	delete(annotations, name)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return s
}

// sharing reads with which projects something is shared.
func (d *document) sharing(spec *object, out map[string]any) {
	in := spec.object("sharing")
	enabled, set := in.flag("enabled")
	names, _ := in.names("projects")
	if !set && len(names) == 0 {
		return
	}
	projects := make([]any, 0, len(names))
	for _, name := range names {
		projects = append(projects, map[string]any{"name": name})
	}
	if !set {
		enabled = true
	}
	out["sharing"] = map[string]any{"enabled": enabled, "projects": projects}
}

// workers reports what a document says of agents. Berth needs none.
func (d *document) workers(spec *object) {
	spec.lose(Info, "names who does the work; Berth does it with the runner built in", "agents", "agentPools")
}
