"""Answer every GET on the port of the first argument with the status of the second, for the seconds of the third."""

import http.server
import sys
import threading

port, status, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers alike whatever is asked."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


with http.server.ThreadingHTTPServer(("", port), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print('{"serving": true}', flush=True)
    threading.Event().wait(seconds)
    server.shutdown()
