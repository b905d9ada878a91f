"""Attacks of an application that a file has taken over, as code that it executes."""

from __future__ import annotations

import textwrap
from typing import Final

# The application executes its input, with the names of what there is to attack.
EXECUTOR: Final = """import ctypes, glob, json, os, pathlib, signal, socket, subprocess, sys, time
source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2].partition("=")[2])
share, target = pathlib.Path(sys.argv[4]), json.loads(os.environ["TARGET"])
def parents():
    number, found = os.getppid(), []
    while number > 0:
        found.append(number)
        number = int(pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return found
def tried(attack):
    try:
        return attack()
    except OSError as error:
        return None
reached = None
exec(source.read_text())
(output / "reached.json").write_text(json.dumps(reached))
"""

# What each attack is to leave in ``reached`` where it fails: nothing.
ATTACKS: Final = {
    "read the environment of the worker": """
        reached = [n for n in parents() if "AccountKey" in (tried(pathlib.Path(f"/proc/{n}/environ").read_text) or "")]
        """,
    "read the memory of the worker": """
        def look(number):
            for line in open(f"/proc/{number}/maps"):
                if "[heap]" in line:
                    start = int(line.partition("-")[0], 16)
                    with open(f"/proc/{number}/mem", "rb") as memory:
                        memory.seek(start)
                        return len(memory.read(4096))
        reached = [n for n in parents()[:2] if tried(lambda: look(n))]
        """,
    "trace the worker": """
        libc = ctypes.CDLL(None, use_errno=True)
        reached = []
        for n in parents()[:2]:
            if libc.ptrace(16, n, None, None) == 0:
                time.sleep(0.1)
                libc.ptrace(17, n, None, None)
                reached.append(n)
        """,
    "signal the worker": """
        reached = [n for n in parents()[1:2] if tried(lambda: os.kill(n, 0) or True)]
        """,
    "list the worker's folders": """
        reached = tried(lambda: os.listdir(target["scratch"]))
        """,
    "write beside the attempt's folder": """
        reached = tried(lambda: (source.parents[1] / "more").write_text("x"))
        """,
    "change its input": """
        reached = tried(lambda: source.write_text("another"))
        """,
    "write into the application's folder": """
        reached = tried(lambda: pathlib.Path(sys.argv[0]).with_name("more").write_text("x"))
        """,
    "change the application": """
        reached = tried(lambda: pathlib.Path(sys.argv[0]).open("a").write("# changed"))
        """,
    "write into the share": """
        reached = tried(lambda: (share / "more").write_text("x"))
        """,
    "change a config on the share": """
        reached = tried(lambda: (share / "config" / "runtime.json").open("a").write(" "))
        """,
    "empty a config on the share": """
        reached = tried(lambda: os.truncate(share / "config" / "runtime.json", 1) or True)
        """,
    "rename a config on the share": """
        reached = tried(lambda: os.rename(share / "config" / "runtime.json", share / "config" / "other.json") or True)
        """,
    "read the share's log": """
        reached = [p.name for p in (share / "log").glob("*") if tried(p.read_text)]
        """,
    "write into the user's home": """
        reached = tried(lambda: (pathlib.Path(target["folder"]) / "home" / "more").write_text("x"))
        """,
    "write into the shared temporary folder": """
        reached = tried(lambda: (pathlib.Path(target["folder"]) / "tmp" / "more").write_text("x"))
        """,
    "link a file from elsewhere into the results": """
        reached = tried(lambda: os.link(share / "log" / "app.log", output / "log.txt") or True)
        """,
    "ask for the worker's token": """
        reached = tried(lambda: socket.create_connection(("127.0.0.1", target["identity"]), 5).close() or True)
        """,
    "ask for the worker's token by Fast Open": """
        address = "127.0.0.1", target["identity"]
        reached = tried(lambda: socket.socket().sendto(b"GET / HTTP/1.0", socket.MSG_FASTOPEN, address))
        """,
}

# What the kernel keeps from an application even without Landlock, since the worker does not let itself be looked into.
KEPT_ANYWAY: Final = {"read the environment of the worker", "read the memory of the worker", "trace the worker"}
# A log that goes on after it was linked is another file than the one that was hashed.
UNPUBLISHED: Final = {"link a file from elsewhere into the results"}


def code(attack: str) -> bytes:
    """Return an attack as the content of a file."""
    return textwrap.dedent(attack).encode()
