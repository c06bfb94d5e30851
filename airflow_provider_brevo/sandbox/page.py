"""The page at ``/``, and the calls it makes under ``/_sandbox/``.

They belong to this machine's user alone: nothing grants other origins access, and what changes something
wants a header that a page of another origin can't send without asking first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

from airflow_provider_brevo.sandbox.page_data import Filter, list_entries, show_entry
from airflow_provider_brevo.sandbox.replies import error
from airflow_provider_brevo.sandbox.store import Store

_PREFIX = "/_sandbox/"
_FILES = {
    "/": ("page.html", "text/html"),
    "/_sandbox/page.css": ("page.css", "text/css"),
    "/_sandbox/page.js": ("page.js", "text/javascript"),
    "/_sandbox/detail.js": ("detail.js", "text/javascript"),
    "/_sandbox/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CLEAR_HEADER = "X-Sandbox-Page"
_MAX_FILTER = 1000
_GAP_SECONDS = 0.1
_SILENCE_SECONDS = 15.0


def is_page_request(method: str, path: str) -> bool:
    """Tell whether a request is the page's own, and so no part of what it shows.

    :param method: The request's method.
    :param path: The request's path.
    """
    return (path == "/" and method == "GET") or path.startswith(_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page and its calls.

    :param store: What it shows.
    :param connection: Gives the line with which a shell gets a connection to this sandbox.
    """

    store: Store
    connection: Callable[[], str]

    def add_routes(self, app: web.Application) -> None:
        """Add them to an application.

        :param app: The application.
        """
        folder = files(__package__) / "web"
        for path, (name, media_type) in _FILES.items():
            app.router.add_route("GET", path, _sender((folder / name).read_bytes(), media_type))
        app.router.add_route("GET", "/_sandbox/entries", self.show_list)
        app.router.add_route("GET", "/_sandbox/entries/{key}", self.show_one)
        app.router.add_route("GET", "/_sandbox/changes", self.stream_changes)
        app.router.add_route("GET", "/_sandbox/stats", self.show_stats)
        app.router.add_route("GET", "/_sandbox/duplicates", self.show_duplicates)
        app.router.add_route("POST", "/_sandbox/clear", self.clear)

    def refuse(self, request: web.Request) -> web.Response | None:
        """Refuse what a page of another origin started; None if that is not the case.

        :param request: The request.
        """
        # "none": the user typed the address. Clients other than browsers don't send the header.
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.path != "/" and site not in {"same-origin", "none"}:
            return error(403, "Only the sandbox's own page may ask for this")
        return None

    def secure(self, reply: web.StreamResponse) -> None:
        """Add the headers that keep others out.

        :param reply: An answer that is not sent yet.
        """
        reply.headers.update(_HEADERS)

    async def show_list(self, request: web.Request) -> web.StreamResponse:
        """Show the newest entries that match the query.

        :param request: The request.
        """
        if len(request.query_string) > _MAX_FILTER:
            return error(400, "The filter is too long")
        found = list_entries(self.store, Filter.read(request.query))
        return web.json_response({**found, "connection": self.connection()})

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """Show everything about one entry.

        :param request: The request.
        """
        shown = show_entry(self.store, request.match_info["key"])
        return error(404, "There is no such entry any more") if shown is None else web.json_response(shown)

    async def show_stats(self, _: web.Request) -> web.StreamResponse:
        """Show how much arrived, for programs that watch the sandbox from another process.

        :param _: The request.
        """
        return web.json_response(self.store.stats())

    async def show_duplicates(self, request: web.Request) -> web.StreamResponse:
        """Show how often the values of a property repeat, likewise.

        :param request: The request.
        """
        names = request.query.getall("property", [])
        if len(names) != 1 or not names[0]:
            return error(400, "property must be given once")
        return web.json_response(self.store.duplicates(names[0]))

    async def clear(self, request: web.Request) -> web.StreamResponse:
        """Forget what arrived.

        :param request: The request.
        """
        # A foreign page can't set the header: its browser would ask first (CORS), and get no permission.
        if request.headers.get(_CLEAR_HEADER) != "clear":
            return error(403, f"The header {_CLEAR_HEADER}: clear is missing")
        self.store.reset()
        return web.Response(status=204)

    async def stream_changes(self, request: web.Request) -> web.StreamResponse:
        """Tell, by Server-Sent Events, whenever something changed, until the client leaves.

        :param request: The request.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        changed.set()
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self.secure(reply)
        end = self.store.listen(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            await reply.prepare(request)
            await reply.write(b"retry: 500\n\n")
            while True:
                try:
                    await asyncio.wait_for(changed.wait(), _SILENCE_SECONDS)
                except TimeoutError:
                    # A comment; writing it is how a client that left in silence is noticed.
                    await reply.write(b":\n\n")
                    continue
                changed.clear()
                await reply.write(b"data: changed\n\n")
                await asyncio.sleep(_GAP_SECONDS)
        except ConnectionError:
            return reply
        finally:
            end()


def _sender(content: bytes, media_type: str) -> Handler:
    async def send(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=media_type, charset="utf-8")

    return send
