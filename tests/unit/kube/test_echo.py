"""Whose line it was: what is dropped undecoded, what waits, and what must never be mistaken for an echo."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.kube.cache import Name
from controller.kube.echo import EchoFilter, line_revision

A: Name = ("ns", "a")
B: Name = ("ns", "b")


def line(resource_version: str, uid: str = "u1", kind: str = "MODIFIED", **more: Any) -> bytes:
    metadata = {"name": "a", "namespace": "ns", "uid": uid, "resourceVersion": resource_version}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}
    return json.dumps({"type": kind, "object": body}, separators=(",", ":")).encode()


def expecting(uid: str, resource_version: str) -> EchoFilter:
    echo = EchoFilter()
    echo.expect(uid, resource_version)
    return echo


def test_the_echo_of_a_write_is_recognised_once() -> None:
    echo = expecting("u1", "107")
    assert echo.take(line("107")) == "107"
    assert echo.is_idle
    assert echo.take(line("107")) == ""


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(line("108"), id="another resourceVersion"),
        pytest.param(line("107", "u2"), id="another uid"),
        pytest.param(line("107", kind="DELETED"), id="a deletion"),
        pytest.param(line("1071"), id="a longer number"),
        pytest.param(
            line("108", spec={"resourceVersion": "107", "uid": "u1"}), id="somebody's field of the same name and value"
        ),
        pytest.param(line("108", data={"x": '"uid":"u1","resourceVersion":"107"'}), id="a string that looks like one"),
        pytest.param(b'{"type":"BOOKMARK","object":{"metadata":{"annotations":{}}}}', id="no resourceVersion at all"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_nothing_else_is_taken_for_an_echo(foreign: bytes) -> None:
    echo = expecting("u1", "107")
    assert echo.take(foreign) == ""
    assert not echo.is_idle


def test_an_object_with_a_second_resource_version_in_it_is_decoded_rather_than_guessed() -> None:
    assert line_revision(line("107", spec={"targetRef": {"resourceVersion": "5"}})) == ""


def test_a_string_with_escaped_quotes_does_not_hide_the_resource_version() -> None:
    assert line_revision(line("107", data={"x": '{"resourceVersion":"5"}'})) == "107"


def test_a_filter_without_writes_is_idle() -> None:
    assert EchoFilter().is_idle


def test_lines_about_an_object_that_is_being_written_wait_for_the_answer() -> None:
    echo = EchoFilter()
    echo.begin(A)
    assert not echo.is_idle
    assert echo.hold(A, b"first")
    assert echo.hold(A, b"second")
    assert echo.end(A) == [b"first", b"second"]
    assert echo.is_idle


def test_lines_about_other_objects_do_not_wait() -> None:
    echo = EchoFilter()
    echo.begin(A)
    assert not echo.hold(B, b"line")


def test_lines_wait_for_the_last_of_several_writes() -> None:
    echo = EchoFilter()
    echo.begin(A)
    echo.begin(A)
    echo.hold(A, b"line")
    assert echo.end(A) == []
    assert echo.hold(A, b"more")
    assert echo.end(A) == [b"line", b"more"]


def test_after_the_write_lines_no_longer_wait() -> None:
    echo = EchoFilter()
    echo.begin(A)
    assert echo.end(A) == []
    assert not echo.hold(A, b"line")


@pytest.mark.parametrize(("passed", "left"), [("106", True), ("107", False), ("110", False)])
def test_an_echo_that_the_watch_has_passed_is_expected_no_more(passed: str, left: bool) -> None:
    echo = expecting("u1", "107")
    echo.forget_before(passed)
    assert (echo.take(line("107")) == "107") is left


def test_a_list_replaces_the_lines_that_were_held() -> None:
    echo = expecting("u1", "107")
    echo.begin(A)
    echo.hold(A, line("105"))
    echo.restart("106")
    assert echo.end(A) == []
    assert echo.take(line("107")) == "107"
