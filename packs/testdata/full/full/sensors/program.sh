#!/bin/sh
echo '{"trigger": "full.seen", "payload": {"what": "x"}}'
