package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
)

func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	const stream = ": hello\n\nid: 1\nevent: run\ndata: one\n\ndata:two\ndata: lines\n\nevent: empty\n\ndata: cut off"
	var got []string
	for data, err := range api.ServerSentEvents(strings.NewReader(stream)) {
		require.NoError(t, err)
		got = append(got, string(data))
	}
	require.Equal(t, []string{"one", "two\nlines"}, got, "comments, empty events and half an event are none")
}

func server(t *testing.T, h http.HandlerFunc) *api.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &api.Client{URL: s.URL + "/", Token: "secret", Agent: "berth-test"}
}

func TestNamesAreEscapedInPaths(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.EscapedPath()
		w.WriteHeader(http.StatusNoContent)
	})
	require.NoError(t, c.DeleteEnvironment(t.Context(), "a/b", "../x y?z"))
	require.Equal(t, "/api/v1/projects/a%2Fb/environments/..%2Fx%20y%3Fz", <-paths)
}

func TestHeadersOfARequest(t *testing.T) {
	t.Parallel()
	headers := make(chan http.Header, 1)
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	})
	_, err := c.CreateEnvironment(t.Context(), "p", api.CreateEnvironment{Key: "k-1"})
	require.NoError(t, err)
	h := <-headers
	require.Equal(t, "k-1", h.Get("Idempotency-Key"))
	require.Equal(t, "Bearer secret", h.Get("Authorization"))
	require.Equal(t, "berth-test", h.Get("User-Agent"))
	_, err = c.UpdateEnvironment(t.Context(), "p", "e", api.UpdateEnvironment{}, 3)
	require.NoError(t, err)
	require.Equal(t, `"3"`, (<-headers).Get("If-Match"))
}

func TestErrorsAreWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	c := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"title":"T","status":200,"code":"invalid_input","detail":"D","errors":[{"location":"a","message":"A"},{"location":"b","message":"B"}]}`))
	})
	_, err := c.Me(t.Context())
	var e *api.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusUnprocessableEntity, e.Status, "the status of the answer counts")
	require.EqualError(t, err, "a: A\nb: B")

	gone := &api.Client{URL: "http://127.0.0.1:1"}
	_, err = gone.Me(t.Context())
	require.ErrorIs(t, err, api.ErrUnreachable)
}
