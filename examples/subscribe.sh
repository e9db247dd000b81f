#!/bin/sh
# Prints every update of a feed, once: sh subscribe.sh http://127.0.0.1:8080/v1/feed?since=0 [FILE]
# FILE keeps the cursor, so that the script itself may be stopped and started as well.
keep=${2:-$(mktemp)}
while :; do # curl sends no Last-Event-ID while there is none
  curl --silent --no-buffer --header "Last-Event-ID: $(cat "$keep" 2>/dev/null)" "$1" |
    while IFS= read -r line; do
      case $line in
      "id: "*) id=${line#id: } ;;
      "event: "*) event=${line#event: } ;;
      "data: "*) data=${line#data: } ;;
      "") # an empty line ends an event: only now has it come whole
        case "${data:+${event:-reset}}" in reset) printf '%s\n' "$data" ;; esac
        [ -n "$id" ] && printf '%s' "$id" >"$keep"
        id='' event='' data=''
        ;;
      esac
    done
  sleep 2
done
