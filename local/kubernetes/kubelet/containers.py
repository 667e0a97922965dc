"""Runs the containers whose image is the AWS CLI's: their commands, on this machine, from the pod's start to its end.

kwok gives such a pod its addresses and leaves the rest to this (see ``stages.yaml``), which is to it what a kubelet is:
init containers one after the other, then the others, restarts with a growing delay, statuses, and an end within the
time that the pod has for it. Other containers of the pod stay simulated: init containers have done their work at once,
others run until the pod ends, and those of a Job's pod until the last one that is not simulated has ended.

When the twin begins anew, so do the commands of pods that had not ended.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import re
import subprocess
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..pod_identity.api_server import ApiError, ApiServer, ApiUnavailable, Object
from ..pod_identity.reflector import Key
from .commands import NotStarted, Setting, exit_code_of, kill, launch, reader_of
from .environment import Unresolvable, expand
from .logs import Log
from .sandbox import PodIsGone, Sandboxes, has_ended

log = logging.getLogger(__name__)

IMAGES = r"(^|/)[^/:@]*aws-cli(:[^/@]*)?(@.*)?$"
"""The images whose containers run; ``stages.yaml`` has the same pattern."""

# What the images run where the container does not say.
_ENTRYPOINT = ["aws"]
# What comes out of the pipes of a command that has ended, and left them to something else.
_LAST_WORDS_SECONDS = 1.0


def runs(pod: Object) -> bool:
    """Tell whether a pod has a container that is not simulated."""
    return any(is_run(container) for container in _all_containers(pod["spec"]))


def is_run(container: Object) -> bool:
    """Tell whether a container, or init container, is not simulated."""
    return re.search(IMAGES, container.get("image", "")) is not None


class Containers:
    """Runs the containers of a cluster's pods. All of it happens in the kubelet's thread.

    Args:
        api: the cluster's API server.
        sandboxes: what commands find.
        logs: the folder for what they say.
    """

    def __init__(self, api: ApiServer, sandboxes: Sandboxes, logs: Path) -> None:
        self._api = api
        self._sandboxes = sandboxes
        self._logs = logs
        self._pods: dict[Key, _Pod] = {}

    def pod_changed(self, key: Key, pod: Object | None) -> None:
        """Note that a pod came, changed or went."""
        known = self._pods.get(key)
        if known is not None and (pod is None or pod["metadata"]["uid"] != known.uid):
            known.gone()
            del self._pods[key]
            known = None
        if pod is None or not runs(pod):
            return
        if known is not None:
            known.changed(pod)
        elif pod["spec"].get("nodeName") and (not has_ended(pod) or "deletionTimestamp" in pod["metadata"]):
            self._pods[key] = _Pod(pod, self._api, self._sandboxes, self._logs)

    def container(self, pod: Object, name: str) -> Container | None:
        """Return a container that is not simulated; None when nothing of it is known."""
        metadata = pod["metadata"]
        known = self._pods.get((metadata["namespace"], metadata["name"]))
        return known.container(name) if known is not None and known.uid == metadata["uid"] else None

    async def stop(self) -> None:
        """End all commands; the pods stay as they are."""
        await asyncio.gather(*(pod.abandon() for pod in self._pods.values()))


class Container:
    """A container of a pod, as far as it has come.

    Args:
        spec: its specification.
        policy: when it is restarted: ``Always``, ``OnFailure`` or ``Never``.
        logs: the folder of its pod.

    Attributes:
        state: as in its status.
        code: its exit code, once it has ended and is not started again.
        restarts: how often it was started again.
        log: what it says, or said last.
        previous: what it said the time before.
        stop: set when it is asked to end.
        kill: set when it has had its time for that.
    """

    def __init__(self, spec: Object, policy: str, logs: Path) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.is_run = is_run(spec)
        self.policy = policy
        self.state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        self.code: int | None = None
        self.restarts = 0
        self.log: Log | None = None
        self.previous: Log | None = None
        self.stop = asyncio.Event()
        self.kill = asyncio.Event()
        self._last: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._logs = logs

    def go_on_from(self, before: Object, again: bool) -> None:
        """Take over what its status was before the twin began anew.

        Args:
            again: whether it is started again even if it was done.
        """
        state = before["state"]
        self.restarts = before["restartCount"]
        if (terminated := state.get("terminated")) and not self.is_again(terminated["exitCode"]):
            if again:
                # Kubernetes does not let anybody take back that it was done.
                self._before = state
            else:
                self.state, self.code = state, terminated["exitCode"]
        elif "waiting" not in state:
            self.restarts += 1

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return "running" in self.state

    def is_again(self, code: int) -> bool:
        """Tell whether it is to be started again after it has ended."""
        return self.policy == "Always" or (self.policy == "OnFailure" and code != 0)

    def wait(self, reason: str, message: str) -> None:
        """Note what it waits for."""
        if "terminated" in self.state:
            self._last = self.state
        self.state = {"waiting": {"reason": reason, "message": message}}

    def run(self) -> None:
        """Note that it runs."""
        if "terminated" in self.state:
            self._last = self.state
        self.state = {"running": {"startedAt": _now()}}

    def end(self, code: int, reason: str = "", message: str = "") -> None:
        """Note that it has ended."""
        now = _now()
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": reason or ("Error" if code else "Completed"),
                "startedAt": self.state.get("running", {}).get("startedAt", now),
                "finishedAt": now,
                **({"message": message} if message else {}),
            }
        }

    def new_log(self) -> Log:
        """Begin another log, and keep one besides."""
        if self.previous is not None:
            self.previous.delete()
        self.previous = self.log
        self.log = Log(self._logs / f"{self.name}.{self.restarts}.log")
        return self.log

    def delete_logs(self) -> None:
        """Remove all logs."""
        for found in (self.log, self.previous):
            if found is not None:
                found.delete()

    def status(self) -> Object:
        """Return its status."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": "",
            "ready": self.is_running,
            "started": self.is_running,
            "restartCount": self.restarts,
            "state": self.state if "terminated" in self.state else self._before or self.state,
            "lastState": self._last,
        }

    def status_of_init(self) -> Object:
        """Return its status as that of an init container, which is ready once it is done."""
        found = self.status()
        return found | {"ready": found["ready"] or found["state"].get("terminated", {}).get("exitCode") == 0}


