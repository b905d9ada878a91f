"""Ask Resource Manager as an identity, again and again, and print each answer that differs from the one before.

Arguments: the identity's client id, the method, the URL, the seconds in all, ``first`` to end with the first success
or ``all`` to go on, and where tokens and Resource Manager are.
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

client_id, method, url, seconds, until, tokens, manager = sys.argv[1:8]


def send(request: urllib.request.Request) -> tuple[int, dict[str, object]]:
    """Return status and body, whatever the status is."""
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return response.status, json.loads(response.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
        try:
            return error.code, json.loads(body or b"{}")
        except ValueError:
            return error.code, {}


def token() -> str:
    """Return a token of the identity."""
    query = urllib.parse.urlencode({"api-version": "2018-02-01", "client_id": client_id, "resource": manager})
    request = urllib.request.Request(f"{tokens}?{query}", headers={"Metadata": "true"})  # noqa: S310
    status, body = send(request)
    if status != 200:
        raise OSError(f"The identity's endpoint answered {status}: {body}")
    return str(body["access_token"])


begin = time.monotonic()
before = None
while time.monotonic() - begin < float(seconds):
    try:
        bearer = token()
        status, body = send(
            urllib.request.Request(  # noqa: S310
                url,
                data=b"" if method == "POST" else None,
                headers={"Authorization": f"Bearer {bearer}", "Content-Length": "0"},
                method=method,
            )
        )
    except OSError as error:
        status, body = 0, {"error": {"code": type(error).__name__, "message": str(error)}}
    problem = body.get("error")
    problem = problem if isinstance(problem, dict) else {}
    seen = {"code": problem.get("code", ""), "message": problem.get("message", ""), "status": status}
    if (status, seen["code"]) != before:
        print(json.dumps({**seen, "at": time.time(), "seconds": round(time.monotonic() - begin, 1)}), flush=True)
        before = (status, seen["code"])
    if 200 <= status < 300 and until == "first":
        break
    time.sleep(5)
