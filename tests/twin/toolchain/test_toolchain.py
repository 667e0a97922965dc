"""How tools are found, downloaded, built, kept, and what is said when that cannot be done."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import platform
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.toolchain import MODE_VARIABLE, BuildFailed, Mode, NotAvailable, ToolchainError, ensure
from local.toolchain import __main__ as command
from local.toolchain.progress import Progress
from local.toolchain.resolve import resolve
from local.toolchain.store import Store, cache_root
from local.toolchain.tools import ACTIONLINT, PULUMI, GoModule, OnPath, Release, Tool, VersionRule
from tests.twin.toolchain.conftest import write_script

MAIN = """\
package main

import "fmt"

var version = "unset"

func main() { fmt.Println("greeter " + version) }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"


@pytest.fixture
def greeter(tmp_path: Path) -> Tool:
    """A tool declared as the real ones are: found on PATH, or built from a module."""
    module = tmp_path / "module"
    package = module / "cmd" / "greeter"
    package.mkdir(parents=True)
    (module / "go.mod").write_text("module example.com/greeter\n\ngo 1.21\n")
    (module / "go.sum").write_text("")
    (package / "main.go").write_text(MAIN)
    return Tool(
        name="greeter",
        version="1.4.2",
        homepage="https://example.com/greeter",
        on_path=OnPath(("version",), VersionRule.SAME_MINOR),
        module=GoModule(module, "example.com/greeter/cmd/greeter", ldflags="-X main.version={version}"),
        companions=("greeter-plugin",),
    )


def _offer(monkeypatch: pytest.MonkeyPatch, folder: Path, *, only: bool = False) -> None:
    monkeypatch.setenv("PATH", str(folder) if only else f"{folder}{os.pathsep}{os.environ['PATH']}")


# Build


