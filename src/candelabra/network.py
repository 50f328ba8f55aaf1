"""Whether a host answers, found out within seconds."""

from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SECONDS = 4.0  # a host that gives no answer for so long counts as out of reach


def answers(url: str) -> bool:
    """Whether anything answers at an address; libraries that download may wait for minutes to find out."""
    answered: list[bool] = []

    def ask() -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()
        except HTTPError:
            pass  # an answer all the same
        except OSError:
            return
        answered.append(True)

    thread = Thread(target=ask, daemon=True)  # a name look-up has no timeout of its own
    thread.start()
    thread.join(SECONDS)
    return bool(answered)
