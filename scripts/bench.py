#!/usr/bin/env python3
"""Runs the benchmark: broker, simulated gateway, worker and load generator as real processes on loopback.

`scripts/bench` builds them and calls this. Prints a table, and writes everything measured as JSON.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, ".build", "bench")
TICK = os.sysconf("SC_CLK_TCK")
CLOSED = []


def fail(text):
    sys.exit(f"bench: {text}")


# --- processes -------------------------------------------------------------------------------------------------

def die_with_parent():
    """In the child: the kernel ends it with this process, and it may open as many files as the machine allows."""
    import ctypes
    ctypes.CDLL("libc.so.6").prctl(1, signal.SIGKILL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start(command, **options):
    process = subprocess.Popen(command, preexec_fn=die_with_parent, text=True, **options)
    CLOSED.append(process)
    return process


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processor(pid):
    """User and system time of a process, in microseconds."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // TICK


def memory(pid, key="VmRSS"):
    """In bytes."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


class Broker:
    """A private RabbitMQ, see scripts/broker."""

    def __init__(self):
        self.environment = dict(os.environ, CHAT_WORKER_BROKER_DIR=os.path.join(FOLDER, "broker"))
        self.run("wipe")
        self.run("start")
        self.port = int(self.run("url").rsplit(":", 1)[1].split("/")[0])
        self.pid = int(self.run("pid"))
        self.run("ctl", "set_vm_memory_high_watermark", "absolute", "6GB")

    def run(self, *arguments):
        done = subprocess.run(
            [os.path.join(ROOT, "scripts", "broker"), *arguments], env=self.environment, capture_output=True, text=True,
            check=False)
        if done.returncode != 0:
            fail(f"scripts/broker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()


class Instructions:
    """Counts a process's instructions with perf; `None` where this machine cannot."""

    def __init__(self, pid):
        self.process = None
        if shutil.which("perf"):
            self.process = subprocess.Popen(
                ["perf", "stat", "-x", ",", "-e", "instructions", "-p", str(pid)], stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def end(self):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGINT)
        for line in self.process.communicate()[1].splitlines():
            value = line.split(",")[0]
            if "instructions" in line and value.isdigit():
                return int(value)
        return None


