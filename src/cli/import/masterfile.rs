//! Zone files line by line: to take single records out and leave all else as it stands.
//!
//! Knows owners that are left out, `$ORIGIN`, `$TTL` and parentheses. Whether records are right is
//! for the zone reader to say, when the result is checked.

use super::draft::{Draft, absolute};

/// A record as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// With the last dot.
    pub(super) owner: String,
    /// Seconds; `None` is the zone's default. Of `300/30` the first.
    pub(super) ttl: Option<u32>,
    /// In upper case.
    pub(super) rtype: String,
    /// Words; what is in quotes is one, with `_` for spaces and parentheses.
    pub(super) data: Vec<String>,
    /// From 1.
    pub(super) line: usize,
    /// As it stands in the file, perhaps over several lines.
    pub(super) raw: String,
}

impl Entry {
    /// Its data as it stands in the file, in one line and without comments.
    pub(super) fn text(&self) -> String {
        let mut flat = String::new();
        let (mut is_quoted, mut is_comment, mut is_escaped) = (false, false, false);
        for c in self.raw.chars() {
            match c {
                '\n' => is_comment = false,
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' if !is_comment => is_quoted = !is_quoted,
                ';' if !is_quoted => is_comment = true,
                _ => {}
            }
            let is_sign = matches!(c, '\n' | '(' | ')') && !is_quoted;
            if !is_comment {
                flat.push(if is_sign { ' ' } else { c });
            }
        }
        let mut rest = match flat.starts_with(char::is_whitespace) {
            true => flat.trim_start(),
            // The owner may be called like a type.
            false => flat.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start()),
        };
        while let Some((word, after)) = rest.split_once(char::is_whitespace) {
            rest = after.trim_start();
            if word.eq_ignore_ascii_case(&self.rtype) {
                break;
            }
        }
        rest.trim_end().to_owned()
    }
}

/// What is left of a zone file.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) text: String,
    /// `$TTL`, the first if there are several.
    pub(super) ttl: Option<u32>,
}

/// Shows every entry of the file of a zone, and leaves out those that are `taken`.
pub(super) fn split(text: &str, zone: &str, mut taken: impl FnMut(Entry) -> bool) -> Rest {
    let mut rest = Rest { text: String::new(), ttl: None };
    let mut origin = absolute(zone);
    let mut owner = origin.clone();
    // The owner of an entry that was left out, for entries that would have inherited it.
    let mut lost: Option<String> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut raw = first.to_owned();
        let mut code = code_of(first);
        // Parentheses go on over lines (RFC 1035 section 5.1).
        while code.matches('(').count() > code.matches(')').count() {
            let Some((_, next)) = lines.next() else { break };
            raw = format!("{raw}\n{next}");
            code = format!("{code} {}", code_of(next));
        }
        let code = code.replace(['(', ')'], " ");
        let words: Vec<&str> = code.split_whitespace().collect();
        if words.is_empty() || words[0].starts_with('$') {
            match words[..] {
                ["$ORIGIN", name, ..] => origin = within(name, &origin),
                ["$TTL", value, ..] => rest.ttl = rest.ttl.or_else(|| seconds(value)),
                _ => {}
            }
            keep(&raw, &mut rest.text);
            continue;
        }
        let inherits = first.starts_with(char::is_whitespace);
        if !inherits {
            owner = within(words[0], &origin);
        }
        let fields = &words[usize::from(!inherits)..];
        let ttl_of = |word: &str| seconds(word.split('/').next().unwrap_or(word));
        let is_class =
            |word: &str| matches!(word.to_ascii_uppercase().as_str(), "IN" | "CH" | "HS");
        let at = fields.iter().position(|word| ttl_of(word).is_none() && !is_class(word));
        if let Some(at) = at {
            let entry = Entry {
                owner: owner.clone(),
                ttl: fields[..at].iter().find_map(|word| ttl_of(word)),
                rtype: fields[at].to_ascii_uppercase(),
                data: fields[at + 1..].iter().map(|word| (*word).to_owned()).collect(),
                line: index + 1,
                raw: raw.clone(),
            };
            if taken(entry) {
                lost = Some(owner.clone());
                continue;
            }
        }
        match lost.take() {
            Some(owner) if inherits => {
                keep(&format!("{owner} {}", raw.trim_start()), &mut rest.text)
            }
            _ => keep(&raw, &mut rest.text),
        }
    }
    rest
}

/// Puts what is left of a file into the draft, as the file of its zone.
pub(super) fn store(rest: Rest, path: &str, zone: &str, draft: &mut Draft) {
    draft.exact(path, format!("the zone `{zone}`: its other records"));
    for (index, line) in rest.text.lines().enumerate() {
        if line.starts_with("$INCLUDE") {
            let what = format!("zones/{zone}zone has `{}` in its line {}", line.trim(), index + 3);
            draft.ask(path, format!("{what}: put that file beside it"));
        }
    }
    draft.zone(zone).text = Some(rest.text);
}

fn keep(line: &str, text: &mut String) {
    text.push_str(line);
    text.push('\n');
}

/// A line without its comment; what is in quotes does not count, and is left out as well.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut is_quoted = false;
    let mut is_escaped = false;
    for c in line.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => break,
            _ => {}
        }
        // Signs inside of quotes are no syntax.
        code.push(if is_quoted && matches!(c, '(' | ')' | ' ') { '_' } else { c });
    }
    code
}

fn within(name: &str, origin: &str) -> String {
    match name {
        "@" => origin.to_owned(),
        name if name.ends_with('.') => absolute(name),
        name => format!("{}.{origin}", name.to_ascii_lowercase()),
    }
}

/// `300`, `5m`, `1h30m`.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let mut sum: u32 = 0;
    let mut number: Option<u32> = None;
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
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
    sum.checked_add(number.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_out_and_all_else_stays() {
        let text = "\
$TTL 5m
@ SOA ns1 h ( 1 2 ; first
      3 4 5 )
www 60/30 IN A 192.0.2.1
    AAAA 2001:db8::1
    TXT \"( ; A\"
$ORIGIN app
* IN 1h A 192.0.2.2 ; more
";
        let (mut seen, mut data) = (Vec::new(), Vec::new());
        let rest = split(text, "example.com", |entry| {
            seen.push(format!("{} {:?} {} {}", entry.owner, entry.ttl, entry.rtype, entry.line));
            data.push(entry.text());
            entry.rtype == "A"
        });
        assert_eq!(
            seen,
            [
                "example.com. None SOA 2",
                "www.example.com. Some(60) A 4",
                "www.example.com. None AAAA 5",
                "www.example.com. None TXT 6",
                "*.app.example.com. Some(3600) A 8",
            ]
        );
        assert_eq!(
            data,
            ["ns1 h   1 2        3 4 5", "192.0.2.1", "2001:db8::1", "\"( ; A\"", "192.0.2.2"]
        );
        let left = "$TTL 5m\n@ SOA ns1 h ( 1 2 ; first\n      3 4 5 )\nwww.example.com. AAAA 2001:db8::1\n    \
                    TXT \"( ; A\"\n$ORIGIN app\n";
        assert_eq!(rest.text, left);
        assert_eq!(rest.ttl, Some(300));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("A"), None);
        assert_eq!(seconds("99999999999"), None);
    }
}
