#!/usr/bin/python3
"""A backend and a reader of replies in one file: enqueues a chat job and prints the answer while it is written.

    docs/examples/client.py --url amqp://... --customer alice --profile general "Where is my parcel?"

Needs pika (Debian: python3-pika). Copy from it what you need: `enqueue` is the backend, `Answer` is the whole rule
for readers of docs/CONTRACTS.md.
"""

import argparse
import hashlib
import json
import pathlib
import sys
import time
import uuid

import pika


def enqueue(channel, request, customer, job=None, profile=None, webhook=None, reply_to=None, routing_key="jobs"):
    """Puts a chat completion request on the queue. Returns the job's id once the broker has it safely."""
    job = job or str(uuid.uuid4())
    headers = {"x-customer": customer, "x-profile": profile, "x-webhook-url": webhook}
    channel.confirm_delivery()  # basic_publish raises where the broker refuses the message
    channel.basic_publish(
        "chat.in",
        routing_key,
        json.dumps(request, ensure_ascii=False).encode(),
        pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            message_id=job,
            reply_to=reply_to,
            timestamp=int(time.time()),
            headers={key: value for key, value in headers.items() if value is not None},
        ),
        mandatory=True,  # and where no queue takes it
    )
    return job


class Answer:
    """What a reader knows of one job. Feed it every reply in the order of arrival."""

    def __init__(self):
        self.attempt, self.run, self.expected = -1, None, 0
        self.text, self.complete, self.result = "", True, None

    def feed(self, properties, body):
        """Takes a reply. Returns the new text for the screen, "" where there is none."""
        attempt, run, seq = (properties.headers[key] for key in ("x-attempt", "x-run", "x-seq"))
        if attempt < self.attempt or (attempt == self.attempt and run != self.run):
            return ""  # an attempt that has lost, or another run
        if attempt > self.attempt:
            self.attempt, self.run, self.expected = attempt, run, 0
            self.text, self.complete, self.result = "", True, None
        if seq < self.expected:
            return ""  # seen
        if seq > self.expected:
            self.complete = False  # a gap: the last message heals it
        self.expected = seq + 1
        document = json.loads(body)
        if properties.type == "chat.completion.chunk":
            new = "".join(
                choice["delta"].get("content") or "" for choice in document["choices"] if choice["index"] == 0
            )
            self.text += new
            return new
        if properties.type == "chat.completion":
            whole = next((c["message"]["content"] or "" for c in document["choices"] if c["index"] == 0), "")
            if self.complete and whole != self.text:
                raise ValueError("the chunks do not add up to the answer")
            if hashlib.sha256(whole.encode()).hexdigest() != document["job"]["content_sha256"]:
                raise ValueError("content_sha256 is not that of the answer")
            self.text, self.complete, self.result = whole, True, document
        elif properties.type == "error":
            self.result = document
        return ""


class Recorder:
    """Writes the replies to DIR/SCHEMA.jsonl, for scripts/validate-contracts."""

    schemas = {
        "chat.completion.chunk": "reply-chunk",
        "chat.completion.reset": "reply-reset",
        "chat.completion": "reply-completion",
        "error": "reply-error",
    }

    def __init__(self, folder):
        self.folder = folder

    def add(self, properties, body):
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / f"{self.schemas[properties.type]}.jsonl", "ab") as file:
                file.write(body.replace(b"\n", b" ") + b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1:5672/%2F")
    parser.add_argument("--customer", required=True)
    parser.add_argument("--profile")
    parser.add_argument("--model")
    parser.add_argument("--webhook", help="a URL, or the name of an endpoint in worker.conf")
    parser.add_argument("--jobs", type=int, default=1, help="enqueue so many at once (default 1)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for all answers (default 60)")
    parser.add_argument("--record", type=pathlib.Path, metavar="DIR", help="keep the bodies of the replies")
    parser.add_argument("text")
    options = parser.parse_args()

    request = {"messages": [{"role": "user", "content": options.text}]}
    if options.model:
        request["model"] = options.model
    connection = pika.BlockingConnection(pika.URLParameters(options.url))
    channel = connection.channel()
    answers, counts, recorder, end = {}, {}, Recorder(options.record), time.monotonic() + options.timeout

    def received(channel, method, properties, body):
        job = properties.headers["x-job"]
        if job not in answers:
            return
        recorder.add(properties, body)
        new = answers[job].feed(properties, body)
        counts[job] += properties.type == "chat.completion.chunk"
        if options.jobs == 1:
            print(new, end="", flush=True)

    # Direct reply-to: the broker gives this channel a reply address of its own, and the permission is for the asking.
    channel.basic_consume("amq.rabbitmq.reply-to", received, auto_ack=True)
    for _ in range(options.jobs):
        job = str(uuid.uuid4())
        answers[job], counts[job] = Answer(), 0
        enqueue(
            channel, request, options.customer, job, options.profile, options.webhook,
            reply_to="amq.rabbitmq.reply-to",
        )
    while not all(answer.result for answer in answers.values()):
        left = end - time.monotonic()
        if left <= 0:
            sys.exit("client: no answer in time")
        connection.process_data_events(time_limit=min(left, 1))
    connection.close()

    failed = 0
    for job, answer in answers.items():
        error = answer.result.get("error")
        failed += error is not None
        if error:
            print(f"\n{job}: {error['code']}: {error['message']}")
        else:
            usage = answer.result["usage"]
            print(
                f"\n{job}: {len(answer.text.encode())} bytes in {counts[job]} chunks, "
                f"{usage['completion_tokens']} tokens, first after {answer.result['job']['timings']['first_token_ms']} ms",
                end="",
            )
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
