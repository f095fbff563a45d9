//! Policies and histories, each with what is kept written out by hand; and what holds for every policy.

use std::collections::{BTreeMap, BTreeSet};

use packvault_core::format::time;
use packvault_core::verbs::prune::retention::{Candidate, Policy, Tags, Zone};
use proptest::prelude::*;

fn at(text: &str) -> i64 {
    let full = match text.len() {
        10 => format!("{text}T12:00:00.000Z"),
        13 => format!("{text}:00:00.000Z"),
        _ => format!("{text}:00.000Z"),
    };
    time::parse(&full).unwrap_or_else(|| panic!("{text} is no time"))
}

/// `last=2 days=3 tag=a:b by=service` as a policy.
fn policy(text: &str) -> Policy {
    let mut policy = Policy::default();
    for word in text.split_whitespace() {
        let (rule, value) = word.split_once('=').unwrap();
        let count = || Some(value.parse().unwrap());
        match rule {
            "last" => policy.keep_last = count(),
            "hours" => policy.keep_hours = count(),
            "days" => policy.keep_days = count(),
            "weeks" => policy.keep_weeks = count(),
            "months" => policy.keep_months = count(),
            "years" => policy.keep_years = count(),
            "tag" => policy.keep_tags.push(tags(value)),
            "by" => policy.group_by = value.split(',').map(str::to_owned).collect(),
            _ => panic!("{rule}"),
        }
    }
    policy
}

fn tags(text: &str) -> Tags {
    text.split(',')
        .filter(|t| !t.is_empty())
        .map(|t| t.split_once(':').unwrap())
        .map(|(n, v)| (n.into(), v.into()))
        .collect()
}

/// Snapshots as `time` or `time/name:value,name:value`; the positions that a policy keeps, as the same words.
fn kept<'a>(policy_text: &str, history: &'a str, zone: &Zone) -> Vec<&'a str> {
    let words: Vec<&str> = history.split_whitespace().collect();
    let parts: Vec<(i64, Tags)> = words
        .iter()
        .map(|word| word.split_once('/').map_or_else(|| (at(word), Tags::new()), |(time, t)| (at(time), tags(t))))
        .collect();
    let ids: Vec<String> = (0..parts.len()).map(|i| format!("{i:032x}")).collect();
    let all: Vec<Candidate> =
        parts.iter().zip(&ids).map(|((time, tags), id)| Candidate { id, time: *time, created_at: "", tags }).collect();
    policy(policy_text).keep(&all, zone).into_iter().map(|i| words[i]).collect()
}

#[test]
fn of_one_second_of_the_store_the_snapshot_that_was_made_last_is_the_newest() {
    let (none, second) = (Tags::new(), at("2026-11-24"));
    let made =
        [("2026-11-24T12:00:00.092Z", "ee"), ("2026-11-24T12:00:00.368Z", "11"), ("2026-11-24T12:00:00.363Z", "dd")];
    let all = made.map(|(created_at, id)| Candidate { id, time: second, created_at, tags: &none });
    assert_eq!(policy("last=1").keep(&all, &Zone::default()), BTreeSet::from([1]));
    assert_eq!(policy("last=2").keep(&all, &Zone::default()), BTreeSet::from([1, 2]));
}

fn check(table: &[(&str, &str, &str)], zone: &Zone) {
    for (policy, history, expected) in table {
        assert_eq!(
            kept(policy, history, zone),
            expected.split_whitespace().collect::<Vec<_>>(),
            "{policy} on {history}"
        );
    }
}

/// Five days, one each; 2026-11-20 is a Friday.
const DAYS: &str = "2026-11-16 2026-11-17 2026-11-18 2026-11-19 2026-11-20";
/// Three on each of two days.
const BUSY: &str = "2026-11-19T08 2026-11-19T12 2026-11-19T20 2026-11-20T08 2026-11-20T12 2026-11-20T20";
/// First of each month over a year's end.
const MONTHS: &str = "2026-09-01 2026-10-01 2026-11-01 2026-12-01 2027-01-01 2027-02-01";
/// Mondays and Sundays: weeks begin on Monday.
const WEEKS: &str = "2026-11-02 2026-11-08 2026-11-09 2026-11-15 2026-11-16 2026-11-22";

