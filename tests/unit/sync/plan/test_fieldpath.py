from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sync.plan.fieldpath import (
    Item,
    Keys,
    Path,
    Segment,
    covers,
    from_server,
    parse_path,
    parse_pattern,
    reaches_into,
    render_path,
)

TEXTS: list[tuple[str, Path]] = [
    ("", ()),
    ("/spec/replicas", ("spec", "replicas")),
    ("/spec/containers/{name=web}/image", ("spec", "containers", Keys((("name", "web"),)), "image")),
    ("/ports/{containerPort=80,protocol=TCP}", ("ports", Keys((("containerPort", 80), ("protocol", "TCP"))))),
    ('/ports/{name="80"}', ("ports", Keys((("name", "80"),)))),
    ('/ports/{name="a,b"}', ("ports", Keys((("name", "a,b"),)))),
    ('/env/{name="a~1b"}', ("env", Keys((("name", "a/b"),)))),
    ('/env/{name=""}', ("env", Keys((("name", ""),)))),
    ("/env/{enabled=true}", ("env", Keys((("enabled", True),)))),
    ("/metadata/finalizers/{=tandem.dev~1finalizer}", ("metadata", "finalizers", Item("tandem.dev/finalizer"))),
    ("/metadata/annotations/a.b~1c~0d", ("metadata", "annotations", "a.b/c~d")),
    ("/data/~2not an element}", ("data", "{not an element}")),
    ("/data/~2", ("data", "{")),
    ("/data/", ("data", "")),
]


@pytest.mark.parametrize(("text", "path"), TEXTS, ids=[text or "(root)" for text, _ in TEXTS])
def test_text_and_path_are_the_same_thing(text: str, path: Path) -> None:
    assert parse_path(text) == path
    if "a~1b" not in text:  # a quoted value that needs no quotes is rendered without
        assert render_path(path) == text
    assert parse_path(render_path(path)) == path


values = st.one_of(st.text(max_size=8), st.integers(-99, 99), st.booleans())
names = st.text(alphabet="abcXYZ.-_", min_size=1, max_size=4)
segments: st.SearchStrategy[Segment] = st.one_of(
    st.text(max_size=8),
    st.builds(Item, values),
    st.dictionaries(names, values, min_size=1, max_size=2).map(lambda pairs: Keys(tuple(sorted(pairs.items())))),
)


@given(st.lists(segments, max_size=4).map(tuple))
def test_every_path_survives_its_text(path: Path) -> None:
    assert parse_path(render_path(path)) == path


def test_keys_are_found_in_whatever_order_they_are_written() -> None:
    assert parse_path("/ports/{protocol=TCP,port=80}") == parse_path("/ports/{port=80, protocol=TCP}")


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("", ""),
        ("spec.ports[0].port", "/spec/ports/0/port"),
        (".spec.replica", "/spec/replica"),
        ('.spec.template.spec.containers[name="web"].imag', "/spec/template/spec/containers/{name=web}/imag"),
        ('.spec.ports[port=80,protocol="TCP"].x', "/spec/ports/{port=80,protocol=TCP}/x"),
        ("metadata.annotations[example.com/a b]", "/metadata/annotations/example.com~1a b"),
        ("spec.x[a=].y", '/spec/x/{a=""}/y'),
        ('spec.x[a="open].y', '/spec/x/a="open/y'),
    ],
)
def test_a_field_as_the_server_writes_it_becomes_a_pointer(field: str, pointer: str) -> None:
    assert render_path(from_server(field)) == pointer


@pytest.mark.parametrize("text", ["spec/replicas", "/ports/{port}", "/ports/{}", '/ports/{name="open}'])
def test_what_is_no_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path: .*name=web"):
        parse_path(text)


COVERED = [
    ("/spec/replicas", "/spec/replicas", True),
    ("/spec/replicas", "/spec/replicas/below", True),
    ("/spec/replicas", "/spec", False),
    ("/spec/*", "/spec/anything", True),
    ("/spec/*/image", "/spec/{name=web}/image", True),
    (
        "/metadata/annotations/deployment.kubernetes.io~1*",
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        True,
    ),
    ("/metadata/annotations/deployment.kubernetes.io~1*", "/metadata/annotations/other", False),
    ("/containers/{name=web}/image", "/containers/{name=web}/image", True),
    ("/containers/{name=web}/image", "/containers/{name=side}/image", False),
    ("/containers/{name=*}/image", "/containers/{name=side}/image", True),
    ("/ports/{port=80}", "/ports/{port=80,protocol=TCP}", True),
    ("/ports/{port=80,hostIP=x}", "/ports/{port=80,protocol=TCP}", False),
    ("/finalizers/{=a.b~1*}", "/finalizers/{=a.b~1c}", True),
    ("/finalizers/{=a}", "/finalizers/{=b}", False),
    ("/finalizers/{=a}", "/finalizers/{name=a}", False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), COVERED, ids=str)
def test_a_pattern_covers_a_path_and_all_below_it(pattern: str, path: str, expected: bool) -> None:
    assert covers(parse_pattern(pattern), parse_path(path)) is expected


def test_an_index_is_met_by_its_number() -> None:
    assert covers(parse_pattern("/rules/0/host"), ("rules", 0, "host"))
    assert not covers(parse_pattern("/rules/1/host"), ("rules", 0, "host"))


def test_a_pattern_reaches_into_what_is_above_it() -> None:
    assert reaches_into(parse_pattern("/rules/*/host"), ("rules",))
    assert not reaches_into(parse_pattern("/rules"), ("rules",))
    assert not reaches_into(parse_pattern("/rules/*/host"), ("tls",))
