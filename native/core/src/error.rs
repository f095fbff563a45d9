//! The one error type of the engine.

use std::fmt;

/// What went wrong, from a closed table (docs/errors.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "docs/errors.md describes each code once")]
pub enum Code {
    NotFound,
    AlreadyExists,
    PermissionDenied,
    Unauthenticated,
    RateLimited,
    Unavailable,
    RangeInvalid,
    OutOfSpace,
    Unsupported,
    WrongPassphrase,
    PassphraseRequired,
    Corrupt,
    Unrecoverable,
    Conflict,
    Locked,
    RolledBack,
    NotARepository,
    FormatTooNew,
    FormatTooOld,
    InvalidArgument,
    Closed,
    Aborted,
    Internal,
}

const NAMES: [(Code, &str); 23] = [
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
    (Code::RateLimited, "RATE_LIMITED"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::RangeInvalid, "RANGE_INVALID"),
    (Code::OutOfSpace, "OUT_OF_SPACE"),
    (Code::Unsupported, "UNSUPPORTED"),
    (Code::WrongPassphrase, "WRONG_PASSPHRASE"),
    (Code::PassphraseRequired, "PASSPHRASE_REQUIRED"),
    (Code::Corrupt, "CORRUPT"),
    (Code::Unrecoverable, "UNRECOVERABLE"),
    (Code::Conflict, "CONFLICT"),
    (Code::Locked, "LOCKED"),
    (Code::RolledBack, "ROLLED_BACK"),
    (Code::NotARepository, "NOT_A_REPOSITORY"),
    (Code::FormatTooNew, "FORMAT_TOO_NEW"),
    (Code::FormatTooOld, "FORMAT_TOO_OLD"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::Closed, "CLOSED"),
    (Code::Aborted, "ABORTED"),
    (Code::Internal, "INTERNAL"),
];

impl Code {
    /// The name that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self).map_or("INTERNAL", |(_, name)| name)
    }

    /// The code of a name; what is unknown is `Internal`.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        NAMES.iter().find(|(_, known)| *known == name).map_or(Self::Internal, |(code, _)| *code)
    }
}

/// An error: what happened, what was not harmed, what to do. Never holds a secret.
#[derive(Clone, Debug)]
pub struct Error {
    /// From the closed table.
    pub code: Code,
    /// For people.
    pub message: String,
    /// Pairs such as `key` → object name.
    pub context: Vec<(&'static str, String)>,
    /// The store operation that failed, when one did: its owner still has the original error.
    pub origin: Option<u32>,
}

/// Result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A new error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), context: Vec::new(), origin: None }
    }

    /// `CORRUPT`: stored bytes are not what was written.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Code::Corrupt, message)
    }

    /// `INVALID_ARGUMENT`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Adds a pair of context.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.context.push((name, value.into()));
        self
    }

    /// Whether the bytes are at fault (missing or wrong), so that another copy or parity may help. Errors of
    /// transport are not: a store that does not answer says nothing about what it holds.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.code, Code::Corrupt | Code::NotFound | Code::RangeInvalid)
    }

    /// Whether it says that bytes are at fault and that parity can't help either.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.code == Code::Unrecoverable || self.is_damage()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}
