#!/bin/sh
# Prints the processes that fit, as a JSON list of {pid, state, name, command}.
search=${1:-name} criteria=$2 what=${3:-show}
if [ -z "$criteria" ]; then
    echo "check_processes: criteria is empty; give a state, a name or a number" >&2
    exit 2
fi
case $search in state | name | pid) ;; *)
    echo "check_processes: search is state, name or pid, not $search" >&2
    exit 2
    ;;
esac
ps -e -o pid= -o state= -o comm= -o args= | PETREL_CRITERIA=$criteria awk -v search="$search" -v what="$what" -v self="$$" '
function quote(s) { gsub(/\\/, "&&", s); gsub(/"/, "\\\"", s); gsub(/[\001-\037]/, " ", s); return "\"" s "\"" }
BEGIN { wanted = ENVIRON["PETREL_CRITERIA"]; n = 0 }
{
    fits = search == "pid" ? $1 == wanted : search == "state" ? $2 == wanted : $3 ~ wanted
    if (!fits || $1 == self) next
    command = $0
    sub(/^ *[0-9]+ +[^ ]+ +[^ ]+ +/, "", command)
    list = list (n++ ? ", " : "") "{\"pid\": " $1 ", \"state\": " quote($2) ", \"name\": " quote($3) ", \"command\": " quote(command) "}"
}
END { if (what == "count") print n; else print "[" list "]" }'
