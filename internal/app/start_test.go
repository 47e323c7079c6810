package app_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/secret"
)

// stopped makes a data folder that a server has used.
func stopped(t *testing.T) app.Config {
	t.Helper()
	cfg := config(t)
	a, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, a.Run(ctx))
	return cfg
}

func TestAKeyThatDoesNotFitIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	t.Run("lost", func(t *testing.T) {
		t.Parallel()
		cfg := stopped(t)
		require.NoError(t, os.Remove(cfg.DataDir+".key"))
		_, err := app.New(t.Context(), cfg)
		require.ErrorIs(t, err, secret.ErrKeyMissing)
		require.ErrorContains(t, err, cfg.DataDir+".key")
		require.ErrorContains(t, err, "backup")
		require.NoFileExists(t, cfg.DataDir+".key", "a new key would hide the loss")
	})
	t.Run("of another", func(t *testing.T) {
		t.Parallel()
		cfg, other := stopped(t), stopped(t)
		content, err := os.ReadFile(other.DataDir + ".key")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(cfg.DataDir+".key", content, 0o600))
		_, err = app.New(t.Context(), cfg)
		require.ErrorIs(t, err, secret.ErrKeyWrong)
	})
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		cfg := stopped(t)
		require.NoError(t, os.WriteFile(cfg.DataDir+".key", []byte("nonsense"), 0o600))
		_, err := app.New(t.Context(), cfg)
		require.ErrorIs(t, err, secret.ErrKeyWrong)
		require.ErrorContains(t, err, cfg.DataDir+".key")
	})
	t.Run("its own", func(t *testing.T) {
		t.Parallel()
		cfg := stopped(t)
		info, err := os.Stat(cfg.DataDir + ".key")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		serve(t, cfg).ready(t)
	})
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	cfg := stopped(t)
	d, err := sql.Open("sqlite", filepath.Join(cfg.DataDir, "berth.db"))
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO schema_versions (version_id, is_applied) VALUES (9999, 1)`)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = app.New(t.Context(), cfg)
	require.ErrorIs(t, err, db.ErrNewerDatabase)
	require.ErrorContains(t, err, "9999")
	require.ErrorContains(t, err, "newer version of Berth")
}

// selfSigned writes a certificate for 127.0.0.1 and returns what trusts it.
func selfSigned(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certPEM))
	return cert, key, roots
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cfg := withUsers(config(t))
	var roots *x509.CertPool
	cfg.TLSCert, cfg.TLSKey, roots = selfSigned(t)
	s := serve(t, cfg)
	require.Regexp(t, `^https://127\.0\.0\.1:\d+$`, s.URL())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	require.Eventually(t, func() bool { return request(t, client, "GET", s.URL()+"/readyz", "").status == 200 }, 15*time.Second, 5*time.Millisecond)
	a := request(t, client, "POST", s.URL()+"/signin", "email=admin%40example.com&password="+apptest.Password, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 303, a.status, a.body)
	cookie := a.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-", "Secure", "HttpOnly", "SameSite=Lax"} {
		require.Contains(t, cookie, want)
	}
	require.Equal(t, 400, request(t, http.DefaultClient, "GET", "http"+s.URL()[len("https"):]+"/readyz", "").status, "plain text is refused")
}

// The order of the end: streams are cut at once, requests in flight are finished on an open database, then background
// work ends, and nothing is left running. It is not parallel, because it counts goroutines.
func TestTheServerEndsInOrder(t *testing.T) { //nolint:paralleltest // it counts goroutines
	leaks := goleak.IgnoreCurrent()
	cfg := withUsers(config(t))
	a, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	require.Eventually(t, func() bool { return request(t, client, "GET", a.URL()+"/readyz", "").status == 200 }, 15*time.Second, 5*time.Millisecond)
	c := &api.Client{URL: a.URL(), HTTP: client}
	session, err := c.SignIn(t.Context(), api.SignIn{Email: apptest.Admin, Password: apptest.Password})
	require.NoError(t, err)
	c.Token = session.Token

	// A stream that is open.
	stream := openStream(t, client, a.URL(), session.Token)
	// A request that is half sent. The server asks for the rest when it has begun to read it.
	const body = `{"name":"last","template":"pair"}`
	conn, err := net.Dial("tcp", a.Addr())
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST /api/v1/projects/demo/environments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", session.Token, len(body))
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = answers.ReadString('\n')
	require.NoError(t, err)

	stop()
	_, err = io.Copy(io.Discard, stream)
	require.NoError(t, err, "the stream ends in order")
	require.NoError(t, stream.Close())
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", a.Addr(), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 5*time.Second, 5*time.Millisecond, "nobody new is let in")
	select {
	case err := <-done:
		require.Fail(t, "the server ended with a request in flight", "%v", err)
	default:
	}
	_, err = io.WriteString(conn, body)
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, string(content))
	require.NoError(t, resp.Body.Close())
	require.NoError(t, conn.Close())
	require.NoError(t, <-done)
	transport.CloseIdleConnections()
	goleak.VerifyNone(t, leaks)
}

// openStream opens the live stream of a page and waits for its first bytes.
func openStream(t *testing.T, client *http.Client, url, token string) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/p/demo/events", nil)
	require.NoError(t, err)
	req.AddCookie(&http.Cookie{Name: "berth_session", Value: token})
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	_, err = resp.Body.Read(make([]byte, 1))
	require.NoError(t, err)
	return resp.Body
}
