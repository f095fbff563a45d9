//! What befalls one process: seeded, so that the same seed has the same weather.

use packvault_core::error::Code;

use crate::Random;
use crate::link::When;

/// What befalls an operation.
pub(crate) enum Blow {
    Crash(When),
    Fail(When, Code),
    /// The answer never comes; the mutation takes effect after so many operations of all processes.
    Late(u64),
    /// The mutation takes effect now, and once more after so many operations of all processes.
    Twice(u64),
}

/// How often something goes wrong: once in so many operations; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The process dies, at a mutation.
    pub crash: usize,
    /// An operation fails; half of these mutations take effect all the same.
    pub fail: usize,
    /// A mutation takes effect much later.
    pub late: usize,
    /// The process stands still for long.
    pub pause: usize,
    /// A mutation takes effect twice, the second time much later: a request that something on the way repeated.
    pub twice: usize,
    /// Listings come in pages of at most so many objects, and others work between two pages.
    pub page: usize,
}

impl Rates {
    /// Nothing ever goes wrong.
    pub const CALM: Self = Self { crash: 0, fail: 0, late: 0, pause: 0, twice: 0, page: 0 };
}

/// The weather of one process.
pub struct Weather {
    random: Random,
    rates: Rates,
}

const CODES: [Code; 6] = [
    Code::Unavailable,
    Code::RateLimited,
    Code::PermissionDenied,
    Code::Unauthenticated,
    Code::OutOfSpace,
    Code::Unavailable,
];

impl Weather {
    /// Weather of a seed.
    #[must_use]
    pub fn new(seed: u64, rates: Rates) -> Self {
        Self { random: Random::new(seed), rates }
    }

    fn strikes(&mut self, rate: usize) -> bool {
        rate > 0 && self.random.below(rate) == 0
    }

    pub(crate) fn blow(&mut self, mutates: bool) -> Option<Blow> {
        let when = [When::Before, When::After, When::Torn][self.random.below(3)];
        if mutates && self.strikes(self.rates.crash) {
            return Some(Blow::Crash(when));
        }
        if mutates && self.strikes(self.rates.late) {
            return Some(Blow::Late(self.delay()));
        }
        if mutates && self.strikes(self.rates.twice) {
            return Some(Blow::Twice(self.delay()));
        }
        if self.strikes(self.rates.fail) {
            let code = CODES[self.random.below(CODES.len())];
            // Only of what takes time can it be unknown whether it was done.
            let lost = mutates && matches!(code, Code::Unavailable);
            return Some(Blow::Fail(if lost { when } else { When::Before }, code));
        }
        None
    }

    /// Anything from the next few operations to long after several rounds.
    fn delay(&mut self) -> u64 {
        let scale = [3, 30, 300, 3_000][self.random.below(4)];
        1 + self.random.below(scale) as u64
    }

    /// Objects of the next page of a listing; `None` if it comes in one piece.
    pub(crate) fn page(&mut self) -> Option<usize> {
        (self.rates.page > 0).then(|| 1 + self.random.below(self.rates.page))
    }

    /// Turns to stand still, one for an hour of the store's clock; at most 30 days.
    pub(crate) fn pause(&mut self) -> usize {
        if self.strikes(self.rates.pause) { 1 + self.random.below(720) } else { 0 }
    }
}
