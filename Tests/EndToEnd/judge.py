"""Somebody who answers the questions of guardrails, as a process of its own; what it says depends on the words it is asked about.

    python judge.py PORT       GET / answers {"questions": [{headers, body}]}
"""

import http.server
import json
import sys
import threading
import time


class Judge(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = []
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.lock:
            self.asked.append({"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body.decode()})
        texts = json.loads(body)["data"]["texts"]
        words = " ".join(texts)
        if "snail" in words:
            time.sleep(3)
        if "nonsense" in words:
            return self.answer(b"<html>who knows</html>")
        if "broken" in words:
            return self.answer(b"{}", status=500)
        if "forbidden" in words:
            return self.say({"verdict": "block", "reason": "it is forbidden"})
        if "Ada" in words:
            return self.say({"verdict": "redact", "texts": [text.replace("Ada", "[name]") for text in texts]})
        return self.say({"verdict": "allow"})

    def do_GET(self):
        with self.lock:
            self.say({"questions": self.asked})

    def say(self, answer):
        self.answer(json.dumps(answer).encode())

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Judge).serve_forever()
