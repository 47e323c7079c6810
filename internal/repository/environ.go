package repository

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/berthdev/berth/internal/authz"
)

// GitEnviron returns the environment in which the git program signs in to the
// repository's host as Berth does, the secrets in it, and what removes the files it
// names; call cleanup once the program has ended. No other host gets the
// credentials, and git asks nobody for any. Without a name it is the environment for
// public repositories alone. It is internal: only Berth itself may call it, never in
// the name of a person.
func (s *Service) GitEnviron(ctx context.Context, projectID, name string) (env, secrets []string, cleanup func(), err error) {
	if authz.From(ctx).Kind != authz.SystemKind {
		return nil, nil, nil, authz.ErrForbidden.With("Credentials of repositories are read in clear by Berth alone.")
	}
	e := &environ{allowFile: s.allowFile}
	// The helpers of whoever runs the server know credentials of theirs.
	e.config("credential.helper", "")
	if name != "" {
		r, held, err := s.open(ctx, projectID, name)
		if err != nil {
			return nil, nil, nil, err
		}
		t, err := s.target(r, held)
		if err != nil {
			return nil, nil, nil, err
		}
		if err := e.add(t); err != nil {
			return nil, nil, nil, errors.Join(err, e.remove())
		}
		secrets = append(held.values(), e.secrets...)
	}
	// What stays behind lies in a folder that only the server reads; there is nobody to tell.
	return e.environment(), secrets, func() { _ = e.remove() }, nil
}

// environ collects an environment for git.
type environ struct {
	allowFile bool
	dir       string // for files; made when one is needed
	variables []string
	settings  [][2]string
	secrets   []string // in other words than the stored ones
}

func (e *environ) config(name, value string) { e.settings = append(e.settings, [2]string{name, value}) }

func (e *environ) remove() error {
	if e.dir == "" {
		return nil
	}
	return os.RemoveAll(e.dir)
}

// file writes a file that only this user can read, and returns its path.
func (e *environ) file(t target, name, content string) (string, error) {
	if e.dir == "" {
		dir, err := os.MkdirTemp(t.tempDir, "berth-git-*")
		if err != nil {
			return "", fmt.Errorf("making a folder for git: %w", err)
		}
		e.dir = dir
	}
	p := filepath.Join(e.dir, name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("writing a file for git: %w", err)
	}
	return p, nil
}

func (e *environ) environment() []string {
	protocols := "https:ssh"
	if e.allowFile {
		protocols += ":http:file"
	}
	out := append([]string{"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "GIT_ALLOW_PROTOCOL=" + protocols}, e.variables...)
	out = append(out, "GIT_CONFIG_COUNT="+strconv.Itoa(len(e.settings)))
	for i, s := range e.settings {
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	return out
}

func (e *environ) add(t target) error {
	switch t.auth {
	case AuthPassword:
		// A helper, and not a header: git asks it for the host it talks to, so a redirect
		// carries nothing elsewhere.
		const helper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$BERTH_GIT_USERNAME" "$BERTH_GIT_PASSWORD"; }; f`
		e.config("credential."+t.address.scheme+"://"+t.address.hostPort()+".helper", helper)
		e.variables = append(e.variables, "BERTH_GIT_USERNAME="+t.loginName(), "BERTH_GIT_PASSWORD="+t.secrets.Secret)
	case AuthSSH:
		return e.addSSH(t)
	case AuthNone:
	}
	if t.caCert == "" {
		return nil
	}
	bundle, err := e.file(t, "ca.pem", t.caCert+"\n"+systemRoots())
	if err != nil {
		return err
	}
	e.config("http."+t.address.scheme+"://"+t.address.hostPort()+"/.sslCAInfo", bundle)
	return nil
}

// systemRoots is the system's certificate bundle: git takes one file, which replaces it.
func systemRoots() string {
	for _, p := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if text, err := os.ReadFile(p); p != "" && err == nil {
			return string(text)
		}
	}
	return ""
}

// addSSH writes the key, known hosts and a configuration that uses the key for this
// one host.
func (e *environ) addSSH(t target) error {
	key, _, problem := parseKey(t.secrets)
	if problem != "" {
		return fail(ErrAuth, nil, "Give the private key again.", "The private key %s.", problem)
	}
	block, err := ssh.MarshalPrivateKey(key, "") // ssh could not ask for the passphrase
	if err != nil {
		return fail(ErrAuth, err, "Give a private key of type ed25519, ecdsa or rsa.", "The private key is of a type that SSH does not use.")
	}
	plainKey := string(pem.EncodeToMemory(block))
	e.secrets = append(e.secrets, plainKey)
	keyFile, err := e.file(t, "key", plainKey)
	if err != nil {
		return err
	}
	hosts, err := e.file(t, "known_hosts", t.knownHosts+"\n")
	if err != nil {
		return err
	}
	config, err := e.file(t, "config", fmt.Sprintf(`Host %s
  IdentityFile %q
  User %s
Host *
  IdentityFile none
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  StrictHostKeyChecking yes
  UserKnownHostsFile %q
  GlobalKnownHostsFile /dev/null
  ForwardAgent no
  ConnectTimeout 20
`, t.address.host, keyFile, t.sshUser(), hosts))
	if err != nil {
		return err
	}
	e.variables = append(e.variables, "GIT_SSH_COMMAND=ssh -F "+shellQuote(config), "GIT_SSH_VARIANT=ssh")
	return nil
}