def test_a_tool_is_built_once_and_then_taken_without_a_process_or_a_call(
    greeter: Tool, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = resolve(greeter, Mode.AUTO, root=root)
    assert built.origin == "build"
    assert built.version == "1.4.2"
    assert not built.official
    assert subprocess.check_output([built.path], text=True) == "greeter 1.4.2\n"
    said = capsys.readouterr().err
    assert "greeter 1.4.2: compiling packages" in said
    assert "ready from build" in said

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a full cache needs neither a process nor the network")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        assert resolve(greeter, Mode.AUTO, root=root) == built
        times.append(time.perf_counter() - started)
    assert min(times) < 0.05
    assert capsys.readouterr().err == ""


def test_another_recipe_is_another_place(greeter: Tool, root: Path) -> None:
    assert greeter.module is not None
    place = Store(greeter, root).place("1.4.2")
    (greeter.module.directory / "go.sum").write_text("example.com/other v1.0.0 h1:x=\n")
    assert Store(greeter, root).place("1.4.2") != place
    changed = dataclasses.replace(greeter, module=dataclasses.replace(greeter.module, ldflags="-X main.version=other"))
    assert Store(changed, root).place("1.4.2") != place


def test_a_build_that_fails_shows_its_last_words_and_leaves_nothing(greeter: Tool, root: Path) -> None:
    assert greeter.module is not None
    main = greeter.module.directory / "cmd" / "greeter" / "main.go"
    main.write_text(MAIN.replace("Println", "Absent"))
    with pytest.raises(BuildFailed, match=r"undefined: fmt\.Absent") as failure:
        resolve(greeter, Mode.AUTO, root=root)
    log = root / "greeter" / "build.log"
    assert str(log) in str(failure.value)
    assert "undefined: fmt.Absent" in log.read_text()
    assert {entry.name for entry in (root / "greeter").iterdir()} == {".lock", "build.log"}

    main.write_text(MAIN)
    assert resolve(greeter, Mode.AUTO, root=root).path.exists()


def test_modules_that_are_not_pinned_are_not_fetched(greeter: Tool, root: Path) -> None:
    assert greeter.module is not None
    main = greeter.module.directory / "cmd" / "greeter" / "main.go"
    main.write_text(MAIN.replace('import "fmt"', 'import ("fmt"; _ "example.com/unpinned")'))
    with pytest.raises(BuildFailed, match=r"example\.com/unpinned.*-mod=readonly"):
        resolve(greeter, Mode.AUTO, root=root)


def test_missing_go_says_what_to_install(greeter: Tool, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotAvailable) as failure:
        resolve(greeter, Mode.AUTO, root=root)
    for text in ("no `go` on PATH", "Go 1.21", "https://go.dev/doc/install", "https://example.com/greeter"):
        assert text in str(failure.value)


def test_an_old_go_says_what_to_install(
    greeter: Tool, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_script(tmp_path / "old", "go", "echo go1.20.14")
    _offer(monkeypatch, tmp_path / "old", only=True)
    with pytest.raises(NotAvailable, match=r"needs Go 1\.21; this is go1\.20\.14"):
        resolve(greeter, Mode.AUTO, root=root)


def test_a_go_that_can_fetch_the_right_one_does_so(
    greeter: Tool, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert greeter.module is not None
    (greeter.module.directory / "go.mod").write_text("module example.com/greeter\n\ngo 1.25.3\n")
    write_script(
        tmp_path / "older", "go", '[ "$1" = env ] && echo go1.24.1 || { echo "toolchain $GOTOOLCHAIN" >&2; exit 7; }'
    )
    _offer(monkeypatch, tmp_path / "older", only=True)
    with pytest.raises(BuildFailed, match="toolchain auto"):
        resolve(greeter, Mode.AUTO, root=root)


def test_an_old_python_says_what_to_install() -> None:
    pretend = (
        "import sys; sys.version_info = (3, 9, 18, 'final', 0); sys.version = '3.9.18 (main)'; import local.toolchain"
    )
    result = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert result.returncode == 1
    assert "Python 3.10 or newer is needed; this is 3.9.18" in result.stderr
    assert "Traceback" not in result.stderr


# The store


def test_an_interrupted_installation_leaves_nothing(greeter: Tool, root: Path) -> None:
    store = Store(greeter, root)

    def fill(target: Path) -> None:
        (target / "greeter").write_text("half")
        raise KeyboardInterrupt

    with store.locked(lambda: None), pytest.raises(KeyboardInterrupt):
        store.install("1.4.2", "build", fill)
    assert store.installed("1.4.2", "build") is None
    assert [entry.name for entry in store.folder.iterdir()] == [".lock"]


def test_what_a_killed_run_left_is_removed_by_the_next(greeter: Tool, root: Path) -> None:
    store = Store(greeter, root)
    killed = textwrap.dedent("""\
        import pickle, sys
        from pathlib import Path
        from local.toolchain.store import Store

        tool, root = pickle.load(sys.stdin.buffer)
        store = Store(tool, root)

        def fill(target):
            (target / "greeter").write_text("half")
            print("half", flush=True)
            sys.stdin.read()

        with store.locked(lambda: None):
            store.install("1.4.2", "build", fill)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", killed], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps((greeter, root)))
        process.stdin.flush()
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert list(store.folder.glob(".incomplete-*"))
    assert store.installed("1.4.2", "build") is None

    assert resolve(greeter, Mode.BUILD, root=root, quiet=True).path.exists()
    assert not list(store.folder.glob(".incomplete-*"))


def test_a_damaged_installation_is_made_anew(greeter: Tool, root: Path) -> None:
    built = resolve(greeter, Mode.BUILD, root=root, quiet=True)
    built.path.write_bytes(b"cut short")
    again = resolve(greeter, Mode.BUILD, root=root, quiet=True)
    assert subprocess.check_output([again.path], text=True) == "greeter 1.4.2\n"


def test_a_second_run_waits_for_the_first_and_says_so(
    greeter: Tool, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(greeter, root)
    found = []
    second = threading.Thread(target=lambda: found.append(resolve(greeter, Mode.BUILD, root=root)))

    def fill(target: Path) -> None:
        second.start()
        said = ""
        while "another run is getting it" not in said:
            time.sleep(0.01)
            said += capsys.readouterr().err
        assert not found
        (target / "greeter").write_text("made by the first")

    with store.locked(lambda: pytest.fail("nobody else holds the lock")):
        store.install("1.4.2", "build", fill)
    second.join(10)
    assert found[0].path.read_text() == "made by the first"


def test_the_cache_follows_the_base_directory_specification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_root() == tmp_path / ".cache" / "eks-pod-identity" / "toolchain"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == tmp_path / ".cache" / "eks-pod-identity" / "toolchain"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_root() == tmp_path / "other" / "eks-pod-identity" / "toolchain"


# PATH


@pytest.mark.parametrize(
    ("rule", "found", "fits"),
    [
        (VersionRule.SAME_MINOR, "1.4.0", True),
        (VersionRule.SAME_MINOR, "1.4.9", True),
        (VersionRule.SAME_MINOR, "1.5.0", False),
        (VersionRule.SAME_MINOR, "2.4.2", False),
        (VersionRule.SAME_MAJOR_NOT_OLDER, "1.4.0", True),
        (VersionRule.SAME_MAJOR_NOT_OLDER, "1.30.0", True),
        (VersionRule.SAME_MAJOR_NOT_OLDER, "1.3.9", False),
        (VersionRule.SAME_MAJOR_NOT_OLDER, "2.0.0", False),
    ],
)
def test_which_versions_on_path_fit(rule: VersionRule, found: str, fits: bool) -> None:
    assert rule.admits(found, "1.4.2") is fits


def test_a_matching_tool_on_path_is_taken_and_asked_only_once(
    greeter: Tool, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    script = write_script(tmp_path / "bin", "greeter", f'echo x >> "{asked}"; echo "greeter v1.4.7 (linux)"')
    write_script(tmp_path / "bin", "greeter-plugin", "")
    _offer(monkeypatch, tmp_path / "bin")
    for _ in range(3):
        found = resolve(greeter, Mode.AUTO, root=root)
        assert (found.origin, found.version, found.path, found.official) == ("path", "1.4.7", script, True)
    assert asked.read_text() == "x\n"

    write_script(tmp_path / "bin", "greeter", f'echo x >> "{asked}"; echo "greeter v1.5.0 (linux), upgraded"')
    with pytest.raises(NotAvailable, match=r"is version 1\.5\.0; 1\.4\.2 needs same minor line"):
        resolve(greeter, Mode.PATH, root=root)


@pytest.mark.parametrize(
    ("script", "companion", "reason"),
    [
        (None, True, "no `greeter` on PATH"),
        ("echo 1.4.2", False, "has no greeter-plugin beside it"),
        ("echo nothing to say", True, "no version in 'nothing to say'"),
        ("exit 3", True, "does not tell its version"),
    ],
)
def test_a_forced_path_says_why_not(
    greeter: Tool,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str | None,
    companion: bool,
    reason: str,
) -> None:
    (tmp_path / "bin").mkdir()
    if script is not None:
        write_script(tmp_path / "bin", "greeter", script)
    if companion:
        write_script(tmp_path / "bin", "greeter-plugin", "")
    _offer(monkeypatch, tmp_path / "bin")
    with pytest.raises(NotAvailable, match=reason) as failure:
        resolve(greeter, Mode.PATH, root=root)
    assert f"{MODE_VARIABLE}=path" in str(failure.value)
    assert not list(root.glob("*/1.4.2-*"))


def test_our_own_copy_on_path_is_not_the_users(greeter: Tool, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = resolve(greeter, Mode.AUTO, root=root, quiet=True)
    _offer(monkeypatch, built.path.parent)
    assert resolve(greeter, Mode.AUTO, root=root).origin == "build"
    with pytest.raises(NotAvailable, match="is the one of this cache"):
        resolve(greeter, Mode.PATH, root=root)


# Download


class _Site:
    """A download site: files by path, and what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                site.asked.append((self.path, wanted))
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start:])

            def log_message(self, format: str, *args: object) -> None:
                """Keeps the test's output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, name: str, content: bytes, *, checksum: str | None = None) -> None:
        """Publishes a file and its checksum, a wrong one if given."""
        self.files[f"/{name}"] = content
        line = f"{checksum or hashlib.sha256(content).hexdigest()}  {name}\n"
        self.files["/checksums.txt"] = self.files.get("/checksums.txt", b"") + line.encode()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Site]:
    """A running download site."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = _Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with contextlib.closing(site.server.socket):
        yield site
        site.server.shutdown()
        thread.join()


def _released(greeter: Tool, url: str, name: str = "greeter-{version}-{os}.tar.gz") -> Tool:
    release = Release("1.6.0", f"{url}/{name}", f"{url}/checksums.txt", arch=((platform.machine(), "here"),))
    return dataclasses.replace(greeter, release=release)


def _archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = _archive(
    **{
        "greeter/greeter": b"#!/bin/sh\necho downloaded\n",
        "greeter/greeter-plugin": b"#!/bin/sh\n",
        "greeter/README": b"not wanted",
        "../../greeter-escape": b"stays inside",
    }
)
NAME = f"greeter-1.6.0-{sys.platform}.tar.gz"


def test_a_release_is_verified_and_kept(greeter: Tool, root: Path, site: _Site) -> None:
    tool = _released(greeter, site.url)
    site.publish(NAME, ARCHIVE)
    found = resolve(tool, Mode.AUTO, root=root)
    assert (found.origin, found.version, found.official) == ("download", "1.6.0", True)
    assert subprocess.check_output([found.path], text=True) == "downloaded\n"
    assert sorted(path.name for path in found.path.parent.iterdir()) == ["greeter", "greeter-escape", "greeter-plugin"]
    calls = len(site.asked)
    assert resolve(tool, Mode.AUTO, root=root) == found
    assert len(site.asked) == calls
    # It is not what somebody who forces a build asks for.
    assert resolve(tool, Mode.BUILD, root=root, quiet=True).origin == "build"


def test_a_release_may_be_a_bare_executable_with_a_sum_of_its_own(greeter: Tool, root: Path, site: _Site) -> None:
    content = b"#!/bin/sh\necho bare\n"
    site.files |= {"/greeter-here": content, "/checksums.txt": hashlib.sha512(content).hexdigest().encode()}
    found = resolve(_released(greeter, site.url, "greeter-{arch}"), Mode.DOWNLOAD, root=root)
    assert subprocess.check_output([found.path], text=True) == "bare\n"
    assert not found.official


def test_a_download_that_broke_off_is_continued(greeter: Tool, root: Path, site: _Site) -> None:
    site.publish(NAME, ARCHIVE)
    partial = root / "greeter" / "1.6.0.download"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(ARCHIVE[:50])
    assert resolve(_released(greeter, site.url), Mode.DOWNLOAD, root=root).origin == "download"
    assert (f"/{NAME}", "bytes=50-") in site.asked
    assert not partial.exists()


def test_a_download_that_was_complete_is_not_repeated(greeter: Tool, root: Path, site: _Site) -> None:
    site.publish(NAME, ARCHIVE)
    partial = root / "greeter" / "1.6.0.download"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(ARCHIVE)
    assert resolve(_released(greeter, site.url), Mode.DOWNLOAD, root=root).origin == "download"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("checksum", "has checksum"),
        ("no checksum", "has no checksum of"),
        ("absent", "cannot be reached"),
        ("empty archive", "does not hold greeter"),
        ("architecture", "not released for this machine"),
        ("closed", "cannot be reached"),
    ],
)
def test_a_broken_download_is_not_believed_and_a_build_follows(
    greeter: Tool, root: Path, site: _Site, fault: str, reason: str
) -> None:
    tool = _released(greeter, site.url)
    assert tool.release is not None
    if fault == "checksum":
        site.publish(NAME, ARCHIVE, checksum="0" * 64)
    elif fault == "no checksum":
        site.publish("other.tar.gz", ARCHIVE)
    elif fault == "empty archive":
        site.publish(NAME, _archive(README=b""))
    elif fault == "architecture":
        tool = dataclasses.replace(tool, release=dataclasses.replace(tool.release, arch=()))
    elif fault == "closed":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            tool = _released(greeter, f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(NotAvailable, match=reason):
        resolve(tool, Mode.DOWNLOAD, root=root)
    assert not list((root / "greeter").glob("*.download"))
    assert resolve(tool, Mode.AUTO, root=root).origin == "build"


def test_a_network_that_swallows_packets_is_found_out_soon(greeter: Tool, root: Path) -> None:
    # A listener that never accepts: once its queue is full, further connections hang as in a closed network.
    with socket.socket() as silent, contextlib.ExitStack() as fillers:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        started = time.monotonic()
        with pytest.raises(NotAvailable, match=r"cannot be reached|did not answer"):
            resolve(_released(greeter, f"http://127.0.0.1:{silent.getsockname()[1]}"), Mode.DOWNLOAD, root=root)
        assert time.monotonic() - started < 6


# Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _advance(progress: Progress) -> None:
    with progress:
        progress.stage("fetching modules")
        progress.advance("example.com/[first]")
        progress.stage("compiling packages", total=2)
        progress.advance("example.com/first")
        progress.advance("example.com/second")
        progress.note("another run is getting it")


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = _Terminal()
    _advance(Progress("greeter 1.4.2", stream=stream))
    said = stream.getvalue()
    for text in ("greeter 1.4.2", "compiling packages", "2/2", "another run is getting it"):
        assert text in said


def test_progress_elsewhere_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = io.StringIO()
    _advance(Progress("greeter 1.4.2", stream=stream))
    assert stream.getvalue().splitlines() == [
        "greeter 1.4.2: fetching modules [0:00]",
        "greeter 1.4.2: compiling packages 0/2 [0:00]",
        "greeter 1.4.2: another run is getting it",
    ]


def test_progress_goes_on_by_itself_through_silent_work() -> None:
    stream = io.StringIO()
    with Progress("greeter 1.4.2", stream=stream, interval=0.01) as progress:
        progress.stage("linking")
        deadline = time.monotonic() + 10
        while stream.getvalue().count("linking") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_quiet_progress_says_only_what_must_be_known() -> None:
    stream = io.StringIO()
    _advance(Progress("greeter 1.4.2", stream=stream, quiet=True))
    assert stream.getvalue() == "greeter 1.4.2: another run is getting it\n"


# The command and the declarations


def test_an_unknown_mode_or_tool_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolchainError, match=r"No such tool: absent. There are pulumi"):
        ensure(["absent"])
    monkeypatch.setenv(MODE_VARIABLE, "magic")
    with pytest.raises(ToolchainError, match="must be one of auto, path, download, build"):
        ensure()


