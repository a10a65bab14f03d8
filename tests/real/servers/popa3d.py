"""popa3d, one process for each connection, with mailbox files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .private_root import PrivateRoot

POPA3D = "/usr/sbin/popa3d"
PAM = "auth required pam_unix.so\naccount required pam_permit.so\n"
SYSTEM = ("lib/*/security/pam_unix.so", "lib/*/security/pam_permit.so")
CRYPTED = "$5$mailhaultestsalt$vc07iVfUKgeXsCBOqpU6WW5krcbJfEyCUuEebcH.VC5"
"""The password of every user: correct-horse."""
FIRST = 920


class Popa3d:
    """The words that start it, and its mailbox files."""

    def __init__(self, folder: Path, users: Sequence[str]) -> None:
        numbers = {user: FIRST + number for number, user in enumerate(users)}
        self.root = PrivateRoot(folder, "popa3d", {"popa3d": 919, **numbers}, SYSTEM)
        self.root.path("/etc/pam.d/popa3d").write_text(PAM)
        shadow = self.root.path("/etc/shadow")
        shadow.write_text("".join(f"{user}:{CRYPTED}:19000:0:99999:7:::\n" for user in users))
        shadow.chmod(0o600)
        self.root.make_folder("/var/lib/popa3d", "root")
        self.mail = self.root.make_folder("/var/mail", "root", 0o1777)
        for user, number in numbers.items():
            box = self.mail / user
            box.touch(mode=0o600)
            os.chown(box, number, number)
        shutil.copy("/etc/nsswitch.conf", self.root.path("/etc/nsswitch.conf"))

    @property
    def argv(self) -> list[str]:
        """The command that is a POP3 server on its standard input and output."""
        return self.root.argv(POPA3D)
