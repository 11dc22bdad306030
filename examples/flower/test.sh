#!/usr/bin/env bash
# Runs the Flower example over simulated sums. HAIMA is the program (haima on the path where unset),
# HAIMA_PYTHON a Python with numpy, and flwr for the other checks; what is missing is said and skipped.
set -euo pipefail
cd "$(dirname "$0")"
haima="${HAIMA:-haima}"
python="${HAIMA_PYTHON:-python3}"
export FLWR_TELEMETRY_ENABLED=0 PYTHONDONTWRITEBYTECODE=1

has() { "$python" -c "import $1" >/dev/null 2>&1; }

if ! has numpy; then
    echo "PYTHON absent: $python has no numpy; examples/flower is not tested"
    exit 0
fi
"$python" check.py "$haima" sums
if ! has flwr.serverapp.strategy; then
    echo "PYTHON absent: $python has no flwr (examples/flower/requirements.txt)"
    exit 0
fi
"$python" check.py "$haima" flower
"$python" check.py "$haima" classic
