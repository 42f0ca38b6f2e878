"""What the environment says of proxies and certificates, right and wrong."""

from __future__ import annotations

import importlib.util
import os

import certificates
import pytest
from scripted_server import Answer, completion, raw_server, scripted_server
from videoseg_vlm import OpenAIChat, ServerError
from videoseg_vlm.server.connection import find_proxy

import videoseg as vs
from videoseg.types import Message, TextPart

QUESTION = [Message("user", (TextPart("Where is it?"),))]
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def made(url, **options):
    quick = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "timeout": 5.0, "max_retries": 0}
    return OpenAIChat(base_url=url, **{**quick, **options})


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Let nothing of this machine's settings count."""
    for name in (*NAMES, *(name.lower() for name in NAMES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# -- proxies -------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
def test_a_request_goes_through_the_proxy_of_the_environment(variable, environment):
    with scripted_server(completion("yes")) as proxy:
        environment.setenv(variable, proxy.url.removesuffix("/v1").replace("//", "//me:pa%20ss@"))
        [reply] = made("http://gpu-box.invalid:8000/v1").chat(QUESTION)
    assert reply.text == "yes"
    [headers] = proxy.headers
    assert headers["Host"] == "gpu-box.invalid:8000"
    assert headers["Proxy-Authorization"] == "Basic bWU6cGEgc3M="


@pytest.mark.parametrize(
    "value", ["socks5://127.0.0.1:1", "http://127.0.0.1:1", "no proxy at all", "socks4://x:1"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9", "[::1]", "0.0.0.0"])
def test_a_server_on_this_machine_needs_no_proxy(value, host, environment):
    environment.setenv("ALL_PROXY", value)
    made(f"http://{host}:9/v1")
    with scripted_server(completion("yes")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="SOCKS is installed")
@pytest.mark.parametrize("variable", ["ALL_PROXY", "https_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS5"])
def test_a_socks_proxy_says_which_package_it_needs(variable, scheme, environment):
    environment.setenv(variable, f"{scheme}://me:secret@127.0.0.1:1080")
    with pytest.raises(
        vs.ConfigError, match=rf"{variable}.*\[socks\].*unset {variable}"
    ) as caught:
        made("https://gpu-box.invalid/v1")
    assert "NO_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "socks://127.0.0.1:1080",
        "socks4://127.0.0.1:1080",
        "http://",
        "http://me:secret@host:port",
        "http://[::1",
        "ftp://host:1\x1b[2J",
        "http://" + "a" * 70 + ".org",
    ],
)
def test_a_proxy_that_is_none_is_told_by_the_variable_s_name(value, environment):
    environment.setenv("ALL_PROXY", value)
    with pytest.raises(vs.ConfigError, match=r"ALL_PROXY names the proxy .*HOST:PORT") as caught:
        made("http://gpu-box.invalid/v1")
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_proxy_may_be_given_without_a_scheme(environment):
    environment.setenv("HTTP_PROXY", "cache.example.org:3128")
    proxy = find_proxy("http", "gpu-box.invalid", 80)
    assert str(proxy) == "http://cache.example.org:3128"
    assert find_proxy("https", "gpu-box.invalid", 443) is None


@pytest.mark.parametrize(
    ("exceptions", "host", "is_used"),
    [
        ("gpu-box.invalid", "gpu-box.invalid", False),
        (".invalid, other", "gpu-box.invalid", False),
        ("gpu-box.invalid:8000", "gpu-box.invalid", False),
        ("gpu-box.invalid:9000", "gpu-box.invalid", True),
        ("10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
        ("fd00::/8", "fd00::1", False),
        ("*", "gpu-box.invalid", False),
        ("*.invalid", "gpu-box.invalid", False),
        ("localhost GPU-box.invalid", "gpu-box.invalid", False),
        ("localhost 10.0.0.0/8", "10.1.2.3", False),
        ("*.box.invalid", "gpu-box.invalid", True),
        ("", "gpu-box.invalid", True),
    ],
)
def test_no_proxy_is_kept_to(exceptions, host, is_used, environment):
    environment.setenv("ALL_PROXY", "http://cache.example.org:3128")
    environment.setenv("NO_PROXY", exceptions)
    assert (find_proxy("http", host, 8000) is not None) == is_used


def test_a_proxy_that_cannot_be_reached_is_told_by_the_variable_s_name(environment):
    environment.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:1")
    with pytest.raises(
        ServerError, match=r"proxy http://127.0.0.1:1, which HTTPS_PROXY"
    ) as caught:
        made("https://gpu-box.invalid/v1").chat(QUESTION)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_wants_a_password_is_not_asked_again(environment):
    asked = []

    def refuse(connection):
        asked.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 407 Who\x07 are you\r\nContent-Length: 0\r\n\r\n")

    with raw_server(refuse) as port:
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(
            ServerError, match=r"says '407.*give HTTPS_PROXY the login it requires"
        ) as caught:
            made("https://gpu-box.invalid/v1", max_retries=3).chat(QUESTION)
    assert asked[0].startswith(b"CONNECT gpu-box.invalid:443 ")
    assert len(asked) == 1
    assert str(caught.value).isprintable()


# -- certificates --------------------------------------------------------------------------


@pytest.fixture
def bad_file(tmp_path, request):
    kind = request.param
    path = tmp_path / "certificates.pem"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no certificates here\n")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no named pipes here")
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("bad_file", "words"),
    [
        ("missing", "No such file"),
        ("empty", "no certificates"),
        ("text", "no certificates"),
        ("folder", "folder"),
        ("pipe", "pipe"),
    ],
    indirect=["bad_file"],
)
def test_a_certificate_file_that_is_none_is_told_by_the_variable_s_name(
    bad_file, words, environment
):
    environment.setenv("SSL_CERT_FILE", str(bad_file))
    with pytest.raises(vs.ConfigError, match=rf"SSL_CERT_FILE names .*{words}.*unset SSL_CERT_F"):
        made("https://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("variable", "words"),
    [("SSL_CERT_DIR", "is not a folder"), ("SSLKEYLOGFILE", "No such file")],
)
def test_other_places_that_are_not_there_are_told_by_the_variable_s_name(
    variable, words, environment, tmp_path
):
    environment.setenv(variable, str(tmp_path / "none" / "there"))
    with pytest.raises(vs.ConfigError, match=rf"{variable} names .*{words}"):
        made("https://127.0.0.1:9/v1")


def test_an_address_without_encryption_needs_no_certificates(environment, tmp_path):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        environment.setenv(name, str(tmp_path / "none" / "there"))
    with scripted_server(completion("yes")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


def test_a_server_whose_certificate_is_trusted_answers(environment, tmp_path):
    tls, public = certificates.server_tls(tmp_path, certificates.TRUSTED)
    environment.setenv("SSL_CERT_FILE", str(public))
    with scripted_server(completion("yes"), tls=tls) as server:
        chat = made(server.url)
        assert [chat.chat(QUESTION)[0].text for _ in range(2)] == ["yes"] * 2


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (certificates.EXPIRED, "has expired"),
        (certificates.NOT_YET_VALID, "is not valid yet.*clocks"),
        (certificates.OF_ANOTHER_HOST, "is for another host.*localhost"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(certificate, words, environment, tmp_path):
    tls, public = certificates.server_tls(tmp_path, certificate)
    environment.setenv("SSL_CERT_FILE", str(public))
    with (
        scripted_server(completion("yes"), tls=tls) as server,
        pytest.raises(ServerError, match=rf"certificate that {words}"),
    ):
        made(server.url, max_retries=3).chat(QUESTION)


def test_a_certificate_that_is_self_signed_says_where_to_name_it(tmp_path):
    tls, _ = certificates.server_tls(tmp_path, certificates.TRUSTED)
    with (
        scripted_server(completion("yes"), tls=tls) as server,
        pytest.raises(ServerError, match=r"certificate that is self-signed.*SSL_CERT_FILE"),
    ):
        made(server.url, max_retries=3).chat(QUESTION)
    assert not server.requests


def test_a_server_that_speaks_no_tls_is_told():
    with (
        scripted_server(Answer()) as server,
        pytest.raises(ServerError, match=r"does not speak TLS.*http://"),
    ):
        made(server.url.replace("http://", "https://"), max_retries=3).chat(QUESTION)


def test_a_server_that_speaks_tls_is_told():
    # What a server sends that takes a request for a broken handshake.
    alert = Answer(raw=[b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"])
    with scripted_server(alert) as server, pytest.raises(ServerError, match="begin with https://"):
        made(server.url).chat(QUESTION)
