#!/usr/bin/python3
"""How long a webhook takes from its queue to its endpoint, without and with endpoints that never answer.

usage: bench-webhooks.py [lanes] [--binary FILE] [--endpoints 1000] [--rate 200] [--seconds 30] [--repeats 3] [--quick]
       bench-webhooks.py flood AMQP_URL PREFIX [--rate 500]

lanes  one worker with `roles = ["webhooks"]`, a broker of its own, and a receiver with as many paths as there are
       endpoints. Tasks are spread evenly over them. Runs take turns: all endpoints answer; a tenth of them never does.
       Measured is the time from publishing a task to the arrival of its post, of the endpoints that answer. Shown is the
       median of the runs' p99; the exit code is 1 where a webhook is missing, or the second is over twice the first.
flood  posts for scripts/bench: publishes tasks to PREFIX.webhooks until its standard input ends, then says what arrived.

The interpreter is Debian's own because of its package python3-pika.
"""

import argparse
import asyncio
import base64
import ctypes
import json
import os
import pathlib
import resource
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import pika

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Receiver:
    """Answers 204 at once; endpoints below `dead` never. A thread of its own."""

    def __init__(self):
        self.reset(0)
        self.port = None
        ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self.listen(ready),), daemon=True).start()
        ready.wait()

    def reset(self, dead):
        self.dead, self.arrivals, self.connections, self.held = dead, {}, 0, 0

    async def listen(self, ready):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                now = time.time()
                length = next(int(l.split(":")[1]) for l in head.split("\r\n") if l.lower().startswith("content-length"))
                body = json.loads(await reader.readexactly(length))
                if body["endpoint"] < self.dead:
                    self.held += 1
                    await reader.read(1)
                    return
                self.arrivals.setdefault(body["n"], now - body["at"])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Publisher:
    """Webhook tasks on the queue, as a worker writes them."""

    def __init__(self, url, prefix, port, endpoints):
        self.parameters = pika.URLParameters(url)
        self.connection = pika.BlockingConnection(self.parameters)
        self.channel = self.connection.channel()
        self.queue, self.port, self.endpoints, self.sent = f"{prefix}.webhooks", port, endpoints, []

    def until_consumed(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.channel.queue_declare(self.queue, passive=True).method.consumer_count:
                    return
            except pika.exceptions.ChannelClosedByBroker:
                self.channel = self.connection.channel()
            self.connection.sleep(0.1)
        sys.exit("bench-webhooks: no worker consumes " + self.queue)

    def run(self, rate, goes_on, first=0):
        """At a steady `rate` while `goes_on(number)`, to the endpoints from `first` on in turn."""
        begin, number, beat = time.monotonic(), 0, 0
        while goes_on(number):
            due = begin + number / rate
            while (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            if time.monotonic() > beat:
                self.connection.process_data_events(0)
                beat = time.monotonic() + 1
            self.publish(number, first + number % (self.endpoints - first))
            number += 1

    def publish(self, number, endpoint):
        now = time.time()
        headers = {
            "x-webhook-id": f"msg_{number}", "x-webhook-url": f"http://127.0.0.1:{self.port}/e/{endpoint}",
            "x-customer": f"c{endpoint}", "x-job": f"j{number}", "x-attempt": 1, "x-webhook-tries": 0,
            "x-webhook-type": "chat.completion.completed", "x-webhook-created": int(now * 1000), "x-not-before": 0,
        }
        properties = pika.BasicProperties(
            headers=headers, delivery_mode=2, user_id=self.parameters.credentials.username,
            message_id=f"msg_{number}/1/0", content_type="application/json")
        body = json.dumps({"n": number, "endpoint": endpoint, "at": now}).encode()
        self.channel.basic_publish("", self.queue, body, properties)
        self.sent.append(endpoint)

    def settle(self, receiver, patience):
        """Waits until all have come that will; returns the times of those, sorted, and how many are missing."""
        live = [number for number, endpoint in enumerate(self.sent) if endpoint >= receiver.dead]
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(number not in receiver.arrivals for number in reversed(live)):
            self.connection.sleep(0.2)
        times = sorted(receiver.arrivals[number] for number in live if number in receiver.arrivals)
        return times, len(live) - len(times)


def figures(times, missing):
    def share(part):
        return round(times[min(len(times) - 1, int(len(times) * part))] * 1000, 2) if times else None

    return {"webhooks": len(times) + missing, "missing": missing, "p50_ms": share(0.5), "p99_ms": share(0.99),
            "max_ms": share(1)}


# --- lanes -----------------------------------------------------------------------------------------------------


def in_child():
    """The kernel ends it with this process."""
    ctypes.CDLL("libc.so.6").prctl(1, signal.SIGKILL)


def worker(binary, url, prefix, folder):
    """Started, and ready."""
    parts = urllib.parse.urlsplit(url)
    for name, text in (("secret", "whsec_" + base64.b64encode(bytes(32)).decode()), ("password", parts.password)):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    file = folder / "worker.conf"
    file.write_text(
        f"""[broker]
url = "amqp://{parts.hostname}:{parts.port}"
username = "{parts.username}"
password_file = "{folder}/password"
prefix = "{prefix}"
[gateways.none]
url = "ws://127.0.0.1:1"
key_file = ""
[jobs]
concurrency = 1
default_gateway = "none"
[webhooks]
allow_networks = ["127.0.0.0/8"]
allow_http_hosts = ["127.0.0.1"]
secret_files = ["{folder}/secret"]
[worker]
roles = ["webhooks"]
log_level = "error"
"""
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(folder / "notify"))
        notify.settimeout(60)
        process = subprocess.Popen(
            [binary, "run", "--config", str(file)], stdout=sys.stderr, preexec_fn=in_child,
            env={"PATH": "/usr/bin", "NOTIFY_SOCKET": str(folder / "notify")})
        while b"READY=1" not in notify.recv(4096):
            pass
    return process


def measure(options, receiver, url, number, dead):
    prefix = f"lanes{number}"
    receiver.reset(dead)
    with tempfile.TemporaryDirectory() as name:
        process = worker(options.binary, url, prefix, pathlib.Path(name))
        try:
            publisher = Publisher(url, prefix, receiver.port, options.endpoints)
            publisher.until_consumed()
            total = options.rate * options.seconds
            # A worker's first posts take longer: connections, pages. They would make the first run's p99 look bad.
            publisher.run(options.rate, lambda number: number < options.rate * 2, first=dead)
            publisher.settle(receiver, 30)
            publisher.sent = []
            receiver.reset(dead)
            publisher.run(options.rate, lambda number: number < total)
            result = figures(*publisher.settle(receiver, 30))
            publisher.connection.close()
        finally:
            process.kill()
            process.wait()
    return {"dead": dead, **result, "connections": receiver.connections, "never_answered": receiver.held}


def lanes(options):
    environment = dict(os.environ, CHAT_WORKER_BROKER_DIR=str(ROOT / ".build" / "bench" / "webhooks-broker"))

    def broker(command):
        return subprocess.check_output([ROOT / "scripts" / "broker", command], text=True, env=environment).strip()

    receiver = Receiver()
    runs = []
    broker("wipe")
    broker("start")
    try:
        url = broker("url")
        for number in range(2 * options.repeats):
            runs.append(measure(options, receiver, url, number, options.endpoints // 10 if number % 2 else 0))
            print(json.dumps(runs[-1]), flush=True)
    finally:
        broker("wipe")
    missing = sum(run["missing"] for run in runs)
    if missing:
        sys.exit(f"bench-webhooks: {missing} webhooks of endpoints that answer did not arrive")
    without, beside = (statistics.median(run["p99_ms"] for run in runs[kind::2]) for kind in (0, 1))
    ratio = beside / without
    print(f"p99 {without} ms; beside a tenth of {options.endpoints} endpoints that never answer {beside} ms: {ratio:.2f} "
          f"times as long (the bar is 2)")
    return 0 if ratio <= 2 else 1


# --- flood -----------------------------------------------------------------------------------------------------


def flood(options):
    receiver = Receiver()
    publisher = Publisher(options.url, options.prefix, receiver.port, 100)
    publisher.until_consumed()
    publisher.run(options.rate, lambda number: number < options.rate * 2)
    publisher.settle(receiver, 30)
    print(json.dumps({"port": receiver.port}), flush=True)
    began = time.monotonic()
    publisher.sent, receiver.arrivals = [], {}
    publisher.run(options.rate, lambda _: not select.select([sys.stdin], [], [], 0)[0])
    seconds = time.monotonic() - began
    result = figures(*publisher.settle(receiver, 30))
    print(json.dumps({**result, "per_s": round(len(publisher.sent) / seconds)}), flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    of_lanes = commands.add_parser("lanes")
    of_lanes.add_argument("--binary", default=str(ROOT / ".build" / "release" / "chat-worker"))
    of_lanes.add_argument("--endpoints", type=int, default=1000)
    of_lanes.add_argument("--rate", type=int, default=200)
    of_lanes.add_argument("--seconds", type=int, default=30)
    of_lanes.add_argument("--repeats", type=int, default=3)
    of_lanes.add_argument("--quick", action="store_true", help="to see whether it works")
    of_flood = commands.add_parser("flood")
    of_flood.add_argument("url")
    of_flood.add_argument("prefix")
    of_flood.add_argument("--rate", type=int, default=500)
    arguments = sys.argv[1:]
    options = parser.parse_args(arguments if arguments[:1] in (["flood"], ["lanes"], ["-h"]) else ["lanes", *arguments])
    # The receiver holds a socket for each endpoint; the worker inherits this.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.command == "flood":
        sys.exit(flood(options))
    if options.quick:
        options.endpoints, options.rate, options.seconds, options.repeats = 100, 100, 8, 1
    sys.exit(lanes(options))


if __name__ == "__main__":
    main()
