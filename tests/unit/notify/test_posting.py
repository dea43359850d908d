"""Posting to real servers: what an answer means, whom nothing is sent to, what is not followed."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.ports import free_port
from controller.notify.addresses import AddressRules
from controller.notify.outcome import Fate
from controller.notify.posting import LONGEST_WAIT, Poster, outcome_of
from tests.support.receivers import HttpReceiver, http_receiver
from tests.support.tls import server_context

LOOPBACK = AddressRules((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))
NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        yield found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("status", "retry_after", "fate", "after"),
    [
        (200, "", Fate.DELIVERED, None),
        (204, "5", Fate.DELIVERED, None),
        (302, "", Fate.REFUSED, None),
        (400, "", Fate.REFUSED, None),
        (401, "", Fate.DELAYED, None),
        (403, "", Fate.REFUSED, None),
        (404, "", Fate.REFUSED, None),
        (408, "", Fate.DELAYED, None),
        (410, "", Fate.REFUSED, None),
        (429, "7", Fate.DELAYED, 7.0),
        (429, "99999999999999999999", Fate.DELAYED, LONGEST_WAIT),
        (429, "Wed, 01 Jul 2026 12:01:00 GMT", Fate.DELAYED, 60.0),
        (429, "Wed, 01 Jul 2026 12:01:00 -0000", Fate.DELAYED, 60.0),
        (429, "Tue, 30 Jun 2026 12:01:00 GMT", Fate.DELAYED, 0.0),
        (429, "soon", Fate.DELAYED, None),
        (429, "²", Fate.DELAYED, None),
        (500, "", Fate.DELAYED, None),
        (503, "3", Fate.DELAYED, 3.0),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str, fate: Fate, after: float | None) -> None:
    outcome = outcome_of(status, retry_after, NOW)
    assert (outcome.fate, outcome.after) == (fate, after)
    assert str(status) in outcome.why or fate is Fate.DELIVERED


async def test_a_body_arrives_with_its_headers(receiver: HttpReceiver) -> None:
    outcome = await Poster(LOOPBACK).post(receiver.url("/services/x?y=z"), b'{"text":"hi"}', {"X-One": "1"})
    assert outcome.fate is Fate.DELIVERED
    (post,) = receiver.posts
    assert (post.path, post.body) == ("/services/x?y=z", b'{"text":"hi"}')
    assert (post.headers["X-One"], post.headers["Content-Type"]) == ("1", "application/json")


async def test_nothing_is_sent_to_an_address_that_is_refused(receiver: HttpReceiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"):
        outcome = await Poster(AddressRules()).post(f"http://{host}:{receiver.port}/", b"{}", {})
        assert outcome.fate is Fate.REFUSED, host
        assert "--webhook-allow-cidr" in outcome.why or "cannot be read" in outcome.why, host
    assert receiver.posts == []


async def test_a_name_that_moves_inside_after_it_was_looked_at_is_refused(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads elsewhere at the second look: only what is connected to counts."""
    loop = asyncio.get_running_loop()
    looks = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])

    async def moving(host: str, port: int, **_: object) -> list[object]:
        return [(2, 1, 6, "", (next(looks), receiver.port))]

    monkeypatch.setattr(loop, "getaddrinfo", moving)
    await loop.getaddrinfo("rebind.example.com", 80)
    outcome = await Poster(AddressRules()).post(f"http://rebind.example.com:{receiver.port}/", b"{}", {})
    assert outcome.fate is Fate.REFUSED
    assert receiver.posts == []


async def test_a_redirect_is_not_followed(receiver: HttpReceiver) -> None:
    with http_receiver() as other:
        for status in (301, 302, 307, 308):
            receiver.answers.append((status, {"Location": other.url()}))
            outcome = await Poster(LOOPBACK).post(receiver.url(), b"{}", {})
            assert outcome.fate is Fate.REFUSED
            assert str(other.port) not in outcome.why
        assert other.posts == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "https://user:pass@example.com/",
        "https://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "https://example.com/\r\nX-Evil: 1",
        "https:///path",
        "https://[::1/",
        "https://example.com:99999999/",
        "",
    ],
)
async def test_what_is_no_plain_url_is_refused(url: str) -> None:
    outcome = await Poster(LOOPBACK).post(url, b"{}", {})
    assert outcome.fate is Fate.REFUSED
    assert "https://" in outcome.why


async def test_a_certificate_of_a_strangers_authority_is_refused_before_anything_is_said(authority: Authority) -> None:
    with http_receiver(server_context(authority)) as receiver:
        outcome = await Poster(LOOPBACK).post(receiver.url(), b"{}", {})
        assert outcome.fate is Fate.DELAYED
        assert "certificate" in outcome.why
        trusting = ssl.create_default_context(cadata=authority.certificate.read_text())
        assert (await Poster(LOOPBACK).post(receiver.url(), b"{}", {}, trusting)).fate is Fate.DELIVERED
        wrong_name = receiver.url().replace("127.0.0.1", "localhost")
        assert (await Poster(LOOPBACK).post(wrong_name, b"{}", {}, trusting)).fate is Fate.DELAYED
        assert len(receiver.posts) == 1


async def test_who_cannot_be_reached_is_tried_later(receiver: HttpReceiver) -> None:
    outcome = await Poster(LOOPBACK).post(f"http://127.0.0.1:{free_port()}/", b"{}", {})
    assert outcome.fate is Fate.DELAYED
    assert outcome.why.startswith("no connection")
    outcome = await Poster(LOOPBACK).post("https://no-such-host.invalid/secret-path", b"{}", {})
    assert (outcome.fate, outcome.why) == (Fate.DELAYED, "its name does not resolve")


async def test_who_never_answers_is_given_up(receiver: HttpReceiver) -> None:
    receiver.gate.clear()
    outcome = await Poster(LOOPBACK, timeout=0.2).post(receiver.url(), b"{}", {})
    assert (outcome.fate, outcome.why) == (Fate.DELAYED, "it did not answer in time")


async def test_an_endless_answer_ends() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await Poster(LOOPBACK).post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert outcome.fate is Fate.DELIVERED
