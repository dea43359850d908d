"""`tandem adopt`: shows what would become of what another tool manages, or carries it out, step by step.

The order is what keeps everything alive: first the tool is made to leave the objects alone for good, then the Fabric is
made, and only what the Fabric holds by then loses the tool's name. Ended anywhere, the same command goes on.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import aclosing, suppress

import orjson
import yaml

from controller.api.conditions import ConditionType
from controller.api.v1alpha1.fabric import Direction, Fabric
from controller.cli.adoption.candidate import Candidate, Wishes, way_back, with_memory
from controller.cli.adoption.handover import HandedOver, hand_over
from controller.cli.adoption.tools import TOOLS, OtherTool, candidates
from controller.cli.cluster import MANAGER, Cluster, on_cluster
from controller.cli.exits import Exit
from controller.cli.parser import Parser, parse_namespace, parse_seconds
from controller.cli.screen import Screen, say
from controller.cli.values import count
from controller.errors import Reason, RejectedError
from controller.kube.client import MERGE_PATCH
from controller.kube.errors import NotFoundError
from controller.kube.kinds import FABRICS
from controller.objects import Json, canonical

EXAMPLES = """
tandem adopt --from flux --dry-run -A                     what of it could be adopted, and how
tandem adopt --from flux apps -n flux-system
tandem adopt --from argocd shop -n argocd --branch main --credentials-secret fleet-git
tandem adopt --from flux apps -n flux-system --dry-run -o yaml     the Fabric alone
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("name", nargs="?", help="of the Kustomization or Application; with --dry-run also all")
    parser.add_argument("--from", dest="tool", choices=tuple(TOOLS), required=True, help="who manages it today")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done, and change nothing")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="with --dry-run: of all namespaces")
    parser.add_argument("-o", "--output", choices=("yaml",), help="with --dry-run: the Fabrics only")
    parser.add_argument("--fabric", default="", metavar="NAME", help="the Fabric's name; default: the same")
    parser.add_argument(
        "--into",
        type=parse_namespace,
        metavar="NAMESPACE",
        help="where the Fabric is to live; default: beside the Kustomization, or where the Application's objects are",
    )
    parser.add_argument("--branch", default="", metavar="NAME", help="to follow; default: the present one")
    parser.add_argument("--direction", choices=tuple(map(str, Direction)), help="default: Bidirectional")
    parser.add_argument("--credentials-secret", default="", metavar="NAME", help="of the repository, beside the Fabric")
    parser.add_argument("--service-account", default="", metavar="NAME", help="as whom it acts; default: default")
    parser.add_argument("--timeout", type=parse_seconds, default=300.0, metavar="TIME", help="to wait; default: 5m")


def execute(options: argparse.Namespace) -> int:
    """Show, or carry out."""
    if not options.name and not options.dry_run:
        options.parser.error("name one, or look at all of them with --dry-run")
    if (options.output or options.all_namespaces) and not options.dry_run:
        options.parser.error("-A and -o are for --dry-run")
    tool = TOOLS[options.tool]
    wishes = Wishes(
        options.fabric,
        options.into or "",
        options.branch,
        options.direction or "",
        options.credentials_secret,
        options.service_account,
    )

    async def work(cluster: Cluster) -> Exit:
        found = await candidates(cluster.client, tool, None if options.all_namespaces else cluster.namespace, wishes)
        if options.name:
            found = [one for one in found if one.name == options.name]
        if not found:
            place = "this cluster" if options.all_namespaces else f"namespace {cluster.namespace}"
            what = f"{tool.kind.kind} {options.name}" if options.name else tool.kind.kind
            raise RejectedError(Reason.INVALID_SPEC, f"there is no {what} in {place}; --dry-run -A lists them all")
        if options.dry_run:
            return show(found, Screen(), as_yaml=options.output == "yaml")
        return await Adoption(cluster, tool, found[0], options.timeout).run()

    return on_cluster(options, work)


def show(found: list[Candidate], screen: Screen, *, as_yaml: bool) -> Exit:
    """What would be done; 1 if any of it cannot be."""
    for candidate in found:
        if as_yaml:
            if not candidate.problems:
                screen.line("---")
                screen.line(_yaml(candidate.fabric))
            continue
        namespace, name = candidate.place
        screen.line(f"{candidate.title} → Fabric {namespace}/{name}, {count(len(candidate.objects), 'object')}")
        screen.lines(f"  cannot be adopted: {problem}" for problem in candidate.problems)
        screen.lines(f"  note: {note}" for note in candidate.notes)
        if not candidate.problems:
            screen.lines(f"  {number}. {step}" for number, step in enumerate(_steps(candidate), 1))
            screen.line("\n" + _indented(_yaml(candidate.fabric)))
    return Exit.FAILED if any(candidate.problems for candidate in found) else Exit.DONE


def _steps(candidate: Candidate) -> list[str]:
    namespace, name = candidate.place
    return [
        *candidate.steps,
        f"Fabric {namespace}/{name} is made, and waited for until it is in step",
        "the field manager and the labels of before are taken off the objects that the Fabric holds",
    ]


