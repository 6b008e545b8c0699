#!/bin/sh
# Usage: greet.sh [--times=N] [--shout] NAME LANGUAGE
set -eu

times=1 shout=no
while [ $# -gt 0 ]; do
  case $1 in
    --times=*) times=${1#--times=} ;;
    --shout) shout=yes ;;
    *) break ;;
  esac
  shift
done
name=$1 language=${2:-english}

case $language in
  french) greeting=Bonjour ;;
  german) greeting=Hallo ;;
  spanish) greeting=Hola ;;
  *) greeting=Hello ;;
esac

line="$greeting, $name!"
[ "$shout" = no ] || line=$(printf '%s' "$line" | tr '[:lower:]' '[:upper:]')
while [ "$times" -gt 0 ]; do
  printf '%s\n' "$line"
  times=$((times - 1))
done
