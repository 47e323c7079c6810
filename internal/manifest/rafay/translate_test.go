package rafay_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/manifest/rafay"
)

// dig follows a path of keys and indexes.
func dig(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v is no map at %v", v, path)
			v = m[p]
		case int:
			l, ok := v.([]any)
			require.True(t, ok, "%v is no list at %v", v, path)
			require.Greater(t, len(l), p)
			v = l[p]
		}
	}
	return v
}

// resource wraps what a resource template says into a document.
func resource(spec map[string]any) map[string]any {
	whole := map[string]any{"version": "v1", "provider": "opentofu", "repositoryOptions": map[string]any{"name": "infra"}}
	for k, v := range spec {
		whole[k] = v
	}
	return map[string]any{"apiVersion": "eaas.envmgmt.io/v1", "kind": "ResourceTemplate", "metadata": map[string]any{"name": "net"}, "spec": whole}
}

func find(notices []rafay.Notice, field string) (rafay.Notice, bool) {
	i := slices.IndexFunc(notices, func(n rafay.Notice) bool { return n.Field == field })
	if i < 0 {
		return rafay.Notice{}, false
	}
	return notices[i], true
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for in, tc := range map[string]struct{ want, notice string }{
		`$(environment.name)$`:                                              {`$(environment.name)$`, ""},
		`a-$(environment.name)$-b`:                                          {`a-$(environment.name)$-b`, ""},
		`$(environment.owner)$`:                                             {`$(environment.owner)$`, "environment.owner"},
		`$(resource."vpc".output.id.value)$`:                                {`$(resource["vpc"].output.id)$`, ""},
		`$(resource.\"vpc\".output.id.value)$`:                              {`$(resource["vpc"].output.id)$`, ""},
		`$(resource."101-vpc".output.id.value)$`:                            {`$(resource["101-vpc"].output.id)$`, ""},
		`$(resource.vpc.output."my-id".value)$`:                             {`$(resource["vpc"].output["my-id"])$`, "more than a reference"},
		`#{resource["vpc"].output.ids.value[0]}#`:                           {`$(resource["vpc"].output.ids[0])$`, ""},
		`#{ resource['vpc'].output.map.value["k"].x }#`:                     {`$(resource["vpc"].output.map["k"].x)$`, ""},
		`#{resource["env"].resource["vpc"].output.id.value}#`:               {`$(resource["env"].resource["vpc"].output.id)$`, ""},
		`#{resource["a"].output.x.value}#/#{resource["b"].output.y.value}#`: {`$(resource["a"].output.x)$/$(resource["b"].output.y)$`, ""},
		`#{resource["a"].output.x.value + "}#"}#`:                           {`$(resource["a"].output.x + "}#")$`, "more than a reference"},
		`$(resource["a"].output.valued.value)$`:                             {`$(resource["a"].output.valued)$`, ""},
		`$(resource["a"].output.x)$`:                                        {`$(resource["a"].output.x)$`, "without .value"},
		`$(resource["a"].output.x.sensitive)$`:                              {`$(resource["a"].output.x.sensitive)$`, ".sensitive"},
		`$("resource.\"a\".output.x.value")$`:                               {`$("resource.\"a\".output.x.value")$`, "more than a reference"},
		`$(my.resource."a".output.x.value)$`:                                {`$(my.resource."a".output.x.value)$`, "more than a reference"},
		`$(ctx.activities["a.artifact"].output.files["j"].url)$`:            {`$(ctx.activities["a.artifact"].output.files["j"].url)$`, "ctx"},
		`#{resource["a"].artifact.workdir.token}#`:                          {`$(resource["a"].artifact.workdir.token)$`, "something else than an output"},
		`$(environment.name`:                                                {`$(environment.name`, "does not end"},
		`$(environment.name")$`:                                             {`$(environment.name")$`, "more than a reference"},
		`no expression`:                                                     {`no expression`, ""},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			out, notices := rafay.Translate(resource(map[string]any{"variables": []any{map[string]any{"name": "x", "valueType": "expression", "value": in}}}))
			require.Len(t, out, 1)
			require.Equal(t, tc.want, dig(t, out[0], "spec", "variables", 0, "value"))
			n, told := find(notices, "spec.variables[0].value")
			require.Equal(t, tc.notice != "", told, n)
			require.Contains(t, n.Message, tc.notice)
		})
	}
}

