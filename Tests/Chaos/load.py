"""Bounded load over loopback: streams that are opened again when they end, and calls at a steady rate, each answer checked to its end."""

import asyncio
import json
import time


class Load:
    """Runs until `stop`; every answer that is not whole is in `failures`. One thread's event loop."""

    def __init__(self, host, port, key, streams, calls_a_second, stream_model, call_model="chat"):
        self.place = (host, port)
        self.key, self.stream_model, self.call_model = key, stream_model, call_model
        self.streams, self.rate = streams, calls_a_second
        self.streams_done = self.calls_done = 0
        self.failures, self.latencies = [], []
        self.open = 0
        self.stopping = False

    async def run(self, seconds_at_most):
        """Until `stop` is called, and at most so long; then waits for what is under way."""
        end = time.monotonic() + seconds_at_most
        streams = [asyncio.create_task(self.stream_again(end, index)) for index in range(self.streams)]
        calls, due = set(), time.monotonic()
        while not self.stopping and time.monotonic() < end and self.rate:
            due += 1 / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            if len(calls) < 2_000:
                task = asyncio.create_task(self.call())
                calls.add(task)
                task.add_done_callback(calls.discard)
        await asyncio.gather(*streams, *calls)

    def stop(self):
        self.stopping = True

    async def stream_again(self, end, index):
        # Not all at once: the streams' ends would come together for ever.
        await asyncio.sleep(index / max(1, self.streams))
        while not self.stopping and time.monotonic() < end:
            await self.one(self.stream_model, True)

    async def call(self):
        await self.one(self.call_model, False)

    async def one(self, model, stream):
        begun = time.monotonic()
        self.open += 1
        writer, got = None, b""
        try:
            reader, writer = await asyncio.open_connection(*self.place)
            body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Tell me"}]}).encode()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\n"
                + f"authorization: Bearer {self.key}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            got = await asyncio.wait_for(reader.read(-1), 60)
            self.check(got, stream)
            if stream:
                self.streams_done += 1
            else:
                self.calls_done += 1
                self.latencies.append((begun, time.monotonic() - begun))
        except Exception as error:  # whatever it was, the answer was not whole
            self.failures.append((round(time.time(), 2), "stream" if stream else "call", repr(error)[:200], got[-200:]))
        finally:
            self.open -= 1
            if writer is not None:
                writer.close()

    @staticmethod
    def check(got, stream):
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:300]
        if stream:
            assert b"data: [DONE]" in body[-64:] and body.endswith(b"0\r\n\r\n"), "the stream has no end"
        else:
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            assert len(body) == int(length.split(b":")[1]), "the answer is cut"


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
