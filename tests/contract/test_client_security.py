"""Where the key goes, over real sockets: to the host of the connection, and nowhere else."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from airflow_provider_brevo import exceptions as exc
from airflow_provider_brevo.core.config import ConnectionFields, read_settings
from airflow_provider_brevo.sandbox import Sandbox

EVENT = {"event_name": "order_completed", "identifiers": {"ext_id": "0017"}}


@pytest.fixture
def authority():
    """Make a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def tls_sandbox(authority):
    """Run a sandbox that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Sandbox(ssl_context=context) as sandbox:
        yield sandbox


@pytest.fixture
def ca_file(authority, tmp_path):
    """Write the authority's certificate to a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def proxy():
    """A proxy that notes what it is asked for, and refuses it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append((self.command, self.path, dict(self.headers)))
            self.send_error(403)

        do_POST = do_CONNECT

        def log_message(self, *args):
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_stays(sandbox, clients, status):
    """A redirect to another host is an error, and that host gets no request."""
    with Sandbox() as elsewhere:
        sandbox.add_fault(f"redirect,status={status},location={elsewhere.url}/events")
        with pytest.raises(exc.BrevoRedirectError, match="never followed"):
            clients(sandbox.url).create_event(EVENT)
        assert elsewhere.requests == []
    assert len(sandbox.requests) == 1


def test_a_trusted_certificate_is_accepted(tls_sandbox, clients, ca_file):
    """The connection's ca_bundle is what counts."""
    clients(tls_sandbox.url, ca_bundle=ca_file).create_event(EVENT)
    assert len(tls_sandbox.events) == 1


def test_an_untrusted_certificate_is_refused(tls_sandbox, clients):
    """A certificate that isn't trusted ends the call at once, and nothing was sent."""
    with pytest.raises(exc.BrevoTLSError, match="not trusted") as caught:
        clients(tls_sandbox.url).create_event(EVENT)
    assert "ca_bundle" in str(caught.value)
    assert not caught.value.uncertain
    assert caught.value.attempts == 1
    assert tls_sandbox.requests == []


def test_the_connections_ca_bundle_beats_the_environment(tls_sandbox, clients, ca_file, tmp_path, monkeypatch):
    """REQUESTS_CA_BUNDLE doesn't override what the connection says, in neither direction."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    clients(tls_sandbox.url, ca_bundle=ca_file).create_event(EVENT)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
    with pytest.raises(exc.BrevoTLSError):
        clients(tls_sandbox.url, ca_bundle=str(other)).create_event(EVENT)
    clients(tls_sandbox.url).create_event(EVENT)
    assert len(tls_sandbox.events) == 2


def test_a_ca_bundle_that_is_none_says_so(tls_sandbox, clients, tmp_path):
    """A file without certificates, or one that is gone, is an error of the connection's CA bundle."""
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    client = clients(tls_sandbox.url, ca_bundle=str(empty))
    with pytest.raises(exc.BrevoTLSError, match="ca_bundle"):
        client.create_event(EVENT)
    client = clients(tls_sandbox.url, ca_bundle=str(empty))
    empty.unlink()
    with pytest.raises(exc.BrevoTLSError, match="CA bundle can't be read"):
        client.create_event(EVENT)


def test_https_to_a_port_without_tls_says_so(sandbox, clients):
    """The wrong scheme is told apart from a broken connection."""
    with pytest.raises(exc.BrevoTLSError, match="can't be spoken to by TLS"):
        clients(sandbox.url.replace("http://", "https://")).create_event(EVENT)


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_a_tls_connection_that_breaks_is_uncertain(tls_sandbox, clients, ca_file, fault):
    """Behind TLS too, a connection that breaks after the request is out leaves the event's fate open."""
    tls_sandbox.add_fault(fault)
    with pytest.raises(exc.BrevoConnectionLostError) as caught:
        clients(tls_sandbox.url, ca_bundle=ca_file, max_retries=0).create_event(EVENT)
    assert caught.value.uncertain


def test_a_hang_up_during_the_handshake_is_counted_as_uncertain(clients):
    """OpenSSL tells a hang-up in the handshake and one later by the same error, so the careful reading holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            connection, _ = server.accept()
            connection.recv(4096)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        client = clients(f"https://127.0.0.1:{server.getsockname()[1]}/v3", max_retries=0)
        with pytest.raises(exc.BrevoConnectionLostError, match="TLS connection") as caught:
            client.create_event(EVENT)
        thread.join()
    assert caught.value.uncertain


def test_netrc_never_replaces_our_key(sandbox, clients, tmp_path, monkeypatch):
    """An entry of .netrc for the host adds no header and changes none."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    clients(sandbox.url).create_event(EVENT)
    (request,) = sandbox.requests
    assert "authorization" not in request.headers
    assert request.status == 204


def test_a_loopback_host_needs_no_proxy(sandbox, clients, proxy, monkeypatch):
    """A proxy of the environment doesn't get to see plain requests to this machine, nor their key."""
    url, asked = proxy
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("http_proxy", url)
    clients(sandbox.url).create_event(EVENT)
    assert asked == []
    assert len(sandbox.events) == 1


@pytest.mark.parametrize("by", ["environment", "connection"])
def test_brevo_is_reached_through_the_proxy(clients, proxy, monkeypatch, by):
    """A proxy is asked to open a tunnel, and sees no key; its refusal is a connect error."""
    url, asked = proxy
    extra = {"max_retries": 0}
    if by == "environment":
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("https_proxy", url)
    else:
        extra["proxy"] = url
    with pytest.raises(exc.BrevoConnectError, match="proxy") as caught:
        clients("https://api.brevo.com/v3", **extra).create_event(EVENT)
    assert not caught.value.uncertain
    ((command, path, headers),) = asked
    assert (command, path) == ("CONNECT", "api.brevo.com:443")
    assert not any("xkeysib" in value for value in headers.values())


def test_cookies_are_not_kept(clients):
    """A cookie that a server sets isn't sent back."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.headers.get("Cookie"))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.send_header("Set-Cookie", "a=b; Path=/")
            self.end_headers()

        def log_message(self, *args):
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        client = clients(f"http://127.0.0.1:{server.server_port}/v3")
        client.create_event(EVENT)
        client.create_event(EVENT)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert seen == [None, None]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"host": "http://api.brevo.com/v3"}, "must be https"),
        ({"host": "https://gateway.example.com/v3"}, "may not be given the key"),
        ({"host": "https://api.brevo.com.example.com/v3"}, "may not be given the key"),
        ({"host": "https://somebody:xkeysib-1@api.brevo.com/v3"}, "no user"),
        ({"host": "https://api.brevo.com/v3?api-key=xkeysib-1"}, "no user, key, query"),
        ({"extra": {"api_key": "xkeysib-1"}}, "extras hold a secret"),
        ({"extra": {"note": "xkeysib-1"}}, "extras hold a secret"),
    ],
)
def test_a_place_that_is_not_for_the_key_is_refused(fields, reason):
    """Plain http, foreign hosts, and keys in URLs and extras are refused before any request, without showing them."""
    with pytest.raises(exc.BrevoSettingsError, match=reason) as caught:
        read_settings(ConnectionFields(password="xkeysib-2", **fields))
    assert "xkeysib-1" not in str(caught.value)
    assert "xkeysib-2" not in str(caught.value)
