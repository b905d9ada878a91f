"""Run until told to end, and then note how long that lasts, in the file of the first argument, at most 900 s in all."""

import os
import signal
import sys
import time

path = sys.argv[1]
told: list[float] = []
signal.signal(signal.SIGTERM, lambda *_: told.append(time.monotonic()))
os.makedirs(os.path.dirname(path), exist_ok=True)
begin = time.monotonic()
with open(path, "w") as file:
    while time.monotonic() - begin < 900:
        # A file on a share is seen by others once it is flushed and synchronised.
        text = f"{time.monotonic() - told[0]:.1f}" if told else "up"
        print(text, file=file, flush=True)
        os.fsync(file.fileno())
        time.sleep(0.5)
