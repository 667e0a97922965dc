"""Gets a project's own release, and believes it only when the project's own checksum says so."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from local.toolchain.errors import NotAvailable
from local.toolchain.progress import Progress
from local.toolchain.tools import Release, Tool

if TYPE_CHECKING:
    # At run time it is imported where it is used: only a cache miss needs it.
    import requests

__all__ = ["answers", "download", "fetch_text"]

# A closed network often swallows packets. Nobody should wait long to find that out.
_CONNECT_SECONDS = 2.0
_STALL_SECONDS = 30.0


def download(tool: Tool, release: Release, target: Path, partial: Path, progress: Progress) -> None:
    """Downloads *release* and puts the tool and what begins with its name into the folder *target*.

    Args:
        partial: File that collects the download. It survives an interruption and is continued next time.

    Raises:
        NotAvailable: The download cannot be reached, has nothing for this machine, or is not what its project says.
    """
    url, sums = release.fill(release.url), release.fill(release.checksums)
    if url is None or sums is None:
        raise NotAvailable(f"{tool.name} {release.version} is not released for this machine's architecture.")
    progress.stage("asking for the official download")
    name = url.rpartition("/")[2]
    expected = _checksum(fetch_text(sums), name)
    if expected is None:
        raise NotAvailable(f"{sums} has no checksum of {name}.")

    _fetch(url, partial, progress)
    progress.stage("verifying the download")
    found = _digest(partial, expected)
    if found != expected:
        partial.unlink()
        raise NotAvailable(f"{url} has checksum {found}; {sums} says {expected}.")
    progress.stage("unpacking")
    if name.endswith((".tar.gz", ".tgz")):
        _unpack(partial, tool.name, target)
        partial.unlink()
    else:
        shutil.move(partial, target / tool.name)
    if not (target / tool.name).exists():
        raise NotAvailable(f"{url} does not hold {tool.name}.")


def fetch_text(url: str) -> str:
    """The text at *url*.

    Raises:
        NotAvailable: It cannot be had.
    """
    return _ask("GET", url).text


def answers(url: str) -> bool:
    """Whether *url* is there."""
    try:
        _ask("HEAD", url)
    except NotAvailable:
        return False
    return True


def _ask(method: str, url: str) -> requests.Response:
    """The whole answer to a small request, or the finding, after a few seconds at most, that there is none."""
    outcome: list[requests.Response | requests.RequestException] = []

    def ask() -> None:
        import requests

        try:
            response = requests.request(method, url, timeout=(_CONNECT_SECONDS, _CONNECT_SECONDS), allow_redirects=True)
            response.raise_for_status()
            outcome.append(response)
        except requests.RequestException as error:
            outcome.append(error)

    # The connect timeout does not cover name resolution, which may take its own long time where there is no network.
    asking = threading.Thread(target=ask, daemon=True, name="ask")
    asking.start()
    asking.join(2 * _CONNECT_SECONDS)
    if not outcome:
        raise NotAvailable(f"{url} did not answer within {2 * _CONNECT_SECONDS:.0f} s.")
    (answer,) = outcome
    if isinstance(answer, Exception):
        raise NotAvailable(f"{url} cannot be reached ({type(answer).__name__}).") from answer
    return answer


def _fetch(url: str, partial: Path, progress: Progress) -> None:
    import requests

    have = partial.stat().st_size if partial.exists() else 0
    try:
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _STALL_SECONDS)) as response:
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                have = 0
            size = have + int(response.headers.get("Content-Length", 0))
            mebibyte = 1 << 20
            progress.stage("downloading MiB", total=size // mebibyte)
            progress.advance("", have // mebibyte)
            with open(partial, "ab" if have else "wb") as file:
                for chunk in response.iter_content(mebibyte):
                    file.write(chunk)
                    progress.advance("")
    except requests.HTTPError as error:
        # 416: the whole file is here already, or the file on the server is another one now. The checksum tells.
        if have and error.response is not None and error.response.status_code == 416:
            return
        raise NotAvailable(f"{url} cannot be had: {error}.") from error
    except requests.RequestException as error:
        raise NotAvailable(f"{url} broke off ({type(error).__name__}); a new run continues it.") from error


def _checksum(text: str, name: str) -> str | None:
    """The checksum of file *name* in a list of ``sum  file`` lines, or in a text that is nothing but the sum."""
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9a-fA-F]{64}|[0-9a-fA-F]{128})(?:\s+\*?(?:.*/)?(\S+))?", line.strip())
        if found and found[2] in (None, name):
            return found[1].lower()
    return None


def _digest(file: Path, like: str) -> str:
    digest = hashlib.new("sha256" if len(like) == 64 else "sha512")
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def _unpack(archive: Path, name: str, target: Path) -> None:
    """Takes *name* and ``name-*`` out of *archive*. Only base names are used, so no member can leave *target*."""
    with tarfile.open(archive) as members:
        for member in members:
            base = PurePosixPath(member.name).name
            if member.isfile() and (base == name or fnmatch.fnmatch(base, f"{name}-*")):
                source = members.extractfile(member)
                assert source is not None
                with source, open(target / base, "wb") as file:
                    shutil.copyfileobj(source, file)
                (target / base).chmod(0o755)
