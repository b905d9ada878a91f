"""Being told to stop is seen by each thread before Python's handler runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from pipeline_app.worker.outside import Outside
from pipeline_app.worker.told import Told, deaf

# The main thread is busy where no handler can run, and the kernel has its own handler run all the same.
BUSY = """
import hashlib, os, signal, sys, threading, time
from pipeline_app.worker.told import Told, deaf

told, ended = Told(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.stopping.set())
told.listen()

def look():
    os.kill(os.getpid(), signal.SIGTERM)
    while not told() and not ended.is_set():
        time.sleep(0.001)
    print("heard" if told() and not told.stopping.is_set() else "late")

assert not told()
with deaf():
    looker = threading.Thread(target=look)
    looker.start()
hashlib.pbkdf2_hmac("sha256", b"", b"", 6_000_000)
ended.set()
looker.join()
"""


def test_a_signal_that_has_not_got_to_the_main_thread_is_seen() -> None:
    now = [7.0]
    told = Told(Outside(monotonic=lambda: now[0]))
    seen: list[tuple[bool, bool]] = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.stopping.set())
    try:
        assert not told()
        with deaf():
            os.kill(os.getpid(), signal.SIGTERM)
            looker = threading.Thread(target=lambda: seen.append((told(), told.stopping.is_set())))
            looker.start()
            looker.join()
        assert told.stopping.wait(60)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [(True, False)]
    now[0] = 9.0
    assert told()
    assert told.since == 7.0


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
