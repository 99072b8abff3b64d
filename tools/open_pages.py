"""Opens pages in headless Chromium, wide and narrow, and says what is wrong with them.

    python tools/open_pages.py docs/_build/html [PAGE ...]

No driver is needed: pages are served on this machine, each with a script in front that takes note
of errors; another page opens them one after another in a frame and sends back what it found.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

WIDTHS = (1280, 390)  # of a laptop and of a phone
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# In front of whatever a page brings along.
_PROBE = """<script>
window.__errors = [];
addEventListener("error", e => __errors.push(e.message || "cannot load " +
    (e.target.src || e.target.href || e.target.tagName)), true);
addEventListener("unhandledrejection", e => __errors.push("rejected: " + e.reason));
console.error = (...what) => __errors.push(what.join(" "));
</script>"""

_OPENER = """<!doctype html><meta charset="utf-8"><body style="margin: 0"><script>
const PAGES = %s, WIDTHS = %s, PATIENCE = 20000;
const wait = time => new Promise(done => setTimeout(done, time));
async function drawn(image) {
    image.loading = "eager";
    try { await Promise.race([image.decode(), wait(5000)]); } catch (error) {}
    return image.complete && image.naturalWidth > 0;
}
async function open(page) {
    const frame = document.createElement("iframe");
    frame.style = `border: 0; height: 900px; width: ${WIDTHS[0]}px`;
    const loaded = new Promise(done => frame.onload = () => done(true));
    frame.src = page;
    document.body.append(frame);
    const found = [];
    if (!await Promise.race([loaded, wait(PATIENCE)])) found.push("does not load");
    const inside = frame.contentDocument, root = inside && inside.documentElement;
    if (!root || !frame.contentWindow.__errors) return [...found, "cannot be read"];
    for (const image of inside.images)
        if (!await drawn(image)) found.push("no image: " + image.getAttribute("src"));
    for (const width of WIDTHS) {
        frame.style.width = width + "px";
        await wait(50);
        if (root.scrollWidth > width + 1)
            found.push(`${root.scrollWidth} pixels wide in a window of ${width}`);
    }
    found.push(...frame.contentWindow.__errors);
    frame.remove();
    return found;
}
(async () => {
    const wrong = {};
    for (const page of PAGES) {
        const found = await open(page);
        if (found.length) wrong[page] = found;
    }
    await fetch("/found", {method: "POST", body: JSON.stringify(wrong)});
})();
</script>"""


def main():
    """Say what is wrong with pages; the exit status is 0 if nothing is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", nargs="*", help="all in the folder if none is named")
    args = parser.parse_args()
    browser = find_browser()
    if browser is None:
        parser.error(f"needs one of {', '.join(NAMES)}")
    faults = faults_of(args.folder, args.pages or pages_of(args.folder), browser)
    for page, found in faults.items():
        print(page, *found, sep="\n    ")
    return bool(faults)


def pages_of(folder: Path) -> list[str]:
    """Return the pages of a folder, without those of the theme."""
    pages = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    return sorted(page for page in pages if not page.startswith("_static/"))


def find_browser():
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def faults_of(folder: Path, pages: list[str], browser: str, timeout: float = 600) -> dict:
    """Return what is wrong with pages of a folder, by page; nothing of those that are in order.

    A fault is an error on the console, an image that is not shown, a file that is not there, or
    that the page as a whole has to be scrolled sideways.
    """
    visit = _Visit(folder, pages)
    server = ThreadingHTTPServer(("127.0.0.1", 0), visit.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu"]
            command += ["--no-first-run", "--disable-extensions", "--disable-dev-shm-usage"]
            command += [f"--user-data-dir={profile}", "--window-size=1400,1000"]
            command.append(f"http://127.0.0.1:{server.server_port}/opener")
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                if not visit.is_over.wait(timeout):
                    raise TimeoutError(f"Chromium has not opened {len(pages)} pages in {timeout} s")
            finally:
                process.terminate()
                process.wait()
    finally:
        server.shutdown()
        server.server_close()
    return visit.faults()


class _Visit:
    """What is served to the browser, and what it sends back."""

    def __init__(self, folder, pages):
        self.folder, self.pages = folder, [f"/{page}" for page in pages]
        self.is_over = threading.Event()
        self.found, self.missing = {}, {}

    def faults(self):
        faults = {page.removeprefix("/"): list(found) for page, found in self.found.items()}
        for page, files in self.missing.items():
            faults.setdefault(page, []).extend(f"no file: {file}" for file in sorted(files))
        return faults

    def handler(self):
        visit = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=visit.folder)

            def do_GET(self):
                path = unquote(urlsplit(self.path).path)
                if path == "/opener":
                    opener = _OPENER % (json.dumps(visit.pages), json.dumps(WIDTHS))
                    self._send_page(opener)
                elif path.endswith(".html") and (visit.folder / path[1:]).is_file():
                    text = (visit.folder / path[1:]).read_text(encoding="utf-8")
                    self._send_page(text.replace("<head>", f"<head>{_PROBE}", 1))
                elif path == "/favicon.ico":
                    self.send_error(404)
                else:
                    if not (visit.folder / path[1:]).is_file():
                        page = urlsplit(self.headers.get("Referer", "")).path.removeprefix("/")
                        visit.missing.setdefault(page, set()).add(path)
                    super().do_GET()

            def _send_page(self, text):
                data = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                visit.found = json.loads(self.rfile.read(length))
                self.send_response(204)
                self.end_headers()
                visit.is_over.set()

            def log_message(self, *args):
                pass

        return Handler


if __name__ == "__main__":
    sys.exit(main())
