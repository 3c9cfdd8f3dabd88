"""Makes an account on the shared MLflow server: `python account.py NAME`.

The server is the one of `MLFLOW_TRACKING_URI`, else the one of this container; the administrator's credentials come from the
client's variables, else from the server's. The new password is typed at a prompt, or read from standard input.
"""

import argparse
import os
import sys
from getpass import getpass


def main() -> int:
    """Makes the account; returns the exit status: 0 done, 1 the server refused, 2 the command line is wrong."""
    parser = argparse.ArgumentParser(description="Makes an account on the shared MLflow server.")
    parser.add_argument("name", help="the user's name")
    name = parser.parse_args().name
    os.environ.setdefault("MLFLOW_TRACKING_USERNAME", os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME") or "admin")
    os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD", ""))
    server = os.environ.get("MLFLOW_TRACKING_URI") or f"http://127.0.0.1:{os.environ.get('MLFLOW_PORT', '5000')}"
    password = getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if reason := refusal(server, {"username": name, "password": password}):
        print(f"error: {reason}", file=sys.stderr)
        return 1
    print(f"{name} has an account")
    return 0


def refusal(server: str, account: dict[str, str]) -> str:
    """Requests an account; returns why the server refused, or nothing."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        answer = http_request(get_default_host_creds(server), "/api/2.0/mlflow/users/create", "POST", max_retries=0, json=account)
    except MlflowException as error:
        return " ".join(str(error).split())[:300]
    if answer.status_code == 200:
        return ""
    try:
        reason = answer.json()["message"]
    except (ValueError, KeyError):
        reason = answer.text[:200]
    return f"{server} answers with status {answer.status_code}: {reason}".replace(account["password"], "***")


if __name__ == "__main__":
    sys.exit(main())
