package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"
)

// override gives a template's provider block the sandbox's endpoints, as Berth
// does for a sandbox context.
const override = `provider "aws" {
  access_key                  = "sandbox"
  secret_key                  = "sandbox"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    ec2            = %[1]q
    ecs            = %[1]q
    elbv2          = %[1]q
    iam            = %[1]q
    sts            = %[1]q
    cloudwatchlogs = %[1]q
  }
}
`

// newTemplate prepares a module that ships, unchanged, for the sandbox.
func newTemplate(t *testing.T, module, url string) *tofuDir {
	t.Helper()
	link := filepath.Join("..", "..", "templates", "ecs", module)
	d := newTofu(t, link, url)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "sandbox_override.tf"), fmt.Appendf(nil, override, url), 0o600))
	return d
}

// give passes values on as inputs.
func (d *tofuDir) give(inputs map[string]any) {
	d.t.Helper()
	content, err := json.Marshal(inputs)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, "inputs.auto.tfvars.json"), content, 0o600))
}

func (d *tofuDir) outputs() map[string]any {
	d.t.Helper()
	var raw map[string]struct{ Value any }
	require.NoError(d.t, json.Unmarshal([]byte(d.run(0, "output", "-json")), &raw))
	out := map[string]any{}
	for name, v := range raw {
		out[name] = v.Value
	}
	return out
}

// deployed is the ECS template, applied.
type deployed struct {
	*running
	ecs      *ecs.Client
	vpc, app *tofuDir
	inputs   map[string]any
	endpoint string
}

func deployTemplate(t *testing.T) *deployed {
	t.Helper()
	r := start(t, t.TempDir())
	d := &deployed{running: r, vpc: newTemplate(t, "vpc", r.URL()), app: newTemplate(t, "aws-ecs", r.URL())}
	d.ecs = ecs.NewFromConfig(awsConfig(r.URL(), "us-west-2"))
	tags := map[string]string{"berth:environment": "env_1"}
	d.vpc.give(map[string]any{"name": "demo-x1", "region": "us-west-2", "tags": tags})
	d.vpc.run(0, "apply", "-auto-approve")
	network := d.vpc.outputs()
	d.inputs = map[string]any{
		"name": "demo-x1", "region": network["region"], "vpc_id": network["vpc_id"], "tags": tags,
		"public_subnet_ids": network["public_subnet_ids"], "private_subnet_ids": network["private_subnet_ids"],
	}
	d.app.give(d.inputs)
	d.app.run(0, "apply", "-auto-approve")
	d.endpoint = d.app.outputs()["endpoint"].(string)
	return d
}

func (d *deployed) change(code int, inputs map[string]any) string {
	d.app.t.Helper()
	all := map[string]any{}
	for k, v := range d.inputs {
		all[k] = v
	}
	for k, v := range inputs {
		all[k] = v
	}
	d.app.give(all)
	return d.app.run(code, "apply", "-auto-approve")
}

func (d *deployed) answers() error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(d.endpoint)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the endpoint answered %s", resp.Status)
	}
	return nil
}

// underLoad asks the endpoint all the time while f runs, and counts failures.
func (d *deployed) underLoad(f func()) (asked, failed int64) {
	var ok, bad atomic.Int64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if err := d.answers(); err != nil {
				d.app.t.Logf("a request failed: %v", err)
				bad.Add(1)
			}
			ok.Add(1)
		}
	}()
	f()
	close(done)
	<-ended
	return ok.Load(), bad.Load()
}

func (d *deployed) events(t *testing.T) string {
	t.Helper()
	out, err := d.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("demo-x1"), Services: []string{"demo-x1"}})
	require.NoError(t, err)
	var b strings.Builder
	for _, e := range out.Services[0].Events {
		b.WriteString(*e.Message + "\n")
	}
	return b.String()
}

func TestTemplateCarriesAnApplicationThroughItsLife(t *testing.T) {
	t.Parallel()
	d := deployTemplate(t)
	require.NoError(t, d.answers())
	d.app.run(noChanges, "plan", "-detailed-exitcode")
	d.vpc.run(noChanges, "plan", "-detailed-exitcode")

	// Another port, another environment, more tasks: no request fails.
	d.inputs["environment_variables"] = map[string]string{"PORT": "8080"}
	d.inputs["container_port"] = 8080
	asked, failed := d.underLoad(func() {
		d.change(0, nil)
		d.change(0, map[string]any{"desired_count": 2})
		d.change(0, nil)
	})
	require.Positive(t, asked)
	require.Zero(t, failed)

	// What does not start is rolled back, fails the run, and says why.
	for name, test := range map[string]struct {
		inputs map[string]any
		event  string
	}{
		"wrong image": {map[string]any{"image_location": "127.0.0.1:1/nobody/nothing:1"}, "CannotPullContainerError: "},
		"wrong port":  {map[string]any{"container_port": 9}, "(port 9) is unhealthy in (target-group "},
	} {
		started := time.Now()
		require.Contains(t, d.change(1, test.inputs), "ECS rolled the service back", name)
		require.Less(t, time.Since(started), 2*time.Minute, name)
		require.Contains(t, d.events(t), test.event, name)
		require.NoError(t, d.answers(), name)
	}
	d.change(0, nil)
	d.app.run(noChanges, "plan", "-detailed-exitcode")

	d.killTask(t)
	require.Eventually(t, func() bool {
		return strings.Contains(d.events(t), "Essential container in task exited") && d.answers() == nil
	}, 20*time.Second, 100*time.Millisecond)

	d.app.run(0, "destroy", "-auto-approve")
	d.vpc.run(0, "destroy", "-auto-approve")
	require.Empty(t, d.inventory(t))
}

func (d *deployed) killTask(t *testing.T) {
	t.Helper()
	list, err := d.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo-x1"), DesiredStatus: types.DesiredStatusRunning})
	require.NoError(t, err)
	require.Len(t, list.TaskArns, 1)
	resp, err := http.Post(d.URL()+"/_sandbox/faults/kill-task", "application/json", strings.NewReader(fmt.Sprintf(`{"task":%q}`, list.TaskArns[0])))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
