package repository

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/sharing"
)

var revisionPattern = regexp.MustCompile(`^[^\x00-\x20\x7f~^:?*\[\\]{1,250}$`)

const maxText = 256 << 10

// merge returns what the repository is after in, and its credentials, and finds
// everything that is wrong with in. before is zero for a new repository.
func (s *Service) merge(before row, name string, in Input) (row, credentials, error) {
	var f fault.Fields
	after := before
	sharing.CheckName(&f, name, "a repository")
	f.Check(len(in.Description) <= 2000, "description", "must not be longer than 2000 characters")
	a, err := parseAddress(in.URL, s.allowFile)
	if err != nil {
		f.Add("url", "%v", err)
		return row{}, credentials{}, f.Err()
	}
	in = withDefaults(in, a, before)
	after.Description, after.URL, after.Username, after.Auth = in.Description, a.String(), in.Username, in.Auth
	after.DefaultRevision, after.KnownHosts, after.CACert = strings.TrimSpace(in.DefaultRevision), in.KnownHosts, in.CACert
	checkAuth(&f, a, in)
	secrets, err := s.mergeSecrets(&f, before, a, in)
	if err != nil {
		return row{}, credentials{}, err
	}
	if after.DefaultRevision != "" {
		f.Check(validRevision(after.DefaultRevision), "defaultRevision", "%q is no branch, tag or commit", after.DefaultRevision)
	}
	checkTrust(&f, in)
	return after, secrets, f.Err()
}

// withDefaults fills in what the rest of the input says already.
func withDefaults(in Input, a address, before row) Input {
	if in.Auth == "" {
		switch {
		case a.scheme == schemeSSH:
			in.Auth = AuthSSH
		case in.Secret != "" || in.Username != "" || before.Auth == AuthPassword && before.HasSecret:
			in.Auth = AuthPassword
		default:
			in.Auth = AuthNone
		}
	}
	in.Username = strings.TrimSpace(in.Username)
	if in.Auth == AuthSSH && in.Username == "" {
		in.Username = a.user
	}
	in.KnownHosts, in.CACert = strings.TrimSpace(in.KnownHosts), strings.TrimSpace(in.CACert)
	return in
}

func checkAuth(f *fault.Fields, a address, in Input) {
	switch in.Auth {
	case AuthNone:
		f.Check(a.scheme != schemeSSH, "auth", "an ssh address needs a private key; choose ssh")
		f.Check(in.Username == "", "username", "belongs to a password or a key; choose how to sign in, or leave it empty")
		f.Check(in.Secret == "" && in.Passphrase == "", "secret", "belongs to a way to sign in; choose password or ssh, or leave it empty")
	case AuthPassword:
		f.Check(a.scheme == schemeHTTPS || a.scheme == schemeHTTP, "auth", "a password needs an https address; this one is %s", a.scheme)
		f.Check(in.Passphrase == "", "passphrase", "belongs to a private key; leave it empty")
		f.Check(!strings.ContainsAny(in.Username, ":\r\n\x00"), "username", "must not hold a colon or a line break")
		f.Check(!strings.ContainsAny(in.Secret, "\r\n\x00"), "secret", "must not hold a line break")
	case AuthSSH:
		f.Check(a.scheme == schemeSSH, "auth", "a private key needs an ssh address, such as git@git.example.com:team/infra.git; this one is %s", a.scheme)
		f.Check(in.Username == "" || userPattern.MatchString(in.Username), "username", "%q is no user of an SSH server; most git servers call it git", in.Username)
		f.Check(a.user == "" || a.user == in.Username, "username", "the URL says %q; let both say the same, or leave one out", a.user)
	default:
		f.Add("auth", "there is no way to sign in called %q; use none, password or ssh", in.Auth)
	}
}

