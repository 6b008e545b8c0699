#!/bin/sh
# traceroute HOST HOPS QUERIES, with tracepath where there is no traceroute.
host=$1 hops=${2:-30} queries=${3:-3}
case $host in '' | -*)
    echo "traceroute: host must be the name or address of a machine" >&2
    exit 2
    ;;
esac
if command -v traceroute >/dev/null; then
    exec traceroute -q "$queries" -m "$hops" "$host"
elif command -v tracepath >/dev/null; then
    exec tracepath -m "$hops" "$host"
fi
echo "traceroute: this machine has neither traceroute nor tracepath" >&2
exit 1
