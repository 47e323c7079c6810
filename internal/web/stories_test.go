package web_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

// now is the clock of all stories, so that their pages never differ from one run to the next.
var now = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

func ago(d time.Duration) views.Moment { return views.At(now.Add(-d), now) }

func page(title string, s views.Section) views.Page {
	demo := views.Project{Slug: "demo", Description: "Try Berth here", Role: "Environment Template User", Environments: 3}
	return views.Page{
		Title: title, Section: s, Now: now, Project: &demo,
		Projects: []views.Project{demo, {Slug: "payments", Description: "Payment services", Role: "Read Only", Environments: 41}},
		User:     &views.User{Name: "Dana Developer", Email: "developer@example.com", Role: "Environment Template User"},
		Nav:      views.Nav{Contexts: true, Members: true, Repositories: true, Audit: true, Resources: true},
	}
}

// stories are all pages in all the states that a reader can meet them in.
func stories() map[string]templ.Component {
	all := map[string]templ.Component{}
	for _, group := range []map[string]templ.Component{
		signInStories(), listStories(), newStories(), environmentStories(), runStories(), catalogStories(), adminStories(), platformStories(), envTemplateStories(), resourceStories(), errorStories(),
	} {
		for name, c := range group {
			all[name] = c
		}
	}
	return all
}

func signInStories() map[string]templ.Component {
	out := views.Page{Title: "Sign in", Now: now}
	one := views.Field{Label: "Name", Name: "name", Kind: views.FieldText, Required: true, Autofocus: true, Autocomplete: "name"}
	mail := views.Field{Label: "Email", Name: "email", Kind: views.FieldEmail, Required: true}
	pass := views.Field{Label: "Password", Name: "password", Kind: views.FieldPassword, Required: true, Help: "At least 12 characters.", Error: "Password must be at least 12 characters; you entered 5."}
	signedIn := page("Choose a project", "")
	signedIn.Project = nil
	return map[string]templ.Component{
		"signin-email":    web.SignInPage(views.SignIn{Page: out, ActionURL: "/signin", Notice: "Your session ended. Sign in to go on."}),
		"signin-password": web.SignInPage(views.SignIn{Page: out, ActionURL: "/signin", Email: "developer@example.com", AskPassword: true, Next: "/p/demo/environments"}),
		"signin-refused":  web.SignInPage(views.SignIn{Page: out, ActionURL: "/signin", Email: "developer@example.com", AskPassword: true, Error: "E-mail or password is wrong."}),
		"setup":           web.SetupPage(views.Setup{Page: views.Page{Title: "Set up", Now: now}, ActionURL: "/setup", Name: one, Email: mail, Password: pass}),
		"projects":        web.ProjectsPage(views.ProjectChoice{Page: signedIn}),
	}
}

func environmentRows(n int) []views.EnvironmentRow {
	statuses := views.EnvironmentStatuses()
	rows := make([]views.EnvironmentRow, 0, n)
	for i := range n {
		row := views.EnvironmentRow{
			ID: fmt.Sprintf("env_%04d", i), Name: fmt.Sprintf("checkout-preview-%d", i+1), Status: statuses[(i*3+4)%len(statuses)],
			Since: ago(time.Duration(i+1) * 7 * time.Minute), Template: "ecs", Version: "v1", Owner: "developer@example.com",
			Activity: ago(time.Duration(i+1) * 5 * time.Minute), CanDeploy: true, CanDestroy: true,
		}
		if row.Status == views.Deployed || row.Status == views.Drifted {
			row.Endpoint = fmt.Sprintf("http://127.64.12.%d:80/", i%250+2)
			row.Expires = views.At(now.Add(time.Duration(i+3)*time.Hour), now)
		}
		if i%5 == 2 {
			row.UpdateAvailable = "v2"
		}
		rows = append(rows, row)
	}
	return rows
}

func environmentList(n int) views.EnvironmentList {
	v := views.EnvironmentList{
		Page: page("Environments", views.SectionEnvironments), Rows: environmentRows(n), Total: n, Any: n > 0,
		Owners: []string{"admin@example.com", "developer@example.com"}, Templates: []string{"ecs", "sample"}, CanCreate: true,
	}
	v.EventsURL = "/p/demo/environments/events"
	return v
}

