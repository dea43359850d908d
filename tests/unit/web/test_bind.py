import pytest

from controller.web.bind import Bind, BindError, parse_bind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Bind("127.0.0.1", 8080)),
        ("localhost:0", Bind("localhost", 0)),
        ("[::1]:8080", Bind("::1", 8080)),
        ("[::]:65535", Bind("::", 65535)),
        (":8080", Bind("", 8080)),
        ("10.0.0.1:80", Bind("10.0.0.1", 80)),
    ],
)
def test_an_address_is_read(text: str, expected: Bind) -> None:
    assert parse_bind(text) == expected


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "localhost:0", "[::1]:8080", ":8080"])
def test_an_address_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_bind(text)) == text


@pytest.mark.parametrize("text", ["", "8080", "localhost", "localhost:", "a:b", "h:-1", "h:65536", "h:8 0", "h:٣"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BindError, match=r"is not an address to listen on: write HOST:PORT, for example 127\.0\.0\.1"):
        parse_bind(text)


@pytest.mark.parametrize("text", ["::1:8080", "fe80::1:80"])
def test_an_ipv6_address_without_brackets_is_refused(text: str) -> None:
    with pytest.raises(BindError, match=r"write an IPv6 address in brackets"):
        parse_bind(text)