def test_the_command_prints_what_there_is(
    pulumi_environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE_VARIABLE, "build")
    assert command.main(["pulumi"]) == 0
    name, version, origin, path = capsys.readouterr().out.rstrip("\n").split("\t")
    assert (name, version, origin) == ("pulumi", PULUMI.version, "build")
    assert subprocess.check_output([path, "version"], text=True).strip() == f"v{PULUMI.version}"

    monkeypatch.setenv(MODE_VARIABLE, "path")
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 1
    assert "https://www.pulumi.com/docs/install/" in capsys.readouterr().err


def test_an_interrupted_command_says_that_nothing_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ensure", interrupted)
    assert command.main([]) == 130
    assert "the next run continues" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tool", "module"),
    [(PULUMI, "github.com/pulumi/pulumi/pkg/v3"), (ACTIONLINT, "github.com/rhysd/actionlint")],
)
def test_the_pin_is_the_one_in_the_module(tool: Tool, module: str) -> None:
    assert tool.module is not None
    go_mod = (tool.module.directory / "go.mod").read_text()
    assert f"\t{module} v{tool.version} " in go_mod
    assert f"tool {tool.module.package}\n" in go_mod


def test_the_download_is_of_the_sdks_version() -> None:
    from importlib.metadata import version

    assert PULUMI.release is not None
    assert PULUMI.release.version == version("pulumi")