func listStories() map[string]templ.Component {
	empty := environmentList(0)
	empty.Catalog = cards()
	readOnly := environmentList(0)
	readOnly.CanCreate, readOnly.MissingRole = false, "Environment Template User"
	none := environmentList(3)
	none.Rows, none.Total, none.Filter = nil, 0, views.EnvironmentFilter{Text: "nothing-like-it", Status: "failed"}
	many := environmentList(100)
	many.Total, many.NextURL = 1000, "/p/demo/environments?after=env_0099"
	building := environmentList(3)
	building.Toolchain = &views.Toolchain{What: "Preparing OpenTofu and the AWS provider: compiling", Done: 512, Total: 1300, Unit: "packages", Elapsed: "2 min"}
	building.Flash = &views.Flash{Kind: views.FlashOK, Text: "ecs-2 was destroyed; nothing of it is left."}
	return map[string]templ.Component{
		"environments-empty": web.EnvironmentsPage(empty), "environments-empty-readonly": web.EnvironmentsPage(readOnly),
		"environments-one": web.EnvironmentsPage(environmentList(1)), "environments-ten": web.EnvironmentsPage(environmentList(12)),
		"environments-hundred": web.EnvironmentsPage(many), "environments-none-match": web.EnvironmentsPage(none),
		"environments-toolchain": web.EnvironmentsPage(building),
	}
}

func newEnvironment() views.NewEnvironment {
	return views.NewEnvironment{
		Page: page("New Environment", views.SectionEnvironments), Allowed: true,
		ActionURL: "/p/demo/environments",
		Name:      views.Field{Label: "Name", Name: "name", Kind: views.FieldText, Required: true, Autofocus: true, Pattern: "[a-z][a-z0-9\\-]*", PatternHelp: "Lower-case letters, digits and hyphens, starting with a letter.", MaxLength: 40, Help: "Lower-case letters, digits and hyphens; unique in this project."},
		Template:  views.Field{Label: "Template", Name: "template", Kind: views.FieldSelect, Value: "ecs", Options: []views.Option{{Value: "ecs", Label: "ecs"}, {Value: "sample", Label: "sample"}}},
		Version:   views.Field{Label: "Version", Name: "version", Kind: views.FieldSelect, Value: "v1", Options: []views.Option{{Value: "v1", Label: "v1"}}},
		Inputs: []views.Field{
			{Label: "image_location", Name: "input.image_location", Kind: views.FieldText, Mono: true, Value: "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest", Help: "Container image to run."},
			{Label: "container_port", Name: "input.container_port", Kind: views.FieldNumber, Value: "80", Help: "Port the application listens on."},
			{Label: "region", Name: "input.region", Kind: views.FieldSelect, Value: "us-west-2", Options: []views.Option{{Value: "us-west-2", Label: "us-west-2"}, {Value: "eu-central-1", Label: "eu-central-1"}}},
		},
		Advanced: []views.Field{
			{Label: "cpu", Name: "input.cpu", Kind: views.FieldNumber, Value: "256", Help: "CPU units of a task."},
			{Label: "memory", Name: "input.memory", Kind: views.FieldNumber, Value: "512", Help: "Memory of a task, in MiB."},
			{Label: "nat_gateway", Name: "input.nat_gateway", Kind: views.FieldBool, Value: "false", Help: "Give private subnets a way out."},
			{Label: "tags", Name: "input.tags", Kind: views.FieldLong, Value: "{}", Help: "Further tags, as JSON."},
		},
		Summary: views.NewSummary{Icon: "container", Description: "A container on Amazon ECS behind a load balancer, with a public address.", Creates: []string{"A network over two zones", "A load balancer with a health check", "An ECS service with one task", "A log group"}, Usually: "3 min 10 s", Expiry: "in 8 h, can be extended"},
	}
}

