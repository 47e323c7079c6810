package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

const (
	connectLimit = 3 * time.Second
	// A registry that did not answer is not asked again for this long, so that
	// offline each task does not wait anew.
	unreachableMemory = 10 * time.Second
)

// Resolver finds what an image reference means: first in the sandbox's own
// registry, then at the remote one.
type Resolver struct {
	registry  *Registry
	hosts     []string
	offline   bool
	transport http.RoundTripper

	mu   sync.Mutex
	down map[string]downSince
}

type downSince struct {
	at  time.Time
	err error
}

// NewResolver resolves against registry for the hosts given, where "*." stands
// for any prefix, and against remote registries for all others.
func NewResolver(registry *Registry, hosts []string, offline bool) *Resolver {
	dialer := &net.Dialer{Timeout: connectLimit}
	return &Resolver{
		registry: registry, hosts: hosts, offline: offline, down: map[string]downSince{},
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext,
			TLSHandshakeTimeout: connectLimit, ResponseHeaderTimeout: 15 * time.Second,
			IdleConnTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		},
	}
}

// Parse checks a reference as a registry client would.
func Parse(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, &engine.ImageError{Kind: engine.ImageInvalid, Ref: ref, Err: err}
	}
	return r, nil
}

// IsLocal tells whether ref belongs to the sandbox's own registry.
func (r *Resolver) IsLocal(ref name.Reference) bool {
	host := ref.Context().RegistryStr()
	for _, h := range r.hosts {
		if suffix, ok := strings.CutPrefix(h, "*"); ok && strings.HasSuffix(host, suffix) || h == host {
			return true
		}
	}
	return false
}

// Local returns an image of the sandbox's own registry.
func (r *Resolver) Local(ctx context.Context, ref name.Reference) (v1.Image, error) {
	// Our registry speaks plain HTTP in this process, whatever its name.
	inner, err := name.ParseReference("sandbox.local/"+ref.Context().RepositoryStr()+separator(ref)+ref.Identifier(), name.Insecure)
	if err != nil {
		return nil, &engine.ImageError{Kind: engine.ImageInvalid, Ref: ref.String(), Err: err}
	}
	img, err := remote.Image(inner, remote.WithContext(ctx), remote.WithTransport(handlerTransport{r.registry.inner}),
		remote.WithPlatform(platform()))
	return img, wrapError(ref.String(), err)
}

// Remote returns an image of a remote registry.
func (r *Resolver) Remote(ctx context.Context, ref name.Reference, auth engine.PullAuth) (v1.Image, error) {
	if err := r.Reachable(ref); err != nil {
		return nil, err
	}
	img, err := remote.Image(ref, r.options(ctx, auth)...)
	err = wrapError(ref.String(), err)
	r.noteDown(ref, err)
	return img, err
}

// Probe asks the remote registry for the image without fetching it.
func (r *Resolver) Probe(ctx context.Context, ref name.Reference, auth engine.PullAuth) error {
	if err := r.Reachable(ref); err != nil {
		return err
	}
	_, err := remote.Get(ref, r.options(ctx, auth)...)
	err = wrapError(ref.String(), err)
	r.noteDown(ref, err)
	return err
}

// Reachable fails when the registry is known not to answer at the moment.
func (r *Resolver) Reachable(ref name.Reference) error {
	if r.offline {
		return &engine.ImageError{Kind: engine.ImageUnreachable, Ref: ref.String(), Err: errors.New("the sandbox runs offline")}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, ok := r.down[ref.Context().RegistryStr()]; ok && time.Since(d.at) < unreachableMemory {
		return &engine.ImageError{Kind: engine.ImageUnreachable, Ref: ref.String(), Err: d.err}
	}
	return nil
}

func (r *Resolver) noteDown(ref name.Reference, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ie *engine.ImageError
	if errors.As(err, &ie) && ie.Kind == engine.ImageUnreachable {
		r.down[ref.Context().RegistryStr()] = downSince{time.Now(), ie.Err}
		return
	}
	delete(r.down, ref.Context().RegistryStr())
}

// Close ends idle connections.
func (r *Resolver) Close() { r.transport.(*http.Transport).CloseIdleConnections() }

func (r *Resolver) options(ctx context.Context, auth engine.PullAuth) []remote.Option {
	a := authn.Anonymous
	if auth.Username != "" {
		a = &authn.Basic{Username: auth.Username, Password: auth.Password}
	}
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(r.transport), remote.WithAuth(a), remote.WithPlatform(platform()),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryStatusCodes(),
	}
}

// StandIn returns the sandbox's sample when it may serve in place of ref, given
// that ref could not be had because of cause.
func StandIn(ref name.Reference, cause error) (v1.Image, string, bool) {
	var ie *engine.ImageError
	if !errors.As(cause, &ie) || ie.Kind != engine.ImageUnreachable {
		return nil, "", false
	}
	want, err := name.ParseReference(sample.Ref)
	if err != nil || want.Name() != ref.Name() {
		return nil, "", false
	}
	img, err := sample.Image(runtime.GOARCH)
	if err != nil {
		return nil, "", false
	}
	return img, fmt.Sprintf("The registry %s cannot be reached from here, so the sandbox's own stand-in runs in place of %s.",
		ref.Context().RegistryStr(), ref.String()), true
}

// Platform is what images are chosen for.
func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

func separator(ref name.Reference) string {
	if _, ok := ref.(name.Digest); ok {
		return "@"
	}
	return ":"
}

func wrapError(ref string, err error) error {
	if err == nil {
		return nil
	}
	kind := engine.ImageUnreachable
	var te *transport.Error
	switch {
	case errors.As(err, &te) && te.StatusCode == http.StatusNotFound:
		kind = engine.ImageNotFound
	case errors.As(err, &te) && (te.StatusCode == http.StatusUnauthorized || te.StatusCode == http.StatusForbidden):
		// Only a registry answers with its own error codes; a 403 without them
		// comes from something in between.
		kind = engine.ImageDenied
		if len(te.Errors) == 0 && te.StatusCode == http.StatusForbidden {
			kind = engine.ImageUnreachable
		}
	case strings.Contains(err.Error(), "no child with platform"):
		kind = engine.ImagePlatform
	case errors.Is(err, context.Canceled):
		return err
	}
	return &engine.ImageError{Kind: kind, Ref: ref, Err: err}
}

func v1Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// ShortHash is a short name that is always the same for s.
func ShortHash(s string) string { return v1Hash(s)[:10] }
