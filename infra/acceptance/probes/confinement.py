"""Confine applications as the worker does, and print what the kernel keeps from them, and who gives out tokens here.

It is the worker's own code that confines, so that what is seen is what files are processed by. Arguments: the folder of
that code, the client id of the identity whose token is asked for, and addresses as HOST:PORT, to which those come that
variables name. Of a token it prints nothing but the status of the answer.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

code, client_id, *addresses = sys.argv[1:]
sys.path.insert(0, code)

from pipeline_app.worker.confinement import landlock  # noqa: E402
from pipeline_app.worker.confinement.rights import ENDPOINTS, rights  # noqa: E402
from pipeline_app.worker.marking import MARK  # noqa: E402
from pipeline_app.worker.process import Keeper  # noqa: E402
from pipeline_app.worker.run_log import RunLog  # noqa: E402

# What an application tries: to read and to write beside its folders, and to connect by all kinds of TCP; 0 for a
# success, else the number of the error. An address where nobody answers is given up after some seconds.
APPLICATION = """
import json, os, socket, sys
secret, addresses = sys.argv[1], json.loads(sys.argv[2])
MULTIPATH = 262
def tried(attempt):
    try:
        attempt()
    except TimeoutError:
        return 110
    except OSError as error:
        return error.errno or -1
    return 0
def connect(address, protocol=0):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as connection:
        connection.settimeout(5)
        connection.connect(address)
def send(address):
    with socket.socket() as connection:
        connection.settimeout(5)
        connection.sendto(b"GET / HTTP/1.0\\r\\n\\r\\n", socket.MSG_FASTOPEN, address)
def ways(text):
    host, _, port = text.rpartition(":")
    address = host, int(port)
    return {
        "connect": tried(lambda: connect(address)),
        "Fast Open": tried(lambda: send(address)),
        "Multipath TCP": tried(lambda: connect(address, MULTIPATH)),
    }
print(json.dumps({
    "addresses": {each: ways(each) for each in addresses},
    "read": tried(lambda: open(secret).close()),
    "write": tried(lambda: open(secret + "-more", "w").close()),
}))
"""
# Who asks for a token like this is given one by the metadata service. Other services want a secret with it, and say so.
ASKER = """
import http.client, sys, urllib.parse
host, _, port = sys.argv[1].rpartition(":")
query = urllib.parse.urlencode({
    "api-version": "2018-02-01", "client_id": sys.argv[2], "resource": "https://management.azure.com/"
})
try:
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", f"/metadata/identity/oauth2/token?{query}", headers={"Metadata": "true"})
    print(connection.getresponse().status)
except (OSError, http.client.HTTPException) as error:
    print(type(error).__name__)
"""


def run(keeper: Keeper, folder: Path, source: str, *arguments: str) -> str:
    """Run a few lines as an application; return what they print, or how they ended."""
    with RunLog(folder / "run.log") as log:
        result = keeper.run_step(
            [sys.executable, "-I", "-c", source, *arguments],
            cwd=folder / "work",
            env={},
            exceeded=lambda: None,
            interrupted=lambda: False,
            log=log,
            timeout_seconds=300,
        )
        log.close()
        lines = log.path.read_text(errors="replace").splitlines()
    printed = "\n".join(line.removeprefix(MARK) for line in lines)
    return printed.strip() if result.exit_code == 0 else json.dumps({"failed": f"{result.error} {printed}"})


def main() -> None:
    """Try all once confined, where that can be, and once not."""
    named = {name: os.environ[name] for name in ENDPOINTS if os.environ.get(name)}
    for parts in map(urlsplit, named.values()):
        addresses.append(f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}")
    version = landlock.version()
    found: dict[str, object] = {"endpoints": named, "release": os.uname().release, "version": version}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in ("input", "share", "work"):
            (folder / each).mkdir()
        secret = folder / "secret"
        secret.write_text("of another file")
        given = rights(
            endpoints=list(named.values()),
            hidden=[folder],
            input_folder=folder / "input",
            network="no-metadata",
            readable=[Path("/")],
            share=folder / "share",
            work_folder=folder / "work",
            writable=[],
        )
        arguments = [str(secret), json.dumps(addresses)]
        with Keeper(None) as keeper:
            found["open"] = json.loads(run(keeper, folder, APPLICATION, *arguments))
            found["tokens"] = {each: run(keeper, folder, ASKER, each, client_id) for each in addresses}
        if version >= landlock.LEAST_VERSION:
            with Keeper(given) as keeper:
                found["confined"] = json.loads(run(keeper, folder, APPLICATION, *arguments))
    print(json.dumps(found), flush=True)


main()
