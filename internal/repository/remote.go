package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// target is what it takes to connect to a repository.
type target struct {
	address    address
	username   string
	auth       Auth
	secrets    credentials
	knownHosts string
	caCert     string
	timeout    time.Duration
	tempDir    string
}

func (s *Service) target(r row, secrets credentials) (target, error) {
	a, err := parseAddress(r.URL, s.allowFile)
	if err != nil {
		return target{}, fail(ErrAddress, nil, "", "The URL of repository %q %v.", r.Name, err)
	}
	if s.tempDir != "" {
		if err := os.MkdirAll(s.tempDir, 0o700); err != nil {
			return target{}, fmt.Errorf("making the folder for repositories: %w", err)
		}
	}
	return target{
		address: a, username: r.Username, auth: r.Auth, secrets: secrets, knownHosts: r.KnownHosts, caCert: r.CACert,
		timeout: s.limits.Timeout, tempDir: s.tempDir,
	}, nil
}

// wire is a conversation with the upload-pack service of a git server, in version 0
// of git's protocol, which every server speaks.
type wire interface {
	// advertised returns the stream in which the server lists its references.
	advertised(ctx context.Context) (io.Reader, error)
	// ask sends the request and returns the answer.
	ask(ctx context.Context, request []byte) (io.Reader, error)
	// explain turns an error of reading either into what is wrong, in words.
	explain(ctx context.Context, err error) error
	close()
}

func (t target) connect(ctx context.Context) (wire, error) {
	switch t.address.scheme {
	case schemeHTTPS, schemeHTTP:
		return newHTTPWire(t)
	case schemeSSH:
		return newSSHWire(ctx, t)
	default:
		return newFileWire(ctx, t)
	}
}

// dialer connects to no address where a cloud keeps the machine's own credentials,
// whatever name led there.
func dialer() *net.Dialer {
	return &net.Dialer{Timeout: 20 * time.Second, Control: func(_, addr string, _ syscall.RawConn) error {
		ip, err := netip.ParseAddrPort(addr)
		if err == nil && isMetadata(ip.Addr()) {
			return fail(ErrAddress, nil, "Give the repository's public or private address.",
				"The host of the repository is at %s, a link-local address, where machines keep their own credentials; Berth does not connect there.", ip.Addr())
		}
		return nil
	}}
}

// maxAdvertised bounds the list of references: some 300 000 of them.
const maxAdvertised = 32 << 20

// references are the branches and tags of a remote.
type references struct {
	head     plumbing.Hash // zero when HEAD points nowhere
	headName string        // the branch that HEAD stands for; empty when it is detached
	all      map[string]plumbing.Hash
	peeled   map[string]plumbing.Hash // annotated tags to their commits
	features *capability.List
}

// listReferences asks the remote what it has.
func listReferences(ctx context.Context, t target, w wire) (*references, error) {
	stream, err := w.advertised(ctx)
	if err != nil {
		return nil, err
	}
	adv := packp.NewAdvRefs()
	switch err := adv.Decode(&bounded{r: stream, left: maxAdvertised}); {
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, emptyFailure(t)
	case errors.Is(err, errTooMuch):
		return nil, fail(ErrTooLarge, err, "Use a repository that holds templates alone.", "The repository lists more than %d MB of branches and tags.", maxAdvertised>>20)
	case err != nil:
		return nil, w.explain(ctx, err)
	}
	refs := &references{all: adv.References, peeled: adv.Peeled, features: adv.Capabilities}
	if adv.Head != nil {
		refs.head = *adv.Head
		refs.headName = headName(adv)
	}
	if len(refs.all) == 0 && refs.head.IsZero() {
		return nil, emptyFailure(t)
	}
	return refs, nil
}

func emptyFailure(t target) error {
	return fail(ErrEmpty, nil, "Push a first commit to it.", "The repository %s is empty.", t.address)
}

// headName is the branch HEAD stands for: as the server says, or for servers that do
// not, the one at the same commit.
func headName(adv *packp.AdvRefs) string {
	for _, link := range adv.Capabilities.Get(capability.SymRef) {
		if name, ok := strings.CutPrefix(link, "HEAD:"); ok {
			return strings.TrimPrefix(name, branchPrefix)
		}
	}
	candidates := []string{branchPrefix + "main", branchPrefix + "master"}
	for _, name := range append(candidates, slices.Sorted(maps.Keys(adv.References))...) {
		if strings.HasPrefix(name, branchPrefix) && adv.References[name] == *adv.Head {
			return strings.TrimPrefix(name, branchPrefix)
		}
	}
	return ""
}

// request is what is asked of a server.
type request struct {
	wants []plumbing.Hash
	depth int // 0: the whole history
}

// download asks for objects and returns the stream of the pack that holds them.
func download(ctx context.Context, w wire, refs *references, r request) (io.Reader, error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.features)
	// A pack that leaves out what others are based on cannot be read by itself.
	req.Capabilities.Delete(capability.ThinPack)
	req.Wants = r.wants
	if r.depth > 0 && refs.features.Supports(capability.Shallow) {
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return nil, fmt.Errorf("composing a git request: %w", err)
		}
		req.Depth = packp.DepthCommits(r.depth)
	}
	var text bytes.Buffer
	err := req.UploadRequest.Encode(&text)
	if err == nil {
		err = pktline.NewEncoder(&text).EncodeString("done\n")
	}
	if err != nil {
		return nil, fmt.Errorf("composing a git request: %w", err)
	}
	answer, err := w.ask(ctx, text.Bytes())
	if err != nil {
		return nil, err
	}
	response := packp.NewUploadPackResponse(req)
	if err := response.Decode(io.NopCloser(answer)); err != nil {
		return nil, w.explain(ctx, err)
	}
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, response), nil
	case req.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, response), nil
	}
	return response, nil
}

// refusal returns what a server said in git's own error line, if err is of that kind.
func refusal(err error) (string, bool) {
	var line *pktline.ErrorLine
	if errors.As(err, &line) {
		return line.Text, true
	}
	return "", false
}
