//! Questions over a store with known rows: answers are checked against plain sums, and what a tenant may see against all else.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use super::sample::{at, rows, store};
use super::scope::{Owned, Scope};
use super::*;
use crate::ledger::row::{End, Row};
use crate::ledger::totals::UsageSum;
use crate::store::{Memory, Store, Table, Write};
use crate::terms::ModelPattern;

fn now() -> SystemTime {
    at("2027-01-21")
}

fn ask(store: &Memory, filter: &Filter, by: &str) -> Answer {
    let by = Dimension::parse_list(by).unwrap();
    answer(
        store,
        &Question::new(Scope::Everything, filter.clone(), by),
        now(),
    )
    .unwrap()
}

/// The same from a plain list of rows.
fn plain(rows: &[Row], filter: &Filter, by: &str) -> Vec<(Vec<String>, u64, u64)> {
    let by = Dimension::parse_list(by).unwrap();
    let question = Question::new(Scope::Everything, filter.clone(), by.clone());
    let mut groups: BTreeMap<Vec<String>, UsageSum> = BTreeMap::new();
    for row in rows.iter().filter(|row| question.picks(*row).is_some()) {
        let values = by.iter().map(|dimension| dimension.value(row).into_owned());
        groups.entry(values.collect()).or_default().add(row);
    }
    let groups = groups.into_iter();
    groups
        .map(|(values, sum)| (values, sum.exchanges, sum.usage.input()))
        .collect()
}

fn brief(answer: &Answer) -> Vec<(Vec<String>, u64, u64)> {
    let groups = answer.groups.iter();
    groups
        .map(|group| (group.values.clone(), group.sums.exchanges, group.sums.input))
        .collect()
}

fn between(from: Option<&str>, to: Option<&str>) -> Filter {
    Filter {
        from: from.map(at),
        to: to.map(at),
        ..Filter::default()
    }
}

fn labelled(label: Label, value: &str) -> Filter {
    Filter {
        labels: BTreeMap::from([(label, value.to_owned())]),
        ..Filter::default()
    }
}

#[test]
fn answers_are_the_sums_of_rows_however_they_are_grouped_and_filtered() {
    let rows = rows();
    let store = store(&rows);
    let groupings = [
        "",
        "day",
        "hour",
        "week,model",
        "month,tenant",
        "tenant,model,day",
        "project,user,key",
        "upstream,upstream_model",
        "operation",
        "tag:team,tenant",
        "tag:nothing",
    ];
    let filters = [
        Filter::default(),
        between(Some("2027-01-12"), Some("2027-01-15")),
        between(Some("2027-01-12T05:06:07Z"), Some("2027-01-15T20:00:00Z")),
        between(Some("2027-01-12T05:00:00Z"), Some("2027-01-12T20:00:00Z")),
        between(Some("2027-01-12T05:00:00Z"), Some("2027-01-13T00:00:00Z")),
        between(Some("2027-01-12T05:00:00Z"), Some("2027-01-13T04:00:00Z")),
        between(Some("2027-01-19T05:00:00Z"), None),
        between(None, Some("2027-01-11T11:00:00Z")),
        between(Some("2028-01-01"), None),
        between(None, Some("2026-01-01T01:00:00Z")),
        between(Some("2027-01-15"), Some("2027-01-12")),
        labelled(Label::Tenant, "acme"),
        labelled(Label::Operation, "embeddings"),
        labelled(Label::UpstreamModel, "real-m1"),
        Filter {
            model: Some(ModelPattern::parse("m[12]").unwrap()),
            ..Filter::default()
        },
        Filter {
            model: Some(ModelPattern::parse("/m[12]/").unwrap()),
            ..between(Some("2027-01-13T01:00:00Z"), None)
        },
        Filter {
            tags: BTreeMap::from([("team".to_owned(), "t1".to_owned())]),
            ..Filter::default()
        },
        Filter {
            status: Some(StatusFilter::Class(5)),
            ..Filter::default()
        },
        Filter {
            end: Some(End::Failed),
            ..Filter::default()
        },
    ];
    for filter in &filters {
        for by in groupings {
            let answer = ask(&store, filter, by);
            assert_eq!(
                brief(&answer),
                plain(&rows, filter, by),
                "by {by}: {filter:?}"
            );
            assert_eq!(answer.incomplete_before, None);
        }
    }
    let all = &ask(&store, &Filter::default(), "").groups[0].sums;
    assert_eq!(
        (all.exchanges, all.estimated, all.incomplete),
        (200, 50, 40)
    );
    assert_eq!(
        (all.cached, all.cache_write, all.reasoning),
        (600, 400, 200)
    );
    assert_eq!(all.cost.nanos(), (0..200).sum::<i64>() * 1_000);
}