class Adoption:
    """One adoption, step by step."""

    def __init__(self, cluster: Cluster, tool: OtherTool, candidate: Candidate, seconds: float) -> None:
        self._cluster = cluster
        self._tool = tool
        self._candidate = candidate
        self._seconds = seconds
        self._screen = Screen()

    async def run(self) -> Exit:
        """Carry it out. Raises TandemError; whatever was done by then stays, and the next call goes on from there."""
        candidate = self._candidate
        if candidate.problems:
            raise RejectedError(Reason.INVALID_SPEC, f"{candidate.title}: {'; '.join(candidate.problems)}")
        is_there = await self._check_fabric()
        await self._merge(with_memory(candidate))
        self._screen.lines(candidate.steps)
        if is_there:
            self._screen.line(f"Fabric {'/'.join(candidate.place)} is there already")
        else:
            await self._make_fabric()
        ready, message = await self._wait()
        if not ready:
            self._tell_way_back(message)
            return Exit.TIMED_OUT
        return await self._hand_over(message)

    async def _check_fabric(self) -> bool:
        """Whether the Fabric is there. Raises RejectedError where another has its name, before anything is touched."""
        namespace, name = self._candidate.place
        try:
            body = await self._cluster.client.get(FABRICS, namespace, name)
        except NotFoundError:
            return False
        wanted = self._candidate.fabric["spec"]["repository"]
        present = body["spec"]["repository"]
        if any(present.get(field) != wanted.get(field, "main") for field in ("url", "branch")):
            message = f"Fabric {namespace}/{name} is there already, and follows another branch or repository"
            raise RejectedError(Reason.INVALID_SPEC, f"{message}; give another name by --fabric")
        return True

    async def _merge(self, patch: Json) -> None:
        candidate = self._candidate
        path = candidate.resource.path(candidate.namespace, candidate.name)
        query = f"fieldManager={MANAGER}"
        await self._cluster.client.request("PATCH", path, query, orjson.dumps(patch), MERGE_PATCH)

    async def _make_fabric(self) -> None:
        namespace, name = self._candidate.place
        query = f"fieldManager={MANAGER}&fieldValidation=Strict"
        body = orjson.dumps(self._candidate.fabric)
        await self._cluster.client.request("POST", FABRICS.path(namespace), query, body)
        self._screen.line(f"Fabric {namespace}/{name} made; waiting until it is in step")

    async def _wait(self) -> tuple[bool, str]:
        """Whether everything at the branch's head is done, or waits for a decision; and what the Fabric says."""
        namespace, name = self._candidate.place
        said = "the controller has not looked at it yet; is it running?"
        beside = Cluster(self._cluster.client, namespace, self._cluster.program, self._cluster.origin)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds), aclosing(beside.follow(FABRICS, name)) as states:
                async for state in states:
                    fabric = Fabric.from_object(state)
                    ready = next((one for one in fabric.status.conditions if one.type == ConditionType.READY), None)
                    if ready is None or ready.observed_generation != fabric.metadata.generation:
                        continue
                    said = f"{ready.reason}: {ready.message}"
                    if fabric.status.revision and fabric.status.revision.applied and is_settled(fabric):
                        return True, said if ready.status != "True" else ""
        return False, said

    async def _hand_over(self, message: str) -> Exit:
        told = await hand_over(self._cluster.client, self._candidate, self._tool.managers, self._tool.stamps)
        self._screen.line(f"{count(len(told.done), 'object')} handed over to Fabric {'/'.join(self._candidate.place)}")
        self._tell_rest(told)
        if message:
            say(f"{message}; decide, and call this again for the rest", label="note: ")
        if told.failed:
            return Exit.FAILED
        kind, where = self._candidate.resource, f"{self._candidate.name} -n {self._candidate.namespace}"
        self._screen.line(f"when you are content: kubectl delete {kind.plural}.{kind.group} {where}")
        return Exit.CONFLICTS if message else Exit.DONE

    def _tell_rest(self, told: HandedOver) -> None:
        for key in told.left:
            self._screen.line(f"  left as it is: {key} is not held by the Fabric")
        for key, problem in told.failed:
            say(f"{key}: {problem}", label="error: ")

    def _tell_way_back(self, message: str) -> None:
        candidate = self._candidate
        kind, (namespace, name) = candidate.resource, candidate.place
        say(f"Fabric {namespace}/{name} is not in step yet: {message}", label="error: ")
        say("nothing was deleted; call this again to go on, or go back by", label="note: ")
        self._screen.lines(
            (
                f"  kubectl delete fabric {name} -n {namespace}",
                f"  kubectl patch {kind.plural}.{kind.group} {candidate.name} -n {candidate.namespace} --type=merge "
                f"-p '{canonical(way_back(candidate)).decode()}'",
            )
        )


def is_settled(fabric: Fabric) -> bool:
    """Whether nothing is left but what is in step and what waits for a decision."""
    ready = next((one for one in fabric.status.conditions if one.type == ConditionType.READY), None)
    return ready is not None and (ready.status == "True" or ready.reason in {"ConflictsOpen", "DocumentsFailed"})


def _yaml(value: Json) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000).rstrip("\n")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
