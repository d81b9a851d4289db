"""AWS's own client: our signatures are the ones it makes, and the stand-in that checks the gateway is one it can talk to."""

import boto3
import botocore.exceptions
import pytest
import signature_table
from botocore.config import Config

HELLO = [{"role": "user", "content": [{"text": "hello"}]}]


def client(eclusa, key="AKIDSTANDIN", secret="stand-in/secret+key", token=None):
    return boto3.client(
        "bedrock-runtime", region_name="eu-central-1", endpoint_url=eclusa.url("stand_in"), aws_access_key_id=key,
        aws_secret_access_key=secret, aws_session_token=token, config=Config(retries={"total_max_attempts": 1}))


def test_the_table_of_signatures_is_what_botocore_makes():
    assert signature_table.FILE.read_text() == signature_table.table()


@pytest.mark.parametrize("model", ["stand-in", "us.anthropic.claude-v1:stand-in", "arn:aws:bedrock:eu-central-1:1:profile/stand-in"])
def test_botocore_talks_to_the_stand_in(eclusa, model):
    aws = client(eclusa)
    answer = aws.converse(modelId=model, messages=HELLO)
    text = answer["output"]["message"]["content"][0]["text"]
    assert text.startswith("You said: hello.") and answer["usage"]["inputTokens"] > 0
    events = list(aws.converse_stream(modelId=model, messages=HELLO)["stream"])
    streamed = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert streamed == text and events[-1]["metadata"]["usage"] == answer["usage"]


def test_a_lent_key_is_signed_with_its_token(eclusa):
    client(eclusa, token="stand-in/session+token==").converse(modelId="stand-in", messages=HELLO)
    with pytest.raises(botocore.exceptions.ClientError):
        client(eclusa, token="another").converse(modelId="stand-in", messages=HELLO)


def test_a_wrong_secret_is_refused(eclusa):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client(eclusa, secret="wrong").converse(modelId="stand-in", messages=HELLO)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_stream_that_breaks_raises_the_services_exception(eclusa):
    stream = client(eclusa).converse_stream(modelId="stand-in-chunks-10-error-event", messages=HELLO)["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError):
        list(stream)
