//! The files: what is served, what is asked, what is expected.

use std::fs;
use std::path::Path;

use ipnet::IpNet;
use meridian::wire::{Name, Type};

use crate::reply::Told;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Scenario {
    /// Each by its name, with its text.
    pub(crate) zones: Vec<(String, String)>,
    pub(crate) policies: String,
    pub(crate) server: String,
    pub(crate) cases: Vec<Case>,
}

/// A question and its answer.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// Where it stands in the file.
    pub(crate) line: usize,
    name: String,
    rtype: String,
    options: Vec<String>,
    expected: Told,
    /// How many records the answer has, where they are too many to be written out.
    records: Option<usize>,
    any_additional: bool,
    truncated_over_udp: bool,
}

impl Scenario {
    pub(crate) fn read(path: &Path) -> Scenario {
        let text = fs::read_to_string(path).unwrap();
        let mut scenario = Scenario::default();
        let mut part = String::new();
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
                    scenario.query_line(line, index + 1);
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

    fn query_line(&mut self, line: &str, number: usize) {
        let Some((mark, rest)) = line.split_once(' ').filter(|(mark, _)| *mark != "#") else {
            assert!(line.is_empty() || line.starts_with('#'), "line {number}: {line}");
            return;
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        if mark == ">" {
            let (name, rtype) = (words.next().unwrap(), words.next().unwrap());
            let options = words.collect();
            self.cases.push(Case { line: number, name, rtype, options, ..Case::default() });
            return;
        }
        let case = self.cases.last_mut().expect("a question before its answer");
        match mark {
            "<" => {
                case.expected.rcode = words.next().unwrap();
                for word in words {
                    match word.split_once('=') {
                        None => case.expected.flags.push(word),
                        Some(("scope", scope)) => case.expected.scope = scope.parse().ok(),
                        Some(("records", count)) => case.records = count.parse().ok(),
                        Some(("udp", "tc")) => case.truncated_over_udp = true,
                        Some(_) => panic!("line {number}: {word}"),
                    }
                }
            }
            "ad" if rest == "*" => case.any_additional = true,
            "an" | "au" | "ad" => {
                let section = ["an", "au", "ad"].iter().position(|known| *known == mark).unwrap();
                case.expected.sections[section].push(rest.to_owned());
                case.expected.sections[section].sort();
            }
            other => panic!("line {number}: `{other}` is no mark"),
        }
    }
}

impl Case {
    fn option(&self, key: &str) -> Option<&str> {
        let mut options = self.options.iter();
        options.find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.options.iter().any(|option| option == word)
    }

    fn number(&self, key: &str, default: u16) -> u16 {
        self.option(key).map_or(default, |text| text.parse().unwrap())
    }

    /// The query in octets; its ID is 0, as QUIC demands.
    pub(crate) fn query(&self) -> Vec<u8> {
        let opcode = self.number("opcode", 0) as u8;
        let opts = u8::from(!self.has("noedns"));
        let mut query = vec![0, 0, opcode << 3 | u8::from(self.has("rd")), 0];
        query.extend([0, 1, 0, 0, 0, 0, 0, opts]);
        let name = Name::parse(self.name.as_bytes(), &Name::root()).unwrap();
        query.extend(name.as_wire());
        query.extend(self.rtype.parse::<Type>().unwrap().0.to_be_bytes());
        query.extend(match self.option("class") {
            None => [0, 1],
            Some("CH") => [0, 3],
            Some("HS") => [0, 4],
            Some(other) => panic!("class {other}"),
        });
        if opts == 0 {
            return query;
        }
        let subnet = self.option("subnet").map(subnet).unwrap_or_default();
        query.extend([0, 0, 41]);
        query.extend(self.number("size", 1232).to_be_bytes());
        let dnssec_ok = if self.has("do") { 0x80 } else { 0 };
        query.extend([0, self.number("version", 0) as u8, dnssec_ok, 0]);
        query.extend((subnet.len() as u16).to_be_bytes());
        query.extend(subnet);
        query
    }

    /// Whether this is the answer; says what it is if not.
    pub(crate) fn compare(&self, told: &Told, is_udp: bool) -> Result<(), String> {
        if is_udp && self.truncated_over_udp {
            let is_truncated = told.flags.iter().any(|flag| flag == "tc");
            return if is_truncated { Ok(()) } else { Err(format!("not truncated: {told:?}")) };
        }
        let mut told = told.clone();
        if self.any_additional {
            told.sections[2].clear();
        }
        if self.records == Some(told.sections[0].len()) {
            told.sections[0].clear();
        }
        let expected = &self.expected;
        if told == *expected { Ok(()) } else { Err(format!("{told:?}\n  not {expected:?}")) }
    }
}

/// The option of a client's subnet (RFC 7871 section 6).
fn subnet(text: &str) -> Vec<u8> {
    let net: IpNet = text.parse().unwrap();
    let (family, address) = match net {
        IpNet::V4(net) => (1, net.network().octets().to_vec()),
        IpNet::V6(net) => (2, net.network().octets().to_vec()),
    };
    let octets = usize::from(net.prefix_len()).div_ceil(8);
    let mut option = vec![0, 8, 0, 4 + octets as u8, 0, family, net.prefix_len(), 0];
    option.extend(&address[..octets]);
    option
}
