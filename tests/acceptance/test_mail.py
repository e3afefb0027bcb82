"""Whoever gives an e-mail address on the phone gets an e-mail about what was booked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.acceptance_commands import run

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """\
name: Withheld caller is written to
now: 2026-12-01T09:00
free: [2026-12-03T14:00]
caller: {number: null}
lines:
  - {when: 'help', say: "Do you have anything on Thursday?"}
  - {when: '\\btwo\\b', say: "Two in the afternoon, please."}
  - {when: 'name', say: "Maya Chen"}
  - {when: 'number', say: "I'd rather not say."}
  - {when: 'what is your e-mail', say: "It's m, a, y, a, dot, chen, at gmail dot com."}
  - {when: 'gmail dot com. is that right', say: "Yes, that is correct."}
  - {when: 'for maya chen. is that right', say: "Yes, go ahead."}
  - {when: 'anything else', say: "No, that's all, thank you."}
expect:
  booking: 2026-12-03T14:00
  sms: 0
  said: ["I'm e-mailing you the details"]
  mails: [{to: maya.chen@gmail.com, matches: 'booked at Harbor Street Clinic on Thu, Dec 3 at 2:00 PM'}]
"""


def test_an_agreed_address_is_written_to_and_the_call_says_so(tmp_path: Path) -> None:
    (tmp_path / "written_to.yaml").write_text(SCENARIO)

    command = ["rehearse", "--typed", "--calendar", "builtin", "written_to.yaml", "--json", "result.json"]
    finished = run(*command, folder=tmp_path, timeout_secs=120)

    assert finished.status == 0, finished.out
    result = json.loads((tmp_path / "result.json").read_text())
    (mail,) = result["mails"]
    assert result["problems"] == []
    assert (mail["to"], result["appointment"]["email"]) == ("maya.chen@gmail.com", "maya.chen@gmail.com")
    assert "E-mail       to maya.chen@gmail.com" in finished.out
