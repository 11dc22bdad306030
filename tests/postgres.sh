#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own, named by HAIMA_TEST_POSTGRES; without one
# where PostgreSQL is not installed, and says so. On Debian: apt-get install postgresql.
set -euo pipefail
if [ -n "${HAIMA_TEST_POSTGRES:-}" ]; then exec "$@"; fi
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [ -z "$bin" ] && initdb=$(command -v initdb); then bin=$(dirname "$initdb"); fi
if [ -z "$bin" ]; then
    echo "POSTGRES absent: not installed; tests over it are left out"
    exec "$@"
fi
folder=$(mktemp -d /tmp/haima-postgres.XXXXXX)
# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as=(setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups)
fi
stop() {
    "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
"${as[@]}" "$bin/initdb" -D "$folder/data" -U haima -A trust -E UTF8 >/dev/null
# Only a socket in its folder; synced as in earnest.
"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder -c max_connections=200" start >/dev/null
cd - >/dev/null
export HAIMA_TEST_POSTGRES="postgres://haima@localhost/postgres?host=$folder"
"$@"
