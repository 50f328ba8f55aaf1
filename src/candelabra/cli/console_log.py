"""Log lines on the console: the sentence alone; log files have time, module and level too."""

import logging
import sys
from multiprocessing import parent_process


class ConsoleHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints messages without a prefix, warnings and errors with their level, above a progress bar if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = logging.Formatter("%(message)s").format(record)
        return line if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {line}"

    def emit(self, record: logging.LogRecord) -> None:
        if "tqdm" in sys.modules and parent_process() is None:  # in workers, tqdm's lock may be held for good
            sys.modules["tqdm"].tqdm.write(self.format(record), file=self.stream)
        else:
            super().emit(record)