class _Pod:
    """A pod that runs, in a task of its own."""

    _RETRY_SECONDS = 1.0
    # Between restarts: at first, at most, and after how long a run it is the first again. The kubelet's own.
    _BACK_OFF, _LONGEST_BACK_OFF, _RECOVERED = 10.0, 300.0, 600.0

    def __init__(self, pod: Object, api: ApiServer, sandboxes: Sandboxes, logs: Path) -> None:
        self.uid: str = pod["metadata"]["uid"]
        self._pod = pod
        self._api = api
        self._sandboxes = sandboxes
        self._logs = logs / self.uid
        self._phase = "Pending"
        self._conditions: dict[str, tuple[str, str, str]] = {}
        self._reporting = asyncio.Lock()
        self._changes = 0
        self._reported = 0
        # Set when kwok has given it its addresses, when it is to end, and when it is not there any more.
        self._begun = asyncio.Event()
        self._ending = asyncio.Event()
        self._gone = asyncio.Event()
        spec, before = pod["spec"], _statuses(pod)
        policy = spec.get("restartPolicy", "Always")
        # What is done once is not done again when it has succeeded.
        once = "OnFailure" if policy == "Always" else policy
        self._init = [
            Container(item, item.get("restartPolicy") or once, self._logs) for item in spec.get("initContainers") or []
        ]
        self._main = [Container(item, item.get("restartPolicy") or policy, self._logs) for item in spec["containers"]]
        for container in (*self._init, *self._main):
            if container.is_run and container.name in before:
                container.go_on_from(before[container.name], again=container in self._init)
        self.changed(pod)
        self._task = asyncio.create_task(self._live())

    def changed(self, pod: Object) -> None:
        """Note that it has changed."""
        self._pod = pod
        if pod.get("status", {}).get("startTime"):
            self._begun.set()
        if "deletionTimestamp" in pod["metadata"]:
            self._ending.set()
            self._stop((*self._init, *self._main), pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    def gone(self) -> None:
        """Note that it is not there any more, and end all that is left of it."""
        self._end_now()
        for container in (*self._init, *self._main):
            container.delete_logs()

    async def abandon(self) -> None:
        """End its commands at once, and leave it as it is."""
        self._end_now()
        await self._task

    def _end_now(self) -> None:
        self._gone.set()
        self._ending.set()
        self._stop((*self._init, *self._main), 0)

    def container(self, name: str) -> Container | None:
        """Return one of its containers that is not simulated."""
        return next((item for item in (*self._init, *self._main) if item.name == name and item.is_run), None)

    @staticmethod
    def _stop(containers: Iterable[Container], grace: float) -> None:
        for container in containers:
            container.stop.set()
            if grace > 0:
                asyncio.get_running_loop().call_later(grace, container.kill.set)
            else:
                container.kill.set()

    # --- its life ---

    async def _live(self) -> None:
        await _first(self._begun.wait(), self._ending.wait())
        with suppress(PodIsGone):
            try:
                succeeded = await self._run_all()
            except PodIsGone:
                raise
            except Exception:  # a fault of ours ends this pod and no other
                log.exception("%s has failed", self._path)
                self._stop((*self._init, *self._main), 0)
                succeeded = False
            self._phase = "Succeeded" if succeeded else "Failed"
            await self._report()
            # Kubernetes removes by itself what has ended before its deletion, and no other.
            await self._ending.wait()
            await self._call(self._api.finish_deletion, self._path, self.uid)

    async def _run_all(self) -> bool:
        """Run all containers to their end; return whether they have succeeded."""
        sidecars: list[asyncio.Task[int]] = []
        run = [item for item in self._main if item.is_run]
        is_done = bool(run) and all(item.code is not None for item in run)
        try:
            for container in () if is_done else self._init:
                if container.policy == "Always":
                    sidecars.append(asyncio.create_task(self._keep(container)))
                elif await self._keep(container) != 0:
                    return False
                if self._ending.is_set():
                    return False
            self._phase = "Running"
            simulated = [item for item in self._main if not item.is_run]
            for container in simulated:
                container.run()
            if not run:
                await self._report()
            codes = await asyncio.gather(*map(self._keep, run))
            if simulated and not _is_of_job(self._pod):
                await self._ending.wait()
            for container in simulated:
                container.end(0)
            return not any(codes)
        finally:
            self._stop(
                (item for item in self._init if item.policy == "Always"),
                self._pod["spec"].get("terminationGracePeriodSeconds", 0),
            )
            await asyncio.gather(*sidecars)

    async def _keep(self, container: Container) -> int:
        """Run a container as often as its policy wants; return its last exit code."""
        loop, wait = asyncio.get_running_loop(), 0.0
        while container.code is None:
            begun = loop.time()
            code = await self._run_once(container)
            if container.stop.is_set() or not container.is_again(code):
                container.code = code
                break
            if loop.time() - begun > self._RECOVERED:
                wait = 0.0
            if wait:
                about = self._pod["metadata"]
                container.wait(
                    "CrashLoopBackOff",
                    f"back-off {wait:.0f}s restarting failed container={container.name} "
                    f"pod={about['name']}_{about['namespace']}({self.uid})",
                )
            await self._report()
            await _first(container.stop.wait(), asyncio.sleep(wait))
            if container.stop.is_set():
                container.code = code
                break
            wait = min(max(2 * wait, self._BACK_OFF), self._LONGEST_BACK_OFF)
            container.restarts += 1
        await self._report()
        return container.code

    async def _run_once(self, container: Container) -> int:
        """Run a container's command; return its exit code."""
        if not container.is_run:
            container.run()
            if container.policy == "Always":  # a sidecar
                await self._report()
                await container.stop.wait()
            container.end(0)
            return 0
        setting = await self._setting(container)
        if setting is None:
            container.end(137, "ContainerStatusUnknown")
            return 137
        output = container.new_log()
        try:
            process = launch(
                _words(container.spec, setting),
                setting,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except NotStarted as error:
            container.end(128, "StartError", str(error))
            output.close()
            return 128
        assert process.stdout is not None
        copying = asyncio.create_task(output.copy(await reader_of(process.stdout)))
        try:
            container.run()
            await self._report()
            code = await self._end_of(process, container)
            await asyncio.wait([copying], timeout=_LAST_WORDS_SECONDS)
        except BaseException:
            kill(process)
            raise
        finally:
            copying.cancel()
            output.close()
        container.end(code)
        return code

    @staticmethod
    async def _end_of(process: subprocess.Popen[bytes], container: Container) -> int:
        """Await the end of a command, which is asked for it first, and has to when its time is over."""
        ended = asyncio.ensure_future(exit_code_of(process))
        await _first(ended, container.stop.wait())
        if not ended.done():
            process.terminate()
            await _first(ended, container.kill.wait())
        kill(process)
        return await ended

    async def _setting(self, container: Container) -> Setting | None:
        """Return what a container's command finds; None when the pod is to end before that is there."""
        while not container.stop.is_set():
            try:
                return await asyncio.to_thread(self._sandboxes.setting, self._pod, container.spec)
            except Unresolvable as error:
                container.wait("CreateContainerConfigError", str(error))
                await self._report()
            except (ApiError, ApiUnavailable, OSError) as error:
                log.info("%s: %s", self._path, error)
            await _first(container.stop.wait(), asyncio.sleep(self._RETRY_SECONDS))
        return None

    # --- what others see ---

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/pods/{self._pod['metadata']['name']}"

    async def _report(self) -> None:
        """Write the pod's status as it is now; what changes meanwhile is written by the one report that follows."""
        self._changes += 1
        mine = self._changes
        async with self._reporting:
            if self._reported < mine:
                now = self._changes
                await self._call(self._api.patch_status, self._path, self.uid, self._status())
                self._reported = now

    async def _call(self, work: Any, *arguments: Any) -> None:
        """Change something in the API server, as often as it takes."""
        while not self._gone.is_set():
            try:
                await asyncio.to_thread(work, *arguments)
                return
            except ApiError as error:
                if error.status == 404:
                    raise PodIsGone(str(error)) from None
                if error.status < 500 and error.status not in (409, 429):
                    log.error("%s: %s", self._path, error)
                    return
                log.info("%s: %s", self._path, error)
            except ApiUnavailable as error:
                log.info("%s: %s", self._path, error)
            await _first(self._gone.wait(), asyncio.sleep(self._RETRY_SECONDS))
        raise PodIsGone(self._path)

    def _status(self) -> Object:
        over = self._phase in ("Succeeded", "Failed")
        # One that has never run holds the phase back.
        waits = not over and any("waiting" in item.state and not item.restarts for item in self._main)
        ready = not over and all(item.is_running for item in self._main)
        reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(self._phase, "ContainersNotReady")
        self._condition("PodReadyToStartContainers", not over, "")
        self._condition("Initialized", self._phase not in ("Pending", "Failed"), "ContainersNotInitialized")
        self._condition("ContainersReady", ready, reason)
        self._condition("Ready", ready, reason)
        return {
            "phase": "Pending" if waits else self._phase,
            "conditions": [
                {"type": kind, "status": status, "reason": why or None, "lastTransitionTime": since}
                for kind, (status, why, since) in self._conditions.items()
            ],
            "initContainerStatuses": [item.status_of_init() for item in self._init],
            "containerStatuses": [item.status() for item in self._main],
        }

    def _condition(self, kind: str, holds: bool, reason: str) -> None:
        status, why = ("True", "") if holds else ("False", reason)
        before = self._conditions.get(kind)
        since = before[2] if before is not None and before[0] == status else _now()
        self._conditions[kind] = (status, why, since)


def _words(container: Object, setting: Setting) -> list[str]:
    """Return what a container runs: program and arguments."""
    given = [*(container.get("command") or _ENTRYPOINT), *(container.get("args") or [])]
    return [expand(word, setting.variables) for word in given]


def _all_containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or []
    yield from spec["containers"]


def _statuses(pod: Object) -> dict[str, Object]:
    status, kinds = pod.get("status", {}), ("initContainerStatuses", "containerStatuses")
    return {item["name"]: item for kind in kinds for item in status.get(kind) or []}


def _is_of_job(pod: Object) -> bool:
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences") or [])


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _first(*work: Awaitable[Any]) -> None:
    """Await the first of several to be done; the others are given up, but for those that are tasks already."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for item, task in zip(work, tasks, strict=True):
            if task is not item:
                task.cancel()