func newStories() map[string]templ.Component {
	wrong := newEnvironment()
	wrong.Name.Value, wrong.Name.Error = "ecs-1", "ecs-1 exists already in demo. Choose another name."
	wrong.Inputs[1].Value, wrong.Inputs[1].Error = "eighty", "Port must be 1–65535; you entered eighty."
	wrong.Error = "Two fields need a change before this can be created."
	refused := newEnvironment()
	refused.Allowed, refused.MissingRole = false, "Environment Template User"
	return map[string]templ.Component{
		"new": web.NewEnvironmentPage(newEnvironment()), "new-errors": web.NewEnvironmentPage(wrong), "new-refused": web.NewEnvironmentPage(refused),
	}
}

func environment(s views.Status, tab views.Tab) views.EnvironmentPage {
	base := "/p/demo/environments/ecs-1"
	v := views.EnvironmentPage{Page: page("ecs-1", views.SectionEnvironments), Tab: tab}
	v.EventsURL, v.Sandbox = base+"/events", true
	v.Header = views.EnvironmentHeader{
		Project: "demo", Name: "ecs-1", Status: s, Since: ago(4 * time.Minute), Template: "ecs", Version: "v1", Owner: "developer@example.com",
		Action: &views.Action{Label: views.DeployLabel(s), URL: base + "/deploy"},
	}
	switch s {
	case views.Draft:
		v.Header.Delete = &views.Action{Label: "Delete draft", URL: base + "/delete"}
	case views.Deploying:
		v.Header.Action, v.Header.Cancel = nil, &views.Action{Label: "Cancel", URL: base + "/runs/1/cancel"}
		v.Run = &views.RunSummary{URL: base + "/runs/1", Number: 1, Status: views.Running, Headline: "Creating the load balancer, usually 2 minutes, 40 s so far", Percent: 46, Elapsed: "1 min 12 s", Started: ago(72 * time.Second), Usually: "3 min 10 s"}
	case views.Failed:
		c := cause()
		c.Action = nil // the page's own Retry is the one action
		v.Run = &views.RunSummary{URL: base + "/runs/1", Number: 1, Status: views.Failed, Cause: &c}
	}
	if s == views.Deployed || s == views.Failed {
		v.Header.Destroy = &views.Action{Label: "Destroy", URL: base + "/destroy"}
	}
	if s == views.Deployed {
		v.Endpoint = &views.Endpoint{URL: "http://127.64.12.9/", Checked: true, Answers: true, Since: ago(3 * time.Minute)}
	}
	v.Graph = graph(s)
	v.Resources = resources(s)
	v.Inputs = inputs()
	v.Runs = runRows(4)
	v.Settings = views.EnvironmentSettings{ID: "env_01kq3v0w7zj8", UniqueName: "ecs-1-k7f2q9", Created: ago(26 * time.Minute), CreatedBy: "developer@example.com", Contexts: []string{"aws-sandbox"}, Objects: 31}
	return v
}

func graph(s views.Status) views.Graph {
	nodes := []views.GraphNode{
		{Name: "vpc", Kind: "OpenTofu", Status: views.Deployed, Sentence: "14 objects", Elapsed: "18 s", Output: "vpc-0f2c9a1b", URL: "/p/demo/environments/ecs-1/resources#resource-vpc"},
		{Name: "aws-ecs", Kind: "OpenTofu", Status: s, Sentence: "17 objects", DependsOn: []string{"vpc"}, URL: "/p/demo/environments/ecs-1/resources#resource-aws-ecs"},
	}
	switch s {
	case views.Draft:
		nodes[0].Status, nodes[0].Sentence, nodes[0].Elapsed, nodes[0].Output = views.Pending, "Creates a network over two zones", "", ""
		nodes[1].Status, nodes[1].Sentence = views.Pending, "Creates an ECS service"
	case views.Deploying:
		nodes[1].Sentence, nodes[1].Elapsed, nodes[1].Since, nodes[1].Percent = "9 of 17 objects", "54 s", ago(54*time.Second), 52
	case views.Deployed:
		nodes[1].Output, nodes[1].Elapsed = "http://127.64.12.9/", "2 min 41 s"
	}
	return views.Layout(nodes)
}

