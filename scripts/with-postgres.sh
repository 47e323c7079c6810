#!/bin/sh
# Runs a command with a throw-away PostgreSQL server on 127.0.0.1 and its URL in
# TEST_POSTGRES_URL:  scripts/with-postgres.sh go test ./...
# Durability is off: this server is for tests only.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: $0 command [argument...]" >&2
    exit 2
fi
if [ -n "${TEST_POSTGRES_URL:-}" ]; then
    exec "$@"
fi

bin=${POSTGRES_BIN:-}
if [ -z "$bin" ]; then
    for dir in /usr/lib/postgresql/*/bin; do
        [ -x "$dir/initdb" ] && bin=$dir
    done
fi
if [ -z "$bin" ] && command -v initdb >/dev/null 2>&1; then
    bin=$(dirname "$(command -v initdb)")
fi
if [ -z "$bin" ]; then
    echo "$0: no PostgreSQL found; install Debian's package postgresql, or set POSTGRES_BIN to the folder of initdb" >&2
    exit 1
fi

# PostgreSQL refuses to run as root.
as=
if [ "$(id -u)" -eq 0 ]; then
    if id postgres >/dev/null 2>&1; then as=postgres; else as=nobody; fi
fi
run() {
    if [ -n "$as" ]; then
        setpriv --reuid "$as" --regid "$(id -g "$as")" --clear-groups "$@"
    else
        "$@"
    fi
}

work=$(mktemp -d /tmp/berth-postgres.XXXXXX)
cleanup() {
    status=$?
    trap - EXIT INT TERM
    if [ -f "$work/data/postmaster.pid" ]; then
        run "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "$as" ]; then chown "$as" "$work"; fi
cd "$work"
run "$bin/initdb" -D "$work/data" -U berth -A trust -E UTF8 --locale=C --no-sync >"$work/initdb.log" 2>&1 || {
    cat "$work/initdb.log" >&2
    exit 1
}

# A port from the range outside the kernel's own; when it is taken, try another.
port=
for attempt in 1 2 3 4 5 6 7 8; do
    candidate=$((20000 + ($$ * 7 + attempt * 1009) % 12000))
    if run "$bin/pg_ctl" -D "$work/data" -w -t 30 -l "$work/server.log" \
        -o "-p $candidate -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c max_wal_size=2GB" \
        start >/dev/null 2>&1; then
        port=$candidate
        break
    fi
done
if [ -z "$port" ]; then
    cat "$work/server.log" >&2
    exit 1
fi
cd "$OLDPWD"

TEST_POSTGRES_URL="postgres://berth@127.0.0.1:$port/postgres?sslmode=disable"
export TEST_POSTGRES_URL
"$@"
