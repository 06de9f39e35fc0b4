"""Headless Chromium against real gateway processes, and a strict eye on what pages do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.error import URLError

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Response

from sandbox.programs import gateways
from tests.stack import Stack

Result = TypeVar("Result")

ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Where the system's Chromium is; `CHROMIUM` names another."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """A headless browser. Its own sandbox cannot be set up by root."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])


def aside(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call it in a thread of its own: Playwright's event loop runs in this one, where Django refuses to query."""

    def call() -> Result:
        from django.db import connections

        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


@contextmanager
def running_gateway(stack: Stack, region: str) -> Iterator[str]:
    """The web process of that Region, as `make up` starts it; gives its address."""
    program = next(
        each for each in gateways(stack.home, stack.ports) if each.name == f"web-{region}"
    )
    address = f"http://127.0.0.1:{stack.ports.gateway(region)}"
    with (stack.home.path / f"{program.name}.log").open("ab") as log:
        process = subprocess.Popen(
            program.argv,
            env=dict(program.environment),
            cwd=program.directory,
            stdout=log,
            stderr=log,
        )
    try:
        _await(address + "/healthz", process)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the gateway did not start"
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own process on loopback
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the gateway did not answer in time")


class Watch:
    """Collects what a page must never do: errors, policy violations, requests to anybody else."""

    def __init__(self, page: Page, *origins: str) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._origins = origins
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # An answer of 4xx is reported too, and some tests want one; 5xx is caught below.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith(self._origins):
            self.faults.append(f"request elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            self.faults.append(f"{response.status}: {response.url}")