func TestPlainValuesBecomeText(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]any{
		"80": 80, "81": int64(81), "82": uint64(82), "0.5": 0.5, "true": true, "1.10": json.Number("1.10"), "text": "text",
		"1e+300": 1e300, "-7": -7, "2026-01-02T00:00:00Z": time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "bytes": []byte("bytes"), "NaN": math.NaN(),
		`{"a":[1,"<b>"]}`: map[any]any{"a": []any{1, "<b>"}}, `["x"]`: []string{"x"}, `{"1":"y"}`: map[int]string{1: "y"},
	} {
		out, _ := rafay.Translate(resource(map[string]any{"variables": []any{map[string]any{"name": "x", "value": value}}}))
		require.Len(t, out, 1)
		require.Equal(t, want, dig(t, out[0], "spec", "variables", 0, "value"))
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	out, notices := rafay.Translate(resource(map[string]any{"version": 1.1}))
	require.Equal(t, "1.1", dig(t, out[0], "spec", "version"))
	n, _ := find(notices, "spec.version")
	require.Contains(t, n.Message, "quotes")
	out, notices = rafay.Translate(resource(map[string]any{"version": nil, "versionState": "Draft"}))
	require.Equal(t, "v1", dig(t, out[0], "spec", "version"))
	require.Equal(t, "draft", dig(t, out[0], "spec", "versionState"))
	n, _ = find(notices, "spec.version")
	require.Equal(t, rafay.Warning, n.Severity)
	out, _ = rafay.Translate(resource(map[string]any{"versionState": "frozen"}))
	require.Equal(t, "draft", dig(t, out[0], "spec", "versionState"))
}

func TestProviders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		provider, key, version, want, constraint string
		severity                                 rafay.Severity
	}{
		"the reference templates": {"terraform", "terraform", "1.4.6", "opentofu", "", rafay.Info},
		"no version":              {"terraform", "terraform", "", "opentofu", "", ""},
		"after the licence":       {"Terraform", "terraform", "1.9.8", "terraform", ">= 1.9.8", rafay.Info},
		"opentofu":                {"opentofu", "openTofu", "1.7.2", "opentofu", ">= 1.7.2", rafay.Info},
		"latest":                  {"opentofu", "openTofu", "latest", "opentofu", "", rafay.Info},
		"other spelling":          {"opentofu", "opentofu", "v1.7.2", "opentofu", ">= 1.7.2", rafay.Info},
		"nonsense":                {"opentofu", "openTofu", "new", "opentofu", "", rafay.Warning},
		"told by its options":     {"", "terraform", "1.4.6", "opentofu", "", rafay.Info},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, notices := rafay.Translate(resource(map[string]any{
				"provider": tc.provider, "providerOptions": map[string]any{tc.key: map[string]any{"version": tc.version, "backendType": "system"}},
			}))
			require.Len(t, out, 1)
			require.Equal(t, tc.want, dig(t, out[0], "spec", "provider"))
			options := "openTofu"
			if tc.want == "terraform" {
				options = "terraform"
			}
			require.Equal(t, "system", dig(t, out[0], "spec", "providerOptions", options, "backendType"))
			version, _ := dig(t, out[0], "spec", "providerOptions", options, "version").(string)
			require.Equal(t, tc.constraint, version)
			n, _ := find(notices, "spec.providerOptions."+tc.key+".version")
			require.Equal(t, tc.severity, n.Severity)
		})
	}
}

func TestBackends(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options map[string]any
		want    any
		told    string
	}{
		"terraform cloud":  {map[string]any{"backendType": "terraform_cloud"}, nil, "backendType"},
		"unknown":          {map[string]any{"backendType": "cupboard"}, nil, "backendType"},
		"old and kept":     {map[string]any{"useSystemStateStore": true}, "system", ""},
		"old and own":      {map[string]any{"useSystemStateStore": false}, "custom", ""},
		"old beside new":   {map[string]any{"useSystemStateStore": false, "backendType": "system"}, "system", "useSystemStateStore"},
		"config for none":  {map[string]any{"backendType": "system", "backendConfigs": []any{"a=b"}}, "system", "backendConfigs[0]"},
		"given twice":      {map[string]any{"backendType": "custom", "backendConfigs": []any{"a=b", "a=c"}}, "custom", "backendConfigs[1]"},
		"timeout nonsense": {map[string]any{"backendType": "system", "timeoutSeconds": "soon"}, "system", "timeoutSeconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, notices := rafay.Translate(resource(map[string]any{"providerOptions": map[string]any{"openTofu": tc.options}}))
			require.Len(t, out, 1)
			var got any
			if o, ok := dig(t, out[0], "spec").(map[string]any)["providerOptions"]; ok {
				got = dig(t, o, "openTofu", "backendType")
			}
			require.Equal(t, tc.want, got)
			if tc.told != "" {
				_, told := find(notices, "spec.providerOptions.openTofu."+tc.told)
				require.True(t, told, notices)
			}
		})
	}
}

