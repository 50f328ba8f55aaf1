"""Constants, folders and the network of the machine; imports nothing heavy."""

from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

RUN = "CANDELABRA_RUN"  # set for the further ranks of a run: the folder whose config.yaml they read
CACHE = "CANDELABRA_CACHE"  # the folder of what runs share; ~/.cache/candelabra where it is not set
SLURM_JOB = "SLURM_JOB_ID"
PACKAGE = Path(__file__).parent
# A wheel carries conf/ inside the package, a checkout has it at its top; Hydra's pkg:// finds neither when editable.
CONF = next((place for place in (PACKAGE / "conf", PACKAGE.parents[1] / "conf") if place.is_dir()), PACKAGE / "conf")
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
