"""HTTP: requests that are retried, and what the system says of one that failed."""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


def retrying(num_retries: int, backoff_s: float, statuses: Collection[int] = ()) -> "requests.Session":
    """A session that repeats requests that are not answered; the caller closes it.

    Args:
        num_retries: Further tries after the first.
        backoff_s: The second try follows at once, the third after twice this long, each later one after twice the time before.
        statuses: Answers after which a request is tried again too; the last one is returned like any other.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry, create_urllib3_context

    class Adapter(HTTPAdapter):  # type: ignore[misc]
        """Trusts what this machine trusts, too: a company's own authority is known to the system, not to requests."""

        def init_poolmanager(self, *arguments: object, **options: object) -> None:
            context = create_urllib3_context()
            context.load_default_certs()
            super().init_poolmanager(*arguments, ssl_context=context, **options)

    retries = Retry(
        num_retries, redirect=False, status_forcelist=statuses, allowed_methods=None, backoff_factor=backoff_s,
        raise_on_status=False, respect_retry_after_header=False,
    )  # fmt: skip
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings of retries quote the address
    session, adapter = requests.Session(), Adapter(max_retries=retries)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def root_cause(error: BaseException) -> BaseException:
    """The system's own error: the libraries' messages about it quote the address, which may be a secret."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    return error
