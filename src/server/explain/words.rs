//! Words for how an answer came about.

use crate::steering::answers::Outcome as Decided;
use crate::steering::evaluate::Evaluation;
use crate::steering::resolve::Resolved;
use crate::steering::standing::Resort;

/// How an answer comes out of what was decided.
pub(super) fn outcome(decided: &Decided) -> String {
    let resolved = match decided {
        Decided::ServFail => return "SERVFAIL".to_owned(),
        Decided::Resolved(resolved) => resolved,
    };
    match resolved {
        Resolved::NoData => "no data".to_owned(),
        Resolved::Ring(ring) => match (ring.items.len(), ring.take.min(ring.items.len())) {
            (1, _) => "1 record".to_owned(),
            (all, take) if all == take => format!("{all} records, rotating with every query"),
            (all, take) => format!("{take} of {all} records, rotating with every query"),
        },
        Resolved::Draw(list) => {
            format!("one of {} alternatives, drawn anew for every query", list.len())
        }
        Resolved::Hash(list) => {
            format!("one of {} alternatives, fixed for the client's network", list.len())
        }
        Resolved::Split(list) => {
            format!(
                "one of {} answers, by the shares that pools keep and by who explores",
                list.len()
            )
        }
    }
}

/// What stands in the way of the usual order, if anything does.
pub(super) fn exception(evaluation: &Evaluation) -> Option<String> {
    let all_down = |word: &str| match (word, evaluation.resort) {
        ("last-known", Resort::Unchecked | Resort::Everything) => {
            "nothing is up: on_all_down = \"last-known\"; no earlier answer is known, so as \"all\""
                .to_owned()
        }
        ("last-known", _) => {
            "nothing is up: on_all_down = \"last-known\" gives the last answer in \
                              which something was up"
                .to_owned()
        }
        ("all", Resort::Everything) => "nothing is up: on_all_down = \"all\" answers as if every \
                                        member were up, even what the operator took out"
            .to_owned(),
        ("all", _) => {
            "nothing is up: on_all_down = \"all\" answers as if every member were up".to_owned()
        }
        ("addresses", _) => "nothing is up: on_all_down names these addresses".to_owned(),
        (word, _) => format!("nothing is up: on_all_down = \"{word}\""),
    };
    match (evaluation.all_down, evaluation.resort) {
        (Some(word), _) => Some(all_down(word)),
        (None, Resort::Whole) => {
            Some("what is up keeps a share of the clients only, but nothing else is up".to_owned())
        }
        (None, Resort::Drained) => Some("only drained pools are up, so they answer".to_owned()),
        (None, _) => None,
    }
}
