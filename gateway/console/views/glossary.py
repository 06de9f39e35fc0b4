"""What the words of the console mean."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from gateway.console.access import Permission
from gateway.console.page import Page
from gateway.console.words import TITLES, WORDS


class Glossary(Page):
    """Every state and role with its meaning."""

    needs = {"GET": Permission.SIGNED_IN}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        groups = [(kind, TITLES[kind], words) for kind, words in WORDS.items()]
        return self.render("glossary", groups=groups, tab="glossary")