#[test]
fn each_rule_keeps_the_newest_of_its_periods() {
    check(
        &[
            ("last=1", DAYS, "2026-11-20"),
            ("last=2", DAYS, "2026-11-19 2026-11-20"),
            ("last=5", DAYS, DAYS),
            ("last=99", DAYS, DAYS),
            ("days=1", DAYS, "2026-11-20"),
            ("days=3", DAYS, "2026-11-18 2026-11-19 2026-11-20"),
            ("days=5", DAYS, DAYS),
            ("days=1", BUSY, "2026-11-20T20"),
            ("days=2", BUSY, "2026-11-19T20 2026-11-20T20"),
            // Room is left: the oldest stays, so that history grows to its full length.
            ("days=3", BUSY, "2026-11-19T08 2026-11-19T20 2026-11-20T20"),
            ("days=9", BUSY, "2026-11-19T08 2026-11-19T20 2026-11-20T20"),
            ("hours=1", BUSY, "2026-11-20T20"),
            ("hours=4", BUSY, "2026-11-19T20 2026-11-20T08 2026-11-20T12 2026-11-20T20"),
            ("hours=2", "2026-11-20T08:05 2026-11-20T08:50 2026-11-20T09:10", "2026-11-20T08:50 2026-11-20T09:10"),
            (
                "hours=3",
                "2026-11-20T08:05 2026-11-20T08:50 2026-11-20T09:10",
                "2026-11-20T08:05 2026-11-20T08:50 2026-11-20T09:10",
            ),
            ("hours=1", "2026-11-20T08:59 2026-11-20T09:00", "2026-11-20T09:00"),
            ("weeks=1", WEEKS, "2026-11-22"),
            ("weeks=2", WEEKS, "2026-11-15 2026-11-22"),
            ("weeks=3", WEEKS, "2026-11-08 2026-11-15 2026-11-22"),
            ("weeks=4", WEEKS, "2026-11-02 2026-11-08 2026-11-15 2026-11-22"),
            ("weeks=2", "2026-12-28 2027-01-03 2027-01-04", "2027-01-03 2027-01-04"),
            ("months=1", MONTHS, "2027-02-01"),
            ("months=3", MONTHS, "2026-12-01 2027-01-01 2027-02-01"),
            ("months=2", "2026-01-31 2026-02-01 2026-02-28", "2026-01-31 2026-02-28"),
            ("years=1", MONTHS, "2027-02-01"),
            ("years=2", MONTHS, "2026-12-01 2027-02-01"),
            ("years=3", MONTHS, "2026-09-01 2026-12-01 2027-02-01"),
            ("years=2", "2024-02-29 2024-12-31 2025-01-01", "2024-12-31 2025-01-01"),
        ],
        &Zone::default(),
    );
}

#[test]
fn rules_add_up_and_gaps_do_not_count() {
    let gaps = "2026-01-05 2026-03-10 2026-03-11 2026-07-01 2026-11-20";
    check(
        &[
            ("last=1 days=2", DAYS, "2026-11-19 2026-11-20"),
            ("last=3 days=1", BUSY, "2026-11-20T08 2026-11-20T12 2026-11-20T20"),
            ("days=2 months=2", gaps, "2026-07-01 2026-11-20"),
            ("days=3", gaps, "2026-03-11 2026-07-01 2026-11-20"),
            ("days=1 months=3", gaps, "2026-03-11 2026-07-01 2026-11-20"),
            ("days=2 months=4 years=1", gaps, "2026-01-05 2026-03-11 2026-07-01 2026-11-20"),
            ("last=0 days=1", DAYS, "2026-11-20"),
            ("hours=1 weeks=2", WEEKS, "2026-11-15 2026-11-22"),
            ("days=1", "2026-11-20", "2026-11-20"),
            ("years=5", "2026-11-20", "2026-11-20"),
            ("last=1", "", ""),
        ],
        &Zone::default(),
    );
}

#[test]
fn groups_and_tags() {
    let two = "2026-11-18/service:db 2026-11-19/service:web 2026-11-20/service:db";
    let mixed = "2026-11-17/service:db 2026-11-18 2026-11-19/service:db,host:a 2026-11-20/service:db,host:b";
    check(
        &[
            ("last=1", two, "2026-11-20/service:db"),
            ("last=1 by=service", two, "2026-11-19/service:web 2026-11-20/service:db"),
            ("last=2 by=service", two, two),
            ("days=1 by=service", mixed, "2026-11-18 2026-11-20/service:db,host:b"),
            ("last=1 by=service,host", mixed, mixed),
            ("last=1 by=nothing", mixed, "2026-11-20/service:db,host:b"),
            ("tag=host:a", mixed, "2026-11-19/service:db,host:a 2026-11-20/service:db,host:b"),
            ("tag=service:db,host:a", mixed, "2026-11-19/service:db,host:a 2026-11-20/service:db,host:b"),
            (
                "last=1 tag=service:db",
                mixed,
                "2026-11-17/service:db 2026-11-19/service:db,host:a 2026-11-20/service:db,host:b",
            ),
            ("tag=host:none", mixed, "2026-11-20/service:db,host:b"),
            ("tag=host:a tag=host:b", mixed, "2026-11-19/service:db,host:a 2026-11-20/service:db,host:b"),
        ],
        &Zone::default(),
    );
}

