package awsapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/awsapi"
)

func TestSend(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.Header.Get("X-Amz-Target") + string(body) {
		case "T.Good" + `{"a":1}`:
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		case "T.Gone{}":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.example#ClusterNotFoundException","message":"no"}`)
		case "Action=Gone":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>LoadBalancerNotFound</Code></Error></ErrorResponse>`)
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"__type":"AccessDeniedException"}`)
		}
	}))
	defer srv.Close()
	access, ok := awsapi.FromEnv(map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "eu-west-1",
		"AWS_ENDPOINT_URL": srv.URL})
	require.True(t, ok)

	answer, err := access.In("us-west-2").Send(t.Context(), "ecs", &awsapi.Call{Target: "T.Good", Body: map[string]int{"a": 1}})
	require.NoError(t, err)
	require.Contains(t, string(answer.Body), "Credential=AK/")
	require.Contains(t, string(answer.Body), "/us-west-2/ecs/aws4_request")
	require.False(t, answer.Date.IsZero())

	var gone *awsapi.NotFound
	_, err = access.Send(t.Context(), "ecs", &awsapi.Call{Target: "T.Gone", Body: struct{}{}})
	require.ErrorAs(t, err, &gone)
	require.Equal(t, "ClusterNotFoundException", gone.Code)
	_, err = access.Send(t.Context(), "elasticloadbalancing", &awsapi.Call{Form: url.Values{"Action": {"Gone"}}})
	require.ErrorAs(t, err, &gone)
	_, err = access.Send(t.Context(), "ecs", &awsapi.Call{Target: "T.Secret", Body: struct{}{}})
	require.EqualError(t, err, "the cloud answered 403 AccessDeniedException")

	_, ok = awsapi.FromEnv(map[string]string{"AWS_PROFILE": "work"})
	require.False(t, ok, "profiles are not guessed at")
}
