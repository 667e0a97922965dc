"""moto's server application, set up for this endpoint.

moto's settings are environment variables that it reads at import, and importing all of it takes
seconds: so they are set first, and each service is imported when it is first called or warmed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from . import mends

log = logging.getLogger(__name__)

# What this project's programs call; in the order in which they call it.
WARMED = ("sts", "ec2", "iam", "logs", "kms", "s3")
_MENDS: dict[str, Callable[[], None]] = {
    "ec2": mends.mend_ec2,
    "logs": mends.mend_logs,
    "s3": mends.mend_s3,
    "sts": mends.mend_sts,
}

# moto's modules import each other in circles, which one thread finds its way through, but not two at once. Whoever has
# this takes no service's lock.
_importing = threading.RLock()


def configure(account: str) -> None:
    """Set up this process's environment; to be called before moto and botocore are imported.

    What the operator has configured for AWS is for AWS: this endpoint plays AWS, and asks nobody but itself. So it is
    dropped, together with settings for a moto of the operator's own, and no proxy stands between this process and
    this machine.
    """
    for name in list(os.environ):
        if name.startswith(("AWS_", "BOTO_", "MOTO_")):
            del os.environ[name]
    os.environ |= {
        # In place of the files in the operator's home, which may name profiles, endpoints and bundles as well.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_ACCOUNT_ID": account,
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


class MotoApplication:
    """moto's WSGI application, made at the first call."""

    def __init__(self) -> None:
        self._application: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.load()(environ, start_response)

    def load(self) -> Any:
        """Import what all of moto stands on, once, and return its application; who calls meanwhile waits."""
        if self._application is not None:
            # Nobody waits for the import of what others call.
            return self._application
        with _importing:
            if self._application is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                mends.mend_core()

                def create(service: Any) -> Any:
                    with _importing:
                        mend(service)
                        return create_backend_app(service)

                self._application = DomainDispatcherApplication(create)
            return self._application

    def warm(self, account: str, region: str, lock_of: Callable[[str], AbstractContextManager[Any]]) -> None:
        """Import the usual services, so that the first call to each does not have to wait for that."""
        application = self.load()
        for service in WARMED:
            begun = time.monotonic()
            with lock_of(service):
                backend_of(service, account, region)
            with application.lock:
                if service not in application.app_instances:
                    application.app_instances[service] = application.create_app(service)
            log.debug("%s is warm after %.2f s", service, time.monotonic() - begun)


def mend(service: str) -> None:
    """Put the mends of a service in."""
    if service in _MENDS:
        _MENDS[service]()


def backend_of(service: str, account: str, region: str) -> Any:
    """Return moto's model of a service, made if need be."""
    from moto.backends import get_backend
    from moto.utilities.utils import get_partition

    with _importing:
        mend(service)
        backends = get_backend(service)  # type: ignore[call-overload]
    regional = backends[account]
    return regional[region if region in regional.regions else get_partition(region)]
