"""What every forge does, on the real Gitea, on GitHub's stand-in as a person and as an App, and on a plain server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from controller.git.errors import ForgeRefusedError
from controller.git.forge.keys import Keys
from controller.git.forge.model import CommitState, Forge, Proposal, RequestState
from tests.support.forges import NETWORK, AtGitea, AtGitHub, AtPlainServer, Counterpart, WebCounterpart
from tests.support.gitea import Gitea
from tests.support.github import TOKEN, GitHub, Reply

WEB = ["gitea", "github", "github-app"]
PROPOSAL = Proposal("Write back 2 objects", "From `team/fleet`:\n\n* Deployment web")
BRANCH = "tandem/team-fleet-1a2b"


@pytest.fixture
def counterpart(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Counterpart:
    if kind == "gitea":
        return AtGitea.new(request.getfixturevalue("gitea"), tmp_path / "clone")
    if kind == "plain":
        return AtPlainServer.new(request.getfixturevalue("git_server"), tmp_path / "clone")
    return AtGitHub.new(request.getfixturevalue("github"), app=kind == "github-app")


@pytest.fixture
async def forge(counterpart: Counterpart) -> AsyncIterator[Forge]:
    forge = counterpart.forge()
    yield forge
    await forge.aclose()


every = pytest.mark.parametrize("kind", [*WEB, "plain"])
web = pytest.mark.parametrize("kind", WEB)


@every
async def test_a_request_is_opened_once_and_found(counterpart: Counterpart, forge: Forge) -> None:
    assert await forge.find(BRANCH) is None
    head = counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    opened = await forge.open(BRANCH, PROPOSAL)
    assert (opened.branch, opened.head, opened.state) == (BRANCH, head, RequestState.OPEN)
    assert await forge.open(BRANCH, Proposal("Another", "title")) == opened  # as after a crash before it was recorded
    assert await forge.find(BRANCH) == opened

    head = counterpart.commit_on(BRANCH, "api.yaml", "replicas: 2\n")  # amended by a further edit
    found = await forge.find(BRANCH)
    assert found is not None
    assert (found.number, found.head) == (opened.number, head)


@every
async def test_without_its_branch_nothing_is_open(counterpart: Counterpart, forge: Forge) -> None:
    with pytest.raises(ForgeRefusedError) as caught:
        await forge.open(BRANCH, PROPOSAL)
    assert caught.value.reason.value == "ForgeRefused"
    counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    opened = await forge.open(BRANCH, PROPOSAL)
    await forge.close(opened, "The edit was taken back.")
    counterpart.delete_branch(BRANCH)
    found = await forge.find(BRANCH)
    assert found is None or found.state is RequestState.CLOSED


@web
async def test_a_request_shows_what_was_said(counterpart: WebCounterpart, forge: Forge) -> None:
    counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    opened = await forge.open(BRANCH, PROPOSAL)
    assert (opened.title, opened.author) == (PROPOSAL.title, counterpart.author)
    assert opened.number > 0
    assert opened.url.startswith("http")
    changed = await forge.update(opened, Proposal("Write back 3 objects", "More."))
    assert changed.title == "Write back 3 objects"
    assert await forge.find(BRANCH) == changed


@web
async def test_a_closed_request_is_found_until_there_is_a_new_one(counterpart: WebCounterpart, forge: Forge) -> None:
    counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    first = await forge.open(BRANCH, PROPOSAL)
    await forge.close(first, "The edit was taken back.")
    await forge.close(first, "Said once.")
    assert counterpart.comments(first.number) == ["The edit was taken back."]
    found = await forge.find(BRANCH)
    assert found is not None
    assert (found.number, found.state) == (first.number, RequestState.CLOSED)

    counterpart.commit_on(BRANCH, "api.yaml", "replicas: 4\n")
    second = await forge.open(BRANCH, PROPOSAL)
    assert second.number > first.number
    assert await forge.find(BRANCH) == second


@web
@pytest.mark.parametrize("style", ["merge", "squash"])
async def test_a_merged_request_tells_its_commit(counterpart: WebCounterpart, forge: Forge, style: str) -> None:
    head = counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    opened = await forge.open(BRANCH, PROPOSAL)
    assert opened.merged_as == ""
    counterpart.merge(opened.number, style)
    counterpart.delete_branch(BRANCH)
    found = await forge.find(BRANCH)
    assert found is not None
    assert (found.number, found.state, found.head) == (opened.number, RequestState.MERGED, head)
    assert found.merged_as == counterpart.branch_head("main")


@web
async def test_open_requests_are_those_into_the_base_branch(counterpart: WebCounterpart, forge: Forge) -> None:
    for branch in ("ours", "theirs", "elsewhere", "ended", "release"):
        counterpart.commit_on(branch, f"{branch}.yaml", "a: 1\n")
    ours = await forge.open("ours", PROPOSAL)
    theirs = counterpart.propose("theirs")
    counterpart.propose("elsewhere", base="release")
    await forge.close(await forge.open("ended", PROPOSAL))
    found = await forge.all_open()
    assert {(one.number, one.branch) for one in found} == {(ours.number, "ours"), (theirs, "theirs")}
    assert next(one for one in found if one.number == theirs).title == "Take theirs"
    assert await forge.find("elsewhere") is None


@web
async def test_a_comment_is_written_once_for_each_marker(counterpart: WebCounterpart, forge: Forge) -> None:
    counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    opened = await forge.open(BRANCH, PROPOSAL)
    counterpart.remark(opened.number, "Looks good.\n<!-- team/fleet -->")
    await forge.comment(opened, "team/fleet", "one change")
    await forge.comment(opened, "team/other", "no change")
    await forge.comment(opened, "team/fleet", "two changes")
    said = [text.replace("\r\n", "\n") for text in counterpart.comments(opened.number)]
    assert said == [
        "Looks good.\n<!-- team/fleet -->",
        "<!-- team/fleet -->\ntwo changes",
        "<!-- team/other -->\nno change",
    ]


@web
async def test_a_status_is_set_once_for_each_change(counterpart: WebCounterpart, forge: Forge) -> None:
    head = counterpart.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    for state, said in [
        (CommitState.PENDING, "planning"),
        (CommitState.SUCCESS, "1 change"),
        (CommitState.SUCCESS, "1 change"),
        (CommitState.FAILURE, "web.yaml:1: no object"),
    ]:
        await forge.set_status(head, "tandem/team/fleet", state, said)
    assert counterpart.statuses(head) == [
        ("tandem/team/fleet", "failure", "web.yaml:1: no object"),
        ("tandem/team/fleet", "success", "1 change"),
        ("tandem/team/fleet", "pending", "planning"),
    ]


async def test_a_request_from_a_fork_is_not_ours(gitea: Gitea, tmp_path: Path) -> None:
    at = AtGitea.new(gitea, tmp_path / "clone")
    stranger = f"stranger-{secrets.token_hex(4)}"
    gitea.create_user(stranger)
    at.repository.ask("PATCH", "", private=False)
    fork = gitea.fork(at.repository, stranger, tmp_path / "fork")
    fork.commit_on(BRANCH, "web.yaml", "replicas: 1000\n")
    number = at.propose(f"{stranger}:{BRANCH}")
    forge = at.forge()
    try:
        assert await forge.find(BRANCH) is None
        assert [(one.number, one.branch) for one in await forge.all_open()] == [(number, BRANCH)]
        at.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
        assert (await forge.open(BRANCH, PROPOSAL)).number != number
    finally:
        await forge.aclose()


# --- what is refused -----------------------------------------------------------------------------------------------


async def test_a_token_that_gitea_does_not_take_is_named(gitea: Gitea, tmp_path: Path) -> None:
    at = AtGitea.new(gitea, tmp_path / "clone")
    head = at.commit_on(BRANCH, "web.yaml", "replicas: 3\n")
    reads = gitea.create_token(at.author, "reads", ("read:repository",))
    for token, status, todo in [("0" * 40, 401, "store one that is valid"), (reads, 403, "read and write access")]:
        forge = at.forge(token)
        with pytest.raises(ForgeRefusedError, match=todo) as caught:
            await forge.set_status(head, "tandem/team/fleet", CommitState.SUCCESS, "fine")
        await forge.aclose()
        assert caught.value.status == status
        assert token not in caught.value.message


async def test_a_revoked_token_of_an_app_is_replaced(github: GitHub) -> None:
    at = AtGitHub.new(github, app=True)
    forge = at.forge()
    assert await forge.all_open() == []
    assert await forge.all_open() == []
    minted = [one for one in github.asked if one.path.endswith("/access_tokens")]
    github.answers.append(Reply.of(401, {"message": "Bad credentials"}))
    with pytest.raises(ForgeRefusedError, match="Bad credentials"):
        await forge.all_open()
    assert await forge.all_open() == []
    await forge.aclose()
    assert len([one for one in github.asked if one.path.endswith("/access_tokens")]) == len(minted) + 1


async def test_what_did_not_change_costs_nothing_at_github(github: GitHub) -> None:
    at = AtGitHub.new(github)
    at.commit_on("theirs", "web.yaml", "replicas: 3\n")
    at.propose("theirs")
    forge = at.forge()
    first = await forge.all_open()
    assert await forge.all_open() == first
    assert "if-none-match" in github.asked[-1].headers
    at.commit_on("others", "web.yaml", "replicas: 3\n")
    at.propose("others")
    assert len(await forge.all_open()) == 2
    await forge.aclose()


async def test_githubs_limits_are_waited_for(github: GitHub) -> None:
    """Literally what "Rate limits for the REST API" documents."""
    at = AtGitHub.new(github)
    now = 1_700_000_000.0
    clock = [now]
    forge = at.forge(network=replace(NETWORK, wall=lambda: clock[0]))
    exceeded = {
        "message": "API rate limit exceeded for user ID 1.",
        "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
    }
    secondary = {
        "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
        "#about-secondary-rate-limits",
    }
    spent = {"x_ratelimit_limit": "5000", "x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(now + 90))}
    for reply, after in [
        (Reply.of(403, exceeded, **spent), 90.0),
        (Reply.of(429, exceeded, **spent), 90.0),
        (Reply.of(403, secondary, retry_after="30"), 30.0),
        (Reply.of(429, secondary, retry_after="30"), 30.0),
        (Reply.of(403, secondary), 60.0),
    ]:
        github.answers.append(reply)
        with pytest.raises(ForgeRefusedError, match="left alone") as caught:
            await forge.all_open()
        assert caught.value.after == after
        asked = len(github.asked)
        clock[0] += after - 1
        with pytest.raises(ForgeRefusedError) as caught:  # it is left alone, not asked again
            await forge.all_open()
        assert (caught.value.after, len(github.asked)) == (1.0, asked)
        clock[0] += 1
        assert await forge.all_open() == []
        clock[0] = now
    await forge.aclose()


async def test_nothing_that_github_would_refuse_is_sent(github: GitHub) -> None:
    """The door of the stand-in does refuse: otherwise the suite above would prove nothing."""
    at = AtGitHub.new(github)
    forge = at.forge()
    unknown = cast("CommitState", SimpleNamespace(value="fine"))
    with pytest.raises(ForgeRefusedError) as caught:
        await forge.set_status("0" * 40, "tandem", unknown, "a state that GitHub does not have")
    assert caught.value.status == 422
    await forge.aclose()


async def test_a_repository_that_is_not_there(github: GitHub) -> None:
    forge = AtGitHub(github, "no-such", Keys(TOKEN), "").forge()
    with pytest.raises(ForgeRefusedError, match=r"check spec\.repository\.url") as caught:
        await forge.all_open()
    await forge.aclose()
    assert caught.value.status == 404