#[test]
fn a_time_zone_moves_the_calendar() {
    // New York: UTC−5, from 2026-03-08T07:00Z UTC−4, from 2026-11-01T06:00Z UTC−5 again.
    let new_york = Zone(vec![(0, -300), (at("2026-03-08T07"), -240), (at("2026-11-01T06"), -300)]);
    let evening = "2026-11-19T18 2026-11-20T03 2026-11-20T18";
    assert_eq!(kept("days=1", evening, &Zone::default()), ["2026-11-20T18"]);
    assert_eq!(kept("days=2", evening, &Zone::default()), ["2026-11-19T18", "2026-11-20T18"]);
    assert_eq!(kept("days=2", evening, &new_york), ["2026-11-20T03", "2026-11-20T18"]);
    // 04:30Z is 00:30 in summer and 23:30 of the day before in winter.
    assert_eq!(
        kept("days=2", "2026-07-01T03:00 2026-07-01T04:30 2026-07-01T20:00", &new_york),
        ["2026-07-01T03:00", "2026-07-01T20:00"]
    );
    assert_eq!(
        kept("days=2", "2026-12-01T03:00 2026-12-01T04:30 2026-12-01T20:00", &new_york),
        ["2026-12-01T04:30", "2026-12-01T20:00"]
    );
    // The hour that comes twice in autumn has one name.
    assert_eq!(kept("hours=1", "2026-11-01T05:10 2026-11-01T06:20", &new_york), ["2026-11-01T06:20"]);
    let tokyo = Zone(vec![(0, 540)]);
    assert_eq!(kept("months=2", "2026-10-31T16 2026-11-10", &tokyo), ["2026-10-31T16", "2026-11-10"]);
    assert_eq!(kept("months=1", "2026-10-31T16 2026-10-31T14", &tokyo), ["2026-10-31T16"]);
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let count = || prop_oneof![Just(None), (0_u32..5).prop_map(Some)];
    let tags =
        proptest::collection::vec((0_u8..3).prop_map(|v| BTreeMap::from([("t".to_owned(), v.to_string())])), 0..2);
    (count(), count(), count(), count(), count(), count(), tags, any::<bool>()).prop_map(
        |(last, hours, days, weeks, months, years, keep_tags, group)| Policy {
            keep_last: last,
            keep_hours: hours,
            keep_days: days,
            keep_weeks: weeks,
            keep_months: months,
            keep_years: years,
            keep_tags,
            group_by: if group { vec!["t".into()] } else { Vec::new() },
        },
    )
}

fn any_history() -> impl Strategy<Value = Vec<(i64, Tags)>> {
    let tags = (0_u8..3).prop_map(|v| BTreeMap::from([("t".to_owned(), v.to_string())]));
    // A few years by the hour.
    proptest::collection::vec(((0_i64..30_000).prop_map(|h| h * 3_600_000 + 1_600_000_000_000), tags), 0..40)
}

fn run(policy: &Policy, history: &[(i64, Tags)]) -> BTreeSet<usize> {
    let ids: Vec<String> = (0..history.len()).map(|i| format!("{i:032x}")).collect();
    let all: Vec<Candidate> = history
        .iter()
        .zip(&ids)
        .map(|((time, tags), id)| Candidate { id, time: *time, created_at: "", tags })
        .collect();
    policy.keep(&all, &Zone::default())
}

proptest! {
    #[test]
    fn keeping_more_never_removes_more(policy in any_policy(), history in any_history(), rule in 0_usize..6, more in 1_u32..4) {
        let mut wider = policy.clone();
        let field = [
            &mut wider.keep_last, &mut wider.keep_hours, &mut wider.keep_days,
            &mut wider.keep_weeks, &mut wider.keep_months, &mut wider.keep_years,
        ].into_iter().nth(rule).unwrap();
        *field = Some(field.unwrap_or(0) + more);
        prop_assert!(run(&policy, &history).is_subset(&run(&wider, &history)));
    }

    #[test]
    fn the_newest_of_each_group_stays_and_the_order_of_the_list_does_not_matter(policy in any_policy(), history in any_history()) {
        let kept = run(&policy, &history);
        let group = |i: usize| policy.group_by.iter().map(|n| history[i].1.get(n).cloned()).collect::<Vec<_>>();
        for i in 0..history.len() {
            let newest = (0..history.len()).filter(|&j| group(j) == group(i)).max_by_key(|&j| (history[j].0, j)).unwrap();
            prop_assert!(kept.contains(&newest));
        }
        let times = |kept: &BTreeSet<usize>, all: &[(i64, Tags)]| {
            let mut times: Vec<i64> = kept.iter().map(|&i| all[i].0).collect();
            times.sort_unstable();
            times
        };
        let mut unique = history.clone();
        unique.sort_by_key(|(time, _)| *time);
        unique.dedup_by_key(|(time, _)| *time);
        let reversed: Vec<_> = unique.iter().rev().cloned().collect();
        prop_assert_eq!(times(&run(&policy, &unique), &unique), times(&run(&policy, &reversed), &reversed));
    }
}

#[test]
fn a_policy_that_keeps_nothing_is_no_policy() {
    for nothing in
        [Policy::default(), policy("last=0 days=0"), Policy { keep_tags: vec![Tags::new()], ..Policy::default() }]
    {
        assert!(nothing.check().is_err());
    }
    for something in ["last=1", "years=1", "tag=a:b"] {
        assert!(policy(something).check().is_ok());
    }
}
