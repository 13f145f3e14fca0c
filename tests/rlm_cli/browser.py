"""A headless Chromium that opens pages, with what it complains of and what it asks the network for."""

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0",
    "--proxy-bypass-list=<-loopback>", "--dump-dom",
)  # fmt: skip
_OF_THE_BROWSER = re.compile(r"(http://)?([\w.-]+\.google\.com|[\w.-]+\.googleapis\.com)[:/]")
"""What a browser asks for without a page: the time, and its own updates."""


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Refuses every request, and keeps what was asked for."""

    wanted: list[str]

    def do_GET(self) -> None:
        self.wanted.append(self.path)
        self.send_error(404)

    do_CONNECT = do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


def complaints(pages: Sequence[Path], folder: Path) -> list[str]:
    """Lines of the console, and addresses that were asked for, when `pages` are opened in one window.

    `folder` is an empty one for the browser.
    """
    assert CHROMIUM is not None
    frames = "".join(f'<iframe src="{page.resolve().as_uri()}"></iframe>' for page in pages)
    folder.mkdir()
    index = folder / "index.html"
    index.write_text(f"<!doctype html>{frames}", encoding="utf-8")
    wanted: list[str] = []
    handler = type("Proxy", (_Proxy,), {"wanted": wanted})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = f"--proxy-server=127.0.0.1:{server.server_port}"
        profile = f"--user-data-dir={folder / 'profile'}"
        done = subprocess.run(
            [CHROMIUM, *_FLAGS, proxy, profile, index.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        server.shutdown()
    assert done.stdout.count("<iframe") == len(pages)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line] + [
        address for address in wanted if not _OF_THE_BROWSER.match(address)
    ]
