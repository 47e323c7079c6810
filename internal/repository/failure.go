package repository

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/berthdev/berth/internal/fault"
)

// failure is what is wrong with a remote: the fault, and its words in two parts,
// because a verdict shows what to do apart from what happened.
type failure struct {
	fault           *fault.Error
	message, advice string
	hostKey         string // a line of known hosts, where one is missing
}

func fail(sentinel *fault.Error, cause error, advice, format string, args ...any) *failure {
	f := &failure{message: fmt.Sprintf(format, args...), advice: advice}
	f.fault = sentinel.With("%s", strings.TrimSpace(f.message+" "+advice)).Because(cause)
	return f
}

func (f *failure) Error() string { return f.fault.Error() }
func (f *failure) Unwrap() error { return f.fault }

// errTooMuch is what a bounded reader gives at its end.
var errTooMuch = errors.New("more than the limit")

// bounded reads at most limit bytes; one more is an error, not an end.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooMuch
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, errTooMuch
	}
	return n, err
}

// connectFailure says in words why a server cannot be reached.
func connectFailure(ctx context.Context, a address, limit time.Duration, err error) error {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	if f := timeoutFailure(ctx, a, limit, err); f != nil {
		return f
	}
	if f := tlsFailure(a, err); f != nil {
		return f
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && !dns.IsNotFound:
		return fail(ErrUnreachable, err, "Check that this server's name server answers, and that it can resolve the host name in the URL.", "The name %s cannot be looked up now.", a.host)
	case errors.As(err, &dns):
		return fail(ErrUnreachable, err, "Check the host name in the URL, and that this server can resolve it.", "There is no host %s.", a.host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(ErrUnreachable, err, "Check the port in the URL, and that the git server is running.", "%s refuses the connection.", a.dialAddress())
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fail(ErrUnreachable, err, "Check the network between this server and the host.", "There is no way to %s from this server.", a.dialAddress())
	}
	return fail(ErrUnreachable, err, "Check the URL, and that the git server is running.", "The connection to %s broke off.", a.dialAddress())
}

// timeoutFailure returns nil unless err is one of time. A cancelled caller is no
// fault of the remote.
func timeoutFailure(ctx context.Context, a address, limit time.Duration, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Canceled
	}
	var timeout net.Error
	late := ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	late = late || errors.As(err, &timeout) && timeout.Timeout()
	if !late {
		return nil
	}
	place := a.dialAddress()
	if a.scheme == schemeFile {
		place = a.String()
	}
	return fail(ErrTimeout, err, "Check that a firewall does not drop the connection; try again when the server is less busy.",
		"%s did not answer in time (%s at most).", place, limit)
}

func tlsFailure(a address, err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unknown):
		return fail(ErrTLS, err, "If it is your organisation's own, paste the certificate of its authority (PEM) into the CA certificate field.",
			"The certificate of %s is signed by an authority that is not trusted here.", a.host)
	case errors.As(err, &hostname):
		return fail(ErrTLS, err, "Use the name that the certificate was made for.", "The certificate of the server is not for %s.", a.host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail(ErrTLS, err, "Renew the certificate, and check this server's clock.", "The certificate of %s has expired or is not valid yet.", a.host)
	case errors.As(err, &invalid), errors.As(err, &verify):
		return fail(ErrTLS, err, "Put the certificate of its authority (PEM) into the CA certificate field, or have a proper one made.",
			"The certificate of %s cannot be trusted.", a.host)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fail(ErrTLS, err, "Check the port in the URL.", "%s does not speak TLS.", a.dialAddress())
	}
	return nil
}

// plain makes what a server says fit for a message: one line, printable, short, and
// without the secrets that it may send back.
func plain(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) > 3 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return text
}
