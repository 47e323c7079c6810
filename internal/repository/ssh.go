package repository

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// newSSHWire starts git-upload-pack on an SSH server.
func newSSHWire(ctx context.Context, t target) (wire, error) {
	config, err := t.sshConfig()
	if err != nil {
		return nil, err
	}
	conn, err := dialer().DialContext(ctx, "tcp", t.address.dialAddress())
	if err != nil {
		return nil, connectFailure(ctx, t.address, t.timeout, err)
	}
	// The ssh package knows no context: closing the connection is what ends a call.
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	client, channels, requests, err := ssh.NewClientConn(conn, t.address.dialAddress(), config)
	if err != nil {
		release()
		_ = conn.Close()
		return nil, t.handshakeFailure(ctx, err)
	}
	c := ssh.NewClient(client, channels, requests)
	w, err := t.startSSH(c)
	if err != nil {
		release()
		_ = c.Close()
		return nil, connectFailure(ctx, t.address, t.timeout, err)
	}
	session := w.end
	var once sync.Once
	w.end = func() {
		once.Do(func() {
			// A server that does not end the session gets no more than this.
			timer := time.AfterFunc(5*time.Second, func() { _ = c.Close() })
			session()
			timer.Stop()
			release()
			_ = c.Close()
		})
	}
	return w, nil
}

func (t target) startSSH(c *ssh.Client) (*pipeWire, error) {
	session, err := c.NewSession()
	if err != nil {
		return nil, err
	}
	stderr := &tail{}
	session.Stderr = stderr
	stdin, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start(service + " " + shellQuote(t.address.remotePath())); err != nil {
		return nil, err
	}
	return &pipeWire{target: t, stdin: stdin, stdout: stdout, stderr: stderr, end: func() {
		_ = stdin.Close()
		_ = session.Signal(ssh.SIGTERM) // many servers ignore it
		_ = session.Wait()              // how it ended is told by what it wrote
	}}, nil
}

// remotePath is the path as an SSH server takes it: /~ means a home folder.
func (a address) remotePath() string {
	p := a.folder()
	if strings.HasPrefix(p, "/~") {
		return p[1:]
	}
	return p
}

func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

func (t target) sshUser() string {
	if t.username != "" {
		return t.username
	}
	return defaultUsername
}

// errUnknownHost is a host key that no line of known hosts speaks of.
type errUnknownHost struct{ key ssh.PublicKey }

func (e *errUnknownHost) Error() string { return "unknown host key" }

// errChangedHost is a host key other than the known one.
type errChangedHost struct{ key ssh.PublicKey }

func (e *errChangedHost) Error() string { return "changed host key" }

func (t target) sshConfig() (*ssh.ClientConfig, error) {
	key, _, problem := parseKey(t.secrets)
	if problem != "" {
		return nil, fail(ErrAuth, nil, "Give the private key again.", "The private key %s.", problem)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, fail(ErrAuth, err, "Give a private key of type ed25519, ecdsa or rsa.", "The private key is of a type that SSH does not use.")
	}
	check, err := t.knownHostsCheck()
	if err != nil {
		return nil, err
	}
	verify := func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := check(host, remote, key)
		var mismatch *knownhosts.KeyError
		switch {
		case errors.As(err, &mismatch) && len(mismatch.Want) == 0:
			return &errUnknownHost{key}
		case err != nil:
			return &errChangedHost{key}
		}
		return nil
	}
	return &ssh.ClientConfig{
		User: t.sshUser(), Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: verify,
		HostKeyAlgorithms: t.knownAlgorithms(check), Timeout: 20 * time.Second,
	}, nil
}

// knownHostsCheck reads the lines of known hosts, hashed names and all. The package
// that does takes files.
func (t target) knownHostsCheck() (ssh.HostKeyCallback, error) {
	file, err := os.CreateTemp(t.tempDir, "berth-known-hosts-*")
	if err != nil {
		return nil, fmt.Errorf("writing known hosts: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(t.knownHosts + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("writing known hosts: %w", err)
	}
	check, err := knownhosts.New(file.Name())
	if err != nil {
		return nil, fail(ErrHostKey, err, "Correct the known hosts field.", "The known hosts of the repository cannot be read.")
	}
	return check, nil
}

// probe is a key that no host has.
type probe struct{}

func (probe) Type() string                        { return "probe" }
func (probe) Marshal() []byte                     { return []byte("probe") }
func (probe) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// knownAlgorithms makes the server show a key of a type that is known, where it has
// several: with another type it would look as if the key had changed. Nil lets the
// server choose.
func (t target) knownAlgorithms(check ssh.HostKeyCallback) []string {
	if strings.Contains(t.knownHosts, "@cert-authority") {
		return nil // what is known is who signs the keys, not their types
	}
	var mismatch *knownhosts.KeyError
	if err := check(t.address.dialAddress(), &net.TCPAddr{}, probe{}); !errors.As(err, &mismatch) {
		return nil
	}
	var out []string
	for _, known := range mismatch.Want {
		switch kind := known.Key.Type(); kind {
		case ssh.KeyAlgoRSA:
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			out = append(out, kind)
		}
	}
	return out
}

func (t target) handshakeFailure(ctx context.Context, err error) error {
	var (
		unknown *errUnknownHost
		changed *errChangedHost
	)
	switch {
	case errors.As(err, &unknown):
		line := t.knownHostsLine(unknown.key)
		f := fail(ErrHostKey, err, "Compare it with what the server's owner publishes. If it is right, add this line to known hosts: "+line,
			"The host key of %s is not known; the server shows %s %s.", t.address.host, unknown.key.Type(), ssh.FingerprintSHA256(unknown.key))
		f.hostKey = line
		return f
	case errors.As(err, &changed):
		line := t.knownHostsLine(changed.key)
		f := fail(ErrHostKey, err, "Ask the server's owner before you go on: somebody may stand in between. If the key was replaced, replace its line in known hosts by: "+line,
			"The host key of %s is not the one in known hosts; the server shows %s %s.", t.address.host, changed.key.Type(), ssh.FingerprintSHA256(changed.key))
		f.hostKey = line
		return f
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fail(ErrAuth, err, "Add its public key to the repository or to the account on the git server, and check the user name.",
			"%s does not accept the private key for user %s.", t.address.host, t.sshUser())
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return fail(ErrHostKey, err, "Ask the server's owner for its present host keys, and put them into known hosts.",
			"%s has no host key of a type that is in known hosts.", t.address.host)
	case strings.Contains(err.Error(), "no common algorithm"):
		return fail(ErrProtocol, err, "Update the SSH server.", "%s offers only outdated encryption.", t.address.host)
	}
	return connectFailure(ctx, t.address, t.timeout, err)
}

func (t target) knownHostsLine(key ssh.PublicKey) string {
	return knownhosts.Line([]string{knownhosts.Normalize(t.address.dialAddress())}, key)
}