// mergeSecrets returns the given credentials, or the stored ones where none are
// given. Stored ones stay with the host they were given for: whoever may change
// the URL must not have them sent to a host of their own.
func (s *Service) mergeSecrets(f *fault.Fields, before row, a address, in Input) (credentials, error) {
	if in.Auth != AuthPassword && in.Auth != AuthSSH {
		return credentials{}, nil
	}
	out := credentials{Secret: in.Secret, Passphrase: in.Passphrase}
	what := map[Auth]string{AuthPassword: "password or token", AuthSSH: "private key"}[in.Auth]
	if in.Secret == "" {
		was, err := parseAddress(before.URL, true)
		switch {
		case !before.HasSecret:
			f.Add("secret", "is missing; give the %s", what)
			return out, nil
		case before.Auth != in.Auth || err != nil || was.origin() != a.origin():
			f.Add("secret", "give the %s again: the stored one was for %s, and is not sent anywhere else", what, before.URL)
			return out, nil
		}
		kept, err := s.unseal(before)
		if err != nil {
			return out, err
		}
		out.Secret = kept.Secret
		if out.Passphrase == "" {
			out.Passphrase = kept.Passphrase
		}
	}
	f.Check(len(out.Secret) <= maxText, "secret", "must not be longer than %d kB", maxText>>10)
	if in.Auth == AuthSSH {
		if !strings.HasSuffix(out.Secret, "\n") {
			out.Secret += "\n" // without it some programs do not read the last line
		}
		out.Secret = strings.ReplaceAll(out.Secret, "\r\n", "\n")
		if _, field, problem := parseKey(out); problem != "" {
			f.Add(field, "%s", problem)
		}
	}
	return out, nil
}

// parseKey reads a private key, or says which field is wrong and how; that never
// holds a part of the key.
func parseKey(c credentials) (key any, field, problem string) {
	key, err := ssh.ParseRawPrivateKey([]byte(c.Secret))
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return key, "", ""
	case errors.As(err, &locked) && c.Passphrase == "":
		return nil, "passphrase", "is missing; the private key is encrypted"
	case errors.As(err, &locked):
		if key, err = ssh.ParseRawPrivateKeyWithPassphrase([]byte(c.Secret), []byte(c.Passphrase)); err != nil {
			return nil, "passphrase", "does not open the private key"
		}
		return key, "", ""
	case strings.HasPrefix(c.Secret, "ssh-") || strings.HasPrefix(c.Secret, "ecdsa-"):
		return nil, "secret", "is a public key; give the private one, the file whose name does not end in .pub"
	}
	return nil, "secret", "is no private key that can be read; give the whole file, from -----BEGIN to -----END"
}

// checkTrust looks at known hosts and the CA certificate.
func checkTrust(f *fault.Fields, in Input) {
	f.Check(len(in.KnownHosts) <= maxText, "knownHosts", "must not be longer than %d kB", maxText>>10)
	f.Check(len(in.CACert) <= maxText, "caCert", "must not be longer than %d kB", maxText>>10)
	if err := checkKnownHosts(in.KnownHosts); err != nil {
		f.Add("knownHosts", "%v", err)
	}
	if in.CACert != "" {
		if _, err := certificates(in.CACert); err != nil {
			f.Add("caCert", "%v", err)
		}
	}
}

func certificates(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("must hold nothing but certificates, but holds %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("holds a certificate that cannot be read")
		}
		out = append(out, cert)
	}
	if len(out) == 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("is no certificate in PEM form; give the text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----")
	}
	return out, nil
}

// checkKnownHosts reads every line, so that a mistake is told when it is made.
func checkKnownHosts(text string) error {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		// A line of one word is skipped there, so the end of the text is a mistake, too.
		if _, _, _, _, _, err := ssh.ParseKnownHosts([]byte(line + "\n")); err != nil {
			return fmt.Errorf("line %d is none of a known_hosts file; each reads: host key-type key, as ssh-keyscan prints it", i+1)
		}
	}
	return nil
}

// validRevision keeps out what no branch, tag or commit can be called.
func validRevision(r string) bool {
	return revisionPattern.MatchString(r) && !strings.HasPrefix(r, "-") && !strings.Contains(r, "..") && !strings.HasSuffix(r, "/") &&
		!strings.Contains(r, "@{") && !strings.HasSuffix(r, ".lock")
}
