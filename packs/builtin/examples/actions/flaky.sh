#!/bin/sh
# Counts its runs in a file; the first $2 of them fail.
count="${TMPDIR:-/tmp}/petrel-flaky-$(printf '%s' "$1" | tr -c 'a-zA-Z0-9' _)"
echo x >> "$count"
runs=$(wc -l < "$count")
if [ "$runs" -le "$2" ]; then
  echo "run $runs of $1 fails" >&2
  exit 1
fi
rm -f "$count"
echo "run $((runs)) went well"
