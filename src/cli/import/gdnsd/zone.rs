//! Zone files of gdnsd: ordinary ones, but for DYNA and DYNC.

use crate::cli::import::Failure;
use crate::cli::import::draft::{Draft, absolute};

/// A name that a resource of a plugin answers for.
#[derive(Debug)]
pub(super) struct Steered {
    /// With the last dot.
    pub(super) name: String,
    /// Seconds.
    pub(super) ttl: u32,
    /// `geoip!www`
    pub(super) resource: String,
    pub(super) place: String,
}

/// Seconds that gdnsd's records live when nothing else is said.
const DEFAULT_TTL: u32 = 86_400;

/// Reads a zone file called `name`: its lines go to the draft as they are, but for those of steered
/// names, which it gives.
///
/// # Errors
/// When a steered name cannot be read.
pub(super) fn read(
    path: &str,
    name: &str,
    text: &str,
    draft: &mut Draft,
) -> Result<Vec<Steered>, Failure> {
    let zone = absolute(name.strip_suffix(".zone").unwrap_or(name));
    let mut origin = zone.clone();
    let mut owner = zone.clone();
    let mut ttl = DEFAULT_TTL;
    let mut kept = String::new();
    let mut steered = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split(';').next().unwrap_or_default();
        let words: Vec<&str> = code.split_whitespace().collect();
        match words[..] {
            ["$ORIGIN", name] => origin = within(name, &origin),
            ["$TTL", value] => ttl = seconds(value).unwrap_or(ttl),
            [first, ..] if !line.starts_with(char::is_whitespace) && !first.starts_with('$') => {
                owner = within(first, &origin);
            }
            _ => {}
        }
        let kind = words.iter().position(|word| {
            word.eq_ignore_ascii_case("DYNA") || word.eq_ignore_ascii_case("DYNC")
        });
        let Some(at) = kind else {
            kept.push_str(line);
            kept.push('\n');
            continue;
        };
        let Some(resource) = words.get(at + 1) else {
            return Err(Failure::Syntax {
                path: path.to_owned(),
                line: Some(index + 1),
                why: format!("`{}` names no resource", words[at]),
            });
        };
        let place = format!("{path}:{}", index + 1);
        // `300/30` is the longest and the shortest.
        let own = words[..at].iter().skip(usize::from(!line.starts_with(char::is_whitespace)));
        let own = own.filter_map(|word| seconds(word.split('/').next()?)).next();
        let same = |known: &&Steered| known.name == owner;
        match steered.iter().find(same) {
            // DYNA and DYNC of one name cannot be; the same line twice can.
            Some(known) if known.resource != *resource => {
                let why = format!("`{owner}` has {} already", known.resource);
                draft.left(&place, format!("`{owner}` {resource}"), &why);
            }
            Some(_) => {}
            None => steered.push(Steered {
                name: owner.clone(),
                ttl: own.unwrap_or(ttl).min(604_800),
                resource: (*resource).to_owned(),
                place,
            }),
        }
    }
    draft.exact(path, format!("the zone `{zone}`: its other records"));
    draft.zone(&zone).text = Some(kept);
    Ok(steered)
}

fn within(name: &str, origin: &str) -> String {
    match name {
        "@" => origin.to_owned(),
        name if name.ends_with('.') => absolute(name),
        name => format!("{}.{origin}", name.to_ascii_lowercase()),
    }
}

/// `300`, `5m`, `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    let mut sum: u32 = 0;
    let mut number: Option<u32> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(number) => sum.checked_add(number),
        None if text.is_empty() => None,
        None => Some(sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steered_names_are_taken_out_and_all_else_stays() {
        let text = "$TTL 5m\n@ SOA ns1 h 1 2 3 4 5 ; first\nwww 60/30 DYNA geoip!www\n    AAAA 2001:db8::1\n$ORIGIN app\n* DYNC weighted!app ; more\n";
        let mut draft = Draft::default();
        let steered = read("zones/example.com", "example.com", text, &mut draft).unwrap();
        let shown: Vec<_> =
            steered.iter().map(|s| (s.name.as_str(), s.ttl, s.resource.as_str())).collect();
        assert_eq!(
            shown,
            [("www.example.com.", 60, "geoip!www"), ("*.app.example.com.", 300, "weighted!app")]
        );
        assert_eq!(steered[1].place, "zones/example.com:6");
        let kept = draft.zone("example.com").text.clone().unwrap();
        assert!(kept.contains("AAAA 2001:db8::1") && !kept.contains("DYN"), "{kept}");
    }
}
