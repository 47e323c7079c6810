#!/usr/bin/env bash
# Runs every check and test, with real parts: PostgreSQL, OpenTofu and the AWS provider, containers, a browser. Called by
# `make test`, which has installed them. A part that is missing fails the tests that need it (CI=true says so to them).
set -euo pipefail
cd "$(dirname "$0")/.."
export CI=true

step() { printf '\n==> %s (%ss so far)\n' "$1" "$SECONDS"; }

step "Formatting"
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "Run gofmt -w on: $unformatted" >&2; exit 1; }

step "Generated files"
make --no-print-directory gen
git diff --exit-code --stat -- '*_templ.go' || { echo "Generated files differ: run make gen and commit them." >&2; exit 1; }

step "Lint"
make --no-print-directory lint

step "Tests"
scripts/with-postgres.sh go test -timeout 45m ./...

step "Done"
