"""Makes an account on the shared MLflow server: `python account.py NAME`.

The server is the one of `MLFLOW_TRACKING_URI`, else the one of this container; the administrator's credentials come from the
client's variables, else from the server's. The new password is asked for, or read from standard input.
"""

import os
import sys
from getpass import getpass


def main() -> int:
    """Asks the server; 0 done, 1 it refused."""
    from mlflow.exceptions import MlflowException
    from mlflow.server import get_app_client

    if len(sys.argv) != 2:
        print(f"usage: python {sys.argv[0]} NAME", file=sys.stderr)
        return 2
    for name, other in (("USERNAME", "MLFLOW_AUTH_ADMIN_USERNAME"), ("PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD")):
        os.environ.setdefault(f"MLFLOW_TRACKING_{name}", os.environ.get(other, ""))
    server = os.environ.get("MLFLOW_TRACKING_URI") or f"http://127.0.0.1:{os.environ.get('MLFLOW_PORT', '5000')}"
    password = getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        get_app_client("basic-auth", tracking_uri=server).create_user(sys.argv[1], password)
    except MlflowException as error:
        print(f"error: {' '.join(str(error).replace(password, '***').split())[:300]}", file=sys.stderr)
        return 1
    print(f"{sys.argv[1]} has an account")
    return 0


if __name__ == "__main__":
    sys.exit(main())
