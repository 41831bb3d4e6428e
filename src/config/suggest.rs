//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate a mistyped `word` was probably meant to be.
///
/// Near is: at most a third of the letters changed (swapped neighbours are one change), or one
/// letter of a shorter word, case aside. The first of several equally near ones wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    candidates
        .into_iter()
        .map(|candidate| {
            let changes = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
            let allowed = (length.max(candidate.chars().count()) / 3).max(1);
            (changes, allowed, candidate)
        })
        .filter(|(changes, allowed, _)| changes <= allowed && *changes < length)
        .min_by_key(|(changes, ..)| *changes)
        .map(|(.., candidate)| candidate)
}

/// The words as `` `a`, `b` or `c` ``.
pub fn any_of<'a>(candidates: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = candidates.into_iter().map(|c| format!("`{c}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_word() {
        let keys = ["interval", "timeout", "port", "path"];
        assert_eq!(nearest("intervall", keys), Some("interval"));
        assert_eq!(nearest("timoeut", keys), Some("timeout"));
        assert_eq!(nearest("PROT", keys), Some("port"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("x", keys), None);
        assert_eq!(nearest("b", ["a"]), None);
        assert_eq!(nearest("icmp", ["tcp"]), None);
    }

    #[test]
    fn a_list_reads_like_a_sentence() {
        assert_eq!(any_of(["a"]), "`a`");
        assert_eq!(any_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
