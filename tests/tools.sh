#!/usr/bin/env bash
# Installs what the tests use beside Go, and says so. Debian packages need root
# or sudo; what is there already is left alone.
set -euo pipefail
PATH="$PATH:/usr/sbin" # where sshd is

sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
updated=""

need() { # need COMMAND PACKAGE
  if command -v "$1" >/dev/null 2>&1; then return; fi
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "tests need $1: please install it" >&2
    exit 1
  fi
  if [ -z "$updated" ]; then
    $sudo apt-get update -qq
    updated=yes
  fi
  echo "installing $2 (for $1)"
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

need python3 python3
need bash bash
need sshd openssh-server
need redis-server redis-server
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
  need python3-with-venv python3-venv # no command of this name: the package is always installed
fi
