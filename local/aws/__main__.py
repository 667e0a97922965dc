"""Serves the local AWS endpoint in the foreground: ``python -m local.aws --port 4599``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from . import moto_app


def _account(text: str) -> str:
    if len(text) != 12 or not text.isdigit():
        raise argparse.ArgumentTypeError("an AWS account id has twelve digits")
    return text


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 3_600:
        raise argparse.ArgumentTypeError("seconds from 0 to an hour")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535")
    return value


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local aws",
        description="A local AWS endpoint on 127.0.0.1: EKS, EKS Auth, and moto for the rest.",
    )
    parser.add_argument("--port", type=_port, default=0, help="port to listen on; 0 takes any free one (default)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep state in this folder (default: in memory)")
    parser.add_argument("--account", type=_account, default="123456789012", help="account id (default %(default)s)")
    parser.add_argument("--region", default="eu-west-1", help="region of unsigned requests (default %(default)s)")
    parser.add_argument(
        "--transition",
        type=_seconds,
        default=0.3,
        metavar="SECONDS",
        help="how long CREATING, UPDATING and DELETING last (default %(default)s)",
    )
    parser.add_argument(
        "--kubernetes",
        action="store_true",
        help="run a real Kubernetes control plane for every cluster (default: EKS is an API only)",
    )
    parser.add_argument(
        "--propagation",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="with --kubernetes, how long a change of pod identity associations takes to be effective "
        "(default %(default)s)",
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        argv: the command line's arguments; those of the process when None.

    Returns:
        0 after a clean stop; 1 when the port or the state cannot be used.
    """
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if arguments.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    moto_app.configure(arguments.account)

    # After the settings, because some of these import moto.
    from .eks.seams import NeverReady
    from .endpoint import Endpoint
    from .persistence import StateError

    data_plane = pod_identity = None
    if arguments.kubernetes:
        from local.kubernetes.data_plane import KubernetesDataPlane
        from local.kubernetes.pod_identity.service import PodIdentity
        from local.toolchain import ToolchainError

        try:
            data_plane = KubernetesDataPlane(arguments.state)
            pod_identity = PodIdentity(arguments.propagation, data_plane.control_plane)
            data_plane.on_ready = pod_identity.cluster_ready
            data_plane.on_associations_changed = pod_identity.associations_changed
            data_plane.on_stopping = pod_identity.cluster_stopping
        except ToolchainError as error:
            print(f"local aws: {error}", file=sys.stderr)
            return 1
    try:
        endpoint = Endpoint(
            port=arguments.port,
            account=arguments.account,
            region=arguments.region,
            transition=arguments.transition,
            state=arguments.state,
            data_plane=data_plane,
            verifier=pod_identity,
            issuer_keys=data_plane.issuer_keys if data_plane is not None else None,
        )
    except (StateError, OSError) as error:
        if data_plane is not None:
            data_plane.stop()
        busy = f"cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}" if isinstance(error, OSError) else error
        print(f"local aws: {busy}", file=sys.stderr)
        return 1
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if data_plane is not None and pod_identity is not None:
        pod_identity.connect(endpoint.url, endpoint.gate)
        data_plane.connect(endpoint.eks, endpoint.url, endpoint.lock_of)
        try:
            data_plane.restore()
        except NeverReady as error:
            print(f"local aws: {error}", file=sys.stderr)
            pod_identity.stop()
            data_plane.stop()
            return 1
    endpoint.start()
    print(f"ready {endpoint.url}", flush=True)
    # moto prints in places; standard output is for the ready line alone.
    sys.stdout = sys.stderr
    stop.wait()
    try:
        endpoint.stop()
    except OSError as error:
        print(f"local aws: the state could not be written: {error}", file=sys.stderr)
        return 1
    finally:
        if data_plane is not None and pod_identity is not None:
            pod_identity.stop()
            data_plane.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
