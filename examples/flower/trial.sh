#!/usr/bin/env bash
# The example as it is deployed, on one machine: Flower's SuperLink, three SuperNodes and `flwr run`, over
# simulated sums WITHOUT ANY PRIVACY and without TLS. Takes about half a minute. HAIMA is the program (haima
# on the path where unset), HAIMA_PYTHON a Python with flwr, PORT the first of four free ports.
set -euo pipefail
cd "$(dirname "$0")"
haima="${HAIMA:-haima}"
python="${HAIMA_PYTHON:-python3}"
port="${PORT:-18700}"
folder="$(mktemp -d)"
processes=()
end() {
    kill "${processes[@]}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap end EXIT

bin="$(dirname "$("$python" -c 'import sys; print(sys.executable)')")"
export PATH="$bin:$PATH" FLWR_TELEMETRY_ENABLED=0 PYTHONDONTWRITEBYTECODE=1 FLWR_HOME="$folder/flwr"
mkdir "$FLWR_HOME"
printf '[superlink.trial]\naddress = "127.0.0.1:%s"\ninsecure = true\n' "$port" >"$FLWR_HOME/config.toml"
"$python" -c 'import sys, pathlib, check; check.hospitals(pathlib.Path(sys.argv[1]))' "$folder"

start() {
    "$@" >>"$folder/log" 2>&1 &
    processes+=($!)
}
# Waits until something answers at a port.
answers() {
    for _ in $(seq 300); do
        if (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.2
    done
    cat "$folder/log"
    exit 1
}
start "$haima" sum simulate --sockets "$folder" --sites 3 --dimension 3 --bound 0.75 --rounds 3
start flower-superlink --insecure --host 127.0.0.1 --port "$port" --disable-runtime-dependency-installation
answers "$port"
for site in 1 2 3; do
    start flower-supernode --insecure --superlink "127.0.0.1:$port" --port $((port + site)) \
        --node-config "haima-socket=\"$folder/site-$site.sock\" data=\"$folder/site-$site.csv\""
    answers $((port + site))
done
# A copy: `flwr run` packs the folder that it is given.
mkdir "$folder/app"
cp ./*.py ./*.toml ./*.md "$folder/app"
flwr run "$folder/app" trial --stream \
    --run-config "sites=3 rounds=3 dimension=3 out=\"$folder/model.npy\""
"$python" -c 'import sys, numpy; print("model:", numpy.load(sys.argv[1]))' "$folder/model.npy"
