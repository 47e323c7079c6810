package rafay

// environment translates a document of the kind Environment.
func (d *document) environment(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	if name, _ := metadata["name"].(string); name != "" && name[0] >= '0' && name[0] <= '9' {
		d.fail("metadata.name", "%q is no name of an environment in Berth, since those begin with a letter; call it for example %q", name, slug("env-"+name))
	}
	out := map[string]any{}
	template := in.object("template")
	name := template.text("name")
	if name == "" {
		d.fail(template.at("name"), "is required: the environment template to use")
	}
	ref := map[string]any{"name": d.reference(name, template.at("name"))}
	if version := template.text("version"); version != "" {
		ref["version"] = version
	}
	out["template"] = ref
	d.variables(in, inEnvironment, out)
	d.workers(in)
	in.loseEach(Warning, "is an environment variable of this environment alone; put it into a config context of the template", "envVars")
	in.loseEach(Warning, "is a file of this environment alone; put it into a config context of the template", "files")
	in.loseEach(Warning, "is a schedule, and Berth has none", "schedules")
	in.loseEach(Warning, "skips a schedule, and Berth has none", "scheduleOptouts", "scheduleOptOuts")
	in.lose(Warning, "limits a deploy to some resources; in Berth that is chosen with the deploy", "reconcileResources")
	in.lose(Warning, "shares an environment, which Berth does not; give people a role in its project", "sharing")
	return []map[string]any{made("Environment", metadata, out)}
}
