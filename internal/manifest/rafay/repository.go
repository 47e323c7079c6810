package rafay

import (
	"encoding/base64"
	"strings"
)

// repository translates a document of the kind Repository.
func (d *document) repository(root *object) []map[string]any {
	metadata := d.metadata(root)
	in := root.object("spec")
	if kind := in.text("type"); kind != "" && !strings.EqualFold(kind, "git") {
		in.ignoreRest()
		d.notice(Warning, in.at("type"), "is %s, and Berth has git repositories only; the document is left out", kind)
		return nil
	}
	endpoint := in.text("endpoint")
	if endpoint == "" {
		d.fail(in.at("endpoint"), "is required: the address of the repository")
	}
	out := map[string]any{"type": "Git", "endpoint": endpoint}
	if c := d.credentials(in.object("credentials")); len(c) > 0 {
		out["credentials"] = c
	}
	if o := d.repositoryOptions(in.object("options")); len(o) > 0 {
		out["options"] = o
	}
	d.workers(in)
	d.sealedSecret(in)
	in.lose(Warning, "shares the repository; in Berth a repository belongs to a project, or to the organisation and so to all", "sharing")
	return []map[string]any{made("Repository", metadata, out)}
}

// credentials reads how to sign in. Empty ones are those of a public repository.
func (d *document) credentials(in *object) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"username", "password", "privateKey", "passphrase"} {
		if s := d.secret(in, key); s != "" {
			out[key] = s
		}
	}
	if key := d.secret(in, "sshPrivateKey"); key != "" {
		if _, both := out["privateKey"]; both {
			d.notice(Warning, in.at("sshPrivateKey"), "is given beside privateKey, which is used")
		} else {
			out["privateKey"] = key
		}
	}
	in.lose(Warning, "belongs to a GitHub App, which Berth cannot be; use a token, as password", "appId", "appID", "installationId", "installationID", "githubApp")
	_, key := out["privateKey"]
	_, password := out["password"]
	switch {
	case key && password:
		out["type"] = "ssh"
		delete(out, "password")
		d.notice(Warning, in.at("password"), "is given beside a private key; the key is used, and the password is left out")
	case key:
		out["type"] = "ssh"
	case len(out) > 0 || d.sealed(in):
		out["type"] = "password"
	}
	return out
}

// secret reads a field that may have been sealed; the value never gets into a notice.
func (d *document) secret(in *object, key string) string {
	s := in.text(key)
	switch {
	case strings.HasPrefix(s, sealedMark):
		d.notice(Warning, in.at(key), "was sealed for Rafay and cannot be read; give the value again")
		return ""
	case s == unfilled:
		d.notice(Warning, in.at(key), "is the placeholder %s; replace it with the real value", unfilled)
	}
	return s
}

// sealed reports whether a password is there that cannot be read.
func (d *document) sealed(in *object) bool {
	s, _ := scalar(in.fields["password"])
	return strings.HasPrefix(s, sealedMark)
}

func (d *document) repositoryOptions(in *object) map[string]any {
	out := map[string]any{}
	if text, ok := in.fields["caCert"].(string); ok {
		in.read["caCert"] = true
		if text != "" {
			out["caCert"] = certificates(text)
		}
	} else if cert := in.object("caCert"); len(cert.fields) > 0 {
		name, data := cert.text("name"), cert.text("data")
		switch {
		case data != "":
			out["caCert"] = certificates(data)
			if name != "" {
				d.notice(Info, cert.at("name"), "is not used; the certificates are in data")
			}
		case name != "":
			d.notice(Warning, cert.at("name"), "names a file beside the document, which is not read; give the certificates (PEM) as caCert.data")
		}
		cert.lose(Info, "needs no setting: certificates are public", "sensitive", "options", "mountPath")
	}
	if on, set := in.flag("insecure"); set && on {
		d.notice(Warning, in.at("insecure"), "is not possible: Berth always checks who a server is. Give its certificates as options.caCert")
	} else if set {
		d.notice(Info, in.at("insecure"), "needs no setting: Berth always checks who a server is")
	}
	for _, extra := range [][2]string{{"enableLFS", "files of Git LFS"}, {"enableSubmodules", "submodules"}} {
		if on, set := in.flag(extra[0]); set && on {
			d.notice(Warning, in.at(extra[0]), "is not possible: Berth does not fetch %s", extra[1])
		} else if set {
			d.notice(Info, in.at(extra[0]), "needs no setting: Berth does not fetch %s", extra[1])
		}
	}
	in.lose(Info, "is how often to try; Berth says at once when a repository cannot be reached", "maxRetries")
	return out
}

// certificates are PEM, in base64 or as they are.
func certificates(text string) string {
	if plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil && strings.Contains(string(plain), "-----BEGIN") {
		return string(plain)
	}
	return text
}
