package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
)

func TestOutcomeTellsTheApplicationsCauseFirst(t *testing.T) {
	t.Parallel()
	err := outcome("shop", api.Run{Number: 3, Status: "failed", Cause: "aws-ecs: The container app exits by itself with code 3.",
		Steps: []api.Step{{Resource: "aws-ecs", Diagnostics: []api.Diagnostic{
			{Source: "application", Severity: "error", Summary: "The container app exits by itself with code 3.", Address: "aws_ecs_service.this",
				Detail: "Last lines:\n  no database", Try: []string{"Read the log."}},
			{Severity: "error", Summary: "timeout while waiting", Address: "aws_ecs_service.this"},
			{Severity: "warning", Summary: "old argument"},
		}}}})
	require.EqualError(t, err, `Run 3 of shop failed: aws-ecs: The container app exits by itself with code 3.
  aws-ecs aws_ecs_service.this:
    Last lines:
      no database
  What to try:
    - Read the log.
  aws-ecs aws_ecs_service.this: timeout while waiting`)
}
