"""Which remotes go through the installation's proxy."""

from __future__ import annotations

import pytest

from controller.git.proxy import NO_PROXY, Proxy

PROXY = Proxy("http://proxy:3128", ("git.example.com", ".svc"))


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("https://github.com/o/r", True),
        ("https://example.com/o/r", True),
        ("https://notgit.example.com/o/r", True),
        ("https://git.example.com/o/r", False),
        ("https://Git.Example.com:8443/o/r", False),
        ("https://a.git.example.com/o/r", False),
        ("https://gitea.tools.svc/o/r", False),
        ("ssh://git@github.com/o/r", False),
        ("git@github.com:o/r", False),
    ],
)
def test_which_remotes_go_through_it(url: str, through: bool) -> None:
    assert PROXY.of(url) == ("http://proxy:3128" if through else "")
    assert NO_PROXY.of(url) == ""
