#!/usr/bin/env bash
# Measures Petrel on SQLite and on Redis beside the bare limits of this machine,
# and prints one JSON. Usage: tests/bench.sh [EVENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
events=${1:-20000}

dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" --save "" --appendonly yes --appendfsync everysec --maxmemory-policy noeviction >"$dir/redis.log" &
redis=$!
trap 'kill "$redis" 2>/dev/null; wait "$redis" 2>/dev/null; rm -rf "$dir"' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do kill -0 "$redis"; sleep 0.05; done

(cd tests/baseline && go build -o "$dir/baseline" .)
empty() { redis-cli -p "$port" flushall >/dev/null; }

"$dir/baseline" -redis "127.0.0.1:$port" -n "$events" >"$dir/baseline.json"
./petrel bench --events "$events" --memory 100000 >"$dir/sqlite.json"
./petrel bench --events "$events" --synchronous normal >"$dir/sqlite_normal.json"
for processes in 1 2 4; do
  empty
  ./petrel bench --store "redis://127.0.0.1:$port/0" --events "$events" --processes "$processes" >"$dir/redis_$processes.json"
done
python3 - "$dir" <<'PY'
import json, os, sys
names = ["baseline", "sqlite", "sqlite_normal", "redis_1", "redis_2", "redis_4"]
report = {n: json.load(open(os.path.join(sys.argv[1], n + ".json"))) for n in names}
report["redis_share_of_asynq"] = round(report["redis_1"]["events_per_second"] / report["baseline"]["asynq_noop_tasks_per_second"], 2)
print(json.dumps(report, indent=2))
PY
