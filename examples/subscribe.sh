#!/bin/sh
# Prints every update of a feed, once: sh subscribe.sh "http://127.0.0.1:8080/v1/feed?since=0" [FILE]
# FILE keeps the cursor, so that the script itself may be stopped and started as well.
feed=$1
case $feed in
*://*) ;;
*) echo 'usage: sh subscribe.sh "http://127.0.0.1:8080/v1/feed?since=0" [FILE]' >&2 && exit 1 ;;
esac
keep=${2:-$(mktemp)} head=$(mktemp)
while :; do # curl sends no Last-Event-ID while there is none
  curl --silent --show-error --no-buffer --dump-header "$head" \
    --header "Last-Event-ID: $(cat "$keep" 2>/dev/null)" "$feed" |
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
  status=$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$head" | tail -n 1)
  case $status in # it would say the same for ever; 429 is "later", and 500 and more may pass
  429) ;;
  4*) echo "$feed does not answer: $status" >&2 && exit 1 ;;
  200)
    if ! grep -qi '^content-type: text/event-stream' "$head"; then
      echo "$feed is no feed: it answers another type" >&2 && exit 1
    fi
    ;;
  esac
  : >"$head"
  sleep 2
done
