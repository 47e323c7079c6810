package manifest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/manifest"
)

// many are 200 documents: 20 contexts, 20 static resources, 60 resource templates, 60 environment templates and 40
// environments.
func many() (string, fstest.MapFS) {
	var b strings.Builder
	doc := func(format string, args ...any) {
		fmt.Fprintf(&b, "---\napiVersion: berth.dev/v1\n"+format, args...)
	}
	for i := range 20 {
		doc("kind: ConfigContext\nmetadata: {name: c%d}\nspec:\n  envs: [{key: REGION, value: eu-%d}, {key: TOKEN, value: t%d, options: {sensitive: true}}]\n", i, i, i)
		doc("kind: StaticResource\nmetadata: {name: s%d}\nspec:\n  variables: [{name: id, value: id-%d}, {name: token, value: t%d, options: {sensitive: true}}]\n", i, i, i)
	}
	files := fstest.MapFS{}
	for i := range 60 {
		files[fmt.Sprintf("m%d/main.tf", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf("# %d\n%s", i, serviceModule))}
		doc("kind: ResourceTemplate\nmetadata: {name: r%d}\nspec: {version: v1, versionState: active, source: {folder: m%d}}\n", i, i)
		doc(`kind: EnvironmentTemplate
metadata: {name: e%[1]d, description: Number %[1]d.}
spec:
  version: v1
  versionState: active
  contexts: [{name: c%[2]d}]
  resources:
    - {name: s, kind: static, static: s%[2]d}
    - {name: r, template: r%[1]d, version: v1}
  variables:
    - {name: vpc_id, valueType: expression, value: "$(resource['s'].output.id)$", options: {override: {type: notallowed}}}
    - {name: replicas, value: 2}
    - {name: instance_size, options: {override: {type: restricted, restrictedValues: [small, large]}}}
`, i, i%20)
	}
	for i := range 40 {
		doc("kind: Environment\nmetadata: {name: env%d}\nspec: {template: {name: e%d, version: v1}, variables: [{name: instance_size, value: small}, {name: replicas, value: 3}]}\n", i, i)
	}
	return b.String(), files
}

func BenchmarkApply200Manifests(b *testing.B) {
	text, files := many()
	docs, _, err := manifest.Parse("many.yaml", []byte(text))
	require.NoError(b, err)
	require.Len(b, docs, 200)
	apply := func(b *testing.B, f fixture, o manifest.Options, want manifest.Change) {
		results, err := f.manifests.Apply(f.admin, "prj_demo", docs, o)
		require.NoError(b, err)
		for _, r := range results {
			require.Nil(b, r.Error, "%v", r.Error)
			require.Equal(b, want, r.Change)
		}
	}
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			_, _, err := manifest.Parse("many.yaml", []byte(text))
			require.NoError(b, err)
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			f := setup(b, dbtest.SQLite(b))
			b.StartTimer()
			apply(b, f, manifest.Options{Files: files}, manifest.Created)
		}
	})
	f := setup(b, dbtest.SQLite(b))
	apply(b, f, manifest.Options{Files: files}, manifest.Created)
	for name, o := range map[string]manifest.Options{"unchanged": {Files: files}, "unchanged dry run": {Files: files, DryRun: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				apply(b, f, o, manifest.Unchanged)
			}
		})
	}
}
