"""Secrets of a source of `kind: rest`: kept out of all that is written, in every form they take.

Wherever a variable's value turns up (a message, an address of a next page, a body that a server
echoes it in) the variable's name stands in its place, as `${NAME}`.
"""

import base64
import html
import json
import os
from urllib.parse import quote, quote_plus

from ingest.rest_settings import SHORTEST_SECRET, VARIABLE, RestSettings, expanded, texts

ISSUED = "issued_token"
"""The name that stands for a token that the server gave for the time being."""


class Secrets:
    """All secrets of a source, with the names that stand for them."""

    def __init__(self, settings: RestSettings) -> None:
        written = texts(settings.model_dump(mode="python"))
        names = {name for text in written for name in VARIABLE.findall(text)}
        self._held = {name: os.environ.get(name, "") for name in sorted(names)}
        # what is long is replaced first: one secret may be part of another
        self._forms = self._all_forms()
        auth = settings.auth
        if auth is not None and auth.kind == "basic":
            self._add_pair(auth.username or "", auth.password or "")
        elif auth is not None and auth.kind == "oauth2":
            self._add_pair(auth.client_id or "", auth.client_secret or "")

    def _all_forms(self) -> dict[str, str]:
        found = {
            form: f"${{{name}}}"
            for name, value in self._held.items()
            # an address is no secret, and stands in what the server says of itself
            if value and not value.startswith(("http://", "https://"))
            for form in _forms(value)
        }
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def _add_pair(self, name: str, password: str) -> None:
        """What basic authentication makes of a name and a password."""
        pair = base64.b64encode(f"{expanded(name)}:{expanded(password)}".encode()).decode()
        self._forms = {pair: "${credentials}", **self._forms}

    def issue(self, token: str) -> None:
        """Hide a token that the server gave."""
        self._held[ISSUED] = token
        self._forms = {**{form: f"${{{ISSUED}}}" for form in _forms(token)}, **self._forms}

    def masked(self, text: str) -> str:
        """A text without any secret."""
        for form, name in self._forms.items():
            text = text.replace(form, name)
        return text

    def masked_body(self, body: bytes) -> bytes:
        """A body without any secret that is long enough to be told from data."""
        for form, name in self._forms.items():
            if len(form) >= SHORTEST_SECRET and (found := form.encode()) in body:
                body = body.replace(found, name.encode())
        return body

    def unmasked(self, text: str) -> str:
        """A masked text with its secrets again: to ask with, not to be shown."""
        for name, value in self._held.items():
            text = text.replace(f"${{{name}}}", value)
        return text


def _forms(value: str) -> set[str]:
    """How a value may be written by a server that echoes it."""
    escaped = json.dumps(value)[1:-1]
    percent = {quote(value, safe=""), quote(value), quote_plus(value)}
    lowered = {_lower_percent(form) for form in percent}
    marked_up = {html.escape(value), html.escape(value, quote=False)}
    return {value, escaped, escaped.replace("/", "\\/"), *percent, *lowered, *marked_up}


def _lower_percent(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])
