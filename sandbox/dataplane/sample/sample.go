// Package sample is the stand-in for the Amazon ECS sample image: a tiny static
// web server with a page that says what it is. It is used when no registry can be
// reached, and by tests, which find its other behaviours in web/web.c. It must
// not know how images are resolved or containers run.
package sample

import (
	"archive/tar"
	"bytes"
	"embed"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Ref is the image the stand-in serves for.
const Ref = "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"

//go:embed web/web.amd64 web/web.arm64
var programs embed.FS

// Image assembles the image for linux on arch ("amd64" or "arm64"). The same
// program always gives the same digest.
func Image(arch string) (v1.Image, error) {
	program, err := programs.ReadFile("web/web." + arch)
	if err != nil {
		return nil, fmt.Errorf("the stand-in sample exists for amd64 and arm64, not for %s", arch)
	}
	content, err := layer(program)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return nil, fmt.Errorf("sample layer: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, fmt.Errorf("sample image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("sample image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch
	file.Config.Entrypoint = []string{"/berth-sample"}
	file.Config.Env = []string{"PATH=/"}
	file.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}}
	file.Config.Labels = map[string]string{"org.opencontainers.image.title": "Berth's stand-in for the Amazon ECS sample"}
	return mutate.ConfigFile(img, file)
}

func layer(program []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	stamp := time.Unix(0, 0)
	for _, dir := range []string{"etc/", "tmp/", "dev/", "proc/", "sys/"} {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: mode, ModTime: stamp}); err != nil {
			return nil, err
		}
	}
	files := map[string][]byte{"etc/passwd": []byte("root:x:0:0:root:/:\nweb:x:101:101:web:/:\n"), "berth-sample": program}
	for _, name := range []string{"etc/passwd", "berth-sample"} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(files[name])), ModTime: stamp}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
