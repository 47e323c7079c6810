package vendor_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/openpgp"       //nolint:staticcheck // frozen, but enough to sign what a test's registry serves
	"golang.org/x/crypto/openpgp/armor" //nolint:staticcheck // see above

	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/tofu/tofutest"
)

// registry is a module registry and a download site. location is where it says that version 1.2.0 of every module lies.
type registry struct {
	host, cert string
	location   func(host string) string
	archive    []byte
	provider   []byte // a packed provider a/p 1.0.0
	signer     *openpgp.Entity
	downloads  atomic.Int64
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
		_, _ = io.WriteString(w, `{"modules.v1":"/v1/modules/","providers.v1":"/v1/providers/"}`)
	case p == "/v1/providers/a/p/versions":
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"versions":[{"version":"1.0.0","protocols":["5.0"],"platforms":[{"os":%q,"arch":%q}]}]}`, runtime.GOOS, runtime.GOARCH)
	case strings.HasPrefix(p, "/v1/providers/a/p/1.0.0/download/"):
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.host
		_, _ = fmt.Fprintf(w, `{"protocols":["5.0"],"os":%q,"arch":%q,"filename":"p.zip","download_url":"%s/p.zip","shasums_url":"%s/sums","shasums_signature_url":"%s/sums.sig","shasum":"%x","signing_keys":{"gpg_public_keys":[{"key_id":%q,"ascii_armor":%q}]}}`,
			runtime.GOOS, runtime.GOARCH, base, base, base, sha256.Sum256(r.provider), r.signer.PrimaryKey.KeyIdString(), r.publicKey())
	case p == "/sums":
		_, _ = w.Write(r.sums())
	case p == "/sums.sig":
		_ = openpgp.DetachSign(w, r.signer, bytes.NewReader(r.sums()), nil)
	case p == "/p.zip":
		r.downloads.Add(1)
		_, _ = w.Write(r.provider)
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

// sums are the checksums of the provider's packages, that of another platform among them.
func (r *registry) sums() []byte {
	return fmt.Appendf(nil, "%x  p.zip\n%064d  p_other_platform.zip\n", sha256.Sum256(r.provider), 7)
}

func (r *registry) publicKey() string {
	var out strings.Builder
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err == nil {
		err = errors.Join(r.signer.Serialize(w), w.Close())
	}
	if err != nil {
		return err.Error()
	}
	return out.String()
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
			require.Equal(t, 1, res.Problems[0].Line)
		})
	}
}

func TestRealProviderIsDownloadedOnce(t *testing.T) {
	t.Parallel()
	bin, _ := tofutest.Tools(t)
	r := newRegistry(t, nil, nil)
	r.provider = zipOf(t, "terraform-provider-p_v1.0.0", "#!/bin/sh\nexit 1\n")
	var err error
	r.signer, err = openpgp.NewEntity("test", "", "test@example.com", nil)
	require.NoError(t, err)
	for _, id := range r.signer.Identities {
		require.NoError(t, id.SelfSignature.SignUserId(id.UserId.Id, r.signer.PrimaryKey, r.signer.PrivateKey, nil))
	}
	m, err := tofu.NewManager(tofu.Config{TofuPath: bin, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true, CacheDir: t.TempDir()})
	require.NoError(t, err)
	data := t.TempDir()
	v := vendor.New(m, vendor.Options{Dir: filepath.Join(data, "vendor"), Hide: []string{data}, Env: map[string]string{"SSL_CERT_FILE": r.cert}})
	b := pack(t, ".", map[string]string{"main.tf": "terraform {\n  required_providers {\n    p = {\n      source = \"" + r.host + "/a/p\"\n    }\n  }\n}\nprovider \"p\" {\n}\n"})
	first := run(t, v, vendor.Request{Bundle: b})
	// The provider is no real one, so validate cannot ask it; what init chose is recorded all the same.
	lock := unpacked(t, first.Bundle)[tofu.LockFileName]
	entries, err := tofu.ReadLock([]byte(lock))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "1.0.0", entries[0].Version)
	require.Contains(t, entries[0].Hashes, fmt.Sprintf("zh:%064d", 7), "the other platform's checksum is recorded")
	require.EqualValues(t, 1, r.downloads.Load())
	again := run(t, v, vendor.Request{Bundle: b})
	require.Equal(t, lock, unpacked(t, again.Bundle)[tofu.LockFileName])
	require.Equal(t, first.Bundle.Digest, again.Bundle.Digest)
	require.EqualValues(t, 1, r.downloads.Load(), "the provider is there already")

	own := pack(t, ".", map[string]string{"main.tf": "terraform {\n  required_providers {\n    p = {\n      source = \"" + r.host + "/a/p\"\n    }\n  }\n}\n", ".terraform.lock.hcl": lock})
	run(t, v, vendor.Request{Bundle: own})
	require.EqualValues(t, 1, r.downloads.Load(), "a lock file's provider is there already")
}

func zipOf(t *testing.T, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	require.NoError(t, err)
	_, err = io.WriteString(f, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}