func TestOverrideRules(t *testing.T) {
	t.Parallel()
	list := []any{"a", "b"}
	for name, tc := range map[string]struct {
		rule, want map[string]any
		told       string
	}{
		"allowed":           {map[string]any{"type": "Allowed"}, map[string]any{"type": "allowed"}, ""},
		"a list to no end":  {map[string]any{"type": "allowed", "restrictedValues": list}, map[string]any{"type": "allowed"}, "restrictedValues"},
		"several to no end": {map[string]any{"type": "notallowed", "multiSelect": true}, map[string]any{"type": "notallowed"}, "multiSelect"},
		"only a list":       {map[string]any{"restrictedValues": list}, map[string]any{"type": "restricted", "restrictedValues": list}, "type"},
		"no list":           {map[string]any{"type": "restricted"}, map[string]any{"type": "notallowed"}, "type"},
		"structures":        {map[string]any{"type": "restricted", "restrictedValues": []any{[]any{1}, nil}}, map[string]any{"type": "restricted", "restrictedValues": []any{"[1]"}}, "restrictedValues[1]"},
		"labels":            {map[string]any{"type": "RESTRICTED_KEY_VALUES", "restrictedKeyValues": map[string]any{"Small": 1}}, map[string]any{"type": "restricted", "restrictedKeyValues": map[string]any{"Small": "1"}}, ""},
		"unknown":           {map[string]any{"type": "perhaps"}, map[string]any{"type": "notallowed"}, "type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, notices := rafay.Translate(resource(map[string]any{"variables": []any{map[string]any{"name": "x", "options": map[string]any{"override": tc.rule}}}}))
			require.Len(t, out, 1)
			require.Equal(t, tc.want, dig(t, out[0], "spec", "variables", 0, "options", "override"))
			if tc.told == "" {
				require.Empty(t, notices)
				return
			}
			_, told := find(notices, "spec.variables[0].options.override."+tc.told)
			require.True(t, told, notices)
		})
	}
}

func TestNamesOfEntries(t *testing.T) {
	t.Parallel()
	entry := func(name string) any { return map[string]any{"name": name, "key": name, "value": "v"} }
	out, notices := rafay.Translate(map[string]any{
		"apiVersion": "eaas.envmgmt.io/v1", "kind": "ConfigContext", "metadata": map[string]any{"name": "c"},
		"spec": map[string]any{
			"envs":      []any{map[string]any{"key": "A-B", "value": "v"}, map[string]any{"key": "A", "value": "1"}, map[string]any{"key": "A", "value": "2"}},
			"variables": []any{map[string]any{"name": "a b"}, map[string]any{"name": "a-b", "value": "1"}, map[string]any{"name": "a-b"}, entry("c")},
			"files":     []any{map[string]any{"name": "x", "data": "eA=="}, map[string]any{"mountPath": "./x", "data": "eQ=="}},
		},
	})
	require.Len(t, out, 1)
	require.Equal(t, []any{map[string]any{"key": "A", "value": "1"}}, dig(t, out[0], "spec", "envs"))
	require.Equal(t, []any{map[string]any{"mountPath": "x", "content": "x"}}, dig(t, out[0], "spec", "files"))
	require.Equal(t, "c", dig(t, out[0], "spec", "variables", 1, "name"))
	for _, field := range []string{"spec.envs[0]", "spec.envs[2]", "spec.variables[0]", "spec.variables[2]", "spec.files[1]", "spec.variables[3].key"} {
		n, told := find(notices, field)
		require.True(t, told, field)
		require.Equal(t, rafay.Warning, n.Severity)
	}
}

