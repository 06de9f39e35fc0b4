"""The WSGI application; a process with unsafe settings refuses to start here."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
application = get_wsgi_application()

from gateway.checks import refuse_unsafe_start, web_faults  # noqa: E402 - needs the settings

refuse_unsafe_start(web_faults())
