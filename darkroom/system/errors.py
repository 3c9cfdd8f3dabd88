"""The one error that is the user's to mend.

Exception
└── InputError    a wrong setting or bad data: exit status 2, no traceback
"""


class InputError(Exception):
    """A user's mistake, told in one sentence: what was wrong, the value that came, what to do."""
