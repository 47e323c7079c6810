package tofu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/opentofu/tofudl"
)

// RecommendedTofu is the version that is downloaded, the same one toolchain/ builds.
const RecommendedTofu = "1.12.6"

// answerTimeout bounds the wait for the first byte of an answer: with no way out, a build should start soon.
const answerTimeout = 5 * time.Second

// DownloadSite is where OpenTofu is downloaded from; the zero value is the project's own site with its own key.
type DownloadSite struct {
	APIURL      string
	URLTemplate string
	GPGKey      string
	// Version replaces RecommendedTofu.
	Version string
}

func (s DownloadSite) version() string {
	if s.Version != "" {
		return s.Version
	}
	return RecommendedTofu
}

func (s DownloadSite) key() string {
	return "tofu-download-" + s.version() + "-" + platform()
}

// download fetches OpenTofu into the cache; its checksum and the signature on that are checked before it is used.
func (s DownloadSite) download(ctx context.Context, c cache, report Reporter) (entry, error) {
	track := newTracker(string(KindTofu), report)
	key := s.key()
	if e, ok := c.get(key); ok {
		return e, nil
	}
	return c.make(ctx, key, track, func(_ *buildLock, staged string) (manifest, error) {
		track.stage(StageDownloading, UnitBytes, 0, "OpenTofu "+s.version())
		data, err := s.fetch(ctx, track)
		if err != nil {
			return manifest{}, s.explain(err)
		}
		path := filepath.Join(staged, string(KindTofu))
		if err := writeExecutable(path, data); err != nil {
			return manifest{}, classify("OpenTofu cannot be installed", err, "")
		}
		track.stage(StageVerifying, "", 0, "")
		version, err := askVersion(ctx, path, KindTofu)
		if err != nil {
			return manifest{}, err
		}
		return manifest{Tool: string(KindTofu), Version: version, Origin: OriginDownload, Key: key, Binary: string(KindTofu)}, nil
	})
}

func (s DownloadSite) fetch(ctx context.Context, track *tracker) ([]byte, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	transport.TLSHandshakeTimeout = answerTimeout
	transport.DialContext = (&net.Dialer{Timeout: answerTimeout}).DialContext
	defer transport.CloseIdleConnections()
	counting := &countingTransport{next: transport, track: track}
	opts := []tofudl.ConfigOpt{tofudl.ConfigHTTPClient(&http.Client{Transport: counting})}
	if s.APIURL != "" {
		opts = append(opts, tofudl.ConfigAPIURL(s.APIURL))
	}
	if s.URLTemplate != "" {
		opts = append(opts, tofudl.ConfigDownloadMirrorURLTemplate(s.URLTemplate))
	}
	if s.GPGKey != "" {
		opts = append(opts, tofudl.ConfigGPGKey(s.GPGKey))
	}
	downloader, err := tofudl.New(opts...)
	if err != nil {
		return nil, err
	}
	data, err := downloader.Download(ctx, tofudl.DownloadOptVersion(tofudl.Version(s.version())))
	if lost := counting.lost(); err != nil && lost != nil {
		// The library calls a connection that broke a bad archive.
		return nil, fmt.Errorf("downloading: %w", lost)
	}
	return data, err
}

// writeExecutable lets no process start while the file is open: a child would inherit it for a moment, and the system
// refuses to run a file that somebody has open for writing.
func writeExecutable(path string, data []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, data, 0o755)
}

func (s DownloadSite) explain(err error) error {
	var corrupted *tofudl.ArtifactCorruptedError
	var signature *tofudl.SignatureError
	var unknown *tofudl.NoSuchVersionError
	problem := "OpenTofu " + s.version() + " cannot be downloaded"
	switch {
	case errors.Is(err, context.Canceled):
		return classify(problem, err, "")
	case errors.As(err, &corrupted), errors.As(err, &signature):
		return &Error{
			Reason: ReasonBadDownload, Problem: problem, Cause: "what arrived does not carry OpenTofu's signature: " + err.Error(),
			Action: "try again; if it stays so, something between here and the download site changes files: install OpenTofu by hand", Err: err,
		}
	case errors.As(err, &unknown):
		return &Error{
			Reason: ReasonNotFound, Problem: problem, Cause: "the download site does not offer this version",
			Action: "install OpenTofu " + MinimumTofu + " or newer and put it on PATH", Err: err,
		}
	}
	return &Error{
		Reason: ReasonNoNetwork, Problem: problem, Cause: "the download site does not answer: " + err.Error(),
		Action: "check the network and the proxy settings, or install OpenTofu by hand and put it on PATH", Err: err,
	}
}

// countingTransport reports how much of each answer has arrived, and remembers a connection that broke.
type countingTransport struct {
	next  http.RoundTripper
	track *tracker

	mu  sync.Mutex
	err error
}

func (t *countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		t.note(err)
		return nil, err
	}
	t.track.current.Total = max(0, resp.ContentLength)
	resp.Body = &countingBody{ReadCloser: resp.Body, transport: t, detail: filepath.Base(req.URL.Path)}
	return resp, nil
}

func (t *countingTransport) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

func (t *countingTransport) lost() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

type countingBody struct {
	io.ReadCloser
	transport *countingTransport
	detail    string
	read      int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if before := b.read >> 20; n > 0 {
		b.read += int64(n)
		if b.read>>20 != before { // once per megabyte
			b.transport.track.advance(b.read, b.detail)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.transport.note(err)
	}
	return n, err
}
