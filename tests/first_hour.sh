#!/usr/bin/env bash
# The first hour, as docs/first-hour.md has it: a coordinator, three nodes and three hospitals come from
# nothing to a first round and its report. Every party is processes of its own in a folder of its own,
# files are passed by cp alone, as mail would, and no file is edited but each hospital's policy. Prints the
# seconds of each step.
#
#   HAIMA=path    the program, or `haima` of the PATH
#   FOLDER=path   where the parties' folders are made; a temporary one when absent, removed at the end
#
# It ends within five minutes, and ends its processes.
set -euo pipefail

program=$(command -v "${HAIMA:-haima}") || { echo "no haima; set HAIMA" >&2; exit 2; }
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
data=$(cd "$(dirname "$0")/../data" && pwd)
root=${FOLDER:-$(mktemp -d /tmp/haima-first-hour.XXXXXX)}
mkdir -p "$root/bin"

running=()
end() {
    code=$?
    trap - EXIT INT TERM
    for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ "$code" != 0 ]; then
        # What the parties said last, for whoever has to find out.
        for log in "$root"/*/log; do
            [ ! -f "$log" ] || { echo "-- $log"; tail -n 5 "$log"; } >&2
        done
    fi
    [ -n "${FOLDER:-}" ] || rm -rf "$root"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM

# The programs as each party has them.
ln -sf "$program" "$root/bin/haima"
printf '#!/bin/sh\nexec haima __node "$@"\n' >"$root/bin/smpc-node"
chmod +x "$root/bin/smpc-node"
PATH=$root/bin:$PATH
cd "$root"

# Addresses of this machine that nobody listens at, below those of connections outward.
free() {
    while :; do
        port=$((10000 + RANDOM % 20000))
        case " $taken " in *" $port "*) continue ;; esac
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    taken="$taken $port"
}
taken=
free && centre=127.0.0.1:$port
free && north=127.0.0.1:$port
free && south=127.0.0.1:$port
free && west=127.0.0.1:$port

microseconds() { echo "${EPOCHREALTIME/[.,]/}"; }
begun=$(microseconds) last=$begun
tell() { # what was done
    local now
    now=$(microseconds)
    awk -v us=$((now - last)) -v what="$1" 'BEGIN { printf "%6.1f s  %s\n", us / 1e6, what }'
    last=$now
}
# A walk that is not at its end says what it waits for, and ends with 12.
waits() {
    local code=0
    "$@" >said 2>complaint || code=$?
    if [ "$code" != 12 ]; then
        echo "$*: ended with $code, not with 12" >&2
        cat said complaint >&2
        exit 1
    fi
}
ready() {
    "$@" >said 2>complaint || { echo "$*:" >&2; cat said complaint >&2; exit 1; }
    grep -qx ready said || { echo "$*: is not ready" >&2; cat said >&2; exit 1; }
}

# A coordinator begins, with a public schema.
waits haima init coordinator --dir centre --name centre --operator "The Centre" --address $centre --schema "$data/leuksurv.study.toml" --max-patients 400
tell "the coordinator: keys, request, question"

# Each other party begins, and sends its request.
waits haima init node --dir north --name north --operator "North Institute" --address $north
waits haima init node --dir south --name south --operator "South Institute" --address $south
waits haima init node --dir west --name west --operator "West Institute" --address $west
for name in north south west; do
    cp $name/$name.request.toml centre/inbox/
done
waits haima init site --dir alder --name alder --operator "Alder Hospital"
waits haima init site --dir birch --name birch --operator "Birch Hospital"
waits haima init site --dir cedar --name cedar --operator "Cedar Hospital"
for name in alder birch cedar; do
    cp $name/$name.request.toml centre/inbox/
done
tell "nodes and hospitals: keys, requests, configurations"

# The coordinator reads the fingerprints, compares them by telephone, and drafts.
waits haima init coordinator --dir centre
waits haima init coordinator --dir centre --draft
waits haima init coordinator --dir centre --sign
for name in north south west alder birch cedar; do
    cp centre/package/* $name/
done
tell "the coordinator: draft and own signature"

# Everybody reads the study in words, signs it, and sends the approval.
for name in north south west; do
    waits haima init node --dir $name
    waits haima init node --dir $name --sign
    cp $name/approval-$name.toml centre/inbox/
done
for name in alder birch cedar; do
    waits haima init site --dir $name
    waits haima init site --dir $name --sign
    cp $name/approval-$name.toml centre/inbox/
done
tell "nodes and hospitals: reading and signatures"

# The coordinator puts the approvals together, and everybody takes the package.
ready haima init coordinator --dir centre
for name in north south west alder birch cedar; do
    cp centre/package/* $name/
done
tell "the coordinator: all signatures, preflight"

# Each hospital has its own patients: here a third of the districts of a public cohort.
place=0
for name in alder birch cedar; do
    awk -F, -v OFS=, -v place=$place \
        'NR == 1 || $4 % 3 == place { print $1, $2, $3, $5, $6, $7, $8 }' "$data/leuksurv.csv" >$name/cohort.csv
    chmod 640 $name/cohort.csv
    place=$((place + 1))
done

# The one edit by hand: whose budget, and how large.
for name in alder birch cedar; do
    sed -i -e 's/^#default_population = .*/default_population = "leukaemia"/' -e 's/^#epsilon = .*/epsilon = 1.0/' $name/policy.toml
    ready haima init site --dir $name
done
tell "hospitals: patients, policy, preflight"

for name in north south west; do
    ready haima init node --dir $name
    smpc-node run --config $name/node.toml 2>$name/log &
    running+=($!)
done
tell "nodes: preflight, and they run"

sites=()
for name in alder birch cedar; do
    haima site run --config $name/site.toml 2>$name/log &
    running+=($!) sites+=($!)
done
timeout 180 haima coordinator run --config centre/coordinator.toml 2>centre/log
# The hospitals end with the study.
for site in "${sites[@]}"; do
    for _ in $(seq 300); do kill -0 "$site" 2>/dev/null || break; sleep 0.1; done
    ! kill -0 "$site" 2>/dev/null || { echo "a hospital does not end" >&2; exit 1; }
    wait "$site"
done
tell "the first round, and the report"

grep -q 'round released' centre/log
[ -s centre/out/index.html ]
# What a coordinator, a node and a hospital have written down is the same.
haima audit verify --manifest centre/package/manifest.toml --journal centre=centre/out/audit.log \
    --journal north=north/audit.log --journal alder=alder/state/audit.log >said
grep -q 'journals agree' said
last=$begun
tell "from nothing to a first round: the machine's share of the hour"
