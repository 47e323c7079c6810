#!/usr/bin/env bash
# Takes the pictures in docs/screenshots anew, on the way through the browser tests of the first steps and of authors.
set -euo pipefail
cd "$(dirname "$0")/.."
BERTH_SCREENSHOTS=1 go test -count=1 -run 'TestDev/(all|authoring)/walkthrough' ./e2e
