#!/bin/sh
# Does something to a service with what the machine manages services with.
act=$1 service=$2
if [ -z "$act" ] || [ -z "$service" ]; then
    echo "service: act and service must be given" >&2
    exit 2
fi
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
    exec systemctl --no-pager "$act" -- "$service"
elif command -v service >/dev/null; then
    exec service "$service" "$act"
elif command -v rc-service >/dev/null; then
    exec rc-service "$service" "$act"
elif [ -x "/etc/init.d/$service" ]; then
    exec "/etc/init.d/$service" "$act"
fi
echo "service: this machine has neither systemctl, service nor rc-service" >&2
exit 1
