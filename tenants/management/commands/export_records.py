"""manage.py export_records acme --out acme.ndjson"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from crypto.errors import CryptoError
from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_tenant
from tenants.services.export import Export, Show, export_records


class Command(BaseCommand):
    """Write all records of a tenant in plaintext into a file that only its owner reads, and a manifest beside it."""

    help = (
        "Export a tenant's records as lines of JSON, in PLAINTEXT, into a new file of mode 600, and its SHA-256 into"
        " FILE.manifest.json. Run it where the use role of a Region is that may decrypt everything."
        " Exit codes: 0 done, 1 refused or failed: no file is left then, 3 done, but records were written meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug and file."""
        parser.add_argument("slug")
        parser.add_argument("--out", required=True, type=Path, help="the file to make")
        parser.add_argument("--json", action="store_true", help="answer with the manifest")

    def handle(self, *_: Any, **options: Any) -> None:
        """Export, and write the manifest."""
        out = Path(options["out"])
        manifest = out.with_name(f"{out.name}.manifest.json")
        try:
            tenant = get_tenant(options["slug"])
            with new_file(manifest) as about, new_file(out) as file, _progress(tenant.slug) as show:
                export = export_records(
                    tenant_id=tenant.id, out=file, actor=terminal.operator(), show=show
                )
                about.write(_manifest(tenant.slug, out, export))
        except (TenantError, CryptoError) as error:
            raise CommandError(f"{error.code}: {error}") from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}") from error
        self.stdout.write(_text(out, export) if not options["json"] else manifest.read_text())
        if not export.is_whole:
            raise SystemExit(terminal.UNFINISHED)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there and that only its owner reads. When the block fails, it is gone again: half an export
    is plaintext that nobody keeps an eye on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def _progress(slug: str) -> Iterator[Show]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task(slug, total=None)
        yield lambda done, total: bar.update(line, completed=done, total=max(done, total))


def _manifest(slug: str, out: Path, export: Export) -> bytes:
    document = {
        "file": out.name,
        "tenant": slug,
        "sha256": export.digest,
        "bytes": export.bytes,
        "records": export.records,
        "collections": export.by_collection,
        "whole": export.is_whole,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _text(out: Path, export: Export) -> str:
    said = f"{export.records} records are in {out}, sha256 {export.digest}."
    if export.is_whole:
        return said
    return (
        said + " Records were written meanwhile: export again before the tenant's end is approved."
    )
