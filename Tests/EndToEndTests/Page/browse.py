#!/usr/bin/env python3
"""Opens a page in headless Chromium and does what it is told, over the DevTools protocol on a pipe.

usage: browse.py URL < steps.jsonl

Each line of the input is one step: {"wait": JS} until it is true, {"eval": JS}, {"screenshot": FILE}, {"dark": true},
{"size": [WIDTH, HEIGHT]}. Prints one JSON object: the values of the evals, and what the console said of errors.
"""
import base64, json, os, shutil, subprocess, sys, tempfile, time


class Browser:
    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if program is None:
            sys.exit("browse.py: there is no chromium; apt-get install chromium")
        self.folder = tempfile.mkdtemp()
        commands, self.output = os.pipe()
        self.input, answers = os.pipe()

        def place():
            # Chromium reads from 3 and writes to 4.
            first, second = os.dup(commands), os.dup(answers)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", "--hide-scrollbars",
             "--user-data-dir=" + self.folder, "about:blank"],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.number, self.buffer, self.errors = 0, b"", []

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.input, 1 << 16)
            if not data:
                sys.exit("browse.py: chromium ended")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"browse.py: {method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def note(self, event):
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    browser = Browser()
    try:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        page = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            browser.call(domain + ".enable", page)
        browser.call("Emulation.setDeviceMetricsOverride", page, width=1440, height=1200, deviceScaleFactor=1, mobile=False)
        browser.call("Page.navigate", page, url=sys.argv[1])

        def evaluate(expression):
            result = browser.call(
                "Runtime.evaluate", page, expression=expression, awaitPromise=True, returnByValue=True)
            return result["result"].get("value")

        values = []
        for line in sys.stdin:
            if not line.strip():
                continue
            step = json.loads(line)
            if "wait" in step:
                deadline = time.monotonic() + 20
                while not evaluate(step["wait"]):
                    if time.monotonic() > deadline:
                        sys.exit(f"browse.py: never true: {step['wait']}; the page says: {evaluate('document.body.innerText')}")
                    time.sleep(0.1)
            if "eval" in step:
                values.append(evaluate(step["eval"]))
            if "dark" in step:
                scheme = "dark" if step["dark"] else "light"
                browser.call("Emulation.setEmulatedMedia", page, features=[{"name": "prefers-color-scheme", "value": scheme}])
            if "size" in step:
                width, height = step["size"]
                browser.call("Emulation.setDeviceMetricsOverride", page, width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
            if "screenshot" in step:
                data = browser.call("Page.captureScreenshot", page, format="png")["data"]
                with open(step["screenshot"], "wb") as file:
                    file.write(base64.b64decode(data))
        print(json.dumps({"values": values, "errors": browser.errors}))
    finally:
        browser.close()


main()
