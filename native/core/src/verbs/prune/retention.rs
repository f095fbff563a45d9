//! Which snapshots a policy keeps. Pure: times and tags in, positions out.
//!
//! The rules are those that users of restic know (forget with `--keep-last` to `--keep-yearly`): a rule goes from the newest snapshot to the
//! oldest and keeps the newest one of each calendar period in which there are any, until it has kept as many as it says; while it has
//! room left, the oldest snapshot of a group stays, too. Rules add up. The newest snapshot of a group is always kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::time;

/// Tag names and values.
pub type Tags = BTreeMap<String, String>;

/// What to keep. A rule that is absent keeps nothing by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// The newest ones.
    pub keep_last: Option<u32>,
    /// The newest of an hour, for so many hours that have any.
    pub keep_hours: Option<u32>,
    /// Of a day.
    pub keep_days: Option<u32>,
    /// Of a week, which begins on Monday (ISO 8601).
    pub keep_weeks: Option<u32>,
    /// Of a month.
    pub keep_months: Option<u32>,
    /// Of a year.
    pub keep_years: Option<u32>,
    /// Every snapshot that has all tags of one of these.
    pub keep_tags: Vec<Tags>,
    /// The policy goes to each group of snapshots that agree in these tags; one without the tag is a value of its own.
    pub group_by: Vec<String>,
}

/// When local time changes: (from this moment, in milliseconds since 1970; offset from UTC in minutes), in ascending order. Before the first, and
/// without any, it is UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone(pub Vec<(i64, i32)>);

impl Zone {
    /// Local time as if it were UTC.
    fn local(&self, ms: i64) -> i64 {
        let next = self.0.partition_point(|(from, _)| *from <= ms);
        let minutes = next.checked_sub(1).map_or(0, |i| i64::from(self.0[i].1));
        ms.saturating_add(minutes * 60_000)
    }
}

/// A snapshot, as far as retention looks at it.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its id: orders snapshots that say one moment.
    pub id: &'a str,
    /// Its effective time (docs/format.md §14), in milliseconds since 1970.
    pub time: i64,
    /// When it says that it was made, as stored. Orders snapshots of one effective time: many stores tell time in whole seconds.
    pub created_at: &'a str,
    /// Its tags.
    pub tags: &'a Tags,
}

/// Names the calendar period of a local time in milliseconds.
type Period = fn(i64) -> String;

/// How many characters of an RFC 3339 time name the period: `2026-11-24T10`, `2026-11-24`, `2026-11`, `2026`.
const HOUR: usize = 13;
const DAY: usize = 10;
const MONTH: usize = 7;
const YEAR: usize = 4;

impl Policy {
    /// `INVALID_ARGUMENT` for a policy that keeps nothing.
    pub fn check(&self) -> Result<()> {
        let counts =
            [self.keep_last, self.keep_hours, self.keep_days, self.keep_weeks, self.keep_months, self.keep_years];
        let tags = self.keep_tags.iter().any(|tags| !tags.is_empty());
        if counts.iter().flatten().any(|count| *count > 0) || tags {
            return Ok(());
        }
        Err(Error::invalid(
            "A retention policy must keep something: give at least one keep rule above 0. Nothing was removed.",
        ))
    }

    /// Positions of the snapshots to keep.
    #[must_use]
    pub fn keep(&self, all: &[Candidate], zone: &Zone) -> BTreeSet<usize> {
        let mut groups: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
        for (i, candidate) in all.iter().enumerate() {
            let group = self.group_by.iter().map(|name| candidate.tags.get(name).map(String::as_str)).collect();
            groups.entry(group).or_default().push(i);
        }
        let mut kept = BTreeSet::new();
        for mut group in groups.into_values() {
            let age = |i: usize| (all[i].time, all[i].created_at, all[i].id);
            group.sort_by(|&a, &b| age(b).cmp(&age(a)));
            kept.extend(group.first());
            self.keep_of_group(all, &group, zone, &mut kept);
        }
        kept
    }

    /// `group`: newest first.
    fn keep_of_group(&self, all: &[Candidate], group: &[usize], zone: &Zone, kept: &mut BTreeSet<usize>) {
        let tagged = |i: &&usize| self.keep_tags.iter().any(|wanted| has_all(all[**i].tags, wanted));
        kept.extend(group.iter().filter(tagged));
        kept.extend(group.iter().take(self.keep_last.unwrap_or(0) as usize));
        let rules: [(Option<u32>, Period); 5] = [
            (self.keep_hours, |ms| period(ms, HOUR)),
            (self.keep_days, |ms| period(ms, DAY)),
            (self.keep_weeks, week),
            (self.keep_months, |ms| period(ms, MONTH)),
            (self.keep_years, |ms| period(ms, YEAR)),
        ];
        for (count, bucket) in rules {
            let mut left = count.unwrap_or(0);
            let mut last = None;
            for (place, &i) in group.iter().enumerate() {
                let this = Some(bucket(zone.local(all[i].time)));
                if left > 0 && (this != last || place + 1 == group.len()) {
                    kept.insert(i);
                    left -= 1;
                    last = this;
                }
            }
        }
    }
}

fn has_all(tags: &Tags, wanted: &Tags) -> bool {
    !wanted.is_empty() && wanted.iter().all(|(name, value)| tags.get(name) == Some(value))
}

fn period(ms: i64, len: usize) -> String {
    time::format(ms)[..len].to_owned()
}

/// The Monday of the week.
fn week(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let days = ms.div_euclid(DAY_MS);
    // 1970-01-01 was a Thursday.
    let monday = days - (days + 3).rem_euclid(7);
    period(monday * DAY_MS, DAY)
}
