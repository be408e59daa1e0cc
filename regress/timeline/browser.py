"""What a browser makes of a timeline: Chromium, driven over WebDriver with what Python has.

    browser.py check SVG EXPECTED DIRECTORY     EXPECTED: a line for each job of the picture, cookie, pid and state with | between them.
                                                Prints a line for each check; writes light.png and dark.png into the directory.
    browser.py shots SVG DIRECTORY              the pictures alone
"""

import base64
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=2"]
STATES = ["running", "stopped", "error", "canceled", "starting"]

# The page as the checks want it: bars by lane with their boxes, samples of the legend, colours as they are computed.
LOOK = """
const box = e => { const b = e.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; };
const pattern = (e) => {
  const id = getComputedStyle(e).fill.match(/url\\("?#([^")]+)"?\\)/);
  const p = id && document.getElementById(id[1]);
  if (!p) return null;
  return {area: getComputedStyle(p.querySelector('.area')).fill, lines: p.querySelector('.lines').innerHTML +
          p.getAttribute('patternTransform') + getComputedStyle(e).strokeDasharray + !!e.parentNode.querySelector('.done'),
          stroke: getComputedStyle(e).stroke};
};
return {
  root: document.documentElement.tagName, error: !!document.querySelector('parsererror'), title: document.title,
  scripts: document.querySelectorAll('script,a,image,use,foreignObject,iframe').length,
  handlers: [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).length,
  loaded: performance.getEntriesByType('resource').length,
  lanes: [...document.querySelectorAll('g.lane')].map(lane => ({
    box: box(lane.querySelector('.stripe')),
    bars: [...lane.querySelectorAll('g.job')].map(job => ({
      state: job.getAttribute('class').split(' ')[1], pid: job.dataset.pid, cookie: job.dataset.cookie,
      box: box(job.querySelector('.bar')), wait: job.querySelector('.wait') && box(job.querySelector('.wait')),
      done: job.querySelector('.done') && box(job.querySelector('.done')),
      room: job.querySelector('svg') && job.querySelector('svg').getBoundingClientRect().toJSON(),
      title: job.querySelector('title').textContent, look: pattern(job.querySelector('.bar'))}))})),
  legend: Object.fromEntries([...document.querySelectorAll('.legend .sample')].map(
    sample => [sample.textContent, sample.querySelector('.bar') && pattern(sample.querySelector('.bar'))])),
  texts: [...document.querySelectorAll('text')].map(t => ({text: t.textContent, box: t.getBoundingClientRect().toJSON()})),
  size: [document.documentElement.width.baseVal.value, document.documentElement.height.baseVal.value],
  ground: getComputedStyle(document.querySelector('.ground')).fill, head: getComputedStyle(document.querySelector('.head')).fill,
  name: document.querySelector('.name') && getComputedStyle(document.querySelector('.name')).fill,
};
"""


class Browser:
    """A chromedriver on a port of its own, and one session in it."""

    def __init__(self, directory):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.profile = tempfile.mkdtemp(dir=directory)
        self.log = open(pathlib.Path(directory, "chromedriver.log"), "wb")
        self.driver = subprocess.Popen([shutil.which("chromedriver"), f"--port={self.port}"], stdout=self.log, stderr=self.log)
        self.session = None

    def __enter__(self):
        for _ in range(300):
            try:
                if self.call("GET", "/status")["ready"]:
                    break
            except OSError:
                time.sleep(0.1)
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={self.profile}"]}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.call("DELETE", f"/session/{self.session}")
        finally:
            self.driver.terminate()
            self.driver.wait(30)
            self.log.close()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def do(self, what, body):
        return self.call("POST", f"/session/{self.session}/{what}", body)

    def cdp(self, cmd, **params):
        return self.do("goog/cdp/execute", {"cmd": cmd, "params": params})

    def show(self, svg, scheme):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.do("url", {"url": pathlib.Path(svg).resolve().as_uri()})
        return self.do("execute/sync", {"script": LOOK, "args": []})

    def shoot(self, size, to):
        self.cdp("Emulation.setDeviceMetricsOverride", width=round(size[0]), height=round(size[1]), deviceScaleFactor=2, mobile=False)
        to.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot", format="png")["data"]))


def luminance(colour):
    parts = [int(n) / 255 for n in colour[colour.index("(") + 1:-1].split(",")[:3]]
    linear = [n / 12.92 if n <= 0.03928 else ((n + 0.055) / 1.055) ** 2.4 for n in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


class Checks:
    def __init__(self):
        self.number = self.failed = 0

    def __call__(self, name, holds, seen=None):
        self.number += 1
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.number} - timeline: {name}" + ("" if holds else f"\n    {seen}"), flush=True)


