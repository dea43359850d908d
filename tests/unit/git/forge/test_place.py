"""Where the forge of a repository is: one row a URL."""

from __future__ import annotations

import pytest

from controller.api.v1alpha1.repository import ForgeType
from controller.git.forge.place import ForgePlace, check_api, place_of

GITHUB, GITEA = ForgeType.GITHUB, ForgeType.GITEA


@pytest.mark.parametrize(
    ("kind", "url", "api"),
    [
        (GITHUB, "https://github.com/team/fleet.git", "https://api.github.com"),
        (GITHUB, "https://GitHub.com/team/fleet/", "https://api.github.com"),
        (GITHUB, "git@github.com:team/fleet.git", "https://api.github.com"),
        (GITHUB, "ssh://git@ssh.github.com:443/team/fleet.git", "https://api.github.com"),
        (GITHUB, "https://octo.ghe.com/team/fleet", "https://api.octo.ghe.com"),
        (GITHUB, "https://github.example.com/team/fleet", "https://github.example.com/api/v3"),
        (GITHUB, "git@github.example.com:team/fleet.git", "https://github.example.com/api/v3"),
        (GITEA, "https://git.example.com/team/fleet.git", "https://git.example.com/api/v1"),
        (GITEA, "https://git.example.com:8443/team/fleet.git", "https://git.example.com:8443/api/v1"),
        (GITEA, "https://example.com/gitea/team/fleet.git", "https://example.com/gitea/api/v1"),
        (GITEA, "http://127.0.0.1:3000/team/fleet.git", "http://127.0.0.1:3000/api/v1"),
        (GITEA, "ssh://git@git.example.com:2222/team/fleet.git", "https://git.example.com/api/v1"),
        (GITEA, "https://[2001:db8::1]:3000/team/fleet", "https://[2001:db8::1]:3000/api/v1"),
    ],
)
def test_the_api_is_found_by_the_url(kind: ForgeType, url: str, api: str) -> None:
    assert place_of(kind, url, None, "main") == ForgePlace(kind, api, "team", "fleet", "main")


def test_the_spec_says_it_otherwise() -> None:
    found = place_of(GITEA, "https://git.example.com/a/b", "https://api.example.com/v1/", "release")
    assert found == ForgePlace(GITEA, "https://api.example.com/v1", "a", "b", "release")


@pytest.mark.parametrize(
    "url", ["https://example.com/fleet.git", "git@example.com:fleet", "https://example.com/team/..", "https://h/a b/c"]
)
def test_a_url_without_an_owner_is_no_forges(url: str) -> None:
    with pytest.raises(ValueError, match="is not owner/name"):
        place_of(GITEA, url, None, "main")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@git.example.com/api/v1",
        "https://git.example.com/api/v1?token=x",
        "ssh://git@git.example.com/api/v1",
        "ftp://git.example.com",
        "https://git.example.com/api/../v1#x",
        "https://git.example.com/a%2Fb",
    ],
)
def test_an_api_is_a_plain_url(url: str) -> None:
    with pytest.raises(ValueError, match="is not the plain URL of an API") as caught:
        check_api(url, allow_insecure=True)
    assert "pass" not in str(caught.value)


def test_a_token_goes_over_tls_unless_it_is_allowed() -> None:
    check_api("https://git.example.com/api/v1", allow_insecure=False)
    with pytest.raises(ValueError, match="--allow-insecure-git"):
        check_api("http://git.example.com/api/v1", allow_insecure=False)
    check_api("http://git.example.com/api/v1", allow_insecure=True)
