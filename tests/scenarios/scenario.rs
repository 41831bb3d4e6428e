//! The files: what is served, what is asked, what is expected.

use std::fs;
use std::path::Path;

use crate::expected::Expected;
use crate::query::Query;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Scenario {
    /// Each by its name, with its text.
    pub(crate) zones: Vec<(String, String)>,
    pub(crate) policies: String,
    /// Keys of `[server]`, then further tables.
    pub(crate) server: String,
    pub(crate) cases: Vec<Case>,
}

/// A question and its answer.
#[derive(Debug)]
pub(crate) struct Case {
    /// Where it stands in the file.
    pub(crate) line: usize,
    /// The RFCs that the comment above it names, with their sections.
    pub(crate) rfc: String,
    pub(crate) query: Query,
    pub(crate) expected: Expected,
}

impl Scenario {
    pub(crate) fn read(path: &Path) -> Scenario {
        let text = fs::read_to_string(path).unwrap();
        let mut scenario = Scenario::default();
        let (mut part, mut rfc) = (String::new(), String::new());
        for (index, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("=== ") {
                part = title.to_owned();
                if let Some(zone) = title.strip_prefix("zone ") {
                    scenario.zones.push((zone.to_owned(), String::new()));
                }
                continue;
            }
            let into = match part.as_str() {
                "policies" => &mut scenario.policies,
                "server" => &mut scenario.server,
                "queries" => {
                    let place = format!("{}:{}", path.display(), index + 1);
                    scenario.query_line(line, index + 1, &mut rfc, &place);
                    continue;
                }
                zone if zone.starts_with("zone ") => &mut scenario.zones.last_mut().unwrap().1,
                other => panic!("{}:{}: a part named `{other}`", path.display(), index + 1),
            };
            into.push_str(line);
            into.push('\n');
        }
        assert!(!scenario.cases.is_empty(), "{} asks nothing", path.display());
        scenario
    }

    fn query_line(&mut self, line: &str, number: usize, rfc: &mut String, place: &str) {
        let Some((mark, rest)) = line.split_once(' ').filter(|(mark, _)| *mark != "#") else {
            assert!(line.is_empty() || line.starts_with('#'), "{place}: {line}");
            if let Some(sections) = line.strip_prefix("# RFC ") {
                *rfc = format!("RFC {}", sections.split(':').next().unwrap());
            }
            return;
        };
        if mark == ">" {
            let (query, expected) = (Query::read(rest), Expected::default());
            self.cases.push(Case { line: number, rfc: rfc.clone(), query, expected });
            return;
        }
        let case = self.cases.last_mut().expect("a question before its answer");
        match mark {
            "<" => case.expected = Expected::read(rest, &case.query),
            "an" => case.expected.add(0, rest),
            "au" | "au?" => case.expected.add(1, rest),
            "ad" | "ad?" => case.expected.add(2, rest),
            other => panic!("{place}: `{other}` is no mark"),
        }
    }
}
