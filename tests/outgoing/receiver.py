"""A receiver of webhooks as a program of its own: it notes whatever comes, and answers as the path says.

`/STATUS` answers with that status; `/poison/STATUS` answers so what names a subject that begins with "poison", and 204
otherwise; `/slow` takes its time; `/moved` redirects to /204.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from time import sleep

SLOW_S = 0.02


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    noting = Lock()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the sender was killed on the way: nothing of it counts
            return
        way = self.path.strip("/").split("/")
        status = 204
        if way[0].isdecimal():
            status = int(way[0])
        elif way[0] == "poison":
            status = int(way[1]) if b'"subject":"poison' in body else 204
        elif way[0] == "moved":
            status = 307
        else:
            sleep(SLOW_S)
        note = {
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": base64.b64encode(body).decode(),
            "status": status,
        }
        with self.noting, open(sys.argv[1], "a") as notes:  # noqa: PTH123 - as short as can be
            notes.write(json.dumps(note) + "\n")
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/204")
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its own word
        """Nothing is printed but the port."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
