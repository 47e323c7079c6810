package rafay

import (
	"regexp"
	"strconv"
	"strings"
)

const resourceTemplateKind = "ResourceTemplate"

// resourceTemplate translates a document of the kind ResourceTemplate.
func (d *document) resourceTemplate(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	provider := strings.ToLower(in.text("provider"))
	switch provider {
	case "", "opentofu", "terraform":
	default:
		in.ignoreRest()
		d.notice(Warning, in.at("provider"), "is %s, and Berth runs opentofu and terraform; the document is left out", provider)
		return nil
	}
	if !in.has("repositoryOptions") && (in.has("artifactWorkflowHandler") || in.has("artifactDriver")) {
		in.ignoreRest()
		d.notice(Warning, in.at("artifactWorkflowHandler"), "fetches the code with a handler, and Berth reads it from a repository; the document is left out")
		return nil
	}
	out := map[string]any{}
	d.version(in, out)
	d.provider(in, provider, out)
	d.source(in, out)
	contexts := d.contexts(in, metadata, out)
	d.variables(in, inResourceTemplate, out)
	d.sharing(in, out)
	d.workers(in)
	in.lose(Warning, "fetches the code in another way; Berth reads it from the repository", "artifactWorkflowHandler", "artifactDriver")
	in.lose(Warning, "lets environment templates change this one; Berth has no such overrides", "overrides")
	d.unsupported(in)
	return append(shared(contexts, out), made(resourceTemplateKind, metadata, out))
}

// unsupported reports what both kinds of template may say and Berth has not.
func (d *document) unsupported(spec *object) {
	spec.loseEach(Warning, "is a hook, and Berth runs none", "hooks")
	spec.loseEach(Warning, "is an action, and Berth has none", "actions")
	spec.loseEach(Warning, "is a schedule, and Berth has none", "schedules")
	spec.loseEach(Warning, "is a volume, and Berth's runner has a folder of its own for each step", "volumes")
}

// provider reads which program runs the module, and how.
func (d *document) provider(spec *object, provider string, out map[string]any) {
	all := spec.object("providerOptions")
	key := "openTofu"
	switch {
	case provider == "terraform":
		key = "terraform"
	case provider == "" && !all.has("openTofu") && all.has("terraform"):
		provider, key = "terraform", "terraform"
	case !all.has("openTofu") && all.has("opentofu"):
		key = "opentofu"
	}
	if !spec.has("provider") {
		d.notice(Info, spec.at("provider"), "is not given; the module is run with OpenTofu")
	}
	own := all.object(key)
	for _, other := range []string{"terraform", "openTofu", "opentofu", "hcpTerraform", "system", "custom", "pulumi", "terragrunt"} {
		if other != key {
			all.lose(Warning, "is for another provider than the one this template has", other)
		}
	}
	all.lose(Warning, "replaces the program that runs the module; Berth runs it itself", "workflowHandler", "driver")
	options := map[string]any{}
	if provider == "terraform" {
		d.terraform(spec, own, options, out)
	} else {
		d.tofu(spec, own, options, out)
	}
	d.toolOptions(own, options)
	if len(options) == 0 {
		return
	}
	name := "openTofu"
	if out["provider"] == "terraform" {
		name = "terraform"
	}
	out["providerOptions"] = map[string]any{name: options}
}

var (
	exactVersion = regexp.MustCompile(`^v?(\d+)\.(\d+)(\.\d+)?(-[0-9A-Za-z.]+)?$`)
	sinceLicence = [2]int{1, 6}
)

// versionNumber reads a version such as 1.4.6.
func versionNumber(text string) (number [2]int, ok bool) {
	m := exactVersion.FindStringSubmatch(text)
	if m == nil {
		return number, false
	}
	for i := range number {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return number, false
		}
		number[i] = n
	}
	return number, true
}

// terraform decides what runs code that was written for Terraform. OpenTofu began
// as Terraform 1.5 and runs what that ran, so templates for versions up to there,
// the only ones Rafay has, work where there is no Terraform.
func (d *document) terraform(spec, own *object, options, out map[string]any) {
	version := strings.TrimSpace(own.text("version"))
	number, known := versionNumber(version)
	if known && (number[0] > sinceLicence[0] || number[0] == sinceLicence[0] && number[1] >= sinceLicence[1]) {
		out["provider"] = "terraform"
		options["version"] = ">= " + strings.TrimPrefix(version, "v")
		d.notice(Info, own.at("version"), "is taken as %s, and Terraform must be installed where Berth runs", options["version"])
		return
	}
	out["provider"] = "opentofu"
	d.notice(Info, spec.at("provider"), "is terraform below 1.6, which OpenTofu can stand in for: the template is run with OpenTofu")
	if version != "" {
		d.notice(Info, own.at("version"), "%q is a version of Terraform and is not taken over", version)
	}
}