func resources(s views.Status) []views.Resource {
	if s == views.Draft {
		return nil
	}
	vpc := views.Resource{Name: "vpc", Status: views.Deployed, Took: "18 s", Outputs: []views.Output{
		{Name: "vpc_id", Value: "vpc-0f2c9a1b7d"}, {Name: "public_subnet_ids", Value: `["subnet-0aa1","subnet-0bb2"]`},
	}, Objects: []views.Object{{Label: "Network", Address: "aws_vpc.this", ID: "vpc-0f2c9a1b7d", Status: views.Deployed}}}
	ecs := views.Resource{Name: "aws-ecs", Status: s, Took: "2 min 41 s"}
	if s == views.Deployed {
		ecs.Outputs = []views.Output{
			{Name: "endpoint", Value: "http://127.64.12.9/", Link: "http://127.64.12.9/"}, {Name: "cluster_name", Value: "ecs-1-k7f2q9"},
			{Name: "database_password", Sensitive: true, RevealURL: "/p/demo/environments/ecs-1/outputs/reveal"},
		}
	}
	if s == views.Failed {
		ecs.Problem = "The container image could not be pulled."
		ecs.RunURL = "/p/demo/environments/ecs-1/runs/1"
	}
	ecs.Objects = objects(s)
	return []views.Resource{vpc, ecs}
}

func objects(s views.Status) []views.Object {
	last := views.Object{Label: "ECS service", Address: "aws_ecs_service.app", ID: "arn:aws:ecs:us-west-2:000000000000:service/ecs-1-k7f2q9/app", Status: views.Done, Elapsed: "48 s"}
	switch s {
	case views.Deploying:
		last.Status, last.Since, last.Percent, last.ID, last.Elapsed = views.Creating, ago(31*time.Second), 62, "", "31 s"
	case views.Failed:
		last.Status, last.ID = views.Failed, ""
	}
	return []views.Object{
		{Label: "Security group", Address: "aws_security_group.load_balancer", ID: "sg-0a81b2", Status: views.Done, Elapsed: "2 s"},
		{Label: "Load balancer", Address: "aws_lb.this", ID: "arn:aws:elasticloadbalancing:us-west-2:000000000000:loadbalancer/app/ecs-1-k7f2q9/50dc6c495c0c9188", Status: views.Done, Elapsed: "1 min 02 s"},
		{Label: "Task definition", Address: "aws_ecs_task_definition.app", ID: "ecs-1-k7f2q9:1", Status: views.Done, Elapsed: "1 s"},
		last,
	}
}

func inputs() views.InputTab {
	base := "/p/demo/environments/ecs-1/inputs"
	return views.InputTab{SaveURL: base, CanEdit: true, AllowAny: true, Version: "3", Values: []views.InputValue{
		{Name: "region", Description: "Where it runs.", Type: "Text", Value: "us-west-2", Origin: "Template default", Editable: true, EditURL: base + "?edit=region"},
		{Name: "cpu", Type: "Number", Value: "256", Origin: "Module default", Editable: true, EditURL: base + "?edit=cpu"},
		{Name: "image_location", Type: "Text", Value: "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest", Origin: "Environment", Editable: true, Changed: true, EditURL: base + "?edit=image_location", RemoveURL: base + "/remove?name=image_location"},
		{Name: "api_token", Type: "Text", Sensitive: true, Hidden: true, Origin: "Context aws-sandbox"},
	}}
}

