//! `/metrics` as a scraper reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::{get, settled};

/// A page of metrics: each series with its value.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut helped, mut typed) = ("", "");
    assert!(page.ends_with('\n'));
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and its help");
            assert!(!help.is_empty() && families.insert(name), "{name} stands once, with a help");
            helped = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and its type");
            assert_eq!(name, helped, "the type follows the help");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            typed = name;
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a series and its value");
            let name = sample.split('{').next().unwrap();
            assert_eq!(name, typed, "a sample stands under its family");
            assert!(name.starts_with("felhom_agent_"), "{line}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            if let Some(labels) = sample.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("braces");
                for label in inner.split(',') {
                    let (_, value) = label.split_once('=').expect("a label");
                    assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
                }
            }
            let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(series.insert(sample.to_owned(), value).is_none(), "{sample} stands once");
        }
    }
    series
}

#[test]
fn the_metrics_are_well_formed_and_true() {
    let (stage, daemon) = settled();
    daemon.until("a report, and nobody at work", || {
        let page = get(&stage, "/metrics").body;
        page.contains("{result=\"arrived\"} 1") && page.contains("\nfelhom_agent_busy_guests 0\n")
    });
    let page = get(&stage, "/metrics");
    assert!(page.head.contains("text/plain; version=0.0.4"), "{page:?}");
    let series = parse(&page.body);
    let value = |name: &str| {
        let name = format!("felhom_agent_{name}");
        *series.get(&name).unwrap_or_else(|| panic!("no {name} in\n{}", page.body))
    };
    for (name, expected) in [
        ("build_info{version=\"0.1.0\"}", 1.0),
        ("control_answers", 1.0),
        ("condition{type=\"Ready\",status=\"false\"}", 1.0),
        ("condition{type=\"Ready\",status=\"true\"}", 0.0),
        ("resources{state=\"ready\"}", 1.0),
        ("resources{state=\"held\"}", 1.0),
        ("resources{state=\"invalid_spec\"}", 1.0),
        ("resources{state=\"failed\"}", 0.0),
        ("paused", 0.0),
        ("manifest_generation", 3.0),
        ("busy_guests", 0.0),
        ("journal_state{state=\"sound\"}", 1.0),
        ("clock_trusted", 1.0),
        ("ops_open", 0.0),
        ("reports_total{result=\"failed\"}", 0.0),
    ] {
        assert!((value(name) - expected).abs() < f64::EPSILON, "{name} is {}\n{}", value(name), page.body);
    }
    assert!(value("looks_total") >= 1.0 && value("start_time_seconds") > 1.0e9);
    assert!(value("last_report_timestamp_seconds") > 1.0e9);
    daemon.stop();
}
