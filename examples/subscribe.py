"""Prints every update of a feed, once.

python3 subscribe.py http://127.0.0.1:8080/v1/feed?since=0
"""

import http.client
import sys
import time
import urllib.request

cursor, pause = "", 3.0
while True:
    try:
        asked = urllib.request.Request(sys.argv[1], headers={"Last-Event-ID": cursor})
        fields = {}
        for line in urllib.request.urlopen(asked, timeout=60):  # silence is broken every 15 s
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
                continue
            if "data" in fields:  # an empty line ends an event: only now has it come whole
                if fields.get("event") in (None, "reset"):
                    print(fields["data"], flush=True)
                cursor = fields.get("id", cursor)
            pause, fields = int(fields.get("retry", pause * 1000)) / 1000, {}
    except (OSError, http.client.HTTPException) as dropped:
        print(f"{dropped!r}; coming back in {pause} s", file=sys.stderr)
    time.sleep(pause)
