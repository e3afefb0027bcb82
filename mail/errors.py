"""Everything that can go wrong between the mail server and us.

MailError
├── MailRefused           it was not sent and never will be; carries the server's code
├── MailUnclear           it may have been sent: the server's answer to the whole letter was lost
└── MailNotDone           it was certainly not sent: try again later
    └── MailAccountRefused  the server takes no letters of ours, whoever they are for; says why
"""

from __future__ import annotations


class MailError(Exception):
    """Any error of this package. Its text never holds an address: what the server said may quote one."""


class MailRefused(MailError):
    """The server will never take this letter. `code` is SMTP's, such as 550; `answer` is what the server said."""

    def __init__(self, code: int, answer: str) -> None:
        super().__init__(f"the mail server refused the letter ({code})")
        self.code = code
        self.answer = answer


class MailUnclear(MailError):
    """The server may have taken the letter: its answer was lost."""


class MailNotDone(MailError):
    """The server certainly did not take the letter. `retry_after_secs` is when to try again."""

    def __init__(self, message: str, *, retry_after_secs: float) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs


class MailAccountRefused(MailNotDone):
    """The login, the sender or the encryption is wrong: every letter waits until a person has put it right.

    `setting` names what to look at, `code` is SMTP's, 0 where the server sent none.
    """

    def __init__(self, message: str, *, setting: str, code: int = 0, retry_after_secs: float) -> None:
        super().__init__(message, retry_after_secs=retry_after_secs)
        self.setting = setting
        self.code = code
