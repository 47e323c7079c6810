package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

// ownRegistry begins the names of images that the sandbox loads: they never take
// the name of an image that exists elsewhere.
const ownRegistry = "berth-sandbox.local/"

// imageNames remembers under which name the engine knows an image reference.
type imageNames struct {
	file string
	mu   sync.Mutex
	has  map[string]string
}

func openImageNames(file string) (*imageNames, error) {
	n := &imageNames{file: file, has: map[string]string{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &n.has)
	}
	if err != nil {
		return nil, fmt.Errorf("image names in %s: %w", file, err)
	}
	return n, nil
}

func (n *imageNames) set(ref, known string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.has[ref] = known
	data, err := json.Marshal(n.has)
	if err != nil {
		return err
	}
	if err := os.WriteFile(n.file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(n.file+".new", n.file)
}

func (n *imageNames) get(ref string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, ok := n.has[ref]; ok {
		return known
	}
	return ref
}

// EnsureImage makes ref known to the engine.
func (r *Runtime) EnsureImage(ctx context.Context, ref string, auth engine.PullAuth) (engine.Image, error) {
	parsed, err := image.Parse(ref)
	if err != nil {
		return engine.Image{}, err
	}
	if r.resolver.IsLocal(parsed) {
		img, err := r.resolver.Local(ctx, parsed)
		if err != nil {
			return engine.Image{}, err
		}
		return r.load(ctx, ref, img, engine.SourceSandbox)
	}
	cause := r.resolver.Probe(ctx, parsed, auth)
	if cause == nil {
		return r.pull(ctx, ref, parsed, auth)
	}
	var ie *engine.ImageError
	if !errors.As(cause, &ie) {
		return engine.Image{}, cause
	}
	// An image built on this machine is in no registry.
	if have, err := r.api.ImageInspect(ctx, parsed.Name()); err == nil {
		return engine.Image{Ref: ref, Digest: digestOf(have), Source: engine.SourceEngine}, r.images.set(ref, parsed.Name())
	}
	img, note, ok := image.StandIn(parsed, cause)
	if !ok {
		return engine.Image{}, cause
	}
	out, err := r.load(ctx, ref, img, engine.SourceStandIn)
	out.StandIn, out.Note = true, note
	return out, err
}

func digestOf(i dockerimage.InspectResponse) string {
	for _, d := range i.RepoDigests {
		if _, digest, ok := strings.Cut(d, "@"); ok {
			return digest
		}
	}
	return ""
}

// load hands an image to the engine, under a name of ours made of its digest.
func (r *Runtime) load(ctx context.Context, ref string, img v1.Image, source engine.Source) (engine.Image, error) {
	broken := func(err error) (engine.Image, error) {
		return engine.Image{}, &engine.ImageError{Kind: engine.ImageBroken, Ref: ref, Err: err}
	}
	digest, err := img.Digest()
	if err != nil {
		return broken(err)
	}
	tag, err := name.NewTag(ownRegistry + "image:" + digest.Hex[:32])
	if err != nil {
		return broken(err)
	}
	out := engine.Image{Ref: ref, Digest: digest.String(), Source: source}
	if _, err := r.api.ImageInspect(ctx, tag.Name()); err != nil {
		if err := r.send(ctx, tag, img); err != nil {
			return broken(err)
		}
	}
	return out, r.images.set(ref, tag.Name())
}

func (r *Runtime) send(ctx context.Context, tag name.Tag, img v1.Image) error {
	pr, pw := io.Pipe()
	var written sync.WaitGroup
	written.Go(func() { pw.CloseWithError(tarball.Write(tag, img, pw)) })
	defer written.Wait()
	defer pr.Close()
	resp, err := r.api.ImageLoad(ctx, pr, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return streamError(resp.Body)
}

func (r *Runtime) pull(ctx context.Context, ref string, parsed name.Reference, auth engine.PullAuth) (engine.Image, error) {
	opts := dockerimage.PullOptions{}
	if auth.Username != "" {
		login, err := json.Marshal(registry.AuthConfig{Username: auth.Username, Password: auth.Password, ServerAddress: parsed.Context().RegistryStr()})
		if err != nil {
			return engine.Image{}, err
		}
		opts.RegistryAuth = base64.URLEncoding.EncodeToString(login)
	}
	body, err := r.api.ImagePull(ctx, parsed.Name(), opts)
	if err == nil {
		err = errors.Join(streamError(body), body.Close())
	}
	if err != nil {
		kind := engine.ImageUnreachable
		if cerrdefs.IsNotFound(err) {
			kind = engine.ImageNotFound
		}
		return engine.Image{}, &engine.ImageError{Kind: kind, Ref: ref, Err: err}
	}
	have, err := r.api.ImageInspect(ctx, parsed.Name())
	if err != nil {
		return engine.Image{}, &engine.ImageError{Kind: engine.ImageBroken, Ref: ref, Err: err}
	}
	return engine.Image{Ref: ref, Digest: digestOf(have), Source: engine.SourceRegistry}, r.images.set(ref, parsed.Name())
}

// streamError reads an engine's progress messages to the end and returns the
// error among them.
func streamError(body io.Reader) error {
	dec := json.NewDecoder(body)
	var found error
	for {
		var m struct{ Error string }
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			return err
		}
		if m.Error != "" {
			found = errors.New(m.Error)
		}
	}
}

// holderImage is the sample, which can also do nothing.
func (r *Runtime) holderImage(ctx context.Context) (string, error) {
	version, err := r.api.ServerVersion(ctx)
	if err != nil {
		return "", err
	}
	arch := version.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	img, err := sample.Image(arch)
	if err != nil {
		return "", err
	}
	if _, err := r.load(ctx, ownRegistry+"holder", img, engine.SourceStandIn); err != nil {
		return "", err
	}
	return r.images.get(ownRegistry + "holder"), nil
}