func TestReadme(t *testing.T) {
	t.Parallel()
	for in, tc := range map[string]struct{ want, notice string }{
		"# Title\n\nText < 3, a<b and `<vpc-id>`.\n":        {"# Title\n\nText < 3, a<b and `<vpc-id>`.\n", ""},
		"see <https://example.com>":                         {"see <https://example.com>", ""},
		"```\n<b>code</b>\n```":                             {"```\n<b>code</b>\n```", ""},
		"use <vpc-id> here":                                 {"use \\<vpc-id> here\n", "rewritten"},
		"<h1>A</h1><p>one<br/>two</p>":                      {"# A\n\none  \ntwo\n", "rewritten"},
		"<ol><li>a</li><li>b</li></ol>":                     {"1. a\n1. b\n", "rewritten"},
		"<pre><code>x &lt; y\n  z</code></pre>":             {"```\nx < y\n  z\n```\n", "rewritten"},
		`<a href="javascript:alert(1)">x</a>`:               {"[x]()\n", "address of a"},
		`<p style="color: red">x</p><!-- secret -->`:        {"x\n", "comment, style"},
		"<script>if (a < b) { evil() }</script>fine":        {"fine\n", "script"},
		"<script>never closed":                              {"never closed\n", "script"},
		"<table><tr><td>a</td><td>b</td></tr></table>":      {"a · b ·\n", "table"},
		`<div>` + "\n    <p>in</p>\n" + `    deep</div>`:    {"in\n\ndeep\n", "rewritten"},
		`<img alt="A" src="https://example.com/a.png">`:     {"![A](https://example.com/a.png)\n", "rewritten"},
		`<em>a</em> <kbd>Ctrl</kbd> </a></ul> <nav>n</nav>`: {"*a* `Ctrl` \n\n n\n", "nav"},
	} {
		out, notices := rafay.Translate(map[string]any{
			"apiVersion": "eaas.envmgmt.io/v1", "kind": "EnvironmentTemplate", "metadata": map[string]any{"name": "e"},
			"spec": map[string]any{"version": "v1", "readme": in, "allowNewInputsDuringPublish": false},
		})
		require.Len(t, out, 1)
		require.Equal(t, tc.want, dig(t, out[0], "spec", "readme"), in)
		require.Equal(t, false, dig(t, out[0], "spec", "allowFreeVariables"))
		n, told := find(notices, "spec.readme")
		require.Equal(t, tc.notice != "", told, in)
		require.Contains(t, n.Message, tc.notice)
	}
}

func TestIcons(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=": "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=",
		"data:image/png;base64,AAAA":                               "data:image/png;base64,AAAA",
		"https://example.com/icon.png":                             "",
		"file://icon.png":                                          "",
		"aGVsbG8=":                                                 "",
		"no image":                                                 "",
		"data:image/png;base64," + strings.Repeat("A", 128<<10): "",
	} {
		out, notices := rafay.Translate(map[string]any{
			"apiVersion": "eaas.envmgmt.io/v1", "kind": "EnvironmentTemplate", "metadata": map[string]any{"name": "e"},
			"spec": map[string]any{"version": "v1", "iconURL": in},
		})
		require.Len(t, out, 1)
		got, _ := dig(t, out[0], "spec", "icon").(string)
		require.Equal(t, want, got)
		_, told := find(notices, "spec.iconURL")
		require.Equal(t, want == "", told)
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	line, found, ok := rafay.Placeholder([]byte("# a comment\n{{ $glbCtx := . }}\nkind: {{ .kind }}\n"))
	require.True(t, ok)
	require.Equal(t, 2, line)
	require.Equal(t, "{{ $glbCtx := . }}", found)
	for _, text := range []string{"a: {b: {c: d}}", "a: '{{}}'", "x: {{ }}", ""} {
		_, _, ok = rafay.Placeholder([]byte(text))
		require.False(t, ok, text)
	}

	for name, change := range map[string]func(doc map[string]any){
		"name":    func(doc map[string]any) { doc["metadata"] = map[string]any{"name": "{{ .name }}-x"} },
		"version": func(doc map[string]any) { dig(t, doc, "spec").(map[string]any)["version"] = "{{ $glbCtx.version }}" },
		"value": func(doc map[string]any) {
			doc["spec"].(map[string]any)["variables"] = []any{map[string]any{"name": "x", "value": "{{ .region }}"}}
		},
		"read as a map": func(doc map[string]any) { doc["metadata"] = map[string]any{"name": map[string]any{"{": nil}} },
		"map as a key":  func(doc map[string]any) { doc["metadata"] = map[any]any{[1]any{"name"}: nil} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := resource(nil)
			change(doc)
			out, notices := rafay.Translate(doc)
			require.Empty(t, out)
			require.Equal(t, rafay.Error, notices[0].Severity)
			require.Contains(t, notices[0].Message, "rctl apply -t")
		})
	}

	// A value may hold the placeholders of a template of its own.
	out, notices := rafay.Translate(resource(map[string]any{"variables": []any{map[string]any{"name": "x", "value": "a: {{ .Values.a }}\nb: c"}}}))
	require.Len(t, out, 1)
	require.Equal(t, "a: {{ .Values.a }}\nb: c", dig(t, out[0], "spec", "variables", 0, "value"))
	n, _ := find(notices, "spec.variables[0].value")
	require.Equal(t, rafay.Warning, n.Severity)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range 100 {
		deep = map[string]any{"a": deep}
	}
	// What aliases make of a small text: each level holds the one below ten times.
	wide := any("x")
	for range 8 {
		wide = []any{wide, wide, wide, wide, wide, wide, wide, wide, wide, wide}
	}
	for _, value := range []any{deep, wide} {
		out, notices := rafay.Translate(resource(map[string]any{"x": value}))
		require.Empty(t, out)
		require.Len(t, notices, 1)
		require.Equal(t, rafay.Error, notices[0].Severity)
		require.Equal(t, "net", notices[0].Name)
	}
	// Very many entries that are left out take no time to speak of.
	many := make([]any, 20_000)
	for i := range many {
		many[i] = map[string]any{"value": "x"}
	}
	_, notices := rafay.Translate(resource(map[string]any{"variables": many}))
	require.Greater(t, len(notices), len(many)-1)
}

