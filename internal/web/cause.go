package web

import (
	"regexp"
	"strings"

	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/web/views"
)

// hint knows a kind of failure by what the evidence says, in plain words and with what to try.
type hint struct {
	pattern *regexp.Regexp
	what    string
	try     []string
}

// hints are looked through in order; the first that fits counts.
var hints = []hint{
	{
		regexp.MustCompile(`CannotPullContainerError|(?i)pull access denied|manifest (unknown|for .* not found)|repository .*does not exist`),
		"The image of the application could not be pulled",
		[]string{"Check the image's name and tag in the tab Input Variables for a typing error.", "Make sure that the registry has it and lets this environment read it.", "Deploy again once the value is right: what exists already is kept."},
	},
	{
		regexp.MustCompile(`The sandbox does not offer`),
		"The template needs something that the sandbox does not offer",
		[]string{"The evidence names the operation. Use another value if an input asks for it.", "In a project with real credentials the same template can be deployed to AWS."},
	},
	{
		regexp.MustCompile(`(?i)failed (elb|container|target group)? ?health checks?|unhealthy|did not answer as it should|health.?check`),
		"The application runs, but does not answer on its port",
		[]string{"Check that the container port in the tab Input Variables is the one the application listens on.", "Check that the application listens on 0.0.0.0 and not only on localhost.", "Check the path of the health check: it must answer with a status from 200 to 399."},
	},
	{
		regexp.MustCompile(`(?i)essential container .*exited|exit(ed)? (with )?code|OutOfMemoryError|Task failed to start`),
		"The application stopped by itself",
		[]string{"Read the application's own output above: the cause is usually in its last lines.", "Check the inputs that the application needs to start.", "If it ran out of memory, give it more."},
	},
	{
		regexp.MustCompile(`(?i)waiting for ECS service .*to become|failed waiting for successful resource state|to reach a steady state`),
		"The application did not become healthy",
		[]string{"Check the image's name and tag in the tab Input Variables: an image that does not exist cannot be started.", "Check that the container port is the one the application listens on, on 0.0.0.0.", "Check that the application stays up and answers the health check with a status from 200 to 399."},
	},
	{
		regexp.MustCompile(`(?i)circuit breaker|rolled back|rollback`),
		"The new version did not become healthy, so the earlier one was put back",
		[]string{"What ran before still runs.", "Correct the inputs that were changed last, then deploy again."},
	},
	{
		regexp.MustCompile(`(?i)ExpiredToken|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|no valid credential|AuthFailure`),
		"The cloud does not accept the credentials",
		[]string{"The credentials are in a config context, which you cannot see. Ask your platform team to renew them."},
	},
	{
		regexp.MustCompile(`(?i)AccessDenied|UnauthorizedOperation|not authorized to perform`),
		"The credentials may not do what the template needs",
		[]string{"Ask your platform team to extend the policy of the role in the config context; the evidence names the missing action."},
	},
	{
		regexp.MustCompile(`(?i)LimitExceeded|quota|VcpuLimit|AddressLimit`),
		"A limit of the cloud account is reached",
		[]string{"Destroy environments that nobody uses, or ask your platform team to have the limit raised."},
	},
	{
		regexp.MustCompile(`(?i)AlreadyExists|EntityAlreadyExists|already exists|DuplicateName`),
		"Something of this name exists already and does not belong to this environment",
		[]string{"It may have been left by an environment that was not destroyed. Ask your platform team to look and to delete it.", "Or create this environment under another name."},
	},
	{
		regexp.MustCompile(`(?i)DependencyViolation|ResourceInUse|still (in use|referenced)`),
		"Something outside this environment still uses what should be deleted",
		[]string{"Remove what uses it; the evidence names the object.", "Then try again: what is deleted already stays deleted."},
	},
	{
		regexp.MustCompile(`(?i)timeout while waiting|timed out|deadline exceeded`),
		"It took longer than it may",
		[]string{"Try again: what is done already is kept.", "If it happens again, look in the log at what was waited for."},
	},
	{
		regexp.MustCompile(`(?i)connection refused|no such host|dial tcp|TLS handshake|Throttling|RequestLimitExceeded|ServiceUnavailable|InternalError`),
		"The cloud could not be reached, or was too busy",
		[]string{"Try again: what is done already is kept."},
	},
	{
		regexp.MustCompile(`(?i)invalid value for variable|invalid (input )?variable|unsuitable value`),
		"A value of the inputs does not suit the template",
		[]string{"Correct it in the tab Input Variables, then deploy again."},
	},
}

