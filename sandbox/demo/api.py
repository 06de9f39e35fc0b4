"""The REST API as the demo needs it: a real client over HTTP, one for each Region and credential."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2

from sandbox.errors import SandboxError

PATIENCE_SECONDS = 120
# `(done, total)` steps of a plan.
Progress = Callable[[int, int], None]


class Api:
    """One Region's gateway, asked with one credential. Remembers the consistency token of its last write."""

    def __init__(self, url: str, token: str) -> None:
        """`url` is the gateway's, without a path."""
        self._client = httpx2.Client(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self.consistency_token = ""

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        after: str = "",
        fine: tuple[int, ...] = (),
    ) -> Any:
        """The answer's JSON. `after` is a consistency token that this read must have caught up with.

        A refusal raises SandboxError with the problem document's own words, unless its status is in `fine`.
        """
        headers = {"Consistency-Token": after} if after else {}
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise SandboxError(
                f"{method} {path}: no answer ({error}). Is it up? See: make status"
            ) from error
        if answer.is_error and answer.status_code not in fine:
            problem = answer.json()
            raise SandboxError(
                f"{method} {path}: {answer.status_code} {problem.get('code')}: {problem.get('detail')}"
            )
        self.consistency_token = answer.headers.get("Consistency-Token", self.consistency_token)
        return answer.json() if answer.content else None

    def onboard(
        self, slug: str, name: str, home: str, regions: tuple[str, ...], show: Progress
    ) -> None:
        """Ask for a tenant and follow its plan until it is active."""
        self.call(
            "POST",
            "tenants",
            {
                "slug": slug,
                "name": name,
                "home_region": home,
                "region_rules": [{"region": region} for region in regions],
            },
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            plan = self.call("GET", f"tenants/{slug}/operations")
            show(plan["done"], plan["total"])
            if plan["done"] == plan["total"]:
                return
            if plan["failed"]:
                raise SandboxError(f"A step of {slug} failed; the console shows which, and why.")
            time.sleep(0.2)
        raise SandboxError(f"{slug} is not active after {PATIENCE_SECONDS} s. See: make logs")
