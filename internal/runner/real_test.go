package runner_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
)

const trivial = `
terraform {
  backend "s3" { bucket = "never-used" }
}
variable "word" { type = string }
resource "terraform_data" "a" {
  input = var.word
  provisioner "local-exec" { command = "echo it says ${var.word}" }
}
output "word" { value = terraform_data.a.output }
`

func TestRealApplyThenWarmDestroy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.spec(realTofu(t), map[string]string{"main.tf": trivial})
	spec.Variables = map[string]json.RawMessage{"word": json.RawMessage(`"hello"`), "free": json.RawMessage(`1`)}
	res, recs := b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_1", 1))
	require.Equal(t, "fetch init plan apply output", phases(recs))
	require.True(t, res.Reconciled)
	require.Equal(t, 1, res.Resources)
	require.Equal(t, 2, res.ToolStarts)
	require.Contains(t, b.log("step_1", 1), "it says hello")
	outs, err := b.local.Outputs("step_1", 1, b.key)
	require.NoError(t, err)
	require.JSONEq(t, `"hello"`, string(outs["word"].Value))
	state, err := b.local.ReadState("step_1", 1, res.StateVersion, b.key)
	require.NoError(t, err)

	spec.Attempt, spec.StepID, spec.Action, spec.State = 1, "step_2", runner.ActionDestroy, state
	res, recs = b.run(spec)
	require.Equal(t, runner.StatusSucceeded, res.Status, "%+v\n%s", res, b.log("step_2", 1))
	require.Equal(t, "fetch init plan apply", phases(recs))
	require.Zero(t, res.Resources)
	require.Equal(t, 1, res.ToolStarts, "a warm start runs no init")
}