/// Totals alone answer what they can: with the rows gone, whole days are still told.
#[test]
fn whole_days_need_no_rows() {
    let rows = rows();
    let store = store(&rows);
    let mut gone = Vec::new();
    store
        .scan(Table::Rows, &[], None, &mut |key, _| {
            gone.push(Write::delete(Table::Rows, key));
            ControlFlow::Continue(())
        })
        .unwrap();
    store.commit(gone).unwrap();
    for (filter, by) in [
        (
            Filter::default(),
            "day,tenant,project,user,key,model,upstream",
        ),
        (between(Some("2027-01-12"), Some("2027-01-15")), "week"),
        (labelled(Label::User, "u1"), "month"),
    ] {
        assert_eq!(brief(&ask(&store, &filter, by)), plain(&rows, &filter, by));
    }
    assert_eq!(ask(&store, &Filter::default(), "hour").groups, []);
}

#[test]
fn too_many_groups_are_refused_with_their_number() {
    let store = store(&rows());
    for by in ["hour", "day"] {
        let by = Dimension::parse_list(by).unwrap();
        let question = Question::new(Scope::Everything, Filter::default(), by);
        let error = answer_within(&store, &question, now(), 5).unwrap_err();
        assert_eq!(error, AnswerError::TooManyGroups(TooManyGroups { max: 5 }));
        assert!(error.to_string().contains("more than 5 groups"), "{error}");
        assert!(answer_within(&store, &question, now(), 200).is_ok());
    }
}

/// No filter, grouping, page or cursor shows a tenant anything of another's.
#[test]
fn a_tenant_is_shown_its_own_whatever_it_asks() {
    let rows = rows();
    let store = store(&rows);
    let own = rows.iter().filter(|row| row.tenant() == "acme").count();
    let scope = || Scope::Tenant("acme".to_owned());
    let filters = [
        Filter::default(),
        labelled(Label::Tenant, "acme"),
        labelled(Label::Tenant, "beta"),
        labelled(Label::Tenant, ""),
        labelled(Label::User, "u1"),
        labelled(Label::Key, "ab12cd34ef56"),
        labelled(Label::Upstream, "here"),
        between(Some("2027-01-12T05:00:00Z"), None),
        Filter {
            model: Some(ModelPattern::parse("*").unwrap()),
            ..Filter::default()
        },
        Filter {
            status: Some(StatusFilter::Code(200)),
            ..Filter::default()
        },
    ];
    for filter in filters {
        let ask =
            |by: &str| Question::new(scope(), filter.clone(), Dimension::parse_list(by).unwrap());
        for by in [
            "tenant",
            "hour,tenant",
            "tag:team,tenant",
            "day,tenant,user",
        ] {
            let place = by.split(',').position(|name| name == "tenant").unwrap();
            let groups = answer(&store, &ask(by), now()).unwrap().groups;
            for group in groups {
                assert_eq!(group.values[place], "acme", "by {by}: {filter:?}");
            }
        }
        let mut seen = 0;
        each_row(&store, &ask(""), &mut |row| {
            assert_eq!(row.tenant(), "acme", "{filter:?}");
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(seen <= own);
        // A cursor of an operator's listing opens nothing.
        let operators = Question::new(Scope::Everything, Filter::default(), Vec::new());
        let cursor = page(&store, &operators, None, 10).unwrap().next.unwrap();
        let page = page(&store, &ask(""), Some(&cursor), 1_000).unwrap();
        assert!(
            page.rows.iter().all(|row| row.tenant() == "acme"),
            "{filter:?}"
        );
    }
    let others = Question::new(scope(), labelled(Label::Tenant, "beta"), Vec::new());
    assert_eq!(answer(&store, &others, now()).unwrap().groups, []);
    let everything = Question::new(scope(), Filter::default(), Vec::new());
    let sums = answer(&store, &everything, now()).unwrap().groups[0].sums;
    assert_eq!(sums.exchanges, own as u64);
}

#[test]
fn listings_are_read_in_pages() {
    let mut rows = rows();
    // Some share blocks.
    for row in rows.iter_mut().skip(100).take(50) {
        row.at = at("2027-01-16T00:00:00Z") + Duration::from_millis(row.id[0].into());
    }
    rows.sort_by_key(|row| row.at);
    let store = store(&rows);
    for (filter, size) in [
        (Filter::default(), 1),
        (Filter::default(), 7),
        (Filter::default(), 200),
        (labelled(Label::Tenant, "beta"), 5),
        (
            between(Some("2027-01-16T00:00:00.110Z"), Some("2027-01-17")),
            4,
        ),
    ] {
        let question = Question::new(Scope::Everything, filter.clone(), Vec::new());
        let expected: Vec<&Row> = rows
            .iter()
            .filter(|row| question.picks(*row).is_some())
            .collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = page(&store, &question, after.as_ref(), size).unwrap();
            assert!(page.rows.len() <= size);
            found.extend(page.rows.into_iter().map(|row| row.into_inner()));
            let Some(next) = page.next else { break };
            after = Some(Cursor::parse(&next.text()).unwrap());
        }
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "{filter:?} by {size}"
        );
    }
    for bad in [
        "",
        "-",
        "0-",
        "-1",
        "0-1",
        "xx-1",
        "é-1",
        "00-99999999999",
        &format!("{}-1", "00".repeat(65)),
    ] {
        assert!(Cursor::parse(bad).is_err(), "{bad}");
    }
}