func environmentStories() map[string]templ.Component {
	adding := environment(views.Draft, views.TabInputs)
	adding.Inputs.New = []views.VariableRow{
		{Name: "image_location", Type: "text", Value: "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"},
		{Name: "container port", Type: "text", Value: "80", NameError: "A name has letters, digits and underscores only; this one has a space."},
	}
	editing := environment(views.Deployed, views.TabInputs)
	editing.Inputs.Values[0].Editing = true
	editing.Inputs.Values[0].Field = views.Field{Label: "region", Name: "input.region", Kind: views.FieldText, Value: "us-west-2", Autofocus: true}
	readOnly := environment(views.Deployed, views.TabInputs)
	readOnly.Inputs.CanEdit, readOnly.Inputs.Blocked = false, "Changing inputs needs the role Environment Template User."
	opened := environment(views.Deployed, views.TabResources)
	opened.Resources[1].Open = true
	down := environment(views.Deployed, views.TabOverview)
	down.Endpoint.Answers, down.Endpoint.Detail = false, "connection refused"
	noInputs := environment(views.Draft, views.TabInputs)
	noInputs.Inputs.Values = nil
	return map[string]templ.Component{
		"environment-deploying-resources": web.EnvironmentPage(environment(views.Deploying, views.TabResources)),
		"environment-draft":               web.EnvironmentPage(environment(views.Draft, "")), "environment-deploying": web.EnvironmentPage(environment(views.Deploying, "")),
		"environment-deployed": web.EnvironmentPage(environment(views.Deployed, "")), "environment-failed": web.EnvironmentPage(environment(views.Failed, "")),
		"environment-down": web.EnvironmentPage(down), "environment-resources": web.EnvironmentPage(opened),
		"environment-resources-empty": web.EnvironmentPage(environment(views.Draft, views.TabResources)), "environment-inputs": web.EnvironmentPage(environment(views.Deployed, views.TabInputs)),
		"environment-inputs-adding": web.EnvironmentPage(adding), "environment-inputs-editing": web.EnvironmentPage(editing), "environment-inputs-readonly": web.EnvironmentPage(readOnly),
		"environment-inputs-empty": web.EnvironmentPage(noInputs), "environment-activity": web.EnvironmentPage(environment(views.Deployed, views.TabActivity)),
		"environment-settings": web.EnvironmentPage(environment(views.Deployed, views.TabSettings)), "environment-settings-draft": web.EnvironmentPage(environment(views.Draft, views.TabSettings)),
	}
}

func cause() views.Cause {
	return views.Cause{
		What: "The container image could not be pulled", Where: "aws-ecs › ECS service aws_ecs_service.app", WhereURL: "/p/demo/environments/ecs-1/runs/1?step=aws-ecs#L12",
		Evidence: []string{"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref", "public.ecr.aws/ecs-sample-image/amazon-ecs-sampel:latest: not found"},
		Try:      []string{"Check the spelling of image_location: the repository amazon-ecs-sampel does not exist.", "When the registry is private, ask the platform team to add its credentials to a context.", "Then press Retry; what was already created is kept."},
		Action:   &views.Action{Label: "Retry run", URL: "/p/demo/environments/ecs-1/deploy"},
	}
}

func runPage(s views.Status) views.RunPage {
	base := "/p/demo/environments/ecs-1"
	v := views.RunPage{
		Page: page("Run 1 of ecs-1", views.SectionEnvironments), Environment: "ecs-1", EnvironmentURL: base, Number: 1, Kind: "Deploy", Status: s,
		By: "developer@example.com", Started: ago(72 * time.Second), PlanURL: base + "/runs/1/plan",
		Progress: views.Progress{Percent: 46, Elapsed: "1 min 12 s", Usually: "3 min 10 s"},
	}
	v.EventsURL, v.Sandbox = base+"/runs/1/events", true
	v.Steps = []views.Step{
		{Resource: "vpc", Status: views.Succeeded, Sentence: "14 objects created", Took: "18 s", Phases: phases(5, views.Succeeded)},
		{Resource: "aws-ecs", Status: s, Sentence: "17 objects created", Took: "54 s", Open: true, Phases: phases(5, views.Succeeded), Objects: objects(views.Deployed)},
	}
	v.Log = views.Log{
		Steps: []views.LogStep{{Name: "vpc", URL: "?step=vpc"}, {Name: "aws-ecs", URL: "?step=aws-ecs", Current: true}}, Current: "aws-ecs",
		Lines: logLines(s), RawURL: base + "/runs/1/log?step=aws-ecs", DownloadURL: base + "/runs/1/log?step=aws-ecs&download=1", Live: s == views.Running,
	}
	switch s {
	case views.Running:
		v.Headline = "Creating the ECS service, usually 50 s, 31 s so far"
		v.Cancel = &views.Action{Label: "Cancel", URL: base + "/runs/1/cancel"}
		v.Steps[1].Sentence, v.Steps[1].Since, v.Steps[1].Phases, v.Steps[1].Objects = "3 of 17 objects created", ago(54*time.Second), phases(3, views.Running), objects(views.Deploying)
	case views.Failed:
		c := cause()
		c.Action = nil
		v.Cause, v.Headline, v.Took = &c, "Deploy of ecs-1 failed: the container image could not be pulled", "1 min 48 s"
		v.Retry = &views.Action{Label: "Retry", URL: base + "/deploy"}
		v.Steps[1].Phases, v.Steps[1].Objects = phases(3, views.Failed), objects(views.Failed)
	case views.Queued:
		v.Headline, v.Steps, v.Log.Lines = "Waiting for run 7 of ecs-1 to end", nil, nil
	default:
		v.Headline, v.Took = "ecs-1 is deployed", "3 min 02 s"
	}
	return v
}

