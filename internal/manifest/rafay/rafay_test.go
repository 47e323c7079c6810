package rafay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/manifest/rafay"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documents reads the documents of a file of testdata.
func documents(t testing.TB, name string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return parse(t, text)
}

func parse(t testing.TB, text []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, doc)
	}
}

func files(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for i, f := range found {
		found[i] = filepath.Base(f)
	}
	return found
}

// asText writes what came of a document.
func asText(t testing.TB, out []map[string]any, notices []rafay.Notice) string {
	t.Helper()
	var b strings.Builder
	for _, o := range out {
		text, err := yaml.MarshalWithOptions(o, yaml.UseLiteralStyleIfMultiline(true))
		require.NoError(t, err)
		fmt.Fprintf(&b, "---\n%s", text)
	}
	for _, n := range notices {
		fmt.Fprintf(&b, "# %s: %s\n", n.Severity, n)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for _, doc := range documents(t, name) {
				before := asJSON(t, doc)
				out, notices := rafay.Translate(doc)
				require.Equal(t, before, asJSON(t, doc), "the document was changed")
				fmt.Fprintf(&got, "# ==== %v\n%s", doc["kind"], asText(t, out, notices))
				checkRules(t, out, notices)
			}
			golden := filepath.Join("testdata", strings.TrimSuffix(name, ".yaml")+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String(), "run go test with -update where the change is meant")
		})
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// checkRules checks what holds for every translation.
func checkRules(t testing.TB, out []map[string]any, notices []rafay.Notice) {
	t.Helper()
	for _, o := range out {
		require.Equal(t, "berth.dev/v1", o["apiVersion"])
		require.NotEmpty(t, o["kind"])
		metadata, ok := o["metadata"].(map[string]any)
		require.True(t, ok)
		require.Regexp(t, `^[a-z0-9][a-z0-9-]{0,62}$`, metadata["name"])
		require.Contains(t, o, "spec")
	}
	for _, n := range notices {
		require.Contains(t, []rafay.Severity{rafay.Info, rafay.Warning, rafay.Error}, n.Severity)
		require.NotEmpty(t, n.Message)
		require.NotContains(t, n.String(), "canary", "a notice must not hold a value")
		if n.Severity == rafay.Error {
			require.Empty(t, out, n.String())
		}
	}
	if len(out) == 0 {
		require.NotEmpty(t, notices, "nothing came of it, and nobody is told")
	}
}
