package run

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheApplicationsCauseComesFirst(t *testing.T) {
	t.Parallel()
	st := Step{Resource: "aws-ecs", Status: StepFailed, Error: "The container app exits by itself with code 3."}
	r := Run{Status: StatusFailed, Steps: []Step{st}}
	require.Equal(t, "aws-ecs: The container app exits by itself with code 3.", r.Cause(), "no diagnostic: what the runner says")

	st.addDiagnostic(Diagnostic{Severity: "warning", Summary: "old argument"})
	st.addDiagnostic(Diagnostic{Severity: "error", Summary: "timeout while waiting", Address: "aws_ecs_service.this"})
	r.Steps[0] = st
	require.Equal(t, "aws-ecs: aws_ecs_service.this: timeout while waiting", r.Cause())

	st.addDiagnostic(Diagnostic{Source: SourceApplication, Severity: "error", Summary: "The container app exits by itself with code 3.", Address: "aws_ecs_service.this"})
	st.addDiagnostic(Diagnostic{Source: SourceApplication, Severity: "error", Summary: "The container job exits by itself with code 1."})
	r.Steps[0] = st
	require.Equal(t, "aws-ecs: The container app exits by itself with code 3.", r.Cause())
	var order []string
	for _, d := range st.Diagnostics {
		order = append(order, d.Summary)
	}
	require.Equal(t, []string{"The container app exits by itself with code 3.", "The container job exits by itself with code 1.", "old argument", "timeout while waiting"}, order)
}
