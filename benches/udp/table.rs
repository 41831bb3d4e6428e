//! What all turns of some ways took, as a table in Markdown.

use crate::meter::Taken;
use crate::ways::Way;

/// Prints a line for each way: medians over all rounds.
pub(crate) fn print(ways: &[Way], rounds: &[Vec<Taken>]) {
    println!(
        "| way | CPU µs an answer | least to most | ratio in a round: median (all) \
         | more in a round, µs | preparing, taken off | datagrams a batch | answers/s | lost queries, answers |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut measure = 0;
    for (at, way) in ways.iter().enumerate() {
        let each = |of: fn(&Taken) -> f64| Spread::of(rounds.iter().map(|round| of(&round[at])));
        let ratio = if way.is_measure {
            measure = at;
            "\\* |".to_owned()
        } else {
            let both = || rounds.iter().map(|round| (round[at].cost, round[measure].cost));
            let Spread { least, median, most } = Spread::of(both().map(|(one, other)| one / other));
            let more = Spread::of(both().map(|(one, other)| one - other)).median;
            format!("{median:.3} ({least:.3} to {most:.3}) | {more:+.3}")
        };
        let cost = each(|taken| taken.cost);
        println!(
            "| {} | {:.3} | {:.3} to {:.3} | {ratio} | {:.3} | {:.1} | {:.0} | {}, {} |",
            way.name,
            cost.median,
            cost.least,
            cost.most,
            each(|taken| taken.preparing).median,
            each(|taken| taken.batch).median,
            each(|taken| taken.rate).median,
            rounds.iter().map(|round| round[at].lost.queries).sum::<u64>(),
            rounds.iter().map(|round| round[at].lost.answers).sum::<u64>(),
        );
    }
}

/// Where values lie.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    /// Of one value at least.
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        Spread { least: values[0], median: values[last / 2], most: values[last] }
    }
}
