"""The language host's gRPC service: reads the request, has it done, says in the engine's terms what went wrong."""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from local.plugins.python_host.options import OptionError, PythonOptions
from local.plugins.python_host.processes import Processes
from local.plugins.python_host.streams import Chunk, stream

__all__ = ["PythonHost"]

_ANALYZER = "analyzer"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _failures_for_users(method: _Method) -> _Method:
    """Makes what the user can mend an error of the call with just its message, and leaves bugs their traceback."""

    @functools.wraps(method)
    def answer(self: PythonHost, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except OptionError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    return answer  # type: ignore[return-value]


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves ``pulumirpc.LanguageRuntime`` for Python.

    Args:
        engine: Address of the engine that started this host.
        processes: Keeps the programs and plugins that it starts.
    """

    def __init__(self, engine: str, processes: Processes) -> None:
        self._engine = engine
        self._processes = processes

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Takes the engine's address from an engine that attaches to a host it did not start."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The host's version: that of the SDK it is written on."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    @_failures_for_users
    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """The plugins that the program's packages need."""
        from local.plugins.python_host import packages

        return language_pb2.GetRequiredPackagesResponse(packages=packages.required(_options(request.info)))

    @_failures_for_users
    def GetRequiredPlugins(
        self, request: language_pb2.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        """The same in an older form, for older engines."""
        from local.plugins.python_host import packages

        return language_pb2.GetRequiredPluginsResponse(
            plugins=[
                plugin_pb2.PluginDependency(
                    name=package.name, kind=package.kind, version=package.version, server=package.server
                )
                for package in packages.required(_options(request.info))
            ]
        )

    @_failures_for_users
    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Runs a program to its end."""
        from local.plugins.python_host import program

        if request.attach_debugger:
            return language_pb2.RunResponse(error="This language host cannot attach a debugger; Pulumi's own can.")
        try:
            return program.run(request, _options(request.info), self._engine, self._processes, _on_end(context))
        except program.ProgramError as error:
            return language_pb2.RunResponse(error=str(error))

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Creates the virtual environment and installs into it, showing what pip says."""
        from local.plugins.python_host.install import InstallError, install

        try:
            for chunk in install(_options(request.info, plugin=request.is_plugin), self._processes):
                yield language_pb2.InstallDependenciesResponse(stdout=chunk.stdout, stderr=chunk.stderr)
        except (OptionError, InstallError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        """What ``pulumi new`` asks: only the options that are not set yet, each with the one sensible choice."""
        choices = {"toolchain": ("pip", "How dependencies are installed"), "virtualenv": ("venv", "The folder")}
        prompts = []
        for key, (value, description) in choices.items():
            if key in request.info.options:
                continue
            choice = language_pb2.RuntimeOptionPrompt.RuntimeOptionValue(
                promptType=language_pb2.RuntimeOptionPrompt.STRING, stringValue=value, displayName=value
            )
            prompts.append(
                language_pb2.RuntimeOptionPrompt(
                    key=key,
                    description=description,
                    promptType=language_pb2.RuntimeOptionPrompt.STRING,
                    choices=[choice],
                    default=choice,
                )
            )
        return language_pb2.RuntimeOptionsResponse(prompts=prompts)

    @_failures_for_users
    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """The program's Python, for ``pulumi about``."""
        from local.plugins.python_host import packages

        options = _options(request.info)
        executable, python_version, pip = packages.about(options)
        return language_pb2.AboutResponse(
            executable=executable,
            version=python_version,
            metadata={
                "toolchain": "pip",
                "toolchainVersion": pip,
                "typechecker": options.typechecker or "none",
            },
        )

    @_failures_for_users
    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """What is installed in the program's Python."""
        from local.plugins.python_host import packages

        found = packages.installed(_options(request.info), transitive=request.transitiveDependencies)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        )

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Runs a plugin or a policy pack that is a folder with Python source, for as long as the engine wants it."""

        try:
            for output in self._run_plugin(request, _on_end(context)):
                if isinstance(output, int):
                    yield language_pb2.RunPluginResponse(exitcode=output)
                elif output.stdout:
                    yield language_pb2.RunPluginResponse(stdout=output.stdout)
                else:
                    yield language_pb2.RunPluginResponse(stderr=output.stderr)
        except OptionError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    def _run_plugin(
        self, request: language_pb2.RunPluginRequest, on_end: Callable[[Callable[[], None]], None]
    ) -> Iterator[Chunk | int]:
        if request.attach_debugger:
            raise OptionError("This language host cannot attach a debugger; Pulumi's own can.")
        is_pack = request.kind == _ANALYZER
        options = _options(request.info, plugin=not is_pack)
        environment = options.environment(dict(pair.split("=", 1) for pair in request.env if "=" in pair))
        if is_pack:
            from local.plugins.python_host.policy import run_pack

            yield from run_pack(request, options, environment, self._processes, on_end)
            return
        folder = Path(request.info.program_directory)
        if not (folder / "__main__.py").is_file():
            raise OptionError(
                f"{folder} has no __main__.py. Plugins that are installable packages need Pulumi's own language host."
            )
        process = self._processes.start(
            [options.python(), str(folder), *request.args],
            cwd=request.pwd or folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        on_end(lambda: self._processes.stop(process))
        yield from stream(process)
        yield self._processes.wait(process)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Ends everything that is running."""
        from google.protobuf.empty_pb2 import Empty

        self._processes.stop_all()
        return Empty()

    def Template(self, request: Any, context: grpc.ServicerContext) -> language_pb2.TemplateResponse:
        """Prepares a project made by ``pulumi new``: with pip there is nothing to do."""
        return language_pb2.TemplateResponse()

    def GenerateProgram(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not served: see :func:`_no_code_generation`."""
        _no_code_generation(context)

    def GenerateProject(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not served: see :func:`_no_code_generation`."""
        _no_code_generation(context)

    def GeneratePackage(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not served: see :func:`_no_code_generation`."""
        _no_code_generation(context)

    def Link(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not served: see :func:`_no_code_generation`."""
        _no_code_generation(context)

    def Pack(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Not served: see :func:`_no_code_generation`."""
        _no_code_generation(context)


def _no_code_generation(context: grpc.ServicerContext) -> None:
    """Pulumi's generators are written in Go and come with its own language host; a second set would only drift."""
    context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        "This Python language host does not generate or package code. Pulumi's own does: install Pulumi from "
        "https://www.pulumi.com/docs/install/. (For `pulumi import`, add --generate-code=false.)",
    )


def _on_end(context: grpc.ServicerContext) -> Callable[[Callable[[], None]], None]:
    """A function that has an action done when the engine ends the call, which it also does to cancel."""

    def register(action: Callable[[], None]) -> None:
        # In a thread of its own: ending a process takes its time, and grpc waits for its callbacks.
        def begin() -> None:
            threading.Thread(target=action, name="end of call").start()

        if not context.add_callback(begin):
            begin()

    return register


def _options(info: language_pb2.ProgramInfo, *, plugin: bool = False) -> PythonOptions:
    return PythonOptions.of(dict(info.options), root=info.root_directory, program=info.program_directory, plugin=plugin)
