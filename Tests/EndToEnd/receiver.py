"""A collector of traces and an error tracker in one, as a process of its own: it keeps what it is sent and shows it.

    python receiver.py PORT       GET / answers {"requests": [{path, headers, body}]}
"""

import gzip
import http.server
import json
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.kept.append({
            "path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode()})
        self.answer(b"{}")

    def do_GET(self):
        self.answer(json.dumps({"requests": self.kept}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
