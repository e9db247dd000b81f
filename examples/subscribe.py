"""Prints every update of a feed, once.

python3 subscribe.py "http://127.0.0.1:8080/v1/feed?since=0"
"""

import http.client
import signal
import sys
import time
import urllib.request

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
feed = sys.argv[-1]
if "://" not in feed:
    sys.exit(f"usage: {__doc__.splitlines()[2]}")
cursor, pause = "", 3.0
while True:
    try:
        asked = urllib.request.Request(feed, headers={"Last-Event-ID": cursor})
        answer = urllib.request.urlopen(asked, timeout=60)  # silence is broken every 15 s
        if (found := answer.headers.get_content_type()) != "text/event-stream":
            sys.exit(f"{feed} is no feed: it answers {found}")
        fields = {}
        for line in answer:
            name, _, value = line.decode(errors="replace").rstrip("\n").partition(": ")
            if name:
                fields[name] = value
                continue
            if "data" in fields:  # an empty line ends an event: only now has it come whole
                if fields.get("event") in (None, "reset"):
                    print(fields["data"], flush=True)
                cursor = fields.get("id", cursor)
            pause, fields = int(fields.get("retry", pause * 1000)) / 1000, {}
    except BrokenPipeError:  # whoever read this has had enough
        sys.exit(1)
    except (OSError, http.client.HTTPException) as dropped:
        said = getattr(dropped, "code", None)
        if said in range(400, 500) and said != http.client.TOO_MANY_REQUESTS:
            sys.exit(f"{feed} does not answer: {dropped}")  # it would say so for ever
        print(f"{dropped!r}; coming back in {pause} s", file=sys.stderr)
    time.sleep(pause)