def check(svg, expected, directory):
    expected = sorted(tuple(line.split("|")) for line in pathlib.Path(expected).read_text().split("\n") if line)
    ok = Checks()
    looks = {}
    with Browser(directory) as browser:
        for scheme in ["light", "dark"]:
            looks[scheme] = browser.show(svg, scheme)
            browser.shoot(looks[scheme]["size"], directory / f"{scheme}.png")
        seen = looks["light"]
        bars = [bar for lane in seen["lanes"] for bar in lane["bars"]]
        ok("a browser reads the picture", seen["root"] == "svg" and not seen["error"], seen["root"])
        ok("each job has a bar, of its state", sorted((b["cookie"], b["pid"], b["state"]) for b in bars) == expected,
           [sorted((b["cookie"], b["pid"], b["state"]) for b in bars), expected])
        ok("all states are there", {b["state"] for b in bars} == set(STATES), {b["state"] for b in bars})
        apart = [(a, b) for lane in seen["lanes"] for a in lane["bars"] for b in lane["bars"]
                 if a is not b and a["box"][0] < b["box"][2] and b["box"][0] < a["box"][2]]
        ok("no two bars of a lane overlap", not apart, apart)
        spans = [(b["wait"][0] if b["wait"] else b["box"][0], b["box"][2], b["box"][0], lane) for lane in seen["lanes"] for b in lane["bars"]]
        over = [(a, b) for a in spans for b in spans if a is not b and a[3] is b[3] and a[0] < b[1] and b[2] < a[2]]
        ok("nor does the time that a job waited", not over, over)
        lanes = [lane["box"] for lane in seen["lanes"]]
        ok("lanes are one below the other", all(a[3] <= b[1] for a, b in zip(lanes, lanes[1:])), lanes)
        inside = [b for lane in seen["lanes"] for b in lane["bars"]
                  if not (lane["box"][0] - 0.1 <= b["box"][0] and b["box"][2] <= lane["box"][2] + 2.1
                          and lane["box"][1] <= b["box"][1] and b["box"][3] <= lane["box"][3])]
        ok("bars are in their lanes", not inside, inside)
        pids = [{b["pid"] for b in lane["bars"]} for lane in seen["lanes"]]
        ok("a lane is a worker", all(len(p) == 1 for p in pids), pids)
        part = {b["title"].split("\n")[0]: (b["done"][2] - b["done"][0]) / (b["box"][2] - b["box"][0]) for b in bars if b["done"]}
        ok("running jobs are filled as far as they are", abs(part.get("export: customers", 0) - 0.65) < 0.02
           and abs(part.get("report for K\u00f6ln", 0) - 0.3) < 0.02, part)
        for scheme, look in looks.items():
            legend = [look["legend"].get(state) for state in STATES]
            ok(f"{scheme}: the legend has each state", all(legend), look["legend"])
            for what in ["area", "lines", "stroke"]:
                of = [sample[what] for sample in legend if sample]
                if what == "lines":
                    ok(f"{scheme}: states differ by pattern", len(set(of)) == len(STATES), of)
                else:
                    ok(f"{scheme}: states differ by {'colour' if what == 'area' else 'their lines'}", len(set(of)) == len(STATES), of)
            same = [b for lane in look["lanes"] for b in lane["bars"] if b["look"]["area"] != look["legend"][b["state"]]["area"]
                    or b["look"]["stroke"] != look["legend"][b["state"]]["stroke"]]
            ok(f"{scheme}: bars look like the legend", not same, same)
            faint = [(look["name"], s["area"]) for s in legend if contrast(look["name"], s["area"]) < 4.5]
            ok(f"{scheme}: names are legible", not faint and contrast(look["ground"], look["head"]) >= 7, faint)
        ok("dark is dark, light is light", luminance(looks["dark"]["ground"]) < 0.05 and luminance(looks["light"]["ground"]) > 0.9,
           [looks["dark"]["ground"], looks["light"]["ground"]])
        beyond = [t for t in seen["texts"] if t["box"]["left"] < 0 or t["box"]["right"] > seen["size"][0] * 1.01
                  or t["box"]["bottom"] > seen["size"][1]]
        beyond = [t for t in beyond if not any(t["text"] in b["title"] for b in bars)]
        ok("no text leaves the picture", not beyond, beyond)
        evil = [b for b in bars if "</svg><script>" in b["title"]]
        ok("a script in a job's texts is text", len(evil) == 1 and seen["scripts"] == seen["handlers"] == 0 and seen["title"] != "done",
           [len(evil), seen["scripts"], seen["handlers"], seen["title"]])
        ok("nothing is loaded", seen["loaded"] == 0, seen["loaded"])
        # the same within a page
        page = directory / "page.html"
        page.write_text("<!DOCTYPE html><title>page</title>" + pathlib.Path(svg).read_text())
        browser.do("url", {"url": page.resolve().as_uri()})
        inner = browser.do("execute/sync", {"args": [], "script":
                           "return [document.querySelectorAll('svg.pgbg g.job').length, document.scripts.length, document.title]"})
        ok("within a page, too", inner == [len(bars), 0, "page"], inner)
    print(f"{ok.number - ok.failed} passed, {ok.failed} failed")
    return ok.failed == 0


def main():
    what, svg, *rest = sys.argv[1:]
    directory = pathlib.Path(rest[-1])
    if what == "check":
        sys.exit(0 if check(svg, rest[0], directory) else 1)
    with Browser(directory) as browser:
        for scheme in ["light", "dark"]:
            browser.shoot(browser.show(svg, scheme)["size"], directory / f"{scheme}.png")


main()