// maxEvidence lines are shown; an application's own last lines are among them.
const maxEvidence = 32

// cause explains a failed run; nil when it did not fail.
func (f runFacts) cause() *views.Cause {
	if f.Status != run.StatusFailed {
		return nil
	}
	v := &views.Cause{What: kindWord(f.Kind) + " failed", Where: "Run " + views.Number(f.Number)}
	st := f.failedStep()
	if st == nil {
		return v
	}
	v.Where, v.WhereURL = "In "+st.Resource, f.logURL(st.Resource)
	first := firstError(st)
	if first != nil && first.Address != "" {
		v.Where += ", " + theObject(typeOf(first.Address)) + " " + first.Address
	}
	if first != nil && first.Source == run.SourceApplication {
		// The application's own cause was looked up: nothing needs to be guessed from what the tool said.
		v.What, v.Try = capital(strings.TrimSuffix(first.Summary, ".")), first.Try
		v.Evidence = evidence(&run.Step{Diagnostics: []run.Diagnostic{{Severity: first.Severity, Summary: first.Detail}}})
		return v
	}
	v.Evidence = evidence(st)
	v.What, v.Try = explain(f.Kind, st, first, v.Evidence)
	return v
}

func firstError(st *run.Step) *run.Diagnostic {
	for i := range st.Diagnostics {
		if st.Diagnostics[i].Severity == "error" {
			return &st.Diagnostics[i]
		}
	}
	return nil
}

// evidence is what the tool and the check of the result said, without what repeats.
func evidence(st *run.Step) []string {
	var out []string
	seen := map[string]bool{}
	add := func(text string) {
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, " \r\n")
			if line == "" || seen[line] || len(out) >= maxEvidence {
				continue
			}
			seen[line] = true
			out = append(out, line)
		}
	}
	for _, d := range st.Diagnostics {
		if d.Severity == "error" {
			add(d.Summary)
			add(d.Detail)
		}
	}
	if len(out) == 0 {
		add(st.Error)
	}
	return out
}

func explain(kind run.Kind, st *run.Step, first *run.Diagnostic, evidence []string) (what string, try []string) {
	all := strings.Join(evidence, "\n")
	for _, h := range hints {
		if h.pattern.MatchString(all) {
			return h.what, h.try
		}
	}
	what = st.Error
	if first != nil {
		what = first.Summary
	}
	if what == "" {
		what = kindWord(kind) + " failed at " + st.Resource
	}
	try = []string{"Read the log at the place: the lines before it tell what was being done.", "Try again: what is done already is kept.", "If it fails the same way, show this page to your platform team."}
	return firstSentence(what), try
}

var awsRequest = regexp.MustCompile(`,?\s*(status code: \d+|StatusCode: \d+|[Rr]equest ?[Ii][Dd]: [0-9a-zA-Z-]+),?`)

const longestWhat = 200

// firstSentence makes a heading of a tool's message: without the numbers of the request, and not longer than can be read at
// a glance. The whole message is among the evidence.
func firstSentence(message string) string {
	message = strings.Join(strings.Fields(awsRequest.ReplaceAllString(message, "")), " ")
	if runes := []rune(message); len(runes) > longestWhat {
		message = string(runes[:longestWhat-1]) + "…"
	}
	return capital(strings.TrimSuffix(message, "."))
}
