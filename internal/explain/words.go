package explain

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxEvents is how many of the service's events are quoted.
const maxEvents = 3

// finding puts a verdict into words, with what the application, ECS and the load balancer said.
func (c client) finding(ctx context.Context, s *service, v verdict) Finding {
	var f Finding
	var lines []string
	if len(v.failures) > 0 {
		last := v.failures[0]
		f.Summary, f.Try = words(s, last)
		lines = append(lines, c.evidence(ctx, s, last)...)
	} else {
		f.Summary, f.Try = otherwise(v)
	}
	if n := v.repeated(); n > 1 {
		lines = append(lines, fmt.Sprintf("It happened %d times in a row.", n))
	}
	if v.rolledBack {
		f.Summary += " The earlier revision was put back and still runs."
	}
	for _, e := range quoted(v.events, lines) {
		lines = append(lines, "ECS: "+e)
	}
	f.Detail = strings.Join(lines, "\n")
	return f
}

// quoted picks the last events, without those that tell what was said, or the same of another task.
func quoted(events, said []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range events {
		key := withoutIDs(e)
		_, reason, ok := strings.Cut(e, " Reason: ")
		again := ok && slices.ContainsFunc(said, func(l string) bool {
			_, told, _ := strings.Cut(l, " stopped: ")
			return told != "" && strings.HasPrefix(reason, told)
		})
		if !again && !seen[key] && len(out) < maxEvents {
			seen[key] = true
			out = append(out, e)
		}
	}
	slices.Reverse(out)
	return out
}

// withoutIDs leaves out what differs from task to task.
func withoutIDs(event string) string {
	words := strings.Fields(event)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return len(strings.Trim(w, "().,")) == 32 }), " ")
}

// evidence quotes what belongs to one failed task.
func (c client) evidence(ctx context.Context, s *service, f failure) []string {
	lines := []string{f.line()}
	region, _, _ := parseARN(s.ARN, "service")
	if f.kind == kindHealth {
		lines = append(lines, c.balancerEvidence(ctx, s)...)
	}
	name := ""
	switch {
	case f.container != nil:
		name = f.container.Name
	case len(s.LoadBalancers) > 0:
		name = s.LoadBalancers[0].Container
	}
	if f.kind == kindPull || f.kind == kindPrepare || name == "" {
		return lines // no container ever ran
	}
	d, err := c.definition(ctx, region, f.task.TaskDefinition)
	if err != nil {
		return lines
	}
	where, log := c.logLines(ctx, d, f.task, name)
	if where == "" {
		return lines
	}
	if len(log) == 0 {
		return append(lines, fmt.Sprintf("Container %s wrote nothing to its log (%s).", name, where))
	}
	lines = append(lines, fmt.Sprintf("Last lines of container %s (%s):", name, where))
	for _, l := range log {
		lines = append(lines, "  "+printable(l))
	}
	return lines
}

func (c client) balancerEvidence(ctx context.Context, s *service) []string {
	var lines []string
	for _, b := range s.LoadBalancers {
		if b.TargetGroup == "" {
			continue
		}
		if check := c.check(ctx, b.TargetGroup, b.ContainerPort); check != "" {
			lines = append(lines, check)
		}
		for _, t := range c.targets(ctx, b.TargetGroup) {
			if t.State == "unhealthy" {
				lines = append(lines, fmt.Sprintf("Target %s:%d is unhealthy: %s (%s)", t.IP, t.Port, t.Description, t.Reason))
			}
		}
	}
	return lines
}

// words says in a sentence what happened to a task, and what to try.
func words(s *service, f failure) (string, []string) {
	name := "The application's container"
	image := "of the application"
	if f.container != nil {
		name = "The container " + f.container.Name
		if f.container.Image != "" {
			image = f.container.Image
		}
	}
	switch f.kind {
	case kindPull:
		return pullWords(image, pullReason(f))
	case kindExit:
		return exitWords(name, f)
	case kindMemory:
		return name + " was stopped because it needs more memory than the task has.", []string{
			"Give the task more memory.", "Look in the log for what the application was doing when it was stopped."}
	case kindHealth:
		return healthWords(s)
	case kindCheck:
		return name + " runs, but its own health check fails.", []string{
			"Read the last lines of its log.", "Check the health check command of the container: it must end with code 0."}
	case kindPrepare:
		return "ECS could not prepare the task: " + firstSentence(f.task.StoppedReason), []string{
			"Check that the secrets, parameters and log group that the task names exist, and that its execution role may use them.",
			"Check that the task's subnets can reach AWS: by a public address, a NAT gateway or VPC endpoints."}
	case kindStart:
		return name + " could not be started: " + firstSentence(reasonOf(f)), []string{
			"Check the command and the entry point of the image.", "Check that the image is made for the platform of the task."}
	case kindPlace, kindNone:
	}
	return otherwise(verdict{})
}

