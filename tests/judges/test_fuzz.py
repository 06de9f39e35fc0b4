"""A short run of the fuzzer; `make fuzz` runs it for as long as one likes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from crypto.message import open_body, read_header
from tests.judges.clients import ROOT

SECONDS = int(os.environ.get("GATEWAY_FUZZ_SECONDS", "10"))
CORPUS = ROOT / "tests" / "judges" / "corpus"


@pytest.mark.skipif(
    not list(ROOT.glob(".venv-judges/lib/python3.11/site-packages/atheris")),
    reason="atheris is not installed: run `make judges`.",
)
def test_no_bytes_bring_out_anything_but_the_one_failure() -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.judges.fuzz"),
            *(f"-max_total_time={SECONDS}", "-rss_limit_mb=2048", "-timeout=10"),
        ],
        cwd=ROOT,
        timeout=SECONDS + 120,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4_000:]
    runs = re.search(r"Done (\d+) runs", run.stderr)
    assert runs is not None, run.stderr[-4_000:]
    assert int(runs.group(1)) > 1_000


def test_the_corpus_has_messages_of_ours_and_of_others() -> None:
    headers = {path.name: read_header(path.read_bytes()) for path in CORPUS.iterdir()}
    assert {name for name, header in headers.items() if header.is_ours} == {"ours", "ours-empty"}
    ours = (CORPUS / "ours").read_bytes()
    assert open_body(ours, headers["ours"], bytes(32)) == b"4111 1111 1111 1111"
