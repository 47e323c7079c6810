#!/usr/bin/env bash
# Builds bin/berth and says how far it is: the first build compiles a few hundred packages.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin

export CGO_ENABLED=0
if ! go mod download 2> >(sed 's/^go: /    /' >&2); then
  echo "Downloading the modules failed; look above for the reason." >&2
  exit 1
fi
total=$(go list -deps ./cmd/berth | wc -l)
go build -v -trimpath -o bin/berth ./cmd/berth 2>&1 | awk -v total="$total" '
  /^[a-z0-9._\/~-]+$/ { n++; if (n % 25 == 0) printf "    compiled %d of at most %d packages\n", n, total; fflush(); next }
  { print }'
