"""The server of the page: on 127.0.0.1 alone, for who knows the token, and for no page of another site.

Nothing is served by a path: the page, findings as JSON, previews of images by id; and verdicts are taken.
"""

import json
import re
import secrets
import socketserver
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from darkroom.system.errors import InputError
from pipelines.review.findings import Findings
from pipelines.review.page_pictures import SIDES_PX, previews

HOST = "127.0.0.1"
MAX_BODY_BYTES = 65536
PAGE = Path(__file__).with_name("page.html")
_IMAGE = re.compile(r"/image/([0-9a-f]{64})")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ReviewServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves a review until it is shut down.

    Args:
        findings: What is reviewed.
        port: On this machine; 0 for one that is free.

    Raises:
        InputError: Another program has the port.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, findings: Findings, port: int = 0) -> None:
        self.findings, self.token = findings, secrets.token_urlsafe(32)
        self.preview = previews(findings.image)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"port {port} can't be used ({error.strerror}): give another one with --port, or none") from None

    @property
    def port(self) -> int:
        """The port that it has."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: The HTTP status.
        reason: One sentence.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "darkroom", ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is logged: requests hold the token."""

    def do_GET(self) -> None:
        """Answers with the page, findings, or a preview."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Takes a verdict."""
        self._answer(self._post)

    def _answer(self, work: Callable[[str, dict[str, str]], tuple[str, bytes, dict[str, str]]]) -> None:
        try:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._refuse_strangers(query.get("token", ""))
            kind, data, headers = work(url.path, query)
            self._send(HTTPStatus.OK, kind, data, headers)
        except _RefusedError as error:
            self._send_error(error.status, str(error))
        except InputError as error:
            self._send_error(HTTPStatus.CONFLICT, str(error))
        except ValueError:
            self._send_error(HTTPStatus.BAD_REQUEST, "the request can't be read")

    def _refuse_strangers(self, token: str) -> None:
        own = {f"{name}:{self.server.port}" for name in (HOST, "localhost")}
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if len(hosts) != 1 or hosts[0].strip().lower() not in own:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this page is opened under the address that `darkroom review` printed")
        foreign = [origin for origin in origins if origin.strip().lower() not in {f"http://{host}" for host in own}]
        if foreign or self.headers.get("Sec-Fetch-Site", "none").strip().lower() not in ("none", "same-origin"):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "a page of another site is not answered")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "this address is incomplete: open the one that `darkroom review` printed")

    def _get(self, path: str, query: dict[str, str]) -> tuple[str, bytes, dict[str, str]]:
        findings = self.server.findings
        if path == "/":
            return self._page()
        if path == "/overview":
            return _json(findings.overview())
        if path == "/findings":
            return _json(findings.part(query.get("check", ""), int(query.get("start", "0")), int(query.get("count", "60"))))
        if (match := _IMAGE.fullmatch(path)) and (data := self._picture(match[1], query.get("size", ""))):
            return ("image/png" if data.startswith(b"\x89PNG") else "image/jpeg"), data, {}
        raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _picture(self, name: str, size: str) -> bytes | None:
        return self.server.preview(name, size) if name in self.server.findings.names and size in SIDES_PX else None

    def _page(self) -> tuple[str, bytes, dict[str, str]]:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        text = PAGE.read_text(encoding="utf-8").replace("{{nonce}}", nonce)
        return "text/html; charset=utf-8", text.encode(), {"Content-Security-Policy": policy}

    def _post(self, path: str, query: dict[str, str]) -> tuple[str, bytes, dict[str, str]]:
        if path != "/verdict":
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get_content_type() != "application/json" or "Transfer-Encoding" in self.headers:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a verdict is JSON, of a known length")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a verdict has at most {MAX_BODY_BYTES} bytes")
        try:
            said = json.loads(self.rfile.read(int(length)))
        except RecursionError:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "the request can't be read") from None
        image, word, labels = (said.get(name) for name in ("image_id", "verdict", "labels")) if isinstance(said, dict) else (None,) * 3
        if (
            not isinstance(image, str)
            or not isinstance(word, str)
            or not isinstance(labels, list)
            or not all(isinstance(label, str) for label in labels)
        ):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "a verdict has an image_id, a verdict, and a list of labels")
        return _json(self.server.findings.judge(image, word, labels))

    def _send_error(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # what is left of the request must not be taken for the next one
        self._send(status, "application/json", json.dumps({"error": reason}).encode(), {"Connection": "close"})

    def _send(self, status: HTTPStatus, kind: str, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _json(value: Any) -> tuple[str, bytes, dict[str, str]]:
    return "application/json", json.dumps(value, ensure_ascii=True).encode(), {}
