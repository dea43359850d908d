"""Mail, handed in to a real server with STARTTLS and AUTH: who gets it, who does not, and what is never sent."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.ports import free_port
from controller.errors import StalledError
from controller.notify.letters import Notice, mail_of
from controller.notify.mail import Mailer, MailServer, is_mail_address, mail_server_at
from controller.notify.outcome import Fate, Outcome
from tests.support.receivers import MailReceiver, mail_receiver
from tests.support.tls import server_context

SENDER = "tandem@example.com"
OPS, DEV, GONE, FULL = "ops@example.com", "dev@example.com", "gone@example.com", "full@example.com"
NOTICE = Notice("Failed", "Unreachable", "shop", "demo", "c0ffee", 1_780_000_000.0, "install", ("ConfigMap/shop/a",), 1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    return server_context(authority, host="localhost")


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[MailReceiver]:
    with mail_receiver(context) as found:
        yield found


async def send(url: str, *recipients: str) -> Outcome:
    mailer = Mailer(mail_server_at(url), SENDER)
    return await mailer.send(mail_of(NOTICE, "d-1", SENDER, recipients), recipients)


async def test_it_arrives_over_starttls_with_a_password(server: MailReceiver, authority: Authority) -> None:
    assert (await send(server.url(str(authority.certificate)), OPS, DEV)).fate is Fate.DELIVERED
    ((recipients, message),) = server.got
    assert recipients == (OPS, DEV)
    assert (message["From"], message["To"]) == (SENDER, f"{OPS}, {DEV}")
    assert message["Message-ID"] == "<d-1@example.com>"
    assert message["Subject"] == "[Tandem] shop/demo: Unreachable"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "ConfigMap/shop/a" in message.get_content()


async def test_it_arrives_over_tls_from_the_start(context: ssl.SSLContext, authority: Authority) -> None:
    with mail_receiver(context, tls=True) as server:
        assert (await send(server.url(str(authority.certificate), scheme="smtps"), OPS)).fate is Fate.DELIVERED
        assert len(server.got) == 1


async def test_of_several_recipients_the_refused_ones_alone_are_left_out(
    server: MailReceiver, authority: Authority
) -> None:
    server.refusals = {GONE: "550 no such user", FULL: "452 mailbox full"}
    url = server.url(str(authority.certificate))
    outcome = await send(url, OPS, GONE)
    assert (outcome.fate, outcome.recipients) == (Fate.DELIVERED, ())
    assert outcome.why == f"the mail server refuses {GONE} (550)"
    outcome = await send(url, OPS, GONE, FULL)
    assert (outcome.fate, outcome.recipients) == (Fate.DELAYED, (FULL,))
    assert [recipients for recipients, _ in server.got] == [(OPS,), (OPS,)]


@pytest.mark.parametrize(
    ("recipients", "fate", "left"),
    [((GONE,), Fate.REFUSED, ()), ((FULL,), Fate.DELAYED, (FULL,)), ((GONE, FULL), Fate.DELAYED, (FULL,))],
)
async def test_nobody_gets_it(
    server: MailReceiver, authority: Authority, recipients: tuple[str, ...], fate: Fate, left: tuple[str, ...]
) -> None:
    server.refusals = {GONE: "550 no such user", FULL: "452 mailbox full"}
    outcome = await send(server.url(str(authority.certificate)), *recipients)
    assert (outcome.fate, outcome.recipients) == (fate, left)
    assert server.got == []


@pytest.mark.parametrize(("answer", "fate"), [("451 try again", Fate.DELAYED), ("554 no", Fate.REFUSED)])
async def test_a_message_that_the_server_does_not_take(
    server: MailReceiver, authority: Authority, answer: str, fate: Fate
) -> None:
    server.answers = [answer]
    outcome = await send(server.url(str(authority.certificate)), OPS)
    assert (outcome.fate, outcome.why) == (fate, f"the mail server answered {answer[:3]}")
    assert (await send(server.url(str(authority.certificate)), OPS)).fate is Fate.DELIVERED


async def test_a_wrong_password_is_tried_again_and_never_shown(server: MailReceiver, authority: Authority) -> None:
    outcome = await send(server.url(str(authority.certificate), password="wrong-9f2"), OPS)
    assert outcome.fate is Fate.DELAYED
    assert "--smtp-url" in outcome.why
    assert "wrong-9f2" not in outcome.why


async def test_a_certificate_of_a_strangers_authority_gets_no_password(
    server: MailReceiver, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    outcome = await send(server.url(str(stranger.certificate)), OPS)
    assert outcome.fate is Fate.DELAYED
    assert "certificate" in outcome.why
    by_number = server.url(str(authority.certificate)).replace("localhost", "127.0.0.1")
    assert (await send(by_number, OPS)).fate is Fate.DELAYED
    assert server.got == []


async def test_a_server_without_starttls_is_told_nothing(authority: Authority) -> None:
    """Who stands in between must not be able to take STARTTLS away."""
    with mail_receiver(None) as server:
        outcome = await send(server.url(str(authority.certificate)), OPS)
        assert (outcome.fate, server.got) == (Fate.DELAYED, [])
        assert "STARTTLS" in outcome.why
        assert (await send(f"smtp://localhost:{server.port}", OPS)).fate is Fate.DELAYED
        assert server.got == []
        assert (await send(f"smtp://localhost:{server.port}?tls=off", OPS)).fate is Fate.DELIVERED
        assert len(server.got) == 1


async def test_a_server_that_speaks_another_language_is_given_up(context: ssl.SSLContext, authority: Authority) -> None:
    with mail_receiver(context, tls=True) as server:  # smtp:// to a port that speaks TLS at once
        mailer = Mailer(mail_server_at(server.url(str(authority.certificate))), SENDER, timeout=0.5)
        assert (await mailer.send(mail_of(NOTICE, "d", SENDER, [OPS]), [OPS])).fate is Fate.DELAYED
        assert server.got == []


async def test_who_cannot_be_reached_is_tried_later() -> None:
    assert (await send(f"smtp://localhost:{free_port()}", OPS)).fate is Fate.DELAYED


@pytest.mark.parametrize(
    "text",
    [
        "ops",
        "a@b@c",
        "ops@example.com\r\nBcc: all@example.com",
        "ops@example.com>\r\nDATA",
        "<ops@example.com>",
        "a b@example.com",
        "a,b@example.com",
        '"x"@example.com',
        "ops@example.com\n",
        "ops@",
        "öps@example.com",
        "a" * 65 + "@example.com",
    ],
)
async def test_what_is_no_address_is_sent_nowhere(text: str) -> None:
    assert not is_mail_address(text)
    outcome = await Mailer(MailServer("localhost", 1, tls=False), SENDER).send(mail_of(NOTICE, "d", SENDER, []), [text])
    assert outcome.fate is Fate.REFUSED
    with pytest.raises(StalledError, match="--smtp-from"):
        Mailer(MailServer("localhost", 1, tls=False), text)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, tls=False)),
        ("smtps://mail.example.com/", MailServer("mail.example.com", 465, tls=True)),
        ("smtp://relay:25?tls=off", MailServer("relay", 25, tls=False, plain=True)),
        (
            "smtp://a%40b:p%3Aw@mail.example.com:2525?cafile=/etc/ca.crt",
            MailServer("mail.example.com", 2525, tls=False, user="a@b", password="p:w", authority="/etc/ca.crt"),
        ),
        ("smtp://[::1]:25", MailServer("::1", 25, tls=False)),
    ],
)
def test_the_urls_of_mail_servers(url: str, server: MailServer) -> None:
    assert mail_server_at(url) == server
    assert "p:w" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://mail:port",
        "smtp://u@mail.example.com",
        "smtp://:secret-1@mail.example.com",
        "smtp://u:secret-1@mail.example.com?tls=off",
        "smtps://mail.example.com?tls=off",
        "smtp://mail.example.com?tls=maybe",
        "smtp://mail.example.com?verify=no",
        "smtp://u:secret-1@mail.example.com/x",
    ],
)
def test_other_urls_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(StalledError, match=r"--smtp-url: .*smtp://user") as caught:
        mail_server_at(url)
    assert "secret-1" not in caught.value.message


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.crt").write_text(content)
    for path in (tmp_path / "ca.crt", tmp_path / "none"):
        with pytest.raises(StalledError, match="cafile="):
            Mailer(mail_server_at(f"smtp://mail.example.com?cafile={path}"), SENDER)
