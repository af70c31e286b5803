"""The Chromium of this machine, driven by Playwright: one browser, a fresh profile, nothing fetched from outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = (
    f"no Chromium: none of {', '.join(NAMES)} is on the PATH, and CHROMIUM names none. "
    "Install one (Debian: apt-get install chromium) or set CHROMIUM to its path."
)
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Path of the browser that ``CHROMIUM`` names, else of the first on the PATH; None where there is none."""
    given = os.environ.get("CHROMIUM")
    return next((found for name in ([given] if given else NAMES) if (found := shutil.which(name))), None)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        """Requests are judged by the browser's side."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback and give the address, which ends with ``/``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
