"""What can be wrong with a repository, each with the word that restore.py prints."""


class FormatError(Exception):
    code = "DAMAGED"


class Damaged(FormatError):
    """Bytes do not verify, or are missing."""


class TooNew(FormatError):
    code = "TOO_NEW"


class TooOld(FormatError):
    code = "TOO_OLD"


class NotARepository(FormatError):
    code = "NOT_A_REPOSITORY"


class WrongPassphrase(FormatError):
    code = "WRONG_PASSPHRASE"


class PassphraseRequired(FormatError):
    code = "PASSPHRASE_REQUIRED"


class PassphraseUnwanted(FormatError):
    """A passphrase is given, but the store shows an unencrypted repository: a store must not downgrade its reader."""

    code = "PASSPHRASE_UNWANTED"
