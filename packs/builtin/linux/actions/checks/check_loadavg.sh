#!/bin/sh
# Prints the load as JSON: the averages over 1, 5 and 15 minutes, also a processor.
period=${1:-all}
read -r one five fifteen rest </proc/loadavg || exit 1
cpus=$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)
[ "${cpus:-0}" -gt 0 ] || cpus=1
each() { awk -v load="$1" -v n="$cpus" 'BEGIN { printf "%.2f", load / n }'; }
case $period in
1) printf '{"1": %s}\n' "$(each "$one")" ;;
5) printf '{"5": %s}\n' "$(each "$five")" ;;
15) printf '{"15": %s}\n' "$(each "$fifteen")" ;;
0) printf '{"cpus": %s}\n' "$cpus" ;;
all)
    printf '{"1": %s, "5": %s, "15": %s, "cpus": %s, "raw": [%s, %s, %s]}\n' \
        "$(each "$one")" "$(each "$five")" "$(each "$fifteen")" "$cpus" "$one" "$five" "$fifteen"
    ;;
*)
    echo "check_loadavg: period is 0, 1, 5, 15 or all, not $period" >&2
    exit 2
    ;;
esac