func phases(at int, s views.Status) []views.Phase {
	names := []string{"fetch", "init", "plan", "apply", "output"}
	out := make([]views.Phase, 0, len(names))
	for i, n := range names {
		p := views.Phase{Name: n, Status: views.Pending}
		if i < at {
			p.Status, p.Took = views.Succeeded, fmt.Sprintf("%d s", i+1)
		}
		if i == at {
			p.Status = s
		}
		out = append(out, p)
	}
	return out
}

func logLines(s views.Status) []views.LogLine {
	text := strings.Split(strings.TrimSpace(`OpenTofu used the selected providers to generate the following execution plan.
Plan: 17 to add, 0 to change, 0 to destroy.
aws_security_group.load_balancer: Creating...
aws_ecs_task_definition.app: Creating...
aws_ecs_task_definition.app: Creation complete after 1s [id=ecs-1-k7f2q9]
aws_security_group.load_balancer: Creation complete after 2s [id=sg-0a81b2]
aws_lb.this: Creating...
aws_lb.this: Still creating... [10s elapsed]
aws_lb.this: Still creating... [20s elapsed]
aws_lb.this: Creation complete after 1m2s [id=arn:aws:elasticloadbalancing:us-west-2:000000000000:loadbalancer/app/ecs-1-k7f2q9/50dc6c495c0c9188]
aws_ecs_service.app: Creating...`), "\n")
	if s == views.Failed {
		text = append(text, "Error: waiting for ECS Service (app) create: CannotPullContainerError: pull image manifest has been retried 1 time(s)")
	}
	out := make([]views.LogLine, 0, len(text))
	for i, t := range text {
		l := views.LogLine{Number: i + 1, Text: t}
		switch {
		case strings.HasPrefix(t, "Error"):
			l.Level = "error"
		case strings.Contains(t, "complete"):
			l.Level = "good"
		}
		out = append(out, l)
	}
	return out
}

func runRows(n int) []views.RunRow {
	all := []views.Status{views.Running, views.Succeeded, views.Failed, views.Canceled}
	rows := make([]views.RunRow, 0, n)
	for i := range n {
		rows = append(rows, views.RunRow{
			URL: fmt.Sprintf("/p/demo/environments/ecs-1/runs/%d", n-i), Number: n - i, Environment: "ecs-1", EnvironmentURL: "/p/demo/environments/ecs-1",
			Kind: "Deploy", Status: all[i%4], Headline: "31 objects created", By: "developer@example.com", Started: ago(time.Duration(i*i+1) * 11 * time.Minute), Took: "3 min 02 s",
		})
	}
	return rows
}

