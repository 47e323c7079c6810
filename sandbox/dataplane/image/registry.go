package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrForbidden, returned by Hooks.Authorize, answers 403 instead of 401.
var ErrForbidden = errors.New("forbidden")

const maxManifest = 4 << 20

// Registry is the sandbox's own image store behind the distribution endpoint.
type Registry struct {
	dir   string
	hooks Hooks
	// inner is the registry without hooks; it keeps manifests in memory only, so
	// they are also written to dir and put back when it is opened.
	inner http.Handler

	mu        sync.Mutex
	manifests []*manifest
}

// manifest is one stored manifest with the tags that lead to it.
type manifest struct {
	Repository string
	Stored
	Body []byte
}

// OpenRegistry opens the registry kept in dir.
func OpenRegistry(dir string, hooks Hooks) (*Registry, error) {
	blobs := filepath.Join(dir, "blobs")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	r := &Registry{dir: dir, hooks: hooks, inner: registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
		registry.Logger(log.New(io.Discard, "", 0)))}
	err := readJSON(r.index(), &r.manifests)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("registry index %s: %w", r.index(), err)
	}
	// Those pushed first go first: an image index needs its images to be there.
	for _, m := range r.manifests {
		for _, reference := range append([]string{m.Digest}, m.Tags...) {
			if err := r.replay(http.MethodPut, m.Repository, reference, m.MediaType, m.Body); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func (r *Registry) index() string { return filepath.Join(r.dir, "manifests.json") }

// ServeHTTP answers the distribution protocol below /v2/.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	repository, kind, reference := splitPath(req.URL.Path)
	verb := Pull
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		verb = Push
	}
	if r.hooks.Authorize != nil {
		if err := r.hooks.Authorize(req, repository, verb); err != nil {
			status, code := http.StatusUnauthorized, "UNAUTHORIZED"
			if errors.Is(err, ErrForbidden) {
				status, code = http.StatusForbidden, "DENIED"
			} else {
				w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
			}
			writeError(w, status, code, err.Error())
			return
		}
	}
	if repository != "" && r.hooks.RepositoryExists != nil && !r.hooks.RepositoryExists(repository) {
		writeError(w, http.StatusNotFound, "NAME_UNKNOWN", "The repository with name '"+repository+"' does not exist in the registry")
		return
	}
	if kind != "manifests" || verb == Pull {
		r.inner.ServeHTTP(w, req)
		return
	}
	if req.Method == http.MethodDelete {
		if !r.Delete(repository, reference) {
			writeError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "no such manifest")
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	r.putManifest(w, req, repository, reference)
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, repository, reference string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxManifest))
	if err != nil {
		writeError(w, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	rec := &statusWriter{ResponseWriter: w}
	r.inner.ServeHTTP(rec, req)
	if rec.status >= 300 {
		return
	}
	hash, _, err := v1.SHA256(bytes.NewReader(body))
	if err != nil {
		return
	}
	tag := reference
	if strings.HasPrefix(reference, "sha256:") {
		tag = ""
	}
	r.record(repository, tag, hash.String(), req.Header.Get("Content-Type"), body)
	if r.hooks.Pushed != nil {
		r.hooks.Pushed(repository, tag, hash.String())
	}
}

func (r *Registry) record(repository, tag, digest, mediaType string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *manifest
	for _, m := range r.manifests {
		if m.Repository != repository {
			continue
		}
		if tag != "" {
			m.Tags = slices.DeleteFunc(m.Tags, func(t string) bool { return t == tag })
		}
		if m.Digest == digest {
			found = m
		}
	}
	if found == nil {
		found = &manifest{Repository: repository, Body: body, Stored: Stored{
			Digest: digest, MediaType: mediaType, Size: contentSize(body), PushedAt: time.Now().Unix()}}
		r.manifests = append(r.manifests, found)
	}
	if tag != "" {
		found.Tags = append(found.Tags, tag)
	}
	r.save()
}

// save writes the index; the caller holds mu. What cannot be written stays in
// memory for this run: the push itself has succeeded.
func (r *Registry) save() { _ = writeJSON(r.index(), r.manifests) }

// List returns what a repository holds, newest first.
func (r *Registry) List(repository string) []Stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Stored
	for _, m := range slices.Backward(r.manifests) {
		if m.Repository == repository {
			s := m.Stored
			s.Tags = slices.Clone(m.Tags)
			out = append(out, s)
		}
	}
	return out
}

// Delete removes a tag, or a manifest with all of its tags when reference is a
// digest. It reports whether there was one.
func (r *Registry) Delete(repository, reference string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var gone []string
	for _, m := range r.manifests {
		if m.Repository != repository {
			continue
		}
		if m.Digest == reference {
			gone = append(gone, append(m.Tags, m.Digest)...)
			m.Tags, m.Digest = nil, ""
		} else if i := slices.Index(m.Tags, reference); i >= 0 {
			gone = append(gone, reference)
			m.Tags = slices.Delete(m.Tags, i, i+1)
		}
	}
	r.manifests = slices.DeleteFunc(r.manifests, func(m *manifest) bool { return m.Digest == "" })
	for _, g := range gone {
		_ = r.replay(http.MethodDelete, repository, g, "", nil)
	}
	r.save()
	return len(gone) > 0
}

// DeleteRepository removes everything a repository holds.
func (r *Registry) DeleteRepository(repository string) error {
	for _, s := range r.List(repository) {
		r.Delete(repository, s.Digest)
	}
	return nil
}

// replay does to the inner registry what was done before.
func (r *Registry) replay(method, repository, reference, mediaType string, body []byte) error {
	req, err := http.NewRequest(method, "http://sandbox.local/v2/"+repository+"/manifests/"+url.PathEscape(reference), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := handlerTransport{r.inner}.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("registry: %s %s/%s: %s", method, repository, reference, resp.Status)
	}
	return nil
}

// splitPath takes /v2/<repository>/<kind>/<reference...> apart.
func splitPath(p string) (repository, kind, reference string) {
	p = strings.TrimPrefix(p, "/v2/")
	for _, k := range []string{"manifests", "blobs", "tags", "referrers"} {
		if i := strings.LastIndex(p, "/"+k+"/"); i > 0 {
			return p[:i], k, p[i+len(k)+2:]
		}
	}
	return "", "", ""
}

func contentSize(body []byte) int64 {
	var m struct {
		Config v1.Descriptor   `json:"config"`
		Layers []v1.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return 0
	}
	size := m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(code int) {
	s.status = code
	s.ResponseWriter.WriteHeader(code)
}

// handlerTransport calls a handler in this process as if over the network, with
// bodies streamed.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: pw, ready: make(chan int, 1)}
	in := req.Clone(req.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	go func() {
		t.h.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		pw.Close()
	}()
	status := <-w.ready
	length := int64(-1)
	if n := w.header.Get("Content-Length"); n != "" {
		_, _ = fmt.Sscan(n, &length)
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: w.header.Clone(), Body: pr, ContentLength: length, Request: req,
	}, nil
}

type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	ready  chan int
	once   sync.Once
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(code int) { w.once.Do(func() { w.ready <- code }) }

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Transport reaches the registry in this process, without its hooks.
func (r *Registry) Transport() http.RoundTripper { return handlerTransport{r.inner} }
