"""The one exception that this package raises for a problem its user can put right."""


class DatasetError(Exception):
    """A source, an option or a destination that cannot be used.

    The message is one sentence for the person at the terminal: what is wrong, where, and what to
    do about it. It never needs a traceback to be understood.
    """