func runStories() map[string]templ.Component {
	plan := views.PlanPage{
		Page: page("Plan of run 2", views.SectionEnvironments), Environment: "ecs-1", EnvironmentURL: "/p/demo/environments/ecs-1", RunURL: "/p/demo/environments/ecs-1/runs/2", Number: 2, Status: views.Waiting,
		Update: 2, Replace: 1, RawURL: "/p/demo/environments/ecs-1/runs/2/plan.txt",
		Approve: &views.Action{Label: "Approve", URL: "/p/demo/environments/ecs-1/runs/2/approve"}, Reject: &views.Action{Label: "Reject", URL: "/p/demo/environments/ecs-1/runs/2/reject"},
		Changes: []views.Change{
			{Resource: "aws-ecs", Label: "Task definition", Address: "aws_ecs_task_definition.app", Kind: views.ChangeReplace, DataLoss: true, Why: "the volume is made anew.", Attributes: []views.AttributeChange{{Name: "container_definitions", Old: "image: amazon-ecs-sample:1", New: "image: amazon-ecs-sample:2", Forces: true}, {Name: "arn", Old: "arn:aws:ecs:us-west-2:000000000000:task-definition/ecs-1:1", Unknown: true}}},
			{Resource: "aws-ecs", Label: "ECS service", Address: "aws_ecs_service.app", Kind: views.ChangeUpdate, Attributes: []views.AttributeChange{{Name: "desired_count", Old: "1", New: "2"}}},
			{Resource: "vpc", Label: "Network", Address: "aws_vpc.this", Kind: views.ChangeUpdate, Attributes: []views.AttributeChange{{Name: "tags.team", New: "payments"}}},
		},
	}
	nothing := plan
	nothing.Update, nothing.Replace, nothing.Changes, nothing.Approve, nothing.Status = 0, 0, nil, nil, views.Succeeded
	activity := views.ActivityPage{Page: page("Activity", views.SectionActivity), Rows: runRows(20), Any: true}
	activity.EventsURL = "/p/demo/activity/events"
	return map[string]templ.Component{
		"run-running": web.RunPage(runPage(views.Running)), "run-failed": web.RunPage(runPage(views.Failed)), "run-succeeded": web.RunPage(runPage(views.Succeeded)), "run-queued": web.RunPage(runPage(views.Queued)),
		"plan": web.PlanPage(plan), "plan-nothing": web.PlanPage(nothing),
		"activity": web.ActivityPage(activity), "activity-empty": web.ActivityPage(views.ActivityPage{Page: page("Activity", views.SectionActivity)}),
	}
}

func cards() []views.TemplateCard {
	return []views.TemplateCard{
		{Name: "ecs", Title: "Container on Amazon ECS", Icon: "container", Category: "Containers", Version: "v1", Usually: "3 min 10 s", Summary: "Runs a container image behind a load balancer and gives it a public address.", URL: "/p/demo/templates/ecs", NewURL: "/p/demo/environments/new?template=ecs"},
		{Name: "sample", Title: "Sample without a cloud", Icon: "box", Category: "Samples", Version: "v1", Usually: "2 s", Summary: "Shows how environments work; creates nothing outside Berth.", URL: "/p/demo/templates/sample", NewURL: "/p/demo/environments/new?template=sample"},
	}
}

func catalogStories() map[string]templ.Component {
	parts := graph(views.Draft)
	for i := range parts.Nodes {
		parts.Nodes[i].Status = "" // a template is not running anywhere
	}
	detail := views.TemplatePage{
		Page: page("ecs", views.SectionTemplates), Card: cards()[0], CanCreate: true, Graph: parts, Readme: "<p>Two resources: a network, and an ECS service in it.</p>",
		Versions: []views.TemplateVersion{{Version: "v2", State: "draft", Published: ago(time.Hour), By: "admin@example.com"}, {Version: "v1", State: "active", Published: ago(50 * time.Hour), By: "admin@example.com", Environments: 12, Latest: true}},
		Inputs:   []views.TemplateInput{{Name: "region", Type: "string", Default: "us-west-2", Rule: "One of 2", Description: "Where it runs.", Resource: "both"}, {Name: "image_location", Type: "string", Rule: "Allowed", Required: true, Description: "Container image to run."}},
		Outputs:  []views.TemplateOutput{{Resource: "aws-ecs", Name: "endpoint", Description: "Address of the application."}},
	}
	readme, err := web.Markdown(storyReadme)
	if err != nil {
		readme = err.Error()
	}
	long := detail
	long.Readme, long.Card.Image = readme, storyPicture
	catalog := views.Catalog{Page: page("Environment Templates", views.SectionTemplates), Cards: cards(), Total: 2, Base: "/p/demo/templates", Categories: []string{"Containers", "Samples"}, CanCreate: true}
	catalog.Cards[0].Image = storyPicture
	none := catalog
	none.Cards, none.Text = nil, "kubernetes"
	return map[string]templ.Component{
		"catalog":         web.CatalogPage(catalog),
		"catalog-none":    web.CatalogPage(none),
		"catalog-empty":   web.CatalogPage(views.Catalog{Page: page("Environment Templates", views.SectionTemplates)}),
		"template-readme": web.TemplatePage(long),
		"template":        web.TemplatePage(detail),
	}
}

