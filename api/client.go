package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client talks to a server. Its methods return *Error for an answer that is not a success, and ErrUnreachable (wrapped)
// when there was no answer. The zero HTTP means a client without a time limit; use the context to bound calls.
type Client struct {
	URL   string // of the server, for example http://127.0.0.1:8080
	Token string
	HTTP  *http.Client
	// Agent is sent as User-Agent, for the audit log.
	Agent string
}

// ErrUnreachable says that the server did not answer.
var ErrUnreachable = errors.New("the server cannot be reached")

const maxErrorBody = 64 << 10

func (c *Client) do(ctx context.Context, method, path string, in, out any, header ...string) error {
	resp, err := c.send(ctx, method, path, in, header...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if !isJSON(resp) {
		return unexpected(resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// send returns a response that is a success.
func (c *Client) send(ctx context.Context, method, path string, in any, header ...string) (*http.Response, error) {
	var body io.Reader
	contentType := "application/json"
	if r, ok := in.(raw); ok {
		body, contentType = r.Reader, "application/octet-stream"
	} else if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+Prefix+path, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Agent != "" {
		req.Header.Set("User-Agent", c.Agent)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.URL, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readError(resp)
}

func readError(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return fmt.Errorf("reading the error answer: %w", err)
	}
	var e Error
	if !isJSON(resp) || json.Unmarshal(text, &e) != nil || e.Code == "" {
		return unexpected(resp.Status)
	}
	e.Status = resp.StatusCode
	return &e
}

// CodeUnexpectedAnswer is the client's own: something answered that is no Berth server.
const CodeUnexpectedAnswer = "unexpected_answer"

func unexpected(answer string) error {
	return &Error{
		Title: "Unexpected answer", Code: CodeUnexpectedAnswer,
		Detail: fmt.Sprintf("The server answered %s and not as a Berth server does. Check its address.", answer),
	}
}

func isJSON(resp *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return strings.HasSuffix(kind, "json")
}

func path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

func environmentPath(project, name string, more ...string) string {
	return path(append([]string{"projects", project, "environments", name}, more...)...)
}

// SignIn starts a session. The client does not keep its token.
func (c *Client) SignIn(ctx context.Context, in SignIn) (Session, error) {
	var out Session
	err := c.do(ctx, http.MethodPost, "/sessions", in, &out)
	if err == nil && out.Token == "" {
		err = unexpected("without a session")
	}
	return out, err
}

// SignOut ends the session of the client's token.
func (c *Client) SignOut(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/sessions/current", nil, nil)
}

// Me returns the signed-in user.
func (c *Client) Me(ctx context.Context) (User, error) {
	var out User
	return out, c.do(ctx, http.MethodGet, "/me", nil, &out)
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, in CreateUser) (User, error) {
	var out User
	return out, c.do(ctx, http.MethodPost, "/users", in, &out)
}

// ResetPassword sets the password of the user with this e-mail address.
func (c *Client) ResetPassword(ctx context.Context, email string, in ResetPassword) error {
	return c.do(ctx, http.MethodPut, path("users", email, "password"), in, nil)
}

// Projects lists the projects of the signed-in user.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	var out Page[Project]
	err := c.do(ctx, http.MethodGet, "/projects", nil, &out)
	return out.Items, err
}

// CreateProject makes a project.
func (c *Client) CreateProject(ctx context.Context, in CreateProject) (Project, error) {
	var out Project
	return out, c.do(ctx, http.MethodPost, "/projects", in, &out)
}

// Grant gives a role in a project, or in the whole organisation when the project is empty.
func (c *Client) Grant(ctx context.Context, project string, in Grant) error {
	if project == "" {
		return c.do(ctx, http.MethodPost, "/grants", in, nil)
	}
	return c.do(ctx, http.MethodPost, path("projects", project, "grants"), in, nil)
}

// Templates lists the environment templates that a project may use.
func (c *Client) Templates(ctx context.Context, project string) ([]Template, error) {
	var out Page[Template]
	err := c.do(ctx, http.MethodGet, path("projects", project, "templates"), nil, &out)
	return out.Items, err
}

// EnvironmentFilter selects environments.
type EnvironmentFilter struct {
	Query    string
	Status   []string
	Owner    string
	Template string
	Cursor   string
	Limit    int
}

// Environments returns one page of a project's environments.
func (c *Client) Environments(ctx context.Context, project string, f EnvironmentFilter) (Page[Environment], error) {
	q := url.Values{}
	for key, value := range map[string]string{"q": f.Query, "owner": f.Owner, "template": f.Template, "cursor": f.Cursor} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if len(f.Status) > 0 {
		q.Set("status", strings.Join(f.Status, ","))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	var out Page[Environment]
	return out, c.do(ctx, http.MethodGet, path("projects", project, "environments")+"?"+q.Encode(), nil, &out)
}

// CreateEnvironment makes a draft. With a key in it, a repeated call returns what the first one made.
func (c *Client) CreateEnvironment(ctx context.Context, project string, in CreateEnvironment) (Environment, error) {
	var out Environment
	var header []string
	if in.Key != "" {
		header = []string{"Idempotency-Key", in.Key}
	}
	return out, c.do(ctx, http.MethodPost, path("projects", project, "environments"), in, &out, header...)
}

// Environment returns one environment.
func (c *Client) Environment(ctx context.Context, project, name string) (Environment, error) {
	var out Environment
	return out, c.do(ctx, http.MethodGet, environmentPath(project, name), nil, &out)
}

// UpdateEnvironment changes an environment. Revision 0 overwrites whatever others have changed.
func (c *Client) UpdateEnvironment(ctx context.Context, project, name string, in UpdateEnvironment, revision int) (Environment, error) {
	var out Environment
	var header []string
	if revision > 0 {
		header = []string{"If-Match", strconv.Quote(strconv.Itoa(revision))}
	}
	return out, c.do(ctx, http.MethodPatch, environmentPath(project, name), in, &out, header...)
}

// DeleteEnvironment removes a draft or a destroyed environment.
func (c *Client) DeleteEnvironment(ctx context.Context, project, name string) error {
	return c.do(ctx, http.MethodDelete, environmentPath(project, name), nil, nil)
}

// Start starts a run: verb is deploy, plan, destroy or retry.
func (c *Client) Start(ctx context.Context, project, name, verb string) (Run, error) {
	var out Run
	return out, c.do(ctx, http.MethodPost, environmentPath(project, name, verb), nil, &out)
}

// Outputs returns the outputs of an environment.
func (c *Client) Outputs(ctx context.Context, project, name string) (Outputs, error) {
	var out Outputs
	return out, c.do(ctx, http.MethodGet, environmentPath(project, name, "outputs"), nil, &out)
}

// Runs lists the newest runs of an environment.
func (c *Client) Runs(ctx context.Context, project, name string) ([]Run, error) {
	var out Page[Run]
	err := c.do(ctx, http.MethodGet, environmentPath(project, name, "runs"), nil, &out)
	return out.Items, err
}

// Run returns one run with its steps and their objects.
func (c *Client) Run(ctx context.Context, project, name string, number int) (Run, error) {
	var out Run
	return out, c.do(ctx, http.MethodGet, environmentPath(project, name, "runs", strconv.Itoa(number)), nil, &out)
}

// Cancel asks a run to stop.
func (c *Client) Cancel(ctx context.Context, project, name string, number int) (Run, error) {
	var out Run
	return out, c.do(ctx, http.MethodPost, environmentPath(project, name, "runs", strconv.Itoa(number), "cancel"), nil, &out)
}

// Plan returns what a plan run found.
func (c *Client) Plan(ctx context.Context, project, name string, number int) (Plan, error) {
	var out Plan
	return out, c.do(ctx, http.MethodGet, environmentPath(project, name, "runs", strconv.Itoa(number), "plan"), nil, &out)
}

// Log opens the log of a resource's step from a byte offset. With follow it stays open until the step has ended.
func (c *Client) Log(ctx context.Context, project, name string, number int, resource string, offset int64, follow bool) (io.ReadCloser, error) {
	q := url.Values{"resource": {resource}, "offset": {strconv.FormatInt(offset, 10)}, "follow": {strconv.FormatBool(follow)}}
	resp, err := c.send(ctx, http.MethodGet, environmentPath(project, name, "runs", strconv.Itoa(number), "log")+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Get fetches a path below Prefix and throws the content away; an error tells why it was refused.
func (c *Client) Get(ctx context.Context, path string) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Audit returns the newest audit entries of a project with this outcome; all when it is empty.
func (c *Client) Audit(ctx context.Context, project, outcome string) ([]AuditEntry, error) {
	q := url.Values{}
	if outcome != "" {
		q.Set("outcome", outcome)
	}
	var out Page[AuditEntry]
	err := c.do(ctx, http.MethodGet, path("projects", project, "audit")+"?"+q.Encode(), nil, &out)
	return out.Items, err
}

// Contexts lists a project's config contexts.
func (c *Client) Contexts(ctx context.Context, project string) ([]Context, error) {
	var out Page[Context]
	err := c.do(ctx, http.MethodGet, path("projects", project, "contexts"), nil, &out)
	return out.Items, err
}

// SetContext creates or changes a config context.
func (c *Client) SetContext(ctx context.Context, project string, in Context) (Context, error) {
	var out Context
	return out, c.do(ctx, http.MethodPut, path("projects", project, "contexts", in.Name), in, &out)
}

// retryPause is how long WatchRun waits before it connects again.
const retryPause = 2 * time.Second

// WatchRun calls seen with the run now and after every change, until it has ended, and returns it then. It survives a
// server that is restarted meanwhile.
func (c *Client) WatchRun(ctx context.Context, project, name string, number int, seen func(Run)) (Run, error) {
	for {
		r, err := c.watchOnce(ctx, project, name, number, seen)
		var refused *Error
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil:
			return r, ctx.Err()
		case errors.As(err, &refused) && refused.Status < 500:
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

func (c *Client) watchOnce(ctx context.Context, project, name string, number int, seen func(Run)) (Run, error) {
	var r Run
	resp, err := c.send(ctx, http.MethodGet, environmentPath(project, name, "runs", strconv.Itoa(number), "events"), nil, "Accept", "text/event-stream")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	for data, err := range ServerSentEvents(resp.Body) {
		if err != nil {
			return r, err
		}
		r = Run{}
		if err := json.Unmarshal(data, &r); err != nil {
			return r, fmt.Errorf("reading the progress of the run: %w", err)
		}
		seen(r)
		if r.FinishedAt != nil {
			return r, nil
		}
	}
	return r, io.ErrUnexpectedEOF
}
