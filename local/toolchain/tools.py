"""The pinned tools, each one a small declaration: what it is, and the ways in which it can be had.

A tool is taken from the first of these that it declares and that works (see :mod:`local.toolchain.resolve`):

1. ``on_path``: what the user already has, if its version fits;
2. ``release``: the project's own download, verified by the project's own list of checksums;
3. ``module``: a build from Go modules. The module folder holds a ``go.mod`` that requires the tool and pins the
   whole graph under it, and the ``go.sum`` that verifies every byte of it.

See https://go.dev/ref/mod#tools for modules that exist to pin a tool.
"""

from __future__ import annotations

import enum
import hashlib
import platform
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path

__all__ = [
    "ACTIONLINT",
    "ETCD",
    "KUBECTL",
    "KUBE_APISERVER",
    "KUBE_CONTROLLER_MANAGER",
    "KUBE_SCHEDULER",
    "KWOK",
    "PULUMI",
    "TOOLS",
    "GoModule",
    "OnPath",
    "Release",
    "Tool",
    "VersionRule",
]

_MODULES = Path(__file__).with_name("modules")


class VersionRule(enum.Enum):
    """Which versions found on PATH fit a pinned one."""

    SAME_MINOR = "same minor line"
    """1.36.x for 1.36.3: what Kubernetes' own components promise each other."""

    SAME_MAJOR_NOT_OLDER = "same major line, same minor or newer"
    """3.259.x, 3.260.x … for 3.259.0, never 4.x: what semantic versioning promises a caller."""

    def admits(self, found: str, pinned: str) -> bool:
        """Whether version *found* (``1.2.3``) fits version *pinned*."""
        have, want = _numbers(found), _numbers(pinned)
        if self is VersionRule.SAME_MINOR:
            return have[:2] == want[:2]
        return have[0] == want[0] and have[:2] >= want[:2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


@dataclass(frozen=True)
class OnPath:
    """How a copy that the user already has is judged."""

    version_command: tuple[str, ...]
    """Arguments that make the tool print its version."""

    rule: VersionRule


@dataclass(frozen=True)
class Release:
    """The project's own download. ``{version}``, ``{os}`` and ``{arch}`` are filled in, in all of its texts."""

    version: str
    url: str
    """A ``.tar.gz`` archive, or the bare executable."""

    checksums: str
    """URL of the SHA-256 or SHA-512 sums: lines of ``sum  file``, or just the sum."""

    arch: tuple[tuple[str, str], ...] = (("x86_64", "amd64"), ("aarch64", "arm64"))
    """The machine's name for its architecture, and the project's."""

    def fill(self, text: str) -> str | None:
        """*text* for this machine; None if the project publishes nothing for its architecture."""
        machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
        arch = dict(self.arch).get(machine)
        if arch is None:
            return None
        return text.format(version=self.version, os=sys.platform, arch=arch)


@dataclass(frozen=True)
class GoModule:
    """A build from Go modules."""

    directory: Path
    """The folder of ``go.mod`` and ``go.sum``."""

    package: str
    ldflags: str = ""
    """Linker flags; ``{version}`` is filled in. Symbol tables are always left out."""


@dataclass(frozen=True)
class Tool:
    """One pinned tool."""

    name: str
    """The executable's file name."""

    version: str
    homepage: str
    """Where a person finds how to install it."""

    on_path: OnPath | None = None
    release: Release | None = None
    module: GoModule | None = None
    companions: tuple[str, ...] = ()
    """Executables that an official distribution has beside the tool. A copy on PATH must have them to be taken."""

    def recipe(self) -> str:
        """A short hash over everything that decides what is built or downloaded.

        It is a part of the tool's place in the cache, so a changed pin, flag or checksum can never be answered by what
        an older checkout left there.
        """
        digest = hashlib.sha256()
        for origin in (self.release, self.module):
            for field in fields(origin) if origin else ():
                value = getattr(origin, field.name)
                digest.update(f"{field.name}={value.name if isinstance(value, Path) else value}\n".encode())
        if self.module:
            for name in ("go.mod", "go.sum"):
                digest.update((self.module.directory / name).read_bytes())
        return digest.hexdigest()[:12]


PULUMI = Tool(
    name="pulumi",
    # The newest engine whose whole module graph the public module proxies serve. It drives programs on newer 3.x SDKs.
    version="3.259.0",
    homepage="https://www.pulumi.com/docs/install/",
    on_path=OnPath(version_command=("version",), rule=VersionRule.SAME_MAJOR_NOT_OLDER),
    release=Release(
        # The version of the SDK in requirements.txt.
        version="3.272.0",
        url="https://get.pulumi.com/releases/sdk/pulumi-v{version}-{os}-{arch}.tar.gz",
        checksums="https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt",
        arch=(("x86_64", "x64"), ("aarch64", "arm64")),
    ),
    module=GoModule(
        directory=_MODULES / "pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        ldflags="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
    ),
    companions=("pulumi-language-python",),
)

_KUBERNETES_VERSION = "1.36.3"


def _kubernetes(name: str, *version_command: str) -> Tool:
    """One of Kubernetes' own executables; they share a version and a module."""
    return Tool(
        name=name,
        version=_KUBERNETES_VERSION,
        homepage="https://kubernetes.io/releases/download/",
        on_path=OnPath(version_command=version_command, rule=VersionRule.SAME_MINOR),
        release=Release(
            version=_KUBERNETES_VERSION,
            url=f"https://dl.k8s.io/release/v{{version}}/bin/{{os}}/{{arch}}/{name}",
            checksums=f"https://dl.k8s.io/release/v{{version}}/bin/{{os}}/{{arch}}/{name}.sha256",
        ),
        module=GoModule(
            directory=_MODULES / "kubernetes",
            package=f"k8s.io/kubernetes/cmd/{name}",
            # Clients and the server's own compatibility rules read the version; unset it is v0.0.0-master.
            ldflags="-X k8s.io/component-base/version.gitVersion=v{version}",
        ),
    )


KUBE_APISERVER = _kubernetes("kube-apiserver", "--version")
KUBE_CONTROLLER_MANAGER = _kubernetes("kube-controller-manager", "--version")
KUBE_SCHEDULER = _kubernetes("kube-scheduler", "--version")
KUBECTL = _kubernetes("kubectl", "version", "--client")

ETCD = Tool(
    name="etcd",
    version="3.6.5",
    homepage="https://etcd.io/docs/latest/install/",
    on_path=OnPath(version_command=("--version",), rule=VersionRule.SAME_MINOR),
    release=Release(
        version="3.6.5",
        url="https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-{os}-{arch}.tar.gz",
        checksums="https://github.com/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
    ),
    module=GoModule(directory=_MODULES / "etcd", package="go.etcd.io/etcd/server/v3"),
)

KWOK = Tool(
    name="kwok",
    version="0.8.0",
    homepage="https://kwok.sigs.k8s.io/docs/user/installation/",
    # Its releases carry no checksums, so there is no download that could be believed.
    on_path=OnPath(version_command=("--version",), rule=VersionRule.SAME_MINOR),
    module=GoModule(
        directory=_MODULES / "kwok",
        package="sigs.k8s.io/kwok/cmd/kwok",
        ldflags="-X sigs.k8s.io/kwok/pkg/consts.Version=v{version}",
    ),
)

ACTIONLINT = Tool(
    name="actionlint",
    version="1.7.12",
    homepage="https://github.com/rhysd/actionlint/blob/main/docs/install.md",
    on_path=OnPath(version_command=("-version",), rule=VersionRule.SAME_MINOR),
    release=Release(
        version="1.7.12",
        url="https://github.com/rhysd/actionlint/releases/download/v{version}/actionlint_{version}_{os}_{arch}.tar.gz",
        checksums="https://github.com/rhysd/actionlint/releases/download/v{version}/actionlint_{version}_checksums.txt",
    ),
    module=GoModule(directory=_MODULES / "actionlint", package="github.com/rhysd/actionlint/cmd/actionlint"),
)

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (PULUMI, ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBECTL, KWOK, ACTIONLINT)
}
"""Every tool by its name."""
