"""Being told to stop is seen by each thread before Python's handler runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

from pipeline_app.worker.told import deaf

# The main thread is busy where no handler can run, and the kernel has its own handler run all the same.
BUSY = """
import hashlib, os, signal, sys, threading, time
from pipeline_app.worker.told import Told, deaf

# Nobody else runs until the main thread is where it stays busy.
sys.setswitchinterval(60)
told, begun, ended = Told(), threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.stopping.set())
told.listen()

def look():
    begun.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    while signal.SIGTERM in signal.sigpending():
        time.sleep(0.001)
    while not told() and not ended.is_set():
        time.sleep(0.001)
    print("heard" if told() and not told.stopping.is_set() else "late")

assert not told()
with deaf():
    looker = threading.Thread(target=look)
    looker.start()
begun.set()
hashlib.pbkdf2_hmac("sha256", b"", b"", 6_000_000)
ended.set()
looker.join()
"""

# A process of its own has no other thread that the kernel could give the signal to, as that of the tests may have.
PENDING = """
import os, signal, threading
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.told import Told, deaf

now, seen = [7.0], []
told = Told(Outside(monotonic=lambda: now[0]))
signal.signal(signal.SIGTERM, lambda *_: told.stopping.set())
assert not told()
with deaf():
    os.kill(os.getpid(), signal.SIGTERM)
    looker = threading.Thread(target=lambda: seen.append((told(), told.stopping.is_set())))
    looker.start()
    looker.join()
assert told.stopping.wait(60)
now[0] = 9.0
print(seen, told(), told.since)
"""


def test_a_signal_that_has_not_got_to_the_main_thread_is_seen() -> None:
    told = subprocess.run([sys.executable, "-c", PENDING], capture_output=True, check=True, text=True)
    assert told.stdout == "[(True, False)] True 7.0\n", told


def test_a_signal_whose_handler_has_not_run_is_heard() -> None:
    told = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, check=True, text=True)
    assert told.stdout == "heard\n", told


def test_threads_that_start_deaf_leave_signals_to_the_main_one() -> None:
    masks: list[set[int]] = []
    with deaf():
        looker = threading.Thread(target=lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        looker.start()
        looker.join()
    assert {signal.SIGHUP, signal.SIGINT, signal.SIGTERM} <= masks[0]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGTERM}