func reasonOf(f failure) string {
	if f.container != nil && f.container.Reason != "" {
		return f.container.Reason
	}
	return f.task.StoppedReason
}

func pullReason(f failure) string {
	if strings.Contains(f.task.StoppedReason, "CannotPull") {
		return f.task.StoppedReason
	}
	return reasonOf(f)
}

func pullWords(image, reason string) (string, []string) {
	code := "CannotPullContainerError"
	if i := strings.Index(reason, ":"); i > 0 && !strings.Contains(reason[:i], " ") {
		code = reason[:i]
	}
	summary := fmt.Sprintf("The image %s could not be pulled (%s).", image, code)
	low := strings.ToLower(reason)
	check := "Check the name and the tag of the image for a typing error."
	switch {
	case strings.Contains(low, "not found") || strings.Contains(low, "manifest unknown") || strings.Contains(low, "does not exist"):
		return summary, []string{check, "Make sure that this tag was pushed to the registry."}
	case strings.Contains(low, "denied") || strings.Contains(low, "unauthorized") || strings.Contains(low, "403"):
		return summary, []string{check, "Make sure that the task's execution role may read the repository, or that it is public."}
	case strings.Contains(low, "no such host") || strings.Contains(low, "timeout") || strings.Contains(low, "cannot be reached"):
		return summary, []string{check, "Make sure that the registry can be reached from the task's network."}
	case strings.Contains(low, "toomanyrequests") || strings.Contains(low, "rate limit"):
		return summary, []string{"The registry limits anonymous pulls: wait and deploy again, or use a copy of the image in a registry of your own."}
	default:
		return summary, []string{check, "Make sure that the registry has it and lets this environment read it."}
	}
}

func exitWords(name string, f failure) (string, []string) {
	try := []string{"Read the last lines of its log: they usually name the cause.", "Check the inputs that the application needs to start, such as environment variables."}
	if f.container == nil || f.container.ExitCode == nil {
		return name + " ended by itself.", try
	}
	code := *f.container.ExitCode
	what := map[int]string{
		126: ": its command is not executable", 127: ": its command was not found", 137: ": it was killed, maybe for want of memory",
		139: ": it crashed (segmentation fault)", 143: ": it was told to stop",
	}[code]
	if code == 0 {
		try[0] = "A service must keep running: check that the image's command starts a server and does not end."
	}
	return fmt.Sprintf("%s exits by itself with code %d%s.", name, code, what), try
}

func healthWords(s *service) (string, []string) {
	port := "its port"
	for _, b := range s.LoadBalancers {
		if b.ContainerPort != 0 {
			port = fmt.Sprintf("port %d", b.ContainerPort)
		}
	}
	return "The application runs, but does not answer the load balancer's health check on " + port + ".", []string{
		"Check that the container port is the one the application listens on; its log often tells.",
		"Check that the application listens on 0.0.0.0 and not only on localhost.",
		"Check the path of the health check: it must answer with a good status.",
		fmt.Sprintf("If the application starts slowly, give it more time than the health check's grace period of %d s.", s.HealthGraceSeconds),
	}
}

// otherwise is for failures that no task tells of.
func otherwise(v verdict) (string, []string) {
	if v.place != "" {
		return "ECS cannot start a task: " + firstSentence(v.place), []string{
			"Check the size of the task, its subnets and its roles; if the account's limit is reached, ask your platform team."}
	}
	return "ECS gave up the deployment: its tasks did not start.", []string{"Read the service's events below.", "Correct the inputs that were changed last, then deploy again."}
}

// longLine is where a line of a log is cut.
const longLine = 400

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07`)

// printable takes out what would reach through to a terminal, and cuts what nobody reads to its end.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(line, ""))
	if runes := []rune(line); len(runes) > longLine {
		line = string(runes[:longLine]) + "..."
	}
	return line
}

// firstSentence shortens a reason to its first line.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
