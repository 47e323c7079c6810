package vendor_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/template/vendor"
)

// registry is a module registry and a download site. location is where it says that version 1.2.0 of every module lies.
type registry struct {
	host, cert string
	location   func(host string) string
	archive    []byte
}

func newRegistry(t *testing.T, location func(host string) string, files map[string]string) *registry {
	t.Helper()
	r := &registry{location: location}
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, gz.Close())
	r.archive = out.Bytes()
	srv := httptest.NewTLSServer(r)
	t.Cleanup(srv.Close)
	r.host = srv.Listener.Addr().String()
	r.cert = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(r.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644))
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch p := req.URL.Path; {
	case p == "/.well-known/terraform.json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"modules.v1":"/v1/modules/"}`)
	case strings.HasSuffix(p, "/versions"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"modules":[{"versions":[{"version":"1.1.0"},{"version":"1.2.0"},{"version":"2.0.0"}]}]}`)
	case strings.HasSuffix(p, "/1.2.0/download"):
		w.Header().Set("X-Terraform-Get", r.location(r.host))
		w.WriteHeader(http.StatusNoContent)
	case p == "/m.tar.gz":
		_, _ = w.Write(r.archive)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestRealRegistryModule(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, func(host string) string { return "https://" + host + "/m.tar.gz" },
		map[string]string{"sub/main.tf": "output \"o\" {\n  value = 1\n}\n"})
	data := t.TempDir()
	v := vendor.New(realTools(t), vendor.Options{Dir: filepath.Join(data, "vendor"), Hide: []string{data}, Env: map[string]string{"SSL_CERT_FILE": r.cert}})
	b := pack(t, ".", map[string]string{"main.tf": "module \"r\" {\n  source  = \"" + r.host + "/a/b/c//sub\"\n  version = \"~> 1.1\"\n}\n" +
		"module \"h\" {\n  source = \"https://" + r.host + "/m.tar.gz//sub\"\n}\n"})
	res := run(t, v, vendor.Request{Bundle: b})
	require.Empty(t, res.Problems, errorsOf(res))
	files := unpacked(t, res.Bundle)
	require.Contains(t, files[".terraform/modules/modules.json"], `"Version":"1.2.0"`)
	require.Contains(t, files, ".terraform/modules/r/sub/main.tf")
	require.Contains(t, files, ".terraform/modules/h/sub/main.tf")

	none := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{
		"main.tf": "module \"r\" {\n  source  = \"" + r.host + "/a/b/c//sub\"\n  version = \"> 5\"\n}\n"})})
	require.Len(t, none.Problems, 1)
	require.Contains(t, none.Problems[0].Message, "(version > 5): no version of it meets the constraint; change the version")
	require.Equal(t, 1, none.Problems[0].Line)
}

// A registry decides where its modules lie, so it must not be able to name a folder of this machine.
func TestRealRegistryThatPointsAtThisMachine(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "main.tf"), []byte("output \"o\" {\n  value = \"stolen\"\n}\n"), 0o644))
	repo := gitRepo(t, map[string]string{"main.tf": "output \"o\" {\n  value = \"stolen\"\n}\n"}, nil)
	for name, location := range map[string]string{
		"file": "file://" + outside, "path": outside, "git": "git::file://" + repo, "folder in it": "file://" + filepath.Dir(outside) + "//" + filepath.Base(outside),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t, func(string) string { return location }, nil)
			v := vendor.New(realTools(t), vendor.Options{Env: map[string]string{"SSL_CERT_FILE": r.cert}})
			b := pack(t, ".", map[string]string{"main.tf": "module \"r\" {\n  source  = \"" + r.host + "/a/b/c\"\n  version = \"1.2.0\"\n}\n"})
			res := run(t, v, vendor.Request{Bundle: b})
			require.True(t, res.Failed(), "nothing of this machine may get into a bundle: %v", errorsOf(res))
			require.Equal(t, b.Digest, res.Bundle.Digest)
			t.Log(errorsOf(res))
		})
	}
}
