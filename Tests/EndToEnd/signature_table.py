"""Signatures by botocore (AWS's own) over a table of requests: what ours are compared with in Tests/CryptographyTests.

    .venv/bin/python Tests/EndToEnd/signature_table.py     writes Tests/Vectors/aws-signatures.json anew
"""

import hashlib
import itertools
import json
from pathlib import Path

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FILE = Path(__file__).resolve().parents[1] / "Vectors" / "aws-signatures.json"
ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEXAMPLE//session+token=="
TARGETS = [
    "/", "/model/anthropic.claude-v1%3A0/converse", "/model/anthropic.claude-v1:0/converse-stream",
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fx/converse-stream",
    "/model/%C3%A1gua%20e%20sal/converse", "/a//b/./c/../d/", "/foundation-models?byProvider=Anthropic&byOutputModality=TEXT",
    "/x?b=2&a=1&a=0&empty=&bare&space=%20&plus=a%2Bb", "/~user/-_.!*'()/$&,;=@", "/trailing/", "/x?",
]
BODIES = ["", '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}', "água 水 \U0001f30a\n"]
PLACES = [("us-east-1", "bedrock", "20260102T030405Z"), ("ap-southeast-2", "bedrock", "20280229T235959Z")]
FIELDS = [{}, {"content-type": "application/json"}, {"content-type": " application/json;  charset=utf-8 ", "x-amz-meta": "a   b"}]


class SignerAt(botocore.auth.SigV4Auth):
    """Signs as at another moment: what add_auth does, but for the clock."""

    def add_auth_at(self, request, date):
        request.context["timestamp"] = date
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


def signed(target, body, place, fields, lent):
    region, service, date = place
    host = f"bedrock-runtime.{region}.amazonaws.com"
    request = AWSRequest("POST" if body else "GET", f"https://{host}{target}", data=body.encode(), headers=dict(fields))
    signer = SignerAt(Credentials(ID, SECRET, TOKEN if lent else None), service, region)
    signer.add_auth_at(request, date)
    sent = {name.lower(): value for name, value in request.headers.items()}
    authorization = sent.pop("authorization")
    return {
        "method": request.method, "target": target, "region": region, "service": service, "date": date,
        "fields": {**sent, "host": host}, "payload": hashlib.sha256(body.encode()).hexdigest(), "lent": lent,
        "authorization": authorization}


def table():
    cases = [signed(*case) for case in itertools.product(TARGETS, BODIES, PLACES, FIELDS, [False, True])]
    lines = ",\n".join(json.dumps(case) for case in cases)
    return f'{{"credential": "{ID}:{SECRET}", "token": "{TOKEN}", "cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    FILE.write_text(table())
