"""An object store (moto's) on the loopback, and the environment by which clients find it; for tests of a module."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

needs_s3 = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("s3fs", "moto", "flask", "flask_cors")),
    reason="s3fs or moto with flask is not installed (see requirements-optional.txt)",
)
BUCKET = "crops"
KEY, SECRET = "AKIAOSNETTESTSOFS3", "nobody-else-may-read-this-key"


@dataclass(frozen=True)
class Store:
    """A server that runs: its endpoint, and an fsspec file system to fill it by."""

    endpoint: str
    files: Any

    def put(self, path: Path, key: str) -> str:
        """Lay a file, or a folder with all in it, into the bucket; gives the path to read it by."""
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                name = f"/{file.relative_to(path).as_posix()}" if path.is_dir() else ""
                self.files.pipe_file(f"{BUCKET}/{key}{name}", file.read_bytes())
        return f"s3://{BUCKET}/{key}"

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Answer nobody whose keys it has not given out; until then everybody may read."""
        self._guard(0)
        try:
            yield
        finally:
            self._guard(10**9)

    def _guard(self, after: int) -> None:
        to, kind = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(to, str(after).encode(), kind, method="POST")).close()


@contextmanager
def s3_server() -> Iterator[Store]:
    """A server with the bucket `BUCKET`; this process and those it starts have its keys."""
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
                patch.delenv(name, raising=False)
            for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
                patch.setenv(name, "/dev/null")
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", KEY)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
            files.mkdir(BUCKET)
            yield Store(f"http://{host}:{port}", files)
    finally:
        server.stop()