class Profile:
    """Samples a process's stacks until `end`, and draws them as a flame graph."""

    def __init__(self, name, pid):
        self.name, self.data = name, os.path.join(FOLDER, f"{name}.perf")
        # A virtual machine has no counter of cycles: the clock of the processor samples as well.
        self.process = start(
            ["perf", "record", "-q", "-F", "1999", "-e", "cpu-clock", "-g", "-p", str(pid), "-o", self.data],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def draw(self):
        script = subprocess.Popen(
            ["perf", "script", "-i", self.data, "--no-inline"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        subprocess.run(
            [os.path.join(ROOT, "scripts", "flamegraph.py"), os.path.join(FOLDER, f"{self.name}.svg"), self.name],
            stdin=script.stdout, check=True)
        script.wait()
        os.unlink(self.data)


# --- what is measured ------------------------------------------------------------------------------------------

class Gateway:
    """A cheap one over plain sockets; through TLS, where the rate is low, or where it is asked for, the simulator."""

    def __init__(self, bench, rate, host="127.0.0.1", tls=None, simulated=False):
        command = [bench.load, "gateway", host, str(rate)]
        if tls or simulated:
            command = [bench.worker, "simulate", "gateway", "--host", host, "--timestamps", "--json", "--rate", str(rate),
                       "--tokens", "1000000"] + (["--certificate", tls[0], "--key", tls[1]] if tls else [])
        self.process = start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def end(self):
        """What the simulator says that it has seen."""
        stop(self.process)
        return json.loads(self.process.stdout.readline())


class Worker:
    """`chat-worker run` with a configuration of its own, started as systemd would."""

    def __init__(self, bench, name, urls, concurrency, prefix="chat", extra="", webhook=None, gateway_extra="",
                 roles=("jobs", "webhooks")):
        self.bench = bench
        self.folder = os.path.join(FOLDER, name)
        os.makedirs(self.folder, exist_ok=True)
        for file, text in (("key", "sk-bench"), ("secret", "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")):
            with open(os.path.join(self.folder, file), "w") as out:
                out.write(text)
            os.chmod(out.name, 0o600)
        endpoint = f'[webhooks.endpoints.sink]\nurl = "{webhook}"\n' if webhook else ""
        # A process may have 20,000 open files here; where that many stream no connection is used twice.
        idle = 10_000 if concurrency <= 5000 else 64
        gateways = "".join(
            f'[gateways.g{index}]\nurl = "{url}"\nkey_file = "{self.folder}/key"\nmax_idle = {idle}\n'
            f'first_chunk_timeout = "5m"\nidle_timeout = "5m"\n{gateway_extra}' for index, url in enumerate(urls))
        factor = max(1, min(2, 65_535 // concurrency))
        with open(os.path.join(self.folder, "worker.conf"), "w") as out:
            out.write(f"""[broker]
url = "amqp://127.0.0.1:{bench.broker.port}"
prefix = "{prefix}"
[jobs]
concurrency = {concurrency}
prefetch_factor = {factor}
{extra}
{gateways}
[models.bench]
gateway = "g0"
[webhooks]
allow_networks = ["127.0.0.0/8"]
allow_http_hosts = ["127.0.0.1"]
secret_files = ["{self.folder}/secret"]
{endpoint}
[worker]
roles = {json.dumps(roles)}
log_level = "error"
""")
        path = os.path.join(self.folder, "notify")
        if os.path.exists(path):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.notify.settimeout(60)
        self.log = open(os.path.join(self.folder, "log"), "w")
        began = time.monotonic()
        self.process = start(
            [bench.worker, "run", "--config", out.name], env={"NOTIFY_SOCKET": path, "PATH": "/usr/bin"},
            stdout=self.log, stderr=self.log)
        while b"READY=1" not in self.notify.recv(4096):
            pass
        self.ready_after = time.monotonic() - began
        self.pid = self.process.pid

    def end(self):
        stop(self.process)
        self.notify.close()
        self.log.close()


class Window:
    """Processor time, memory and instructions of the worker, the broker and the gateways between two moments."""

    def __init__(self, workers, broker, gateways, profile=None):
        self.workers, self.broker, self.gateways = workers, broker, gateways
        for worker in workers:
            reset_peak(worker.pid)
        self.rss = sum(memory(worker.pid) for worker in workers)
        self.before = self.times()
        self.profile = Profile(profile, workers[0].pid) if profile else None
        self.instructions = [] if profile else [Instructions(worker.pid) for worker in workers]

    def times(self):
        return (
            sum(processor(worker.pid) for worker in self.workers), processor(self.broker.pid),
            sum(processor(gateway.process.pid) for gateway in self.gateways))

    def end(self):
        after = self.times()
        counts = [count.end() for count in self.instructions] or [None]
        if self.profile:
            self.profile.end()
        return {
            "worker_cpu_us": after[0] - self.before[0], "broker_cpu_us": after[1] - self.before[1],
            "gateway_cpu_us": after[2] - self.before[2],
            "instructions": None if None in counts else sum(counts), "rss_before": self.rss,
            "peak_rss": sum(memory(worker.pid, "VmHWM") for worker in self.workers),
        }


class Bench:
    def __init__(self, quick, profiles=False, kind="release"):
        self.profiles = profiles
        self.worker = os.path.join(ROOT, ".build", kind, "chat-worker")
        self.load = os.path.join(ROOT, "Benchmarks", ".build", kind, "bench-load")
        self.quick = quick
        self.broker = Broker()
        self.limit = None

    def measure_limits(self):
        done = subprocess.run(
            [self.load, "limit-publish", str(self.broker.port), "50000" if self.quick else "200000"], capture_output=True,
            text=True, check=True)
        self.limit = json.loads(done.stdout)
        gateway = Gateway(self, 0)
        done = subprocess.run(
            [self.load, "limit-read", gateway.url, "200", "200" if self.quick else "2000"], capture_output=True, text=True,
            check=True)
        stop(gateway.process)
        reading = json.loads(done.stdout)
        done = subprocess.run(
            [self.load, "limit-latency", str(self.broker.port), "1500", "2" if self.quick else "10"], capture_output=True,
            text=True, check=True)
        self.limit.update(json.loads(done.stdout))
        self.limit.update({"read_tokens_per_s": reading["tokens_per_s"], "read_cpu_us": reading["cpu_us_per_token"]})

    def jobs(self, name, jobs, tokens, rate, *, customers=8, concurrency=None, warm=None, webhook=None, deaf=False,
             extra="", patience=60, pace=0, surge=None, during=None, workers=1, tls=None, after=None, gateway_extra="",
             roles=("jobs", "webhooks")):
        """One scenario: `jobs` at once, each an answer of `tokens` at `rate` tokens a second (0: as fast as it goes).

        Each of `workers` has a gateway of its own, on a loopback address of its own, and its part of the `concurrency`.
        """
        gateways = [Gateway(self, rate, f"127.0.0.{number + 1}", tls, bool(surge)) for number in range(workers)]
        members = [
            Worker(self, f"{name}-{number}", [gateway.url], (concurrency or jobs) // workers, extra=extra, webhook=webhook,
                   gateway_extra=gateway_extra + (f'ca_file = "{tls[0]}"\n' if tls else ""), roles=roles)
            for number, gateway in enumerate(gateways)]
        try:
            command = [self.load, "jobs", str(self.broker.port), "chat", str(jobs), str(tokens), str(customers),
                       "--warm", str(jobs if warm is None else warm), "--patience", str(patience)]
            command += ["--pace", str(pace)] if pace else []
            command += ["--surge", ",".join(map(str, surge))] if surge else []
            command += ["--webhook", "sink"] if webhook else []
            command += ["--deaf"] if deaf else []
            load = start(command, stdout=subprocess.PIPE)
            if not load.stdout.readline():
                fail(f"{name}: the load generator ended with {load.wait()}")
            window = Window(members, self.broker, gateways, name if self.profiles else None)
            if during:
                during(members[0])
            line = load.stdout.readline()
            result = window.end()
            if not line:
                fail(f"{name}: the load generator ended with {load.wait()}")
            result.update(json.loads(line))
            result["streams"] = concurrency or jobs
            if surge:
                result["surge"]["peak_streams"] = gateways[0].end()["most_at_once"]
            if after:
                after(result)
            if window.profile:
                window.profile.draw()
            return result
        finally:
            for worker in members:
                worker.end()
            for gateway in gateways:
                stop(gateway.process)

    # --- scenarios ---------------------------------------------------------------------------------------------

    def trickle(self):
        return self.jobs("trickle", 50, 100 if self.quick else 600, 30)

    def first(self):
        # One at a time on warm connections: what the worker adds before the first token.
        return self.jobs("first", 40 if self.quick else 400, 5, 0, pace=20, concurrency=50, warm=50)

    def burst(self):
        return self.jobs("burst", 200 if self.quick else 2000, 60 if self.quick else 200, 20,
                         concurrency=100 if self.quick else 1000, warm=100 if self.quick else 1000)

    def firehose(self):
        return self.jobs("firehose", 400 if self.quick else 2000, 200, 0, concurrency=200, warm=200)

    def many(self):
        return self.jobs("many", 1000 if self.quick else 10_000, 10 if self.quick else 40, 0.5, warm=0, customers=16)

    def many_tls(self):
        tls = [os.path.join(FOLDER, file) for file in ("gateway.pem", "gateway.key")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-out", tls[0], "-keyout", tls[1]],
            check=True, capture_output=True)
        return self.jobs("many-tls", 500 if self.quick else 5000, 10 if self.quick else 20, 0.5, warm=0, customers=16,
                         tls=tls)

    def many_50k(self):
        return self.jobs("many-50k", 2000 if self.quick else 50_000, 10 if self.quick else 40, 0.5, warm=0, customers=16,
                         workers=4, patience=120)

    def short(self):
        sink = start([self.worker, "simulate", "webhook", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        url = json.loads(sink.stdout.readline())["url"]
        jobs, warm = 2000 if self.quick else 20_000, 500
        arrived = []
        reader = threading.Thread(target=lambda: arrived.extend(time.monotonic() for _ in sink.stdout), daemon=True)
        reader.start()
        began = []

        def wait(result):
            deadline = time.monotonic() + 120
            while len(arrived) < jobs + warm and time.monotonic() < deadline:
                time.sleep(0.05)
            result["webhooks"] = len(arrived) - warm
            result["webhooks_per_s"] = round(jobs / (arrived[-1] - began[0]))
            result["good"] = result["good"] and len(arrived) >= jobs + warm
        try:
            return self.jobs("short", jobs, 5, 0, concurrency=500, warm=warm, webhook=url, after=wait,
                             during=lambda _: began.append(time.monotonic()))
        finally:
            stop(sink)

    def blocked(self):
        def alarm(worker):
            time.sleep(1)
            self.broker.run("ctl", "set_vm_memory_high_watermark", "absolute", "1")
            time.sleep(3 if self.quick else 10)
            self.broker.run("ctl", "set_vm_memory_high_watermark", "absolute", "6GB")
        return self.jobs("blocked", 100, 500 if self.quick else 2000, 200, during=alarm,
                         extra='[replies]\nhigh_water_bytes = "64KiB"')

    def slow_reader(self):
        # A queue of its own, the ninth: it is declared with a limit.
        return self.jobs("slow-reader", 200, 100 if self.quick else 400, 50, customers=9, deaf=True)

    def flooded(self, name, *, shared):
        """The trickle beside 500 webhooks a second: through the same worker, or through one of their own.

        What the second adds over a trickle alone is the machine's and the broker's doing; what the first adds over the
        second is what webhooks cost the chunks of their worker.
        """
        other = None if shared else Worker(self, f"{name}-hooks", ["ws://127.0.0.1:1"], 1, roles=["webhooks"])
        floods = []

        def begin(_):
            flood = start(
                [os.path.join(ROOT, "scripts", "bench-webhooks.py"), "flood",
                 f"amqp://guest:guest@127.0.0.1:{self.broker.port}/%2F", "chat"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            floods.append(flood)
            if not flood.stdout.readline():
                fail(f"{name}: the webhooks' source ended with {flood.wait()}")

        def end(result):
            flood = floods[0]
            flood.stdin.write("\n")
            flood.stdin.flush()
            told = json.loads(flood.stdout.readline())
            result.update({"flood": told, "webhooks_per_s": told["per_s"]})
            result["good"] = result["good"] and not told["missing"]
        try:
            return self.jobs(name, 50, 200 if self.quick else 900, 30, during=begin, after=end,
                             roles=["jobs", "webhooks"] if shared else ["jobs"])
        finally:
            if other:
                other.end()

    def hooks_apart(self):
        return self.flooded("hooks-apart", shared=False)

    def hooks_beside(self):
        return self.flooded("hooks-beside", shared=True)

    def surge(self):
        # Each answer takes half a second, and the gateway may be asked for `room` at once: what does not fit waits, in the
        # worker and behind its window in the broker.
        rate, seconds, room = (20, (3, 2, 20), 100) if self.quick else (100, (10, 5, 60), 400)

        def judge(result):
            surge = result["surge"]
            result["good"] = (result["good"] and surge["peak_streams"] <= room and surge["peak_waiting"] > room
                              and surge["recovered_after_s"] is not None)
        return self.jobs("surge", rate, 20, 40, concurrency=2 * room, warm=20, customers=16,
                         surge=(rate, 50, *seconds), gateway_extra=f"max_in_flight = {room}\n", after=judge)

    def ready(self):
        times = []
        for _ in range(5):
            worker = Worker(self, "start", ["ws://127.0.0.1:1"], 10)
            times.append(worker.ready_after * 1000)
            worker.end()
        return {"ready_ms": sorted(times)[2], "binary_bytes": os.path.getsize(self.worker), "good": True}


# --- the table -------------------------------------------------------------------------------------------------

def figures(name, result, limit):
    """What the table shows of a scenario, and which bars it meets."""
    if name == "start":
        return {"ready ms": round(result["ready_ms"], 1), "binary MB": round(result["binary_bytes"] / 1e6, 1)}
    tokens = max(1, result["tokens"])
    seconds = result["seconds"]
    row = {
        "s": round(seconds, 2), "tokens/s": round(tokens / seconds), "jobs/s": round(result["ended"] / seconds),
        "messages/s": round(result["messages"] / seconds), "p50 ms": result["latency_ms"]["p50"],
        "p99 ms": result["latency_ms"]["p99"], "p99.9 ms": result["latency_ms"]["p999"],
        "first p50": result["first_token_ms"]["p50"], "us/token": round(result["worker_cpu_us"] / tokens, 2),
        "instr/token": round(result["instructions"] / tokens) if result["instructions"] else None,
        # What bare sockets and bare librabbitmq spend on the same tokens and messages.
        "x limit": round(result["worker_cpu_us"] / (
            tokens * limit["read_cpu_us"] + result["messages"] * limit["cpu_us_per_message"]), 2),
        "peak MB": round(result["peak_rss"] / 1e6, 1),
        "KB/stream": round((result["peak_rss"] - result["rss_before"]) / result["streams"] / 1e3, 1),
        "broker us/token": round(result["broker_cpu_us"] / tokens, 1),
        "webhooks/s": result.get("webhooks_per_s"), "resets": result["resets"],
        "good": result["good"],
    }
    if "surge" in result:
        surge = result["surge"]
        row["surge"] = (f"{surge['peak_streams']} streams and {surge['peak_waiting']} jobs waiting at most, none lost; back to "
                        f"normal {surge['recovered_after_s']} s after it; first token p99 {surge['first_token_ms']['before']['p99']} ms "
                        f"before, {surge['first_token_ms']['recovered']['p99']} ms when recovered")
    return row


BARS = {
    "trickle": {"us/token": 18, "p50 ms": 0.25, "p99 ms": 1},
    "first": {"first p50": 3},
    "burst": {"us/token": 8, "p50 ms": 0.7, "p99 ms": 8},
    "firehose": {"us/token": 1.5, "tokens/s": -350_000},
    "many": {"us/token": 25, "KB/stream": 10},
    "many-tls": {"KB/stream": 40},
    # 100 streams of at most 64 KiB that waits, as text and as the broker's message, and the worker itself.
    "blocked": {"resets": 0, "peak MB": 64},
    "short": {"jobs/s": -2000},
    "start": {"ready ms": 150, "binary MB": 40},
}


def show(rows):
    columns = ["s", "tokens/s", "jobs/s", "messages/s", "p50 ms", "p99 ms", "p99.9 ms", "first p50", "us/token",
               "x limit", "peak MB", "KB/stream", "broker us/token", "webhooks/s"]
    if any(row.get("instr/token") for row in rows.values()):
        columns.insert(9, "instr/token")
    widths = [max(len(column), 8) for column in columns]
    print(f"{'scenario':12}" + "".join(f" {column:>{width}}" for column, width in zip(columns, widths)))
    for name, row in rows.items():
        if name == "start":
            continue
        cells = ("-" if row.get(column) is None else str(row[column]) for column in columns)
        print(f"{name:12}" + "".join(f" {cell:>{width}}" for cell, width in zip(cells, widths))
              + ("" if row["good"] else "  WRONG: see the JSON"))
    if "surge" in rows:
        print(f"surge: {rows['surge']['surge']}")
    if "start" in rows:
        print(f"start: READY after {rows['start']['ready ms']} ms, binary {rows['start']['binary MB']} MB")
    with open(os.path.join(ROOT, "Benchmarks", "baseline.json")) as file:
        count = json.load(file)["cases"]["token/whole"]["instructions"]
    print(f"instructions of a token from its frame to its confirm, as make bench-check counts them: {count:.0f}")
    for name, row in rows.items():
        for column, bar in BARS.get(name, {}).items():
            value = row.get(column)
            if value is not None and (value < -bar if bar < 0 else value > bar):
                print(f"missed: {name} {column} {value}, the bar is {abs(bar)}")
    if "hooks-apart" in rows and "hooks-beside" in rows:
        alone = rows.get("trickle", {}).get("p99 ms", "-")
        beside, apart = rows["hooks-beside"], rows["hooks-apart"]
        print(f"p99 of chunks: {alone} ms without webhooks (trickle), {beside['p99 ms']} ms beside {beside['webhooks/s']}/s "
              f"in the same worker, {apart['p99 ms']} ms beside {apart['webhooks/s']}/s of another worker")


def main():
    names = ["trickle", "first", "burst", "firehose", "many", "many-tls", "many-50k", "short", "blocked", "slow-reader",
             "hooks-apart", "hooks-beside", "surge", "start"]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", help=", ".join(names), metavar="SCENARIO")
    parser.add_argument("--quick", action="store_true", help="smaller, to see whether it works")
    parser.add_argument("--debug", action="store_true", help="the debug build, to see whether it works")
    parser.add_argument("--profile", action="store_true", help="draw a flame graph of each, .build/bench/SCENARIO.svg")
    parser.add_argument("--json", default=os.path.join(FOLDER, "bench.json"), metavar="FILE")
    options = parser.parse_args()
    for name in options.scenarios:
        if name not in names:
            parser.error(f"{name}: there are {', '.join(names)}")
    if options.profile and not shutil.which("perf"):
        fail("--profile needs perf: apt-get install linux-perf")
    os.makedirs(FOLDER, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = None
    rows, results = {}, {}
    try:
        bench = Bench(options.quick, options.profile, "debug" if options.debug else "release")
        bench.measure_limits()
        print(f"limit: bare librabbitmq publishes {bench.limit['messages_per_s']} messages/s with confirms, "
              f"{bench.limit['cpu_us_per_message']:.2f} us of processor each; bare sockets read "
              f"{bench.limit['read_tokens_per_s']} tokens/s, {bench.limit['read_cpu_us']:.2f} us each; the broker takes {bench.limit['latency_ms']['p50']} ms (p99 "
              f"{bench.limit['latency_ms']['p99']}) for a lone message")
        for name in options.scenarios or names:
            run = bench.ready if name == "start" else getattr(bench, name.replace("-", "_"))
            results[name] = run()
            rows[name] = figures(name, results[name], bench.limit)
            print(f"# {name}: {json.dumps(rows[name])}", file=sys.stderr)
    finally:
        for process in CLOSED:
            if process.poll() is None:
                process.kill()
        if bench:
            bench.broker.run("wipe")
    show(rows)
    with open(options.json, "w") as file:
        json.dump({"limit": bench.limit, "scenarios": results, "table": rows}, file, indent=1)
    wrong = [name for name, row in rows.items() if not row.get("good", True)]
    if wrong:
        fail(f"tokens were lost, doubled, out of place or damaged in: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