func adminStories() map[string]templ.Component {
	var audit []views.AuditRow
	for i, a := range []string{"environment.deploy", "environment.update", "session.create", "state.read"} {
		audit = append(audit, views.AuditRow{ID: a, At: ago(time.Duration(i*17+1) * time.Minute), Actor: "developer@example.com", Action: a, Target: "demo/ecs-1", From: "127.0.0.1", Refused: i == 3})
	}
	audit[1].Before, audit[1].After = `container_port: "8080"`, `container_port: "80"`
	return map[string]templ.Component{
		"audit":       web.AuditPage(views.AuditList{Page: page("Audit Log", views.SectionAudit), Rows: audit, Actions: []string{"environment.deploy"}, ExportURL: "/p/demo/settings/audit.csv", NextURL: "?after=x"}),
		"audit-empty": web.AuditPage(views.AuditList{Page: page("Audit Log", views.SectionAudit)}),
	}
}

func errorStories() map[string]templ.Component {
	tool := views.Toolchain{What: "Building the AWS provider", Done: 512, Total: 1300, Unit: "packages", Started: ago(2 * time.Minute), Elapsed: "2 min 00 s", Usually: "11 min", Stages: []views.ToolchainStage{
		{Name: "Go modules", Status: views.Succeeded, Detail: "312 MB"}, {Name: "OpenTofu 1.12.6", Status: views.Succeeded, Detail: "2 min 51 s"}, {Name: "AWS provider 4.9", Status: views.Running, Detail: "512 of 1,300"},
	}}
	failed := tool
	failed.Failed, failed.Retry, failed.LogTail = "The disk is full: 0 bytes free in the cache folder.", "/toolchain/retry", []string{"write provider: no space left on device"}
	back := []views.Link{{Label: "Environments", URL: "/p/demo/environments"}}
	return map[string]templ.Component{
		"error-403": web.ErrorPage(views.ErrorPage{Page: page("Not allowed", ""), Status: 403, Heading: "You may not see the audit log", Text: "It is open to the admins of demo.", Missing: "Project Admin", Ask: []string{"admin@example.com"}, Actions: back}),
		"error-404": web.ErrorPage(views.ErrorPage{Page: page("Not found", ""), Status: 404, Heading: "There is no environment ecs-9 in demo", Text: "It was deleted, or the address is mistyped.", Actions: back}),
		"error-500": web.ErrorPage(views.ErrorPage{Page: views.Page{Title: "Error", Now: now}, Status: 500, Heading: "Something broke in Berth", Text: "It is recorded in the server's log under the number below. Trying again may work.", Reference: "7f3a-91c2", Actions: []views.Link{{Label: "Start page", URL: "/"}}}),
		"toolchain": web.ToolchainPage(views.ToolchainPage{Page: page("Toolchain", ""), State: tool}), "toolchain-failed": web.ToolchainPage(views.ToolchainPage{Page: page("Toolchain", ""), State: failed}),
		"palette": web.PalettePage(page("Search", ""), paletteStory()),
	}
}

func paletteStory() views.Palette {
	return views.Palette{Groups: []views.PaletteGroup{{Name: "Environments", Items: []views.PaletteItem{{Label: "ecs-1", URL: "/p/demo/environments/ecs-1", Icon: "box", Status: views.Deployed}}}, {Name: "Go to", Items: []views.PaletteItem{{Label: "Activity", URL: "/p/demo/activity", Icon: "activity", Hint: "g a"}}}}}
}