// tofu reads the version of OpenTofu. Newer versions run what older ones ran, and
// Berth brings one of its own, so the version becomes the least one.
func (d *document) tofu(spec, own *object, options, out map[string]any) {
	out["provider"] = "opentofu"
	version := strings.TrimSpace(own.text("version"))
	switch _, known := versionNumber(version); {
	case version == "":
	case strings.EqualFold(version, "latest"):
		d.notice(Info, own.at("version"), "is latest; Berth uses the version it has")
	case known:
		options["version"] = ">= " + strings.TrimPrefix(version, "v")
		d.notice(Info, own.at("version"), "is taken as %s: Berth brings a version of its own", options["version"])
	default:
		d.notice(Warning, own.at("version"), "%q is no version of OpenTofu; it is not taken over", version)
	}
}

func (d *document) toolOptions(own *object, options map[string]any) {
	d.backend(own, options)
	if text, set := own.textSet("timeoutSeconds"); set {
		seconds, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || seconds < 0 {
			d.notice(Warning, own.at("timeoutSeconds"), "is no number of seconds; the server's default is used")
		} else {
			options["timeoutSeconds"] = seconds
		}
	}
	d.always(own, "refresh", "Berth always refreshes the state before it plans")
	d.always(own, "lock", "Berth always locks the state")
	own.lose(Info, "is how long to wait for a lock; Berth waits until the run before has ended", "lockTimeoutSeconds")
	own.lose(Warning, "is a folder of plug-ins; Berth keeps the providers in the template's own bundle", "pluginDirs")
	own.lose(Warning, "limits the run to some resources of the module; Berth always runs the whole module", "targetResources")
	own.lose(Warning, "names files with values; give the values as variables", "varFiles")
	own.loseEach(Warning, "is a volume, and Berth's runner has a folder of its own for each step", "volumes")
}

// always reports a switch that Berth has fixed to on.
func (d *document) always(own *object, key, fact string) {
	on, set := own.flag(key)
	switch {
	case set && on:
		d.notice(Info, own.at(key), "needs no setting: %s", fact)
	case set:
		d.notice(Warning, own.at(key), "cannot be switched off: %s", fact)
	}
}

// backend reads who keeps the state.
func (d *document) backend(own *object, options map[string]any) {
	kind := strings.ToLower(own.text("backendType"))
	switch kind {
	case "", "system", "custom":
	case "terraform_cloud":
		d.notice(Warning, own.at("backendType"), "is terraform_cloud, which Berth has not; Berth keeps the state itself")
		kind = ""
	default:
		d.notice(Warning, own.at("backendType"), "%q is not known; Berth keeps the state itself", kind)
		kind = ""
	}
	if system, set := own.flag("useSystemStateStore"); set {
		switch {
		case kind != "":
			d.notice(Info, own.at("useSystemStateStore"), "is the old spelling of backendType, which is used instead")
		case system:
			kind = "system"
		default:
			kind = "custom"
		}
	}
	if cloud, set := own.flag("withTerraformCloud"); set && cloud {
		d.notice(Warning, own.at("withTerraformCloud"), "asks for Terraform Cloud, which Berth has not; Berth keeps the state itself")
	} else if set {
		d.notice(Info, own.at("withTerraformCloud"), "needs no setting: Berth keeps the state itself")
	}
	if kind != "" {
		options["backendType"] = kind
	}
	d.backendConfig(own, kind, options)
}

// backendConfig reads the settings of the module's own backend, key=value each.
func (d *document) backendConfig(own *object, kind string, options map[string]any) {
	if kind != "custom" {
		own.loseEach(Warning, "is for a backend of the module's own, and here Berth keeps the state", "backendConfigs")
		return
	}
	config := map[string]any{}
	for i, v := range own.list("backendConfigs") {
		at := own.at("backendConfigs") + "[" + itoa(i) + "]"
		text, _ := scalar(v)
		key, value, found := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		switch {
		case isEmpty(v):
		case !found || key == "" || strings.ContainsAny(key, "/\\ "):
			d.notice(Warning, at, "must be key=value; files with settings are not read")
		case config[key] != nil:
			d.notice(Warning, at, "sets %s once more; the first one counts", key)
		default:
			config[key] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	if len(config) > 0 {
		options["backendConfig"] = config
	}
}

// source reads where the code is.
func (d *document) source(spec *object, out map[string]any) {
	in := spec.object("repositoryOptions")
	name := in.text("name")
	if name == "" {
		d.fail(in.at("name"), "is required: the repository that holds the module")
		return
	}
	source := map[string]any{"repository": d.reference(name, in.at("name"))}
	if branch := in.text("branch"); branch != "" {
		source["revision"] = branch
	}
	if folder := strings.Trim(strings.TrimPrefix(in.text("directoryPath"), "./"), "/"); folder != "" && folder != "." {
		source["path"] = folder
	}
	out["source"] = source
}
