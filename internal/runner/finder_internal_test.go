package runner

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

func stateObjects(address, typ, id string) []tofu.Object {
	return []tofu.Object{{Address: address, Type: typ, ID: id}}
}

func TestAWSFinder(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AK/") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		switch {
		case form.Get("Action") == "DescribeVpcs" && form.Get("Filter.1.Name") == "tag:Name" && form.Get("Filter.1.Value.1") == "shop-1f3a-vpc":
			_, _ = io.WriteString(w, `<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-9</vpcId><tagSet><item><vpcId>no</vpcId></item></tagSet></item></vpcSet></DescribeVpcsResponse>`)
		case form.Get("Action") == "GetRole" && form.Get("RoleName") == "shop-1f3a":
			_, _ = io.WriteString(w, `<GetRoleResponse><GetRoleResult><Role><RoleName>shop-1f3a</RoleName></Role></GetRoleResult></GetRoleResponse>`)
		case form.Get("Action") == "GetRole":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>`)
		case form.Get("Action") == "DescribeListeners" && form.Get("LoadBalancerArn") == "arn:lb/shop-1f3a/1":
			_, _ = io.WriteString(w, `<DescribeListenersResponse><DescribeListenersResult><Listeners><member><ListenerArn>arn:l80</ListenerArn><Port>80</Port></member>`+
				`<member><ListenerArn>arn:l443</ListenerArn><Port>443</Port></member></Listeners></DescribeListenersResult></DescribeListenersResponse>`)
		case r.Header.Get("X-Amz-Target") == "AmazonEC2ContainerServiceV20141113.DescribeServices":
			_, _ = io.WriteString(w, `{"services":[{"serviceArn":"arn:old","status":"INACTIVE"},{"serviceArn":"arn:s","status":"ACTIVE"}],"failures":[]}`)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	find := func(typ string, values map[string]any) ([]string, error) {
		return awsFinder{}.Find(t.Context(), Query{Type: typ, Values: values, UniqueName: "shop-1f3a",
			Sandbox: &Sandbox{Endpoint: srv.URL, AccessKey: "AK", SecretKey: "s"}})
	}
	ids, err := find("aws_vpc", map[string]any{"tags": map[string]any{"Name": "shop-1f3a-vpc"}})
	require.NoError(t, err)
	require.Equal(t, []string{"vpc-9"}, ids)
	ids, err = find("aws_iam_role", map[string]any{"name": "shop-1f3a"})
	require.NoError(t, err)
	require.Equal(t, []string{"shop-1f3a"}, ids)
	ids, err = find("aws_iam_role", map[string]any{"name": "shop-1f3a-other"})
	require.NoError(t, err)
	require.Empty(t, ids, "certainly not there")
	ids, err = find("aws_ecs_service", map[string]any{"name": "shop-1f3a", "cluster": "c"})
	require.NoError(t, err)
	require.Equal(t, []string{"arn:s"}, ids)
	ids, err = find("aws_lb_listener", map[string]any{"load_balancer_arn": "arn:lb/shop-1f3a/1", "port": json.Number("80")})
	require.NoError(t, err)
	require.Equal(t, []string{"arn:l80"}, ids)
	_, err = find("aws_ecs_service", map[string]any{"name": "api", "cluster": "c"})
	require.ErrorContains(t, err, "whose it is cannot be told")
	_, err = find("aws_lb", map[string]any{"name": "shop-1f3a"})
	require.Error(t, err, "an answer that tells nothing is no proof of absence")
	_, err = find("aws_vpc", map[string]any{"tags": map[string]any{}})
	require.ErrorIs(t, err, ErrCannotFind)
	_, err = find("aws_unheard_of", nil)
	require.ErrorIs(t, err, ErrCannotFind)
}
