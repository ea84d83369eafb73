"""The one error for bad input: the command line prints its message without a traceback."""


class InputError(ValueError):
    """Input that a user can mend. The message names the file or key, and the fix."""
