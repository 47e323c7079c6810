package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

// shortKinds are the names that people give to kinds beside those of the documents.
func shortKinds() map[string]manifest.Kind {
	return map[string]manifest.Kind{
		"proj": manifest.KindProject,
		"repo": manifest.KindRepository, "repos": manifest.KindRepository,
		"ctx": manifest.KindConfigContext, "context": manifest.KindConfigContext, "contexts": manifest.KindConfigContext,
		"static": manifest.KindStaticResource, "statics": manifest.KindStaticResource,
		"rt":  manifest.KindResourceTemplate,
		"et":  manifest.KindEnvironmentTemplate,
		"env": manifest.KindEnvironment, "envs": manifest.KindEnvironment,
	}
}

// parseKind finds a kind by its name in any case, in the plural, or shortened.
func parseKind(text string) (manifest.Kind, error) {
	if k, ok := shortKinds()[strings.ToLower(text)]; ok {
		return k, nil
	}
	if k, ok := manifest.ParseKind(text); ok {
		return k, nil
	}
	return "", usagef("There is no kind %q; use one of %s (short: repo, ctx, static, rt, et, env).", text, manifest.KindNames())
}

// object names one object as it is printed: resourcetemplate/vpc.
func object(kind, name string) string { return strings.ToLower(kind) + "/" + name }

// templateKind is the part of the path that operations on versions of templates have.
func templateKind(k manifest.Kind) (string, bool) {
	switch k {
	case manifest.KindResourceTemplate:
		return api.ResourceTemplates, true
	case manifest.KindEnvironmentTemplate:
		return api.EnvironmentTemplates, true
	case manifest.KindProject, manifest.KindRepository, manifest.KindConfigContext, manifest.KindStaticResource, manifest.KindEnvironment:
	}
	return "", false
}

// completeObject completes a kind, and then a name of the kind.
func (t *target) completeObject(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	switch len(args) {
	case 0:
		for _, k := range manifest.Kinds() {
			out = append(out, strings.ToLower(string(k)))
		}
	case 1:
		out = t.namesOf(cmd, args[0])
	}
	out = slices.DeleteFunc(out, func(s string) bool { return !strings.HasPrefix(s, strings.ToLower(typed)) })
	return out, cobra.ShellCompDirectiveNoFileComp
}

// namesOf asks the server; completion stays silent when it does not answer.
func (t *target) namesOf(cmd *cobra.Command, kind string) []string {
	k, err := parseKind(kind)
	if err != nil {
		return nil
	}
	client, err := t.client(cmd)
	if err != nil {
		return nil
	}
	list, err := client.Manifests(cmd.Context(), t.project, string(k))
	if err != nil {
		return nil
	}
	var out []string
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out
}
