"""For every POP3 case a server that breaks just its requirement.

After the name of a case there may be a blank and which of several faults it is. CLEAN are the
servers without a fault for cases about what our own server does not have.
"""

from __future__ import annotations

from . import pop3_mutants_dialogue as dialogue
from . import pop3_mutants_extensions as extensions
from . import pop3_mutants_mail as mail
from .pop3_server import Mutant

CLEAN: dict[str, Mutant] = {**dialogue.CLEAN, **extensions.CLEAN}
MUTANTS: dict[str, Mutant] = {**dialogue.MUTANTS, **mail.MUTANTS, **extensions.MUTANTS}
