"""A real Triton that speaks gRPC by TLS, to clients that its authority vouches for."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import environment
from serving.certificates import Authority
from serving.ports import LOOPBACK, free_ports


@contextmanager
def secure_triton(authority: Authority, repository: Path) -> Iterator[str]:
    """HOST:PORT of one that serves a repository."""
    found, own, port = environment.find(), authority.vouch_for("server"), free_ports().grpc
    command = [
        str(found.server),
        f"--model-repository={repository}",
        f"--backend-directory={found.backends}",
        "--exit-on-error=false",
        "--disable-auto-complete-config",
        "--allow-http=false",
        "--allow-metrics=false",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={port}",
        "--grpc-use-ssl=true",
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={own.certificate}",
        f"--grpc-server-key={own.key}",
        f"--grpc-root-cert={authority.ca}",
    ]
    with subprocess.Popen(command, env=found.variables(), stdout=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not _answers(port):
                time.sleep(0.1)
            yield f"localhost:{port}"
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) == 0