func TestInlineContextsOfVersionsAreKeptApart(t *testing.T) {
	t.Parallel()
	names := map[any]bool{}
	for _, version := range []string{"v1", "v2", strings.Repeat("1.2.3-", 9) + "a", strings.Repeat("1.2.3-", 9) + "b"} {
		out, _ := rafay.Translate(resource(map[string]any{"version": version, "contexts": []any{
			map[string]any{"name": "creds", "data": map[string]any{"envs": []any{map[string]any{"key": "A", "value": "b"}}}},
		}}))
		require.Len(t, out, 2)
		require.Equal(t, "ConfigContext", out[0]["kind"])
		name := dig(t, out[0], "metadata", "name")
		require.Regexp(t, `^[a-z0-9][a-z0-9-]{0,62}$`, name)
		require.Equal(t, name, dig(t, out[1], "spec", "contexts", 0, "name"))
		names[name] = true
	}
	require.Len(t, names, 4)
}

func TestSpeaks(t *testing.T) {
	t.Parallel()
	for api, want := range map[string]bool{
		"eaas.envmgmt.io/v1": true, "gitops.k8smgmt.io/v3": true, "integrations.k8smgmt.io/v3": true, "system.k8smgmt.io/v3": true,
		"eaas.envmgmt.io/v2": true, "berth.dev/v1": false, "v1": false, "": false, "envmgmt.io": false,
	} {
		require.Equal(t, want, rafay.Speaks(api), api)
	}
}

func FuzzTranslate(f *testing.F) {
	for _, name := range files(f) {
		for _, doc := range documents(f, name) {
			text, err := json.Marshal(doc)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Add([]byte(`{"apiVersion":"eaas.envmgmt.io/v1","kind":"ResourceTemplate","metadata":null,"spec":[[]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var doc map[string]any
		if json.Unmarshal(text, &doc) != nil {
			return
		}
		before := asJSON(t, doc)
		out, notices := rafay.Translate(doc)
		require.Equal(t, before, asJSON(t, doc))
		for _, o := range out {
			_, err := json.Marshal(o)
			require.NoError(t, err)
			require.Regexp(t, `^[a-z0-9][a-z0-9-]{0,62}$`, dig(t, o, "metadata", "name"))
		}
		for _, n := range notices {
			if n.Severity == rafay.Error {
				require.Empty(t, out)
			}
		}
		if len(out) == 0 {
			require.NotEmpty(t, notices)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, text := range []string{`$(resource."a".output.b.value)$`, `#{resource["a"].output.b.value[0]}#`, `$("`, `#{}#`, `$(resource.resource["a"])$`, `$(resource["a"].resource)$`, `$(é"é)$`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, _ := rafay.Translate(resource(map[string]any{"variables": []any{map[string]any{"name": "x", "valueType": "expression", "value": text}}, "readme": text}))
		if len(out) == 0 {
			return // a placeholder
		}
		got, ok := dig(t, out[0], "spec", "variables", 0, "value").(string)
		if ok && !strings.Contains(text, "$(") && !strings.Contains(text, "#{") {
			require.Equal(t, text, got)
		}
		env, _ := rafay.Translate(map[string]any{
			"apiVersion": "eaas.envmgmt.io/v1", "kind": "EnvironmentTemplate", "metadata": map[string]any{"name": "e"},
			"spec": map[string]any{"readme": text, "variables": []any{map[string]any{"name": "x", "options": map[string]any{"selectors": []any{text}}}}},
		})
		if len(env) == 1 {
			readme, _ := dig(t, env[0], "spec", "readme").(string)
			if !strings.Contains(text, "<") {
				require.Equal(t, text, readme)
			}
		}
	})
}
