"""A webhook endpoint that verifies with the libraries that consumers use. Prints its port, then one JSON line for each post.

usage: verify-webhooks.py SECRET [PUBLIC_KEY]      (whsec_..., whpk_...)
"""

import base64
import http.server
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

secret = sys.argv[1]
public_key = sys.argv[2] if len(sys.argv) > 2 else None


def judged(verify):
    try:
        verify()
        return "ok"
    except Exception as error:  # whatever a library throws is its verdict
        return type(error).__name__


def verify_v1a(headers, body):
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for candidate in headers["webhook-signature"].split(" "):
        version, signature = candidate.split(",", 1)
        if version == "v1a":
            return key.verify(base64.b64decode(signature), signed)
    raise KeyError("v1a")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        verdict = {
            "id": headers.get("webhook-id"),
            "standardwebhooks": judged(lambda: StandardWebhook(secret).verify(body, headers)),
            "svix": judged(lambda: SvixWebhook(secret).verify(body, headers)),
        }
        if public_key:
            verdict["v1a"] = judged(lambda: verify_v1a(headers, body))
        print(json.dumps(verdict), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
